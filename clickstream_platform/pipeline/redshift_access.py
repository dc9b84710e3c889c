"""Getting into a Redshift destination beside the loader: for the doctor and for maintenance.

Belongs here: putting connector, secrets and objects together with limits of their own. Does not: what is asked.
"""

from __future__ import annotations

from clickstream_platform.gateways.object_store import ObjectStore
from clickstream_platform.gateways.redshift_login import iam_login
from clickstream_platform.gateways.secrets import resolve_secret
from clickstream_platform.registry.entities import Destination
from clickstream_platform.warehouses.redshift import RedshiftWarehouse
from clickstream_platform.warehouses.redshift_connection import Connector
from clickstream_platform.warehouses.redshift_copy import Manifests
from clickstream_platform.warehouses.redshift_destination import read_destination


def connector_of(destination: Destination, *, statement_timeout_seconds: int | None = None) -> Connector:
    """Return what connects to the destination, with its own limit for one statement unless another is given.

    Raises ConfigurationError for settings that can't be right.
    """
    checked = read_destination(destination.name, destination.settings, destination.secret_reference)
    if statement_timeout_seconds is not None:
        checked = checked.model_copy(update={"statement_timeout_seconds": statement_timeout_seconds})
    return Connector(checked, resolve_secret, iam_login)


def warehouse_of(connector: Connector, objects: ObjectStore) -> RedshiftWarehouse:
    """Return the destination as a warehouse."""
    destination = connector.destination
    return RedshiftWarehouse(connector, Manifests(objects), iam_role=destination.iam_role, place=destination.place)
