"""What a role may do, judged as IAM judges it: an allowing statement, unless one denies.

Belongs here: actions and resources with their wildcards, and an object store that asks before it does anything. Does
not: conditions, of which the roles' policies have none (a test holds that).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, BinaryIO

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.object_store import ObjectInfo, ObjectStore
from clickstream_platform_tests.deploy.terraform.module_files import BUCKET_ARN, as_list, rendered, role_policies


class Rights:
    """The rights of one service's role."""

    def __init__(self, role: str) -> None:
        """Read them from the policies that the module gives to it."""
        self.role = role
        self.statements: list[Mapping[str, Any]] = [each for name in role_policies(role) for each in rendered(name)]

    def allows(self, action: str, resource: str) -> bool:
        """Whether the role may do this to that."""
        effects = {
            statement["Effect"]
            for statement in self.statements
            if any(fnmatchcase(action.lower(), each.lower()) for each in as_list(statement["Action"]))
            and any(fnmatchcase(resource, each) for each in as_list(statement["Resource"]))
        }
        return effects == {"Allow"}

    def actions(self) -> set[str]:
        """Return all actions that are allowed somewhere."""
        return {action for each in self.statements if each["Effect"] == "Allow" for action in as_list(each["Action"])}

    def prefixes(self, action: str) -> set[str]:
        """Return the first parts of the object keys for which an action is allowed."""
        resources = (
            r for each in self.statements if action in as_list(each["Action"]) for r in as_list(each["Resource"])
        )
        return {each.removeprefix(f"{BUCKET_ARN}/").partition("/")[0] for each in resources}


class GuardedStore:
    """An object store that does what a role may do and refuses the rest; it remembers what was asked.

    `used` has pairs of action and the first part of the key.
    """

    def __init__(self, store: ObjectStore, rights: Rights) -> None:
        """Guard a store."""
        self._store, self._rights = store, rights
        self.used: set[tuple[str, str]] = set()

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        self._ask("s3:GetObject", key)
        return self._store.get(key)

    def get_range(self, key: str, start: int, end: int) -> bytes:
        """See `ObjectStore.get_range`."""
        self._ask("s3:GetObject", key)
        return self._store.get_range(key, start, end)

    def open(self, key: str) -> BinaryIO:
        """See `ObjectStore.open`."""
        self._ask("s3:GetObject", key)
        return self._store.open(key)

    def get_many(self, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See `ObjectStore.get_many`."""
        return ((key, self.get(key)) for key in keys)

    def head(self, key: str) -> ObjectInfo | None:
        """See `ObjectStore.head`; S3 says that there is none only to whom may list."""
        self._ask("s3:GetObject", key)
        self._ask("s3:ListBucket")
        return self._store.head(key)

    def head_many(self, keys: Iterable[str]) -> list[ObjectInfo | None]:
        """See `ObjectStore.head_many`."""
        return [self.head(key) for key in keys]

    def exists(self, key: str) -> bool:
        """See `ObjectStore.exists`."""
        return self.head(key) is not None

    def put(self, key: str, data: bytes, *, if_absent: bool = False) -> ObjectInfo:
        """See `ObjectStore.put`."""
        self._ask("s3:PutObject", key)
        return self._store.put(key, data, if_absent=if_absent)

    def put_many(self, items: Iterable[tuple[str, bytes]]) -> list[ObjectInfo]:
        """See `ObjectStore.put_many`."""
        return [self.put(*item) for item in items]

    def put_file(self, key: str, path: Path) -> ObjectInfo:
        """See `ObjectStore.put_file`; a large file goes in parts, and is looked up then."""
        for action in ("s3:PutObject", "s3:AbortMultipartUpload", "s3:GetObject"):
            self._ask(action, key)
        return self._store.put_file(key, path)

    def list_objects(self, prefix: str, *, after: str = "") -> Iterator[ObjectInfo]:
        """See `ObjectStore.list_objects`."""
        self._ask("s3:ListBucket")
        return self._store.list_objects(prefix, after=after)

    def list_prefixes(self, prefix: str) -> Iterator[str]:
        """See `ObjectStore.list_prefixes`."""
        self._ask("s3:ListBucket")
        return self._store.list_prefixes(prefix)

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        self._ask("s3:DeleteObject", key)
        self._store.delete(key)

    def url(self, key: str) -> str:
        """See `ObjectStore.url`."""
        return self._store.url(key)

    def _ask(self, action: str, key: str = "") -> None:
        resource = f"{BUCKET_ARN}/{key}" if key else BUCKET_ARN
        if not self._rights.allows(action, resource):
            raise ConfigurationError(
                f"asking for {action}", where=resource, cause=f"{self._rights.role} may not", remedy="Grant it."
            )
        self.used.add((action, key.partition("/")[0]))
