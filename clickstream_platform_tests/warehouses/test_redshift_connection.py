"""How a connection is opened, and that no secret is seen anywhere on the way."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
import redshift_connector
from redshift_connector.error import InterfaceError

from clickstream_platform.errors import ConfigurationError, WarehouseUnavailableError
from clickstream_platform.gateways.assumed_role import AwsKeys
from clickstream_platform.gateways.redshift_login import DatabaseLogin
from clickstream_platform.warehouses.redshift_connection import Connector, read_login
from clickstream_platform.warehouses.redshift_destination import read_destination
from clickstream_platform_tests.warehouses.scripted import ScriptedConnection, refusal
from clickstream_platform_tests.warehouses.test_redshift_destination import IAM, PASSWORD, SERVERLESS

SECRET = "tr0ub4dor&3"
ROLE = "arn:aws:iam::210987654321:role/loader"


class Socket:
    """Remembers its time limit."""

    timeout = 0.0

    def settimeout(self, seconds: float) -> None:
        self.timeout = seconds


class Opened(ScriptedConnection):
    """What the driver returns."""

    _usock = Socket()


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the options of the next connection, which succeeds."""
    seen: dict[str, Any] = {}

    def connect(**given: Any) -> Opened:
        seen.update(given)
        seen["connection"] = Opened()
        return seen["connection"]  # type: ignore[no-any-return]

    monkeypatch.setattr(redshift_connector, "connect", connect)
    return seen


def connector(settings: Mapping[str, str], secret: str | None = None, asked: list[Any] | None = None) -> Connector:
    def login(**request: Any) -> DatabaseLogin:
        (asked if asked is not None else []).append(request)
        host = "found.example" if request["with_endpoint"] else ""
        return DatabaseLogin("IAM:loader", SECRET, datetime(2099, 1, 1, tzinfo=UTC), host, 5432 if host else 0)

    destination = read_destination("eu", settings, None if secret is None else "env:SECRET")
    return Connector(destination, lambda _: secret or "", login)


def test_user_and_password(options: dict[str, Any]) -> None:
    connector(PASSWORD | {"statement_timeout_seconds": "600", "query_group": "etl"}, SECRET)()
    connection = options.pop("connection")
    assert options == {
        "host": "c.eu.redshift.amazonaws.com",
        "port": 5439,
        "database": "events",
        "user": "loader",
        "password": SECRET,
        "ssl": True,
        "sslmode": "verify-full",
        "application_name": "clickstream",
        "timeout": 15,
        "tcp_keepalive": True,
        "tcp_keepalive_idle": 60,
        "tcp_keepalive_interval": 15,
        "tcp_keepalive_count": 4,
        "max_prepared_statements": 0,
    }
    assert connection.texts == ["SET statement_timeout TO 600000", "SET query_group TO 'etl'"]
    assert connection.autocommit is True
    assert connection._usock.timeout == 660


def test_iam(options: dict[str, Any]) -> None:
    asked: list[dict[str, Any]] = []
    connector(IAM | {"user": "loader", "assume_role": ROLE, "external_id": "x1"}, asked=asked)()
    assert asked == [
        {
            "database": "events",
            "region": "eu-west-1",
            "cluster": "c",
            "workgroup": "",
            "user": "loader",
            "role_arn": ROLE,
            "external_id": "x1",
            "with_endpoint": True,
        }
    ]
    found = {"host": "found.example", "port": 5432, "user": "IAM:loader", "password": SECRET, "sslmode": "verify-full"}
    assert options.items() >= found.items()
    connector(SERVERLESS | {"host": "given.example"}, asked=asked)()
    assert (asked[1]["workgroup"], asked[1]["with_endpoint"]) == ("w", False)
    assert (options["host"], options["port"]) == ("given.example", 5439)


def test_no_tls_only_when_asked_for(options: dict[str, Any]) -> None:
    connector(PASSWORD | {"host": "127.0.0.1", "tls": "disable"}, SECRET)()
    assert (options["ssl"], "sslmode" in options) == (False, False)


@pytest.mark.parametrize(
    ("secret", "user", "login"),
    [
        ("plain", "loader", ("loader", "plain")),
        ('{"username": "u", "password": "p"}', "", ("u", "p")),
        ('{"username": "u", "password": "p"}', "loader", ("loader", "p")),
        ('{"no json', "loader", ("loader", '{"no json')),
        ("12345", "loader", ("loader", "12345")),
    ],
)
def test_secrets_may_be_json(secret: str, user: str, login: tuple[str, str]) -> None:
    assert read_login(secret, user) == login


def test_a_secret_without_a_password_is_told_without_its_content() -> None:
    with pytest.raises(ConfigurationError, match="without a text `password`") as caught:
        read_login(f'{{"pasword": "{SECRET}"}}', "u")
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_nobody_to_log_in_as(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="name a user"):
        connector({name: value for name, value in PASSWORD.items() if name != "user"}, SECRET)()


def test_secrets_are_in_no_message_log_or_repr(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def connect(**_: Any) -> None:
        logging.getLogger("redshift_connector.core").debug("password=%s", SECRET)
        raise InterfaceError(f"authentication failed with {SECRET}")

    monkeypatch.setattr(redshift_connector, "connect", connect)
    caplog.set_level(logging.DEBUG)
    opener = connector(PASSWORD, SECRET)
    with pytest.raises(ConfigurationError) as caught:
        opener()
    assert SECRET not in "".join(traceback.format_exception(caught.value)) + caplog.text + repr(opener)
    assert SECRET not in repr(AwsKeys("id", SECRET, SECRET))


def test_a_connection_that_fails_in_its_first_statement_is_closed(options: dict[str, Any]) -> None:
    failing = Opened().answer("statement_timeout", refusal("57P03", "the cluster is starting"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redshift_connector, "connect", lambda **_: failing)
        with pytest.raises(WarehouseUnavailableError, match="is starting"):
            connector(PASSWORD, SECRET)()
    assert failing.closed == 1


def test_a_server_that_is_not_there_is_to_be_tried_again() -> None:
    settings = PASSWORD | {"host": "127.0.0.1", "port": "9", "connect_timeout_seconds": "2"}
    with pytest.raises(WarehouseUnavailableError, match=r"opening a connection for destination 'eu' \(127\.0\.0\.1:9/"):
        connector(settings, SECRET)()
