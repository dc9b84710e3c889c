"""A code location of its own for `test_run_pods`: a run that is over at once, or waits to be asked to go."""

import time

import dagster as dg


@dg.op
def work(context: dg.OpExecutionContext) -> None:
    """Do nothing, successfully; a run with the tag `long` takes a minute for it."""
    time.sleep(60 if "long" in context.run.tags else 0)


@dg.job(executor_def=dg.in_process_executor)
def brief() -> None:
    """Only work."""
    work()


defs = dg.Definitions(jobs=[brief])
