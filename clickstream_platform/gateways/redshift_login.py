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

from clickstream_platform.gateways.assumed_role import assume_role
from clickstream_platform.gateways.clock import SystemClock

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

    Raises ConfigurationError when AWS refuses and WarehouseUnavailableError when it does not answer.
    """
    asked = LoginRequest(**request)
    with _lock:
        login = _known.get(asked)
        if login is None or login.expires_at - _MARGIN <= SystemClock().now():
            login = _known[asked] = _ask(asked)
        return login


def _ask(asked: LoginRequest) -> DatabaseLogin:
    # Imported only here: boto3 takes a third of a second, which no command without AWS need wait for.
    import boto3

    from clickstream_platform.gateways.aws_errors import AWS_ERRORS, aws_error

    keys: dict[str, Any] = {}
    if asked.role_arn:
        assumed = assume_role(asked.role_arn, region=asked.region, external_id=asked.external_id)
        keys = {
            "aws_access_key_id": assumed.access_key_id,
            "aws_secret_access_key": assumed.secret_access_key,
            "aws_session_token": assumed.session_token,
        }
    try:
        session = boto3.session.Session(region_name=asked.region, **keys)
        return _ask_serverless(session, asked) if asked.workgroup else _ask_cluster(session, asked)
    except AWS_ERRORS as error:
        where = f"{asked.workgroup or asked.cluster} in {asked.region}"
        raise aws_error(error, "getting a database login from IAM", where, _REMEDY) from error


def _ask_cluster(session: Any, asked: LoginRequest) -> DatabaseLogin:  # noqa: ANN401 (boto3's session)
    client = session.client("redshift")
    which = {"ClusterIdentifier": asked.cluster}
    if asked.user:
        given = client.get_cluster_credentials(DbUser=asked.user, DbName=asked.database, AutoCreate=False, **which)
    else:
        given = client.get_cluster_credentials_with_iam(DbName=asked.database, **which)
    host, port = "", 0
    if asked.with_endpoint:
        endpoint = client.describe_clusters(**which)["Clusters"][0]["Endpoint"]
        host, port = endpoint["Address"], endpoint["Port"]
    return DatabaseLogin(given["DbUser"], given["DbPassword"], given["Expiration"], host, port)


def _ask_serverless(session: Any, asked: LoginRequest) -> DatabaseLogin:  # noqa: ANN401 (boto3's session)
    client = session.client("redshift-serverless")
    given = client.get_credentials(dbName=asked.database, workgroupName=asked.workgroup)
    host, port = "", 0
    if asked.with_endpoint:
        endpoint = client.get_workgroup(workgroupName=asked.workgroup)["workgroup"]["endpoint"]
        host, port = endpoint["address"], endpoint["port"]
    return DatabaseLogin(given["dbUser"], given["dbPassword"], given["expiration"], host, port)
