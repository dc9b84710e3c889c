"""A stand-in for Amazon Redshift: a test and development tool, never part of the platform that is deployed.

    with RedshiftStandIn.start(s3_endpoint_url="http://127.0.0.1:…") as stand_in:
        redshift_connector.connect(host=stand_in.host, port=stand_in.port, database=stand_in.create_database(),
                                   user=stand_in.user, password=stand_in.password)

It speaks Redshift's wire protocol to the unmodified driver and keeps its data in a PostgreSQL that it starts itself
(`postgres`). Between them every statement is read (`lexer`, `translate`): what Redshift and PostgreSQL share is passed
on (`query`), what only Redshift has is rewritten (`ddl`, `alter`, `settings`, `catalog.sql`, `views.sql`) or executed
here (`copy_command`, `copy_load`), and all else is refused by name.

Faults are programmed by `stand_in.faults.add(kind, pattern, nth=…)` or, from any session, by SQL that is neither logged
nor counted: `SET stand_in.fault TO '{"kind": "drop_after", "pattern": "^COMMIT", "nth": 2}'`, `RESET stand_in.fault`.
`stand_in.statements` is the log of what was executed, with listeners before and after each statement.

TLS: redshift_connector trusts its own bundle of Amazon's CAs and the default certificates of OpenSSL, and nothing can
be passed to it. A client of the stand-in names the CA by the environment variable `SSL_CERT_FILE=<stand_in.ca_file>`,
which OpenSSL reads at each connection; then `sslmode` verify-ca and verify-full both hold (names localhost, 127.0.0.1).

Known differences: a row must fit PostgreSQL's page of 8 KB (values in more than about 400 long or 900 short columns
fail with SQLSTATE 54000; NULLs are free), dropped columns count towards the 1,600, values in SUPER can't be navigated
(`a.b[0]` is an error), a literal without a cast is read as JSON by a SUPER column. Redshift's table locks are
PostgreSQL's SHARE ROW EXCLUSIVE for writers in a transaction; error 1023 is what PostgreSQL's serializable isolation
finds, which is close to Redshift's cycles but not the same.
"""

from clickstream_platform_tests.redshift_stand_in.access import DEFAULT_ROLE
from clickstream_platform_tests.redshift_stand_in.faults import Fault, Statement
from clickstream_platform_tests.redshift_stand_in.postgres import PostgresUnavailableError
from clickstream_platform_tests.redshift_stand_in.stand_in import RedshiftStandIn

__all__ = ["DEFAULT_ROLE", "Fault", "PostgresUnavailableError", "RedshiftStandIn", "Statement"]
