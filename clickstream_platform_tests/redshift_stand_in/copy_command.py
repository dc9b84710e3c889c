"""COPY … FROM 's3://…' as text: which options the stand-in executes, which it refuses.

Belongs here: reading the command. Does not: reading S3 and loading rows (`copy_load`).
"""

from __future__ import annotations

from clickstream_platform_tests.redshift_stand_in.lexer import Cursor, split_commas, text_of, words
from clickstream_platform_tests.redshift_stand_in.names import LongNames
from clickstream_platform_tests.redshift_stand_in.plans import CopyCommand, Plan
from clickstream_platform_tests.redshift_stand_in.query import unsupported
from clickstream_platform_tests.redshift_stand_in.wire import SqlError

# Amazon Redshift Database Developer Guide, "COPY from columnar data formats": what it lists is all there is.
_NOT_FOR_PARQUET = words(
    "compupdate region maxerror truncatecolumns blanksasnull emptyasnull ignoreheader delimiter dateformat timeformat "
    "gzip bzip2 lzop zstd encoding noload roundec trimblanks escape quote null removequotes ssh readratio"
)


def parse_copy(cursor: Cursor, names: LongNames) -> Plan:
    """Translate a COPY (the word is taken); raise SqlError for other formats and for options that lose data."""
    tokens = cursor.qualified_name()
    target = text_of(names.token(token) for token in tokens)
    columns: list[str] = []
    if cursor.peek().word == "(":
        columns = [names.inner(Cursor(part).name().name) for part in split_commas(cursor.parenthesised())]
    cursor.expect("from")
    url = _literal(cursor)
    if not url.startswith("s3://"):
        raise unsupported("COPY from anything but S3", cursor.tokens)
    options = _Options(cursor)
    while not cursor.is_done:
        options.read()
    if not options.is_parquet:
        raise unsupported("COPY in a format other than PARQUET", cursor.tokens)
    if bool(options.role) == bool(options.keys):
        raise SqlError("42601", "COPY needs IAM_ROLE or one form of credentials, and only one")
    key, secret, token = (options.keys.get(name, "") for name in ("key", "secret", "token"))
    command = CopyCommand(
        target,
        tokens[-1].name,
        tuple(columns),
        url,
        options.role,
        (key, secret, token) if options.keys else None,
        options.is_manifest,
        options.serialize_to_json,
    )
    return Plan("COPY", copy=command, locks=(target,), tag="COPY")


class _Options:
    """The options of one COPY, in any order."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self.role = ""
        self.keys: dict[str, str] = {}
        self.is_parquet = self.is_manifest = self.serialize_to_json = False

    def read(self) -> None:
        """Read one option."""
        cursor = self._cursor
        if cursor.accept("format"):
            cursor.accept("as")
            cursor.expect("parquet")
            self.is_parquet = True
        elif cursor.accept("parquet"):
            self.is_parquet = True
        elif cursor.accept("manifest"):
            self.is_manifest = True
        elif cursor.accept("serializetojson"):
            self.serialize_to_json = True
        elif cursor.accept("statupdate"):
            if cursor.next().word not in ("on", "off", "true", "false"):
                cursor.fail("ON or OFF")
        elif cursor.peek().word in _NOT_FOR_PARQUET:
            name = cursor.peek().word.upper()
            raise SqlError("0A000", f"{name} argument is not supported for PARQUET based COPY")
        else:
            self._read_authorization()

    def _read_authorization(self) -> None:
        cursor = self._cursor
        if cursor.accept("iam_role"):
            self.role = "default" if cursor.accept("default") else _literal(cursor)
        elif cursor.accept("credentials"):
            cursor.accept("as")
            self._read_credentials(_literal(cursor))
        elif cursor.accept("access_key_id"):
            self.keys["key"] = _literal(cursor)
        elif cursor.accept("secret_access_key"):
            self.keys["secret"] = _literal(cursor)
        elif cursor.accept("session_token"):
            self.keys["token"] = _literal(cursor)
        else:
            raise unsupported(f"the COPY option {cursor.peek().text.upper()}", cursor.tokens[:6])

    def _read_credentials(self, text: str) -> None:
        names = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "token": "token"}
        for part in filter(None, text.split(";")):
            name, _, value = part.partition("=")
            if name == "aws_iam_role":
                self.role = value
            elif name in names:
                self.keys[names[name]] = value
            else:
                raise SqlError("42601", f"Invalid credentials. Unknown part {name!r}")


def _literal(cursor: Cursor) -> str:
    token = cursor.next()
    if token.kind != "string":
        cursor.position -= 1
        cursor.fail("a string literal")
    return token.value
