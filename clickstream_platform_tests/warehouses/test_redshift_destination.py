"""Settings of a destination: what they may be, and what is said about those that can't."""

from __future__ import annotations

import pytest

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.warehouses.redshift_destination import read_destination

ROLE = "arn:aws:iam::123456789012:role/redshift-copy"
PASSWORD = {"host": "c.eu.redshift.amazonaws.com", "database": "events", "iam_role": ROLE, "user": "loader"}
IAM = {"cluster": "c", "region": "eu-west-1", "database": "events", "iam_role": ROLE}
SERVERLESS = {"workgroup": "w", "region": "eu-west-1", "database": "events", "iam_role": "default"}


def test_defaults_are_the_safe_ones() -> None:
    found = read_destination("eu", IAM, None)
    assert (found.auth, found.tls, found.port, found.statement_timeout_seconds) == ("iam", "verify-full", 5439, 3600)
    assert (found.query_group, found.application_name) == ("clickstream", "clickstream")
    assert read_destination("eu", SERVERLESS, None).workgroup == "w"
    assert read_destination("eu", PASSWORD, "env:SECRET").auth == "password"
    chained = f"{ROLE},arn:aws-cn:iam::210987654321:role/team/x"
    assert read_destination("eu", IAM | {"iam_role": chained}, None).iam_role == chained


def test_messages_call_it_by_name_and_endpoint() -> None:
    assert read_destination("eu", IAM, None).place == "destination 'eu' (c/events)"
    assert read_destination("eu", PASSWORD, "env:X").place == (
        "destination 'eu' (c.eu.redshift.amazonaws.com:5439/events)"
    )


@pytest.mark.parametrize(
    ("settings", "secret", "fault"),
    [
        ({}, None, "database: Field required"),
        (IAM | {"hots": "x"}, None, "hots: Extra inputs are not permitted"),
        (IAM | {"name": "x"}, None, "name: not a setting"),
        (IAM | {"port": "70000"}, None, "port: Input should be less than or equal to 65535"),
        (IAM | {"iam_role": "arn:x'; DROP"}, None, "iam_role is no ARN"),
        (IAM | {"assume_role": "admin"}, None, "assume_role is no ARN"),
        (IAM | {"workgroup": "w"}, None, "either cluster or workgroup"),
        (IAM | {"cluster": ""}, None, "either cluster or workgroup"),
        (IAM | {"region": ""}, None, "auth=iam needs region"),
        (IAM | {"auth": "iam"}, "env:X", "takes no secret reference"),
        (IAM | {"tls": "disable"}, None, "tls=disable"),
        (IAM | {"tls": "allow"}, None, "tls: Input should be 'verify-full', 'verify-ca' or 'disable'"),
        (IAM | {"query_group": "x'; DROP"}, None, "query_group: String should match pattern"),
        (PASSWORD | {"host": ""}, "env:X", "auth=password needs host"),
        (PASSWORD | {"auth": "password"}, None, "auth=password needs a secret reference"),
        (PASSWORD | {"cluster": "c"}, "env:X", "takes no cluster"),
        (PASSWORD | {"tls": "disable"}, "env:X", "on a loopback address only"),
    ],
)
def test_faults_are_named(settings: dict[str, str], secret: str | None, fault: str) -> None:
    with pytest.raises(ConfigurationError, match=fault) as caught:
        read_destination("eu", settings, secret)
    assert "DROP" not in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_tls_may_be_left_out_on_this_machine(host: str) -> None:
    assert read_destination("dev", PASSWORD | {"host": host, "tls": "disable"}, "env:X").tls == "disable"
