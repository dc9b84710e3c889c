"""The one resource: the opened platform, as the settings of the process describe it.

Belongs here: opening at the start of a run or tick, closing at its end. Does not: choosing parts (`wiring`).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from pydantic import PrivateAttr

from clickstream_platform.defs.run_workers import watched_run
from clickstream_platform.pipeline.opening import Pipeline, open_pipeline


class Platform(dg.ConfigurableResource["Platform"]):
    """Opens the platform; everything it needs to know is in CLICKSTREAM_* variables (docs/settings.md)."""

    _pipeline: Pipeline | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Platform"]:
        """Open the pipeline for one run or tick; its parts open at their first use."""
        with watched_run(context), self.open() as pipeline:
            self._pipeline = pipeline
            yield self

    @contextmanager
    def open(self) -> Iterator[Pipeline]:
        """Open and close the pipeline; the place where tests put another one."""
        with open_pipeline() as pipeline:
            yield pipeline

    @property
    def pipeline(self) -> Pipeline:
        """The opened parts."""
        if self._pipeline is None:
            raise dg.DagsterInvariantViolationError("the platform is opened by Dagster at the start of a run or tick")
        return self._pipeline
