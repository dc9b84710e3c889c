"""What errors of Redshift mean: to be tried again, a matter of set-up, or of the data."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from redshift_connector.error import InterfaceError, OperationalError

from clickstream_platform.errors import ClickstreamError, ConfigurationError, LoadError, WarehouseUnavailableError
from clickstream_platform.warehouses.redshift_errors import explain
from clickstream_platform_tests.warehouses.scripted import refusal

CYCLE = "Serializable isolation violation on table - 102271, transactions forming the cycle are: 11, 12 (pid:9)"


def of_aws(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetClusterCredentials")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal("XX000", "1023", CYCLE), WarehouseUnavailableError),
        (refusal("XX000", "1018", "Relation 17 does not exist"), WarehouseUnavailableError),
        (refusal("40P01", "deadlock detected"), WarehouseUnavailableError),
        (refusal("57014", "Query (12) cancelled on user's request"), WarehouseUnavailableError),
        (refusal("53300", "connection limit exceeded"), WarehouseUnavailableError),
        (refusal("25001", "ALTER TABLE ALTER COLUMN cannot run inside a transaction block"), WarehouseUnavailableError),
        (refusal("XX000", "S3ServiceException:SlowDown,Status 503"), WarehouseUnavailableError),
        (refusal("08006", "connection failure"), WarehouseUnavailableError),
        (OperationalError("connection time out", TimeoutError()), WarehouseUnavailableError),
        (
            InterfaceError("communication error", ConnectionRefusedError(111, "Connection refused")),
            WarehouseUnavailableError,
        ),
        (InterfaceError("connection is closed"), WarehouseUnavailableError),
        (ConnectionResetError(104, "Connection reset by peer"), WarehouseUnavailableError),
        (of_aws("ThrottlingException"), WarehouseUnavailableError),
        (EndpointConnectionError(endpoint_url="https://redshift.eu-west-1"), WarehouseUnavailableError),
        (of_aws("AccessDenied"), ConfigurationError),
        (of_aws("ClusterNotFoundFault"), ConfigurationError),
        (NoCredentialsError(), ConfigurationError),
        (InterfaceError("communication error", OSError("certificate verify failed")), ConfigurationError),
        (InterfaceError("Server refuses SSL"), ConfigurationError),
        (InterfaceError({"C": "28000", "M": "password authentication failed for user"}), ConfigurationError),
        (refusal("3D000", 'database "x" does not exist'), ConfigurationError),
        (refusal("42501", "permission denied for schema"), LoadError),
        (refusal("22001", "value too long for type character varying(512)"), LoadError),
        (refusal("XX000", "something new"), LoadError),
        # Words of a customer's data decide nothing: its stream alone is refused, the others aren't held up.
        (
            refusal("XX000", "Load failed", "value 'connection closed, slow down: throttling, too many requests'"),
            LoadError,
        ),
        (refusal("22P02", "invalid input syntax for integer: 'query queue'"), LoadError),
    ],
)
def test_the_kind_of_an_error(error: Exception, kind: type[ClickstreamError]) -> None:
    explained = explain(error, "SELECT 1", "schema 'shop'")
    assert type(explained) is kind
    assert explained.cause
    assert explained.remedy


def test_whatever_keeps_a_connection_from_opening_is_a_matter_of_settings() -> None:
    assert type(explain(refusal("XX000", "odd"), "opening a connection", "eu")) is ConfigurationError


def test_a_message_names_the_statement_the_place_and_the_way_out() -> None:
    error = explain(
        refusal("2BP01", "cannot drop column n", "view v depends on it"),
        'ALTER TABLE "shop"."seen" DROP',
        "schema 'shop'",
    )
    assert str(error) == (
        "running 'ALTER TABLE \"shop\".\"seen\" DROP' for schema 'shop': cannot drop column n view v depends on it. "
        "Make the dependent views WITH NO SCHEMA BINDING, then run the hour again."
    )


def test_a_message_is_bounded() -> None:
    assert len(str(explain(refusal("XX000", "x" * 10_000), "SELECT " + "y" * 10_000, "here"))) < 1000
