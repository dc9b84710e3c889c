"""The customers of the registry as definitions: read at each load of the code location, kept by Dagster for the runs.

Belongs here: the component that Dagster loads, and putting the definitions together. Does not: single definitions.
"""

import logging
from pathlib import Path

import dagster as dg
from dagster.components.utils.defs_state import DefsStateConfig, DefsStateConfigArgs

from clickstream_platform.defs.customer_assets import build_customer_assets
from clickstream_platform.defs.freshness import build_freshness_check, build_freshness_sensor
from clickstream_platform.defs.hours_sensor import build_hours_sensor
from clickstream_platform.defs.maintenance import build_maintenance
from clickstream_platform.defs.platform import Platform
from clickstream_platform.defs.registry_sensor import build_registry_sensor
from clickstream_platform.defs.run_logs import start_code_server_logs
from clickstream_platform.defs.state import DefinitionsState, read_state
from clickstream_platform.defs.unusual import build_unusual_checks, build_unusual_sensor
from clickstream_platform.registry.entities import Snapshot
from clickstream_platform.registry.refusals import RegistryUnavailableError
from clickstream_platform.wiring import open_wiring

_logger = logging.getLogger(__name__)
STATE_KEY = "clickstream_customers"


class Customers(dg.StateBackedComponent):
    """Builds all definitions from the registry; run workers build them from the state that the code server read."""

    @property
    def defs_state_config(self) -> DefsStateConfig:
        """The state lives in the code server and is read anew at each load, so a reload is all a new customer needs."""
        return DefsStateConfig.from_args(DefsStateConfigArgs.legacy_code_server_snapshots(), default_key=STATE_KEY)

    def write_state_to_path(self, state_path: Path) -> None:
        """Ask the registry; without any answer, begin with no customers: the `registry` sensor asks for the rest."""
        with open_wiring() as wiring:
            start_code_server_logs(wiring.settings)  # run workers read the state, and never come here
            now = wiring.clock.now()
            try:
                snapshot = wiring.registry.snapshot()
            except RegistryUnavailableError as error:
                _logger.warning("The definitions begin without customers: %s", error)
                snapshot = Snapshot((), (), (), "", now)
            state_path.write_text(read_state(wiring.settings, snapshot, now).to_json())

    def build_defs_from_state(self, context: dg.ComponentLoadContext, state_path: Path | None) -> dg.Definitions:
        """Build the definitions."""
        del context
        if state_path is None:
            raise dg.DagsterInvariantViolationError("the state of the definitions is written at each load")
        return assemble(DefinitionsState.from_json(state_path.read_text()))


def assemble(state: DefinitionsState, platform: Platform | None = None) -> dg.Definitions:
    """Return the definitions for a state; tests give a platform of their own."""
    return dg.Definitions(
        assets=[build_customer_assets(customer, state) for customer in state.customers],
        asset_checks=[
            build(customer) for customer in state.customers for build in (build_freshness_check, build_unusual_checks)
        ],
        sensors=[
            build_hours_sensor(state),
            build_registry_sensor(state),
            build_freshness_sensor(state),
            build_unusual_sensor(state),
        ],
        schedules=build_maintenance(state),
        resources={"platform": platform or Platform()},
        # A process per step costs seconds and buys nothing: there is one step.
        executor=dg.in_process_executor,
    )
