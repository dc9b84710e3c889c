"""A temporary database user from IAM, and where its database is: Redshift's own API, provisioned and Serverless.

Belongs here: asking AWS. Does not: connecting with what it gave (`warehouses.redshift_connection`).

The driver could ask by itself, but it takes a cluster without a given endpoint for one with a domain name of its own,
and keeps what it got for as long as the process lives.

    provisioned, without `user`    redshift:GetClusterCredentialsWithIAM: the database user of the IAM identity
    provisioned, with `user`       redshift:GetClusterCredentials
    Serverless                     redshift-serverless:GetCredentials
    without a given endpoint       redshift:DescribeClusters or redshift-serverless:GetWorkgroup
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from clickstream_platform.errors import WarehouseUnavailableError
from clickstream_platform.gateways.assumed_role import assume_role
from clickstream_platform.gateways.clock import SystemClock
from clickstream_platform.observe.logs.known_secrets import remember_secret

_FAILED = "getting a database login from IAM"
_REMEDY = "Check cluster or workgroup and region, and that this process may ask for its credentials."
# A login that is about to end would be refused on its way; AWS gives 15 minutes.
_MARGIN = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class DatabaseLogin:
    """Who may log in where, until `expires_at`; host and port are empty when they were not asked for."""

    user: str
    password: str = field(repr=False)
    expires_at: datetime
    host: str = ""
    port: int = 0

    def forget(self) -> None:
        """Give this login to nobody else: the database refused it."""
        with _lock:
            for asked in [asked for asked, login in _known.items() if login is self]:
                del _known[asked]


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """What a login is asked for; exactly one of cluster and workgroup is given."""

    database: str
    region: str
    cluster: str = ""
    workgroup: str = ""
    user: str = ""
    role_arn: str = ""
    external_id: str = ""
    with_endpoint: bool = True


_known: dict[LoginRequest, DatabaseLogin] = {}
_lock = threading.Lock()


def iam_login(**request: Any) -> DatabaseLogin:  # noqa: ANN401 (the fields of LoginRequest)
    """Return a login, the one from before while it holds; the arguments are the fields of `LoginRequest`.

    Raises ConfigurationError when AWS refuses, WarehouseUnavailableError when it does not answer or when the cluster or
    workgroup has no endpoint yet.
    """
    asked = LoginRequest(**request)
    with _lock:
        login = _known.get(asked)
        if login is None or login.expires_at - _MARGIN <= SystemClock().now():
            login = _known[asked] = _ask(asked)
            remember_secret(login.password, is_passing=True)
        return login


def _ask(asked: LoginRequest) -> DatabaseLogin:
    # Imported only here: boto3 takes a third of a second, which no command without AWS need wait for.
    from clickstream_platform.gateways.aws_errors import AWS_ERRORS, aws_error

    try:
        session = _session(asked)
        return _ask_serverless(session, asked) if asked.workgroup else _ask_cluster(session, asked)
    except AWS_ERRORS as error:
        raise aws_error(error, _FAILED, _where(asked), _REMEDY) from error


def _session(asked: LoginRequest) -> Any:  # noqa: ANN401 (boto3's session)
    import boto3

    keys: dict[str, Any] = {}
    if asked.role_arn:
        assumed = assume_role(asked.role_arn, region=asked.region, external_id=asked.external_id)
        keys = {
            "aws_access_key_id": assumed.access_key_id,
            "aws_secret_access_key": assumed.secret_access_key,
            "aws_session_token": assumed.session_token,
        }
    return boto3.session.Session(region_name=asked.region, **keys)


def _ask_cluster(session: Any, asked: LoginRequest) -> DatabaseLogin:  # noqa: ANN401 (boto3's session)
    client = session.client("redshift")
    which = {"ClusterIdentifier": asked.cluster}
    host, port = "", 0
    if asked.with_endpoint:
        endpoint = client.describe_clusters(**which)["Clusters"][0].get("Endpoint", {})
        host, port = _address(asked, endpoint.get("Address"), endpoint.get("Port"))
    if asked.user:
        given = client.get_cluster_credentials(DbUser=asked.user, DbName=asked.database, AutoCreate=False, **which)
    else:
        given = client.get_cluster_credentials_with_iam(DbName=asked.database, **which)
    return DatabaseLogin(given["DbUser"], given["DbPassword"], given["Expiration"], host, port)


def _ask_serverless(session: Any, asked: LoginRequest) -> DatabaseLogin:  # noqa: ANN401 (boto3's session)
    client = session.client("redshift-serverless")
    host, port = "", 0
    if asked.with_endpoint:
        endpoint = client.get_workgroup(workgroupName=asked.workgroup)["workgroup"].get("endpoint", {})
        host, port = _address(asked, endpoint.get("address"), endpoint.get("port"))
    given = client.get_credentials(dbName=asked.database, workgroupName=asked.workgroup)
    return DatabaseLogin(given["dbUser"], given["dbPassword"], given["expiration"], host, port)


def _address(asked: LoginRequest, host: str | None, port: int | None) -> tuple[str, int]:
    """Return an endpoint's host and port, which AWS leaves out until a cluster or workgroup has been created."""
    if not host or not port:
        raise WarehouseUnavailableError(
            _FAILED,
            where=_where(asked),
            cause="it has no endpoint yet",
            remedy="It is being created or changed; it is tried again.",
        )
    return host, port


def _where(asked: LoginRequest) -> str:
    return f"{asked.workgroup or asked.cluster} in {asked.region}"
