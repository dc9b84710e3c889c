"""A code location of its own for `test_run_pods`: a run that is over at once, wherever its worker is."""

import dagster as dg


@dg.op
def work() -> None:
    """Do nothing, successfully."""


@dg.job(executor_def=dg.in_process_executor)
def brief() -> None:
    """Only work."""
    work()


defs = dg.Definitions(jobs=[brief])
