"""What errors of Redshift mean: to be tried again, a matter of set-up, or of the data."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from redshift_connector.error import InterfaceError, OperationalError, ProgrammingError

from clickstream_platform.errors import (
    ClickstreamError,
    ConfigurationError,
    LoadError,
    StatementStoppedError,
    WarehouseUnavailableError,
)
from clickstream_platform.warehouses.redshift_errors import explain
from clickstream_platform_tests.redshift_stand_in.faults import ERRORS
from clickstream_platform_tests.redshift_stand_in.wire import SqlError
from clickstream_platform_tests.warehouses.scripted import refusal

CYCLE = "Serializable isolation violation on table - 102271, transactions forming the cycle are: 11, 12 (pid:9)"


def of_aws(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "GetClusterCredentials")


def of_spectrum(message: str, context: str, code: int = 15001) -> ProgrammingError:
    """Return an error of COPY from Parquet as Redshift words it."""
    line = "-" * 47
    rest = f"context:   {context}\n  query:     815\n  location:  dory_util.cpp:913\n  process:   query1_1 [pid=7]"
    return refusal("XX000", message, f"\n  {line}\n  error:  {message}\n  code:      {code}\n  {rest}\n  {line}\n")


FETCH = "S3 Query Exception (Fetch)"
INTERNAL = "Task failed due to an internal error. "


@pytest.mark.parametrize(
    "error",
    [
        refusal("XX000", "could not complete because of conflict with concurrent transaction"),
        refusal("XX000", "could not open relation with OID 6134794"),
        refusal("XX000", "tuple concurrently updated"),
        refusal("XX000", "cache lookup failed for relation 6134794"),
        refusal("XX000", "timed out waiting for a lock"),
        refusal("XX000", 'Query (4711) cancelled by WLM abort action of Query Monitoring Rule "long"'),
        refusal("XX000", "S3ServiceException:Please reduce your request rate.,Status 503,Error SlowDown,Rid 1"),
        refusal("XX000", "S3ServiceException:Internal Error,Status 500,Error InternalError,Rid 1"),
        refusal("XX000", "Problem reading manifest file - S3ServiceException:Slow Down,Status 503"),
        refusal("XX000", "S3ServiceException:We encountered an internal error. Please try again.,Status 500"),
        of_spectrum(FETCH, INTERNAL + "HTTP response error code: 503 Message: Slow Down"),
        of_spectrum(FETCH, "AmazonS3Exception: Slow Down (Service: Amazon S3; Status Code: 503)"),
        of_spectrum("S3 Query Exception (Execute)", "boost::thread_resource_error: Resource temporarily unavailable"),
        of_spectrum("S3Query Exception Connection failed, retries exceeded.", "", 15005),
        of_spectrum("Spectrum Scan Error: Retries exceeded", ""),
        of_spectrum("Spectrum Scan Error", "Spectrum Scan Error: Retries exceeded"),
        of_spectrum("Spectrum Scan Error: Access throttled", "Access throttled by AWS KMS"),
        of_spectrum(FETCH, INTERNAL + "You have exceeded the rate at which you may call KMS. (Service: AWSKMS)"),
        of_spectrum("Spectrum Scan Error", "AWS KMS ThrottlingException: Rate exceeded"),
        ERRORS["throttle"],
    ],
    ids=str,
)
def test_what_redshift_tells_in_words_alone_is_tried_again(error: Exception | SqlError) -> None:
    given = refusal(error.code, error.message, error.detail) if isinstance(error, SqlError) else error
    assert type(explain(given, "COPY t", "schema 'shop'")) is WarehouseUnavailableError


@pytest.mark.parametrize(
    "quoted",
    [
        "S3ServiceException:Slow Down,Status 503",
        "503 Slow Down",
        "Spectrum Scan Error: Retries exceeded",
        "could not open relation with OID 1",
        "1023 Serializable isolation violation",
        "tuple concurrently updated",
        "the cluster is restarting",
        "query queue",
        "x\n  context:   Slow Down\n",
    ],
)
@pytest.mark.parametrize(
    "error",
    [
        lambda value: refusal("XX000", f"Invalid digit, Value '{value}', Pos 0, Type: Integer"),
        lambda value: refusal("XX000", "Load into table 'seen' failed.", f"value {value}"),
        lambda value: of_spectrum("Spectrum Scan Error", f"The length of the data column {value} is longer than 8."),
        lambda value: of_spectrum(FETCH, f"{INTERNAL}File '{value}' has an incompatible Parquet schema."),
        lambda value: refusal("XX000", f"S3ServiceException:The specified key does not exist.,Status 404,Key {value}"),
        lambda value: refusal("22P02", f'invalid input syntax for integer: "{value}"'),
    ],
)
def test_no_quoted_value_makes_an_error_look_passing(error: Callable[[str], Exception], quoted: str) -> None:
    assert type(explain(error(quoted), "COPY t", "schema 'shop'")) is LoadError


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal("XX000", "1023", CYCLE), WarehouseUnavailableError),
        (refusal("XX000", "1018", "Relation 17 does not exist"), WarehouseUnavailableError),
        (refusal("40P01", "deadlock detected"), WarehouseUnavailableError),
        (refusal("57014", "Query (12) cancelled on user's request"), StatementStoppedError),
        (refusal("53200", "out of memory"), StatementStoppedError),
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
