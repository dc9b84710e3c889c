"""Logging in with what AWS gives: the real boto3 and the real driver, from IAM to a session on the stand-in."""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Iterator, Mapping
from traceback import walk_tb

import pytest

from clickstream_platform.errors import ConfigurationError, WarehouseUnavailableError
from clickstream_platform.gateways import redshift_login
from clickstream_platform.gateways.redshift_login import iam_login
from clickstream_platform.gateways.secrets import resolve_secret
from clickstream_platform.warehouses.redshift_connection import Connector
from clickstream_platform.warehouses.redshift_destination import read_destination
from clickstream_platform_tests.redshift_stand_in import RedshiftStandIn
from clickstream_platform_tests.warehouses.aws_endpoint import SERVICES, AwsEndpoint, running_aws_endpoint

PASSWORD = "temporary-1"
USER = "IAMR:loader"
COMMON = {"database": "dev", "region": "eu-west-1", "iam_role": "default"}
OWN_KEY = "tests"  # of `s3_server.CREDENTIALS`, which this process has


@pytest.fixture
def aws(stand_in: RedshiftStandIn, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsEndpoint]:
    """Return the endpoint of AWS, which gives away a user of the stand-in."""
    stand_in.add_user(USER, PASSWORD)
    with running_aws_endpoint(AwsEndpoint(USER, PASSWORD, stand_in.host, stand_in.port)) as endpoint:
        for service in SERVICES:
            monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", endpoint.url)
        monkeypatch.setattr(redshift_login, "_known", {})
        yield endpoint


def user_of(settings: Mapping[str, str], secret: str | None = None) -> str:
    """Log in and return who that is."""
    connection = Connector(read_destination("eu", settings, secret), resolve_secret, iam_login)()
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT current_user")
        return str(cursor.fetchall()[0][0])
    finally:
        connection.close()


def test_the_identity_itself_in_a_cluster(aws: AwsEndpoint) -> None:
    assert user_of(COMMON | {"cluster": "main"}) == USER
    assert [(action, key) for action, key, _ in aws.asked] == [
        ("DescribeClusters", OWN_KEY),
        ("GetClusterCredentialsWithIAM", OWN_KEY),
    ]
    assert aws.asked[1][2].items() >= {"ClusterIdentifier": "main", "DbName": "dev"}.items()


def test_a_database_user_in_a_cluster(aws: AwsEndpoint) -> None:
    assert user_of(COMMON | {"cluster": "main", "user": "loader"}) == USER
    assert aws.asked[1][0] == "GetClusterCredentials"
    assert aws.asked[1][2].items() >= {"DbUser": "loader", "ClusterIdentifier": "main"}.items()


def test_a_serverless_workgroup(aws: AwsEndpoint) -> None:
    assert user_of(COMMON | {"workgroup": "etl"}) == USER
    assert [(action, parameters) for action, _, parameters in aws.asked] == [
        ("GetWorkgroup", {"workgroupName": "etl"}),
        ("GetCredentials", {"dbName": "dev", "workgroupName": "etl"}),
    ]


def test_a_role_of_another_account(aws: AwsEndpoint) -> None:
    role = {"assume_role": "arn:aws:iam::210987654321:role/loader", "external_id": "x1"}
    assert user_of(COMMON | {"cluster": "main"} | role) == USER
    assert [(action, key) for action, key, _ in aws.asked] == [
        ("AssumeRole", OWN_KEY),
        ("DescribeClusters", "ASIAASSUMED000000000"),
        ("GetClusterCredentialsWithIAM", "ASIAASSUMED000000000"),
    ]
    assert aws.asked[0][2].items() >= {"RoleArn": role["assume_role"], "ExternalId": "x1"}.items()


def test_a_secret_of_secrets_manager(aws: AwsEndpoint, stand_in: RedshiftStandIn) -> None:
    aws.secret = json.dumps({"username": USER, "password": PASSWORD, "engine": "redshift"})
    settings = {"host": stand_in.host, "port": str(stand_in.port), "database": "dev", "iam_role": "default"}
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:loader-AbCdEf"
    assert user_of(settings, f"aws-secretsmanager:{arn}") == USER
    assert aws.asked == [("GetSecretValue", OWN_KEY, {"SecretId": arn})]


