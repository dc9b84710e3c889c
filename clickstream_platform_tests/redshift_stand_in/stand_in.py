"""The stand-in as one object: start it, make databases and users, program faults, read the log, stop it.

Belongs here: putting the parts together. Does not: the parts.
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clickstream_platform_tests.redshift_stand_in.access import DEFAULT_ROLE, Access
from clickstream_platform_tests.redshift_stand_in.certificates import server_context
from clickstream_platform_tests.redshift_stand_in.faults import Faults, StatementLog
from clickstream_platform_tests.redshift_stand_in.names import LongNames
from clickstream_platform_tests.redshift_stand_in.postgres import Postgres, PostgresUnavailableError
from clickstream_platform_tests.redshift_stand_in.server import Server
from clickstream_platform_tests.redshift_stand_in.server_state import ServerState
from clickstream_platform_tests.redshift_stand_in.wire import SqlError

_TEMPLATE = "template1"
_HERE = Path(__file__).parent


class RedshiftStandIn:
    """A running stand-in; the attributes are what a client needs to connect and to COPY."""

    database = "dev"
    user = "awsuser"
    iam_role = DEFAULT_ROLE

    def __init__(
        self,
        s3_endpoint_url: str,
        folder: Path,
        *,
        host: str,
        port: int,
        password: str,
        require_tls: bool,
        keeps_data: bool,
        addresses: Sequence[str] = (),
    ) -> None:
        """Start PostgreSQL on the folder's data and listen; see `start`."""
        self.host, self.password = host, password
        self._numbers = itertools.count(1)
        tls, self.ca_file = server_context(folder / "tls", addresses)
        self._postgres = Postgres(folder / "pg", keeps_data=keeps_data)
        try:
            names = LongNames(folder / "pg" / "names")
            super_oid = self._prepare()
            access = Access(s3_endpoint_url)
            self._state = ServerState(self._postgres, names, access, super_oid, {self.user: password})
            self.faults: Faults = self._state.faults
            self.statements: StatementLog = self._state.log
            self._server = Server(self._state, tls, host, port, require_tls=require_tls)
        except BaseException:
            self._postgres.stop()
            raise
        self.port = self._server.port

    @classmethod
    @contextmanager
    def start(
        cls,
        s3_endpoint_url: str,
        data_dir: Path | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        password: str = "Stand-in-1",
        require_tls: bool = True,
        addresses: Sequence[str] = (),
    ) -> Iterator[RedshiftStandIn]:
        """Run a stand-in; without `data_dir` its data are gone afterwards.

        `addresses` are IP addresses that its certificate names beside the loopback one. Raise
        postgres.PostgresUnavailableError where no PostgreSQL can be started.
        """
        folder = data_dir or Path(tempfile.mkdtemp(prefix="rs-"))
        if data_dir is None:
            folder.chmod(0o755)  # PostgreSQL's own user must get to its folder inside
        try:
            stand_in = cls(
                s3_endpoint_url,
                folder,
                host=host,
                port=port,
                password=password,
                require_tls=require_tls,
                keeps_data=data_dir is not None,
                addresses=addresses,
            )
            try:
                yield stand_in
            finally:
                stand_in.stop()
        finally:
            if data_dir is None:
                shutil.rmtree(folder, ignore_errors=True)

    def stop(self) -> None:
        """Close all connections and stop PostgreSQL."""
        self._server.stop()
        self._postgres.stop()

    def drop_connections(self) -> None:
        """Close every client's connection at once, as at the restart of a cluster."""
        self._server.drop_all()

    def create_database(self, name: str = "") -> str:
        """Create an empty database (in some tens of milliseconds) and return its name."""
        name = name or f"db{next(self._numbers)}"
        self._administer(f'CREATE DATABASE "{name}" TEMPLATE {_TEMPLATE}', f'GRANT ALL ON DATABASE "{name}" TO PUBLIC')
        return name

    def empty_database(self, name: str) -> None:
        """End all sessions on a database and drop what is in it: several times cheaper than a new one."""
        backend = self._postgres.connect(name)
        try:
            backend.run("CALL stand_in.empty_database()")
        finally:
            backend.close()

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is connected to it."""
        self._administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def add_user(self, name: str, password: str, *, superuser: bool = False) -> None:
        """Let a user log in, or change the password; other than `awsuser` it has only the rights it is granted."""
        kind = "SUPERUSER" if superuser else "NOSUPERUSER"
        try:
            self._administer(f'CREATE ROLE "{name}" LOGIN {kind}')
        except SqlError as error:
            if error.code != "42710":
                raise
        self._state.users[name] = password

    def remove_user(self, name: str) -> None:
        """Let a user log in no more."""
        self._state.users.pop(name, None)

    def allow_role(self, arn: str, *prefixes: str) -> None:
        """Attach an IAM role that may read `s3://` URLs with these prefixes (all without any)."""
        self._state.access.roles[arn] = prefixes or ("s3://",)

    def refuse_role(self, arn: str) -> None:
        """Detach an IAM role."""
        self._state.access.roles.pop(arn, None)

    def _administer(self, *statements: str) -> None:
        backend = self._postgres.connect()
        try:
            for statement in statements:
                backend.run(statement)
        finally:
            backend.close()

    def _prepare(self) -> int:
        """Put the catalog into the template of all databases; return the OID of SUPER."""
        backend = self._postgres.connect(_TEMPLATE)
        try:
            catalog = "\n".join((_HERE / name).read_text(encoding="utf-8") for name in ("catalog.sql", "views.sql"))
            version = hashlib.sha256(catalog.encode()).hexdigest()
            done = backend.run("SELECT obj_description(oid) FROM pg_catalog.pg_namespace WHERE nspname = 'stand_in'")
            if not done:
                backend.run("SET allow_system_table_mods TO on")
                backend.run(f"BEGIN; {catalog} COMMENT ON SCHEMA stand_in IS '{version}'; COMMIT")
                backend.run(f"CREATE ROLE {self.user} LOGIN SUPERUSER")
            elif done != [[version]]:
                raise PostgresUnavailableError(
                    f"{self._postgres.folder.parent} has data of another version of the stand-in: delete the folder"
                )
            oid = int(str(backend.run("SELECT 'super'::regtype::oid")[0][0]))
        finally:
            backend.close()
        if not done:
            self.create_database(self.database)
        return oid
