"""Generated events: deterministic, realistic records of the Segment specification, with exact expected counts."""

from clickstream_platform.generate.counts import EventCounts, GenerationSummary, expected_counts
from clickstream_platform.generate.events import GeneratedLine, generate_blocks, generate_hour
from clickstream_platform.generate.output import WrittenFile, write_hours
from clickstream_platform.generate.plan import GeneratorSettings

__all__ = [
    "EventCounts",
    "GeneratedLine",
    "GenerationSummary",
    "GeneratorSettings",
    "WrittenFile",
    "expected_counts",
    "generate_blocks",
    "generate_hour",
    "write_hours",
]
