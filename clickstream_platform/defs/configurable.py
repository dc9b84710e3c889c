"""What Dagster asks of a class that dagster.yaml names, for those of ours, which have no options.

Belongs here: that form. Does not: the classes.
"""

from collections.abc import Mapping
from typing import Any, Self

from dagster._config.config_schema import UserConfigSchema
from dagster._serdes import ConfigurableClass, ConfigurableClassData


class WithoutOptions(ConfigurableClass):
    """Is built by Dagster from nothing but its name; stands before the class of Dagster's that it goes with."""

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """It has no options."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Build it as Dagster asks."""
        del config_value
        return cls(inst_data)  # type: ignore[call-arg]  # ConfigurableClass says nothing of how it is made
