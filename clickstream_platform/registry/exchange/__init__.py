"""Everything the registry knows as one document: exporting it, and making a registry be what a document says.

Belongs here: the document's form, the plan of what a document would change, and applying one. Does not: the operations
themselves (`registry.service`), commands and routes (they call this).

The document has destinations, customers with their policies, events with their contracts, and write keys as hashes. It
has no API tokens: they belong to one installation. It may be partial: what it does not name is left alone.
"""

from clickstream_platform.registry.exchange.applying import apply_plan
from clickstream_platform.registry.exchange.exporting import export_document
from clickstream_platform.registry.exchange.faults import DocumentError, Fault
from clickstream_platform.registry.exchange.planning import plan_changes
from clickstream_platform.registry.exchange.plans import Change, FieldChange, Plan, plan_document
from clickstream_platform.registry.exchange.yaml_text import check_document, from_yaml, read_plain, to_yaml

__all__ = [
    "Change",
    "DocumentError",
    "Fault",
    "FieldChange",
    "Plan",
    "apply_plan",
    "check_document",
    "export_document",
    "from_yaml",
    "plan_changes",
    "plan_document",
    "read_plain",
    "to_yaml",
]
