"""The entry point of Dagster: the definitions of the customers that the registry has.

The component is built directly. Dagster's loader of the `defs/` folder would find the same one, but describes all kinds
of components that are installed on the way: two seconds of CPU for each run.
"""

import dagster as dg

from clickstream_platform.defs.customers import Customers


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions of the platform."""
    return dg.build_defs_for_component(Customers())
