"""A Redshift destination as the registry keeps it: names and texts become a checked value.

Belongs here: which settings there are, their types, and which go together. Does not: secrets (only their reference),
connecting (`redshift_connection`). docs/settings.md is about the process; these are one destination's.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from clickstream_platform.errors import ConfigurationError

DEFAULT_PORT = 5439
_ROLE = r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]+"
_ROLES = re.compile(rf"default|{_ROLE}(,{_ROLE})*")
_ONE_ROLE = re.compile(_ROLE)
_PLAIN = r"^[\w .:@/-]{1,100}$"  # becomes part of a SET statement or of the start-up packet


class RedshiftDestination(BaseModel):
    """Where one destination is and how to get in; holds no secret, so it may be logged."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    name: str
    database: Annotated[str, Field(min_length=1, max_length=127, description="Database of the cluster or workgroup.")]
    iam_role: Annotated[
        str, Field(description="Role(s) the cluster itself assumes to read staged Parquet: ARN, ARNs chained, default.")
    ]
    auth: Annotated[Literal["iam", "password"], Field(description="How to get in.")] = "iam"
    host: Annotated[str, Field(description="Endpoint; with auth=iam only where AWS's own answer isn't wanted.")] = ""
    port: Annotated[int, Field(ge=1, le=65535)] = DEFAULT_PORT
    user: Annotated[str, Field(description="Database user; with auth=iam empty for the one of the IAM identity.")] = ""
    cluster: Annotated[str, Field(description="Identifier of a provisioned cluster (auth=iam).")] = ""
    workgroup: Annotated[str, Field(description="Name of a Serverless workgroup (auth=iam).")] = ""
    region: Annotated[str, Field(description="AWS region of cluster or workgroup (auth=iam).")] = ""
    assume_role: Annotated[str, Field(description="Role that this process assumes first (auth=iam).")] = ""
    external_id: Annotated[str, Field(description="External id that the assumed role asks for.")] = ""
    tls: Annotated[Literal["verify-full", "verify-ca", "disable"], Field(description="disable: loopback only.")] = (
        "verify-full"
    )
    connect_timeout_seconds: Annotated[int, Field(ge=1, le=300)] = 15
    statement_timeout_seconds: Annotated[int, Field(ge=1, le=86_400, description="For one SQL statement.")] = 3_600
    query_group: Annotated[str, Field(pattern=_PLAIN, description="Chooses the WLM queue.")] = "clickstream"
    application_name: Annotated[str, Field(pattern=_PLAIN, description="Seen in stl_connection_log.")] = "clickstream"
    secret_reference: str = ""

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problem = self._problem()
        if problem:
            raise ValueError(problem)
        return self

    def _problem(self) -> str:
        """Return what is wrong with the settings together; empty when nothing is."""
        if not _ROLES.fullmatch(self.iam_role):
            return "iam_role is no ARN of a role, no ARNs divided by commas, and not `default`"
        if self.assume_role and not _ONE_ROLE.fullmatch(self.assume_role):
            return "assume_role is no ARN of a role"
        if self.tls == "disable" and (self.auth == "iam" or not is_loopback(self.host)):
            return "tls=disable is for auth=password on a loopback address only"
        if self.auth == "password":
            return self._password_problem()
        if bool(self.cluster) == bool(self.workgroup):
            return "auth=iam needs either cluster or workgroup"
        if not self.region:
            return "auth=iam needs region"
        return "auth=iam takes no secret reference" if self.secret_reference else ""

    def _password_problem(self) -> str:
        if not self.host:
            return "auth=password needs host"
        if not self.secret_reference:
            return "auth=password needs a secret reference"
        given = [name for name in ("cluster", "workgroup", "assume_role") if getattr(self, name)]
        return f"auth=password takes no {' or '.join(given)}" if given else ""

    @property
    def place(self) -> str:
        """What messages call it: its name, and the endpoint as far as it is known."""
        endpoint = f"{self.host}:{self.port}" if self.host else self.cluster or self.workgroup
        return f"destination {self.name!r} ({endpoint}/{self.database})"


def read_destination(name: str, settings: Mapping[str, str], secret_reference: str | None) -> RedshiftDestination:
    """Check a destination's settings; raise ConfigurationError naming every fault, never a value."""
    values = {"auth": "password" if secret_reference else "iam", **settings}
    reserved = {"name", "secret_reference"} & settings.keys()
    try:
        if not reserved:
            return RedshiftDestination.model_validate(
                {**values, "name": name, "secret_reference": secret_reference or ""}
            )
        faults = f"{', '.join(sorted(reserved))}: not a setting"
    except ValidationError as error:
        faults = "; ".join(_fault(*fault["loc"][:1], message=fault["msg"]) for fault in error.errors())
    raise ConfigurationError(
        "reading the settings of a Redshift destination",
        where=repr(name),
        cause=faults,
        remedy="Correct them with `clickstream registry destinations replace`.",
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _fault(*setting: int | str, message: str) -> str:
    return ": ".join([*map(str, setting), message.removeprefix("Value error, ")])
