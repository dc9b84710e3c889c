"""What the facts about a Redshift destination mean for this platform.

Belongs here: judging, with the remedy. Does not: asking (`warehouses.redshift_facts`).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from clickstream_platform.doctor.findings import Finding, fail, judge_clock, ok, skew_seconds, warn
from clickstream_platform.warehouses.redshift_destination import RedshiftDestination
from clickstream_platform.warehouses.redshift_facts import RedshiftFacts

# The smallest node types take 9,900 tables, others 20,000 to 200,000 (Redshift's quotas).
MANY_TABLES = 8_000


def judge_facts(
    part: str, destination: RedshiftDestination, facts: RedshiftFacts, schema: str, asked: tuple[datetime, datetime]
) -> Iterator[Finding]:
    """Yield the findings; `asked` is our time before and after the question for the warehouse's."""
    yield ok(part, "connection", f"{destination.place} as {facts.user!r}, auth {destination.auth}")
    yield _judge_tls(part, destination, facts)
    yield ok(part, "version", facts.version.strip())
    yield from _judge_rights(part, facts, schema)
    # Redshift tells whole seconds: what it cuts off is no skew.
    yield judge_clock(part, skew_seconds(facts.now, asked[0].replace(microsecond=0), asked[1]), "the warehouse")
    if facts.tables > MANY_TABLES:
        yield warn(
            part,
            "tables",
            f"{facts.tables} in the database",
            "Compare with the quota of your node type; removed events keep their tables.",
        )


def _judge_tls(part: str, destination: RedshiftDestination, facts: RedshiftFacts) -> Finding:
    if not facts.tls:
        return warn(
            part, "TLS", "the connection is not encrypted", "Leave the setting tls out: verify-full is default."
        )
    if destination.tls != "verify-full":
        remedy = "Use tls=verify-full, with an endpoint that the certificate names."
        return warn(part, "TLS", f"{facts.tls}, the server's name is not compared", remedy)
    return ok(part, "TLS", f"{facts.tls}, verify-full")


def _judge_rights(part: str, facts: RedshiftFacts, schema: str) -> Iterator[Finding]:
    user, database = facts.user, facts.database
    if not schema:
        yield ok(part, "create schemas", "no customer is here whose schema it could be")
    elif facts.has_schema:
        yield ok(part, "create schemas", f"schema {schema!r} is there")
    elif facts.may_create_schemas:
        yield ok(part, "create schemas", f"schema {schema!r} is made by the first load")
    else:
        remedy = f'GRANT CREATE ON DATABASE "{database}" TO "{user}", or create the schema with AUTHORIZATION "{user}".'
        yield fail(part, "create schemas", f"schema {schema!r} is missing and {user!r} may not make it", remedy)
    if not facts.may_create_temporary_tables:
        remedy = f'GRANT TEMP ON DATABASE "{database}" TO "{user}".'
        yield fail(part, "temporary tables", f"{user!r} may not make them", remedy)
    if not facts.may_read_table_info:
        remedy = f'GRANT SELECT ON svv_table_info TO "{user}", as a superuser; loading works without it.'
        yield warn(part, "svv_table_info", "it can't be read, so `clickstream maintain` sees no tables", remedy)