def test_a_login_is_asked_for_once_while_it_holds(aws: AwsEndpoint) -> None:
    for settings in (COMMON | {"cluster": "main"}, COMMON | {"cluster": "main"}, COMMON | {"workgroup": "etl"}):
        assert user_of(settings) == USER
    assert len(aws.asked) == 4
    aws.expiration = "2001-01-01T00:00:00Z"
    redshift_login._known.clear()
    for _ in range(2):
        user_of(COMMON | {"cluster": "main"})
    assert len(aws.asked) == 8


def test_an_endpoint_that_is_given_is_not_asked_for(aws: AwsEndpoint, stand_in: RedshiftStandIn) -> None:
    assert user_of(COMMON | {"cluster": "main", "host": stand_in.host, "port": str(stand_in.port)}) == USER
    assert [action for action, _, _ in aws.asked] == ["GetClusterCredentialsWithIAM"]
    assert PASSWORD not in repr(redshift_login._known)


@pytest.mark.parametrize("action", ["GetClusterCredentialsWithIAM", "DescribeClusters", "AssumeRole"])
def test_what_iam_refuses_is_a_matter_of_set_up(aws: AwsEndpoint, action: str) -> None:
    aws.refused.add(action)
    with pytest.raises(ConfigurationError, match="AccessDenied"):
        user_of(COMMON | {"cluster": "main", "assume_role": "arn:aws:iam::210987654321:role/loader"})


@pytest.mark.parametrize(
    ("settings", "action", "body"),
    [
        ({"cluster": "main"}, "DescribeClusters", f"<Clusters><Cluster>{status}</Cluster></Clusters>")
        for status in ("<ClusterStatus>creating</ClusterStatus>", "<Endpoint></Endpoint>")
    ]
    + [
        ({"workgroup": "etl"}, "GetWorkgroup", f'{{"workgroup": {workgroup}}}')
        for workgroup in ('{"status": "CREATING"}', '{"endpoint": {}}')
    ],
)
def test_a_cluster_that_is_being_created_is_waited_for(
    aws: AwsEndpoint, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], action: str, body: str
) -> None:
    result = f"<{action}Response><{action}Result>{body}</{action}Result></{action}Response>"
    monkeypatch.setattr(aws, "answer", {action: body if action == "GetWorkgroup" else result}.__getitem__)
    with pytest.raises(WarehouseUnavailableError, match=r"in eu-west-1: it has no endpoint yet\. It is being created"):
        user_of(COMMON | settings)
    assert [asked for asked, _, _ in aws.asked] == [action]
    assert redshift_login._known == {}


def refused(settings: Mapping[str, str]) -> ConfigurationError:
    """Return the error of a login that the database refuses."""
    try:
        user_of(settings)
    except ConfigurationError as error:
        return error
    finally:
        # The driver leaves its socket to the collector, which must not find it in another test.
        with warnings.catch_warnings(action="ignore", category=ResourceWarning):
            gc.collect()
    pytest.fail("it was let in")


def test_a_login_that_the_database_refuses_is_asked_for_anew(aws: AwsEndpoint) -> None:
    aws.password = "stale-1"
    assert "authentication failed" in str(refused(COMMON | {"cluster": "main"}))
    aws.password = PASSWORD
    assert user_of(COMMON | {"cluster": "main"}) == USER


def test_no_frame_of_a_refused_login_has_the_password(aws: AwsEndpoint) -> None:
    aws.password = "stale-1"
    error = refused(COMMON | {"cluster": "main"})
    assert (error.__cause__, error.__context__) == (None, None)
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    assert Connector.__call__.__code__ in [frame.f_code for frame in frames]
    assert "stale-1" not in repr([frame.f_locals for frame in frames if "aws" not in frame.f_locals])
