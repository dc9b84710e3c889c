"""COPY: how Redshift reads staged Parquet, exactly the parts that were staged and nothing else.

Belongs here: the manifest and the COPY statement. Does not: the temporary table it fills (`redshift_dialect`), what a
failed COPY left to read (`redshift_load_errors`).

Every part is in the manifest as mandatory and with its size, so a part that is gone or was replaced is an error.
No option that lets a row or a byte go missing is ever sent (MAXERROR, TRUNCATECOLUMNS, ACCEPTINVCHARS, FILLRECORD …).
Two that one might expect are not either. COMPUPDATE is unknown to COPY from Parquet, which never chooses encodings.
SERIALIZETOJSON turns *nested* Parquet into SUPER; ours holds JSON as text, which COPY would load into a SUPER column as
one string. So JSON is staged as text and parsed by the INSERT that follows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Protocol

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.load.statements import PartLocation, StagePack
from clickstream_platform.warehouses.sql_names import Sql

_S3 = "s3://"


class ManifestStore(Protocol):
    """The object store of the staged parts, as far as manifests go."""

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> object:
        """Write an object."""
        ...

    def url(self, key: str) -> str:
        """Return an object's address."""
        ...


class Manifests:
    """Writes manifests beside the parts they list; the same parts give the same object."""

    def __init__(self, objects: ManifestStore) -> None:
        """Write into the store of the staged parts, which must be S3."""
        self._objects = objects

    def write(self, statement: StagePack) -> str:
        """Write the manifest of a pack that has parts and return its address.

        Raises ConfigurationError when the parts aren't in S3, and what the store raises.
        """
        root = self._objects.url("x").removesuffix("x")
        first = statement.parts[0].url
        if not root.startswith(_S3) or not all(part.url.startswith(root) for part in statement.parts):
            raise ConfigurationError(
                "staging for Redshift",
                where=first,
                cause="COPY reads from S3 only, and the parts are elsewhere",
                remedy="Set CLICKSTREAM_OBJECT_STORE_URL to s3://bucket/prefix, in the cluster's region.",
            )
        data = manifest_body(statement.parts)
        folder = first.removeprefix(root).rpartition("/")[0]
        digest = hashlib.sha256(data).hexdigest()[:16]
        key = f"{folder}/{statement.name}-{digest}.manifest".removeprefix("/")
        self._objects.put(key, data)
        return self._objects.url(key)


def manifest_body(parts: Iterable[PartLocation]) -> bytes:
    """Return a COPY manifest; sizes in bytes, as COPY from Parquet demands them."""
    entries = [{"url": part.url, "mandatory": True, "meta": {"content_length": part.size}} for part in parts]
    return json.dumps({"entries": entries}, ensure_ascii=False, indent=1).encode()


def copy_statement(table: str, manifest_url: str, iam_role: str) -> Sql:
    """Return the COPY of a manifest's parts into a table (as SQL); `iam_role` is an ARN, several, or `default`."""
    role = "default" if iam_role == "default" else text_literal(iam_role)
    return Sql(
        f"COPY {table} FROM {text_literal(manifest_url)} IAM_ROLE {role} FORMAT AS PARQUET MANIFEST STATUPDATE OFF"
    )


def text_literal(value: str) -> str:
    """Quote a text where Redshift takes no parameter; a backslash escapes there, so it is doubled, too."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"
