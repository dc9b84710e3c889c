"""Every environment variable of the platform: name, type, unit, default. An unknown `CLICKSTREAM_*` is an error.

The only module that reads the environment. `.env.example` and docs/settings.md are held against it by a test.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.model.hours import Hour

PREFIX = "CLICKSTREAM_"
# Read by the test suite only; never by the platform.
TEST_VARIABLES = frozenset({"CLICKSTREAM_SHARED_DATA"})
TEST_PREFIX = "CLICKSTREAM_TEST_"
# What Kubernetes puts into the environment of pods for a Service named X, beside X_SERVICE_HOST.
SERVICE_HOST = "_SERVICE_HOST"
SERVICE_LINK = r"_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"


class Settings(BaseSettings):
    """All settings. Field `object_store_url` is the variable CLICKSTREAM_OBJECT_STORE_URL, and so on."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    home: Annotated[Path, Field(description="Folder of everything the embedded defaults store.")] = Path(".clickstream")
    object_store_url: Annotated[
        str,
        Field(
            description="Where objects live: a folder, file:///folder or s3://bucket/prefix. Default: <home>/objects."
        ),
    ] = ""
    s3_endpoint_url: Annotated[str, Field(description="S3 endpoint when it is not AWS's own.")] = ""
    s3_region: Annotated[str, Field(description="AWS region of the bucket; empty: boto3's own choice.")] = ""
    s3_max_workers: Annotated[int, Field(ge=1, le=128, description="Parallel transfers per process.")] = 16
    registry_url: Annotated[
        str, Field(description="SQLAlchemy URL of the registry's database. Default: SQLite in <home>/registry.db.")
    ] = ""
    registry_api_url: Annotated[
        str,
        Field(description="The registry's API that Dagster asks, such as http://registry:8400; empty: its database."),
    ] = ""
    registry_token_reference: Annotated[
        str,
        Field(description="Where the token for that API is kept: env:NAME, file:/path or aws-secretsmanager:ARN."),
    ] = ""
    registry_timeout_seconds: Annotated[
        int, Field(ge=1, le=30, description="Wait so long for an answer of that API, then go on without, in seconds.")
    ] = 5
    duckdb_path: Annotated[
        str, Field(description="File of the embedded DuckDB warehouse. Default: <home>/warehouse.duckdb.")
    ] = ""
    duckdb_memory_mb: Annotated[int, Field(ge=128, description="Memory limit of the embedded warehouse, in MB.")] = 1024
    work_dir: Annotated[str, Field(description="Folder for temporary files. Default: the system's.")] = ""
    transform_memory_mb: Annotated[
        int, Field(ge=64, description="Memory for records between reading and Parquet, in MB; more is spooled to disk.")
    ] = 96
    block_bytes: Annotated[int, Field(ge=65536, description="Decompressed bytes that are transformed at once.")] = (
        12_582_912
    )
    max_record_bytes: Annotated[int, Field(ge=1024, description="A longer line is a rejected record, in bytes.")] = (
        4_000_000
    )
    max_depth: Annotated[int, Field(ge=1, le=64, description="Objects nested deeper become one JSON column.")] = 8
    part_bytes: Annotated[int, Field(ge=1_000_000, description="Target size of a Parquet part, in bytes.")] = 64_000_000
    hour_grace_minutes: Annotated[
        int, Field(ge=0, description="An hour without seals closes this long after its end, in minutes.")
    ] = 15
    hours_lookback: Annotated[int, Field(ge=1, description="Hours back from now that the sensor looks at.")] = 72
    partitions_start: Annotated[
        str,
        Field(
            description="First hour that Dagster knows, like 2026-01-01T00; older raw hours are ignored. "
            "Default: the beginning of the month that was CLICKSTREAM_RETENTION_DAYS ago."
        ),
    ] = ""
    retention_days: Annotated[int, Field(ge=1, description="Days that raw objects are kept; bounds history.")] = 60
    freshness_deadline_minutes: Annotated[
        int,
        Field(
            ge=0,
            description="Deadline of events without one of their own, in minutes after the hour; "
            "0: they are not watched.",
        ),
    ] = 120
    thresholds: Annotated[
        str, Field(description="YAML file with thresholds of the unusual (docs/freshness.md); empty: the defaults.")
    ] = ""
    collector_metrics_urls: Annotated[
        str,
        Field(
            description="Addresses of collectors, separated by commas, whose /metrics the exporter reads for findings; "
            "empty: only Prometheus watches them."
        ),
    ] = ""
    max_runs_per_tick: Annotated[int, Field(ge=1, le=100, description="Runs that one sensor tick may request.")] = 50
    sensor_interval_seconds: Annotated[
        int, Field(ge=5, description="Time between two ticks of the sensors, in seconds.")
    ] = 30
    run_max_seconds: Annotated[int, Field(ge=60, description="A run that takes longer is stopped, in seconds.")] = 7200
    pod_min_memory_mb: Annotated[
        int, Field(ge=256, description="Memory that a run's pod gets at least, in MB (of 1024 × 1024 bytes).")
    ] = 768
    pod_max_memory_mb: Annotated[
        int, Field(ge=256, description="Memory that a run's pod gets at most, also after it ran out of it, in MB.")
    ] = 16_384
    pod_max_cpu_millis: Annotated[
        int, Field(ge=100, description="CPU limit of a run's pod, in thousandths of a core.")
    ] = 2_000
    pod_max_storage_mb: Annotated[
        int, Field(ge=1024, description="Temporary disk that a run's pod gets at most, in MB.")
    ] = 65_536
    pod_node_selector: Annotated[
        str, Field(description="Labels of the nodes for runs' pods, such as pool=runs,kubernetes.io/arch=arm64.")
    ] = ""
    pod_tolerations: Annotated[
        str, Field(description="Taints that runs' pods tolerate: key=value:effect or key:effect, separated by commas.")
    ] = ""
    pod_priority_class: Annotated[str, Field(description="Priority class of the pods of hours; empty: none.")] = ""
    pod_backfill_priority_class: Annotated[
        str, Field(description="Priority class of the pods of back-fills; empty: none.")
    ] = ""
    pod_ttl_seconds: Annotated[
        int, Field(ge=120, description="A run's pod is deleted this long after its end, in seconds.")
    ] = 600
    asset_owner: Annotated[
        str, Field(description="Owner of all assets in Dagster: an e-mail address, or team: and a name.")
    ] = "team:clickstream"
    code_location: Annotated[
        str, Field(description="Name of the code location, as in workspace.yaml; reloaded when a customer is added.")
    ] = "clickstream_platform"
    dagster_webserver_url: Annotated[
        str, Field(description="Webserver that is asked to reload the code location; empty: nobody is asked.")
    ] = "http://127.0.0.1:3000"
    registry_rate_limit: Annotated[
        str, Field(description="Requests that the registry's API takes of one token or address, such as 1200/minute.")
    ] = "1200/minute"
    registry_collector_url: Annotated[
        str, Field(description="Address of the collector that the registry's page shows in the tracking snippet.")
    ] = "http://127.0.0.1:8080"
    registry_secure_cookies: Annotated[
        bool, Field(description="Whether the page's cookie travels over HTTPS only; set it wherever there is HTTPS.")
    ] = False
    kinesis_stream: Annotated[
        str, Field(description="Name of the Kinesis stream between collector and batcher; both need it.")
    ] = ""
    kinesis_endpoint_url: Annotated[str, Field(description="Kinesis endpoint when it is not AWS's own.")] = ""
    kinesis_region: Annotated[
        str, Field(description="AWS region of the Kinesis stream; empty: boto3's own choice.")
    ] = ""
    collector_spool_dir: Annotated[
        str, Field(description="Folder of a collector's spool, which outlives the process. Default: <home>/spool.")
    ] = ""
    collector_spool_mb: Annotated[int, Field(ge=1, description="What the spool may hold, in MB.")] = 2000
    collector_events_per_second: Annotated[
        int, Field(ge=0, description="Rate limit of customers without one of their own, in events a second; 0: none.")
    ] = 0
    collector_trusted_proxies: Annotated[
        str, Field(description="Networks whose X-Forwarded-For is believed, separated by commas, such as 10.0.0.0/8.")
    ] = ""
    collector_public_url: Annotated[
        str, Field(description="Address that SDKs are told to send to; empty: the one they asked at.")
    ] = ""
    batcher_application: Annotated[
        str, Field(description="Batchers with this name share leases. Default: the Kinesis stream's name.")
    ] = ""
    batcher_leases_url: Annotated[
        str,
        Field(
            description="SQLAlchemy URL of the lease table. Default: the registry's database if it is no SQLite, "
            "else <home>/batcher.db."
        ),
    ] = ""
    batcher_batch_seconds: Annotated[
        float, Field(ge=0.1, description="A batch ends this long after its first record was read, in seconds.")
    ] = 300.0
    batcher_batch_mb: Annotated[int, Field(ge=1, description="A batch ends with so many MB of lines.")] = 512
    batcher_object_mb: Annotated[int, Field(ge=1, description="A raw object ends with so many MB of lines.")] = 64
    batcher_memory_mb: Annotated[
        int, Field(ge=1, description="Memory for the lines of one shard, in MB; more goes to disk.")
    ] = 64
    batcher_max_leases: Annotated[
        int, Field(ge=1, le=1000, description="Shards that one batcher reads at most; more need more batchers.")
    ] = 64
    batcher_window_hours: Annotated[
        int, Field(ge=1, description="A messageId that comes again within so many hours is a duplicate.")
    ] = 24
    batcher_grace_seconds: Annotated[
        float, Field(ge=0, description="The batcher seals an hour this long after its end, in seconds.")
    ] = 120.0
    batcher_failover_seconds: Annotated[
        float, Field(ge=0.5, description="Leases of a batcher that is silent for so long are taken over, in seconds.")
    ] = 20.0
    oidc_issuer: Annotated[
        str, Field(description="Issuer of OpenID Connect tokens that the registry's API takes; empty: none.")
    ] = ""
    oidc_audience: Annotated[str, Field(description="Audience that these tokens must be for.")] = ""
    oidc_scope_claim: Annotated[
        str, Field(description="Claim of these tokens that holds the scope, such as admin or operator.")
    ] = "clickstream_scope"
    oidc_customer_claim: Annotated[
        str, Field(description="Claim that holds the slug of the customer for a customer scope.")
    ] = "clickstream_customer"
    alerts_url: Annotated[
        str,
        Field(
            description="SQLAlchemy URL of the alerts. Default: the registry's database if it is no SQLite, "
            "else <home>/alerts.db."
        ),
    ] = ""
    alert_routes: Annotated[
        str,
        Field(
            description="YAML file that says who is told of what. Default: <home>/alert-routes.yaml, if there is one."
        ),
    ] = ""
    runbooks_url: Annotated[
        str,
        Field(description="Address of the folder with the runbooks, as messages link to it."),
    ] = "docs/runbooks"
    log_level: Annotated[str, Field(description="DEBUG, INFO, WARNING or ERROR.")] = "INFO"
    log_format: Annotated[
        Literal["auto", "json", "text"],
        Field(description="Lines on standard error: json, text, or auto, which is text on a terminal."),
    ] = "auto"
    log_index_url: Annotated[
        str, Field(description="Address of Elasticsearch or OpenSearch that logs are sent to; empty: none.")
    ] = ""
    log_index_kind: Annotated[Literal["elasticsearch", "opensearch"], Field(description="Which of the two it is.")] = (
        "opensearch"
    )
    log_index_name: Annotated[
        str, Field(pattern="^[a-z0-9][a-z0-9._-]*$", max_length=100, description="Data stream of the logs.")
    ] = "logs-clickstream-default"
    log_index_secret_reference: Annotated[
        str,
        Field(
            description="Where its login is kept: env:NAME, file:/path or aws-secretsmanager:ARN; JSON with user and "
            "password, or with api_key."
        ),
    ] = ""
    log_index_aws_region: Annotated[
        str, Field(description="Region of an Amazon OpenSearch domain; requests are signed by boto3's credentials.")
    ] = ""
    log_index_ca_file: Annotated[
        str, Field(description="File with the certificate authority of the log index; empty: the usual ones.")
    ] = ""
    log_link: Annotated[
        str, Field(description="Address that shows a run's logs, with {run_id} in it, such as one of Kibana.")
    ] = ""
    log_buffer_dir: Annotated[
        str, Field(description="Folder of log lines that the index has not yet; best shared. Default: <home>/logs.")
    ] = ""
    log_buffer_mb: Annotated[
        int, Field(ge=1, description="What that folder may hold, in MB; beyond it the oldest lines are lost.")
    ] = 256
    log_flush_seconds: Annotated[
        float, Field(ge=0, le=60, description="A process that ends sends log lines for so long at most, in seconds.")
    ] = 5.0
    trace_endpoint: Annotated[
        str, Field(description="OpenTelemetry collector that takes OTLP over HTTP, like http://otel:4318; empty: none.")
    ] = ""
    trace_share: Annotated[float, Field(ge=0, le=1, description="Share of customer-hours that are traced.")] = 1.0

    def first_hour(self, now: datetime) -> Hour:
        """Return the first hour that has partitions; it moves by whole months, for a move rebuilds Dagster's caches."""
        if self.partitions_start:
            return Hour.parse(self.partitions_start)
        return Hour.of((now - timedelta(days=self.retention_days)).replace(day=1, hour=0))

    @property
    def objects(self) -> str:
        """The object store's URL with its default filled in."""
        return self.object_store_url or str(self.home.absolute() / "objects")

    @property
    def registry(self) -> str:
        """The registry's database URL with its default filled in."""
        return self.registry_url or f"sqlite:///{self.home.absolute() / 'registry.db'}"

    @property
    def spool(self) -> Path:
        """The collector's spool folder with its default filled in."""
        return Path(self.collector_spool_dir) if self.collector_spool_dir else self.home.absolute() / "spool"

    @property
    def leases(self) -> str:
        """The URL of the batcher's lease table with its default filled in.

        SQLite gets a file of its own: the batcher writes every few seconds, and writers of one file take turns.
        """
        if self.batcher_leases_url:
            return self.batcher_leases_url
        shared = self.registry_url and not self.registry_url.startswith("sqlite")
        return self.registry_url if shared else f"sqlite:///{self.home.absolute() / 'batcher.db'}"

    @property
    def alerts(self) -> str:
        """The URL of the alerts' database with its default filled in; a SQLite file of its own, as for the leases."""
        if self.alerts_url:
            return self.alerts_url
        shared = self.registry_url and not self.registry_url.startswith("sqlite")
        return self.registry_url if shared else f"sqlite:///{self.home.absolute() / 'alerts.db'}"

    @property
    def alert_routes_file(self) -> Path | None:
        """The routes of alerts; None where there are none, and everything goes to the log."""
        if self.alert_routes:
            return Path(self.alert_routes)
        usual = self.home.absolute() / "alert-routes.yaml"
        return usual if usual.exists() else None

    @property
    def application(self) -> str:
        """The name that batchers share leases by, with its default filled in."""
        return self.batcher_application or self.kinesis_stream

    @property
    def duckdb(self) -> str:
        """The embedded warehouse's file with its default filled in."""
        return self.duckdb_path or str(self.home.absolute() / "warehouse.duckdb")


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the settings; raise ConfigurationError naming every unknown or unusable variable."""
    environment = os.environ if environment is None else environment
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    given = {name for name in environment if name.startswith(PREFIX)}
    unknown = {n for n in given - known - TEST_VARIABLES if not n.startswith(TEST_PREFIX)}
    unknown -= _service_links(unknown)
    if unknown:
        raise ConfigurationError(
            "reading the settings",
            cause=f"unknown {', '.join(sorted(unknown))}",
            remedy="docs/settings.md lists all names.",
        )
    values = {
        name: environment[PREFIX + name.upper()] for name in Settings.model_fields if PREFIX + name.upper() in given
    }
    try:
        return Settings(**values)  # type: ignore[arg-type]
    except ValidationError as error:
        faults = "; ".join(f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(
            "reading the settings", cause=faults, remedy="docs/settings.md gives each type, unit and range."
        ) from error


def _service_links(names: set[str]) -> set[str]:
    """Return the variables that Kubernetes made of Services whose names begin with `clickstream`: nobody set them."""
    services = [re.escape(name.removesuffix(SERVICE_HOST)) for name in names if name.endswith(SERVICE_HOST)]
    form = re.compile(f"({'|'.join(services)}){SERVICE_LINK}")
    return {name for name in names if services and form.fullmatch(name)}


def read_environment(name: str) -> str | None:
    """Return a variable that a secret reference names (`env:NAME`), None when it isn't set; never one of ours."""
    return None if name.startswith(PREFIX) and not name.startswith(TEST_PREFIX) else os.environ.get(name)


def child_environment(settings: Settings, **extra: str) -> dict[str, str]:
    """Return the environment for a process that works on the same data from another folder."""
    return {**os.environ, f"{PREFIX}HOME": str(settings.home.absolute()), **extra}
