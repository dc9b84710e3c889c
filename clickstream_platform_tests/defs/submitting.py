"""Putting a run of a job into the queue, as the web interface does. Belongs here: that. Does not: which job."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.workspace.context import WorkspaceProcessContext


def submit_job(workspace: WorkspaceProcessContext, location: str, job: str, tags: Mapping[str, str]) -> str:
    """Put a run of a location's job into the queue and return its id."""
    context = workspace.create_request_context()
    instance, found = workspace.instance, context.get_code_location(location)
    remote = found.get_repository("__repository__").get_full_job(job)
    plan = found.get_execution_plan(remote, {}, None, None, instance)
    run = instance.create_run(
        job_name=job,
        run_id=None,
        run_config={},
        resolved_op_selection=None,
        step_keys_to_execute=None,
        status=dg.DagsterRunStatus.NOT_STARTED,
        tags=tags,
        root_run_id=None,
        parent_run_id=None,
        job_snapshot=remote.job_snapshot,
        execution_plan_snapshot=plan.execution_plan_snapshot,
        parent_job_snapshot=remote.parent_job_snapshot,
        remote_job_origin=remote.get_remote_origin(),
        job_code_origin=remote.get_python_origin(),
        op_selection=None,
        asset_selection=None,
        asset_check_selection=None,
        asset_graph=AssetGraph.from_assets([]),
    )
    instance.submit_run(run.run_id, context)
    return run.run_id
