"""Everything that Dagster sees: assets per customer, sensors, checks, and the resource that opens the platform.

Belongs here: translating Dagster's contexts into calls of `pipeline` and its reports into Dagster's events. Does not:
work, SQL, or anything that another part imports; but for the driver, every module is imported by each run.
"""
