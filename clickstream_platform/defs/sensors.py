"""What the platform's two sensors have in common: both run all the time, over the assets of all customers.

Belongs here: the decorator. Does not: what a tick does (`hours_sensor`, `registry_sensor`).
"""

from collections.abc import Callable

import dagster as dg

from clickstream_platform.defs.customer_assets import asset_keys
from clickstream_platform.defs.platform import Platform
from clickstream_platform.defs.state import DefinitionsState

Tick = Callable[[dg.SensorEvaluationContext, Platform], dg.SensorResult]


def sensor_over(state: DefinitionsState, name: str, description: str) -> Callable[[Tick], dg.SensorDefinition]:
    """Return the decorator of a sensor over all customers of a state, on from the start."""
    return dg.sensor(
        name=name,
        asset_selection=dg.AssetSelection.assets(
            *(key for each in state.customers for key in asset_keys(each).values())
        ),
        minimum_interval_seconds=state.sensor_interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
