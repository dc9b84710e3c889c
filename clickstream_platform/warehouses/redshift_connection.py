"""A connection to Redshift: who logs in, over what, and how long anything may take.

Belongs here: options of redshift-connector, user and password from a secret, the session's settings. Does not: which
statements are sent (`redshift`), where secrets are kept (`gateways.secrets`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import redshift_connector
from redshift_connector.core import Connection
from redshift_connector.error import InterfaceError

from clickstream_platform.errors import ClickstreamError, ConfigurationError
from clickstream_platform.warehouses.redshift_destination import RedshiftDestination
from clickstream_platform.warehouses.redshift_errors import REFUSED_LOGIN, explain, fault_of

# At DEBUG the driver writes every value that it sends or reads into the log.
logging.getLogger("redshift_connector").setLevel(logging.INFO)

# A COPY may say nothing for an hour; a load balancer forgets a silent connection after some minutes.
_KEEPALIVE_IDLE_SECONDS, _KEEPALIVE_INTERVAL_SECONDS, _KEEPALIVE_PROBES = 60, 15, 4
# Past the server's own limit for a statement, only a dead connection is still silent.
_READ_MARGIN_SECONDS = 60

SecretResolver = Callable[[str], str]


class Login(Protocol):
    """A temporary database user, and where its database is."""

    @property
    def user(self) -> str:
        """The database user."""
        ...

    @property
    def password(self) -> str:
        """Its password."""
        ...

    @property
    def host(self) -> str:
        """The endpoint's address."""
        ...

    @property
    def port(self) -> int:
        """The endpoint's port."""
        ...

    def forget(self) -> None:
        """Make sure that the next one who asks gets another login: the database refused this one."""
        ...


class IamLogin(Protocol):
    """Gets a login from IAM."""

    def __call__(
        self,
        *,
        database: str,
        region: str,
        cluster: str,
        workgroup: str,
        user: str,
        role_arn: str,
        external_id: str,
        with_endpoint: bool,
    ) -> Login:
        """Return a login; raise WarehouseUnavailableError or ConfigurationError."""
        ...


@dataclass(frozen=True, slots=True)
class Connector:
    """Opens connections to one destination; secrets are resolved anew each time and never kept."""

    destination: RedshiftDestination
    resolve_secret: SecretResolver = field(repr=False)
    iam_login: IamLogin = field(repr=False)

    def __call__(self) -> Connection:
        """Open a connection in which every statement commits by itself.

        Raises WarehouseUnavailableError when waiting may help and ConfigurationError when it doesn't.
        """
        connection = self._open()
        if isinstance(connection, ClickstreamError):
            # Without the driver's error as its cause: the variables of its frames have the password.
            raise connection
        connection.autocommit = True
        # The driver's one timeout is that of connecting and of waiting for an answer; these differ by hours.
        connection._usock.settimeout(self.destination.statement_timeout_seconds + _READ_MARGIN_SECONDS)
        self._set_up(connection)
        return connection

    def _open(self) -> Connection | ClickstreamError:
        """Return a connection, or the error for the caller to raise, who has no password among its variables."""
        login = self._iam_login() if self.destination.auth != "password" else None
        options = self._options(login)
        try:
            return redshift_connector.connect(**options)
        except Exception as error:  # noqa: BLE001 (the driver passes on what sockets, TLS and boto3 raise)
            if login is not None and fault_of(error).code in REFUSED_LOGIN:
                login.forget()
            return explain(_harmless(error, options), "opening a connection", self.destination.place)

    def _options(self, login: Login | None) -> dict[str, Any]:
        destination = self.destination
        options: dict[str, Any] = {
            "database": destination.database,
            "application_name": destination.application_name,
            "timeout": destination.connect_timeout_seconds,
            "tcp_keepalive": True,
            "tcp_keepalive_idle": _KEEPALIVE_IDLE_SECONDS,
            "tcp_keepalive_interval": _KEEPALIVE_INTERVAL_SECONDS,
            "tcp_keepalive_count": _KEEPALIVE_PROBES,
            # Thousands of statements, each sent once: keeping them prepared would only fill memory on both sides.
            "max_prepared_statements": 0,
            "ssl": destination.tls != "disable",
        }
        if destination.tls != "disable":
            options["sslmode"] = destination.tls
        return options | (self._password_options() if login is None else self._iam_options(login))

    def _password_options(self) -> dict[str, Any]:
        destination = self.destination
        user, password = read_login(self.resolve_secret(destination.secret_reference), destination.user)
        if not user:
            del password
            raise ConfigurationError(
                "opening a connection",
                where=destination.place,
                cause="neither the settings nor the secret name a user",
                remedy="Add the setting user, or a JSON secret with username and password.",
            )
        return {"host": destination.host, "port": destination.port, "user": user, "password": password}

    def _iam_login(self) -> Login:
        destination = self.destination
        return self.iam_login(
            database=destination.database,
            region=destination.region,
            cluster=destination.cluster,
            workgroup=destination.workgroup,
            user=destination.user,
            role_arn=destination.assume_role,
            external_id=destination.external_id,
            with_endpoint=not destination.host,
        )

    def _iam_options(self, login: Login) -> dict[str, Any]:
        destination = self.destination
        host, port = (destination.host, destination.port) if destination.host else (login.host, login.port)
        return {"host": host, "port": port, "user": login.user, "password": login.password}

    def _set_up(self, connection: Connection) -> None:
        milliseconds = self.destination.statement_timeout_seconds * 1000
        cursor = connection.cursor()
        for text in (
            f"SET statement_timeout TO {milliseconds:d}",
            # The name's pattern has no quote and no backslash.
            f"SET query_group TO '{self.destination.query_group}'",
        ):
            try:
                cursor.execute(text)
            except Exception as error:
                connection.close()
                raise explain(error, text, self.destination.place) from error


def read_login(secret: str, user: str) -> tuple[str, str]:
    """Return user and password of a secret: the password itself, or JSON with `username` and `password` (as AWS's).

    The destination's own user, when given, comes first.
    """
    try:
        content = json.loads(secret)
    except ValueError:
        content = None
    if isinstance(content, dict):
        if not isinstance(content.get("password"), str):
            del secret, content
            raise ConfigurationError(
                "reading a secret",
                cause="it is JSON without a text `password`",
                remedy="Keep the password alone, or JSON with username and password.",
            )
        return user or str(content.get("username", "")), content["password"]
    return user, secret


def _harmless(error: Exception, options: dict[str, Any]) -> Exception:
    """Return the error, or one without its text when that holds the password."""
    if options["password"] and options["password"] in str(error):
        return InterfaceError(f"{type(error).__name__}, whose text holds the password")
    return error
