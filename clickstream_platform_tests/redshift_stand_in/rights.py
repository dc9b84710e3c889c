"""Users, groups, roles and grants, as far as setting up a loader's database needs them.

Belongs here: CREATE/DROP USER, GROUP and ROLE, GRANT and REVOKE. Does not: passwords at log-in (`server`).
"""

from __future__ import annotations

from clickstream_platform_tests.redshift_stand_in.lexer import Cursor, Token, text_of, words
from clickstream_platform_tests.redshift_stand_in.names import LongNames
from clickstream_platform_tests.redshift_stand_in.plans import Plan
from clickstream_platform_tests.redshift_stand_in.query import unsupported

_REFUSED = words("assumerole datashare model language external masking for")


def create_principal(cursor: Cursor, names: LongNames) -> Plan:
    """Translate CREATE USER name PASSWORD 'x' | DISABLE, CREATE GROUP name and CREATE ROLE name."""
    kind = cursor.next().word
    token = cursor.name()
    name = text_of([names.token(token)])
    if kind != "user":
        if not cursor.is_done:
            raise unsupported(f"this form of CREATE {kind.upper()}", cursor.tokens)
        return Plan(f"CREATE {kind.upper()}", steps=(f"CREATE ROLE {name} NOLOGIN",), tag=f"CREATE {kind.upper()}")
    cursor.accept("with")
    cursor.expect("password")
    password = None if cursor.accept("disable") else cursor.next().value
    options = " ".join(token.text.upper() for token in cursor.rest())
    if options not in ("", "CREATEUSER", "NOCREATEUSER", "CREATEDB", "NOCREATEDB"):
        raise unsupported(f"{options} in CREATE USER", cursor.tokens[:3])
    # CREATEUSER makes a superuser on Redshift.
    options = {"CREATEUSER": "SUPERUSER", "NOCREATEUSER": ""}.get(options, options)
    step = f"CREATE ROLE {name} LOGIN {options}"
    return Plan("CREATE USER", steps=(step,), tag="CREATE USER", login=(token.name, password))


def drop_principal(cursor: Cursor, names: LongNames) -> Plan:
    """Translate DROP USER, GROUP and ROLE."""
    kind = cursor.next().word.upper()
    exists = "IF EXISTS " if cursor.accept("if", "exists") else ""
    token = cursor.name()
    if not cursor.is_done:
        raise unsupported(f"this form of DROP {kind}", cursor.tokens)
    step = f"DROP ROLE {exists}{text_of([names.token(token)])}"
    login = (token.name, None) if kind == "USER" else None
    return Plan(f"DROP {kind}", steps=(step,), tag=f"DROP {kind}", login=login)


def change_group(cursor: Cursor, names: LongNames) -> Plan:
    """Translate ALTER GROUP name ADD | DROP USER name."""
    group = text_of([names.token(cursor.name())])
    action = cursor.next().word.upper()
    if action not in ("ADD", "DROP"):
        raise unsupported(f"ALTER GROUP … {action}", cursor.tokens)
    cursor.expect("user")
    step = f"ALTER GROUP {group} {action} USER {text_of(names.token(token) for token in cursor.rest())}"
    return Plan("ALTER GROUP", steps=(step,), tag="ALTER GROUP")


def change_rights(cursor: Cursor, names: LongNames) -> Plan:
    """Translate GRANT, REVOKE and ALTER DEFAULT PRIVILEGES; PostgreSQL has no word ROLE there."""
    kind = "GRANT" if cursor.tokens[0].word == "grant" else "REVOKE"
    kind = "ALTER DEFAULT PRIVILEGES" if cursor.tokens[0].word == "alter" else kind
    out: list[Token] = []
    previous = ""
    for token in cursor.tokens:
        is_role = token.word == "role" and previous in ("grant", "revoke", "to", "from", ",")
        if token.word in _REFUSED and not (token.word == "for" and kind == "ALTER DEFAULT PRIVILEGES"):
            raise unsupported(f"{token.word.upper()} in {kind}", cursor.tokens)
        if not is_role:
            out.append(names.token(token))
        previous = token.word
    return Plan(kind, steps=(text_of(out),), tag=kind)
