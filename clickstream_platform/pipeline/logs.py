"""Logs and traces as the settings describe them: starting them, opening the index, linking to a run's lines.

Belongs here: from settings to options. Does not: logging (`observe.logs`), the index (`gateways.log_index`).
"""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.observe.logs.known_secrets import remember_secret
from clickstream_platform.observe.logs.shipping import ShippingOptions
from clickstream_platform.observe.logs.starting import LogOptions, Logs
from clickstream_platform.observe.logs.starting import start_logging as start
from clickstream_platform.observe.tracing import is_tracing, start_tracing
from clickstream_platform.settings import Settings, read_environment

if TYPE_CHECKING:
    from pathlib import Path

    from clickstream_platform.gateways.log_index import ClientIndex

Format = Literal["auto", "json", "text"]
RUN_SERVICE = "run"
# What OpenTelemetry and boto3 find in the environment by themselves; nothing else of ours ever reads them.
_TRACE_HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"
_AWS_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ACCESS_KEY_ID")


def start_logging(
    service: str,
    settings: Settings,
    *,
    has_console: bool = True,
    adopts: bool = True,
    ends_on_sigterm: bool = True,
) -> Logs:
    """Start the logs of this process, and its traces if they are on; a second call changes nothing.

    `adopts` is for processes that live long: they send what others on the same folder have left. Runs have their own
    lines only, for they are to end. What SIGTERM does in a process of Dagster is Dagster's: give False there.
    """
    remember_secrets(settings)
    _start_traces(service, settings)
    folder = log_folder(settings)
    options = LogOptions(
        service=service,
        version=platform_version(),
        level=settings.log_level,
        is_json=_is_json(settings.log_format),
        has_console=has_console,
        folder=folder,
        flush_seconds=settings.log_flush_seconds,
        ends_on_sigterm=ends_on_sigterm,
        shipping=ShippingOptions(max_bytes=settings.log_buffer_mb * 1_000_000, adopts=adopts),
    )
    return start(options, (lambda: open_index(settings)) if settings.log_index_url else None)


def open_index(settings: Settings) -> ClientIndex:
    """Open the log index; raises ConfigurationError when none is set, or its secret can't be read."""
    from clickstream_platform.gateways.log_index import IndexOptions, open_log_index
    from clickstream_platform.gateways.secrets import resolve_secret

    if not settings.log_index_url:
        raise ConfigurationError(
            "opening the log index", cause="there is none", remedy="Set CLICKSTREAM_LOG_INDEX_URL; see docs/logs.md."
        )
    reference = settings.log_index_secret_reference
    return open_log_index(
        IndexOptions(
            settings.log_index_url,
            settings.log_index_kind,
            settings.log_index_name,
            secret=resolve_secret(reference) if reference else "",
            ca_file=settings.log_index_ca_file,
            aws_region=settings.log_index_aws_region,
        )
    )


def log_folder(settings: Settings) -> Path:
    """Return the buffer's root with its default filled in."""
    from pathlib import Path

    return Path(settings.log_buffer_dir) if settings.log_buffer_dir else settings.home.absolute() / "logs"


def link_to_run(settings: Settings, run_id: str) -> str:
    """Return where the lines of a run are: an address when CLICKSTREAM_LOG_LINK has its form, else the command."""
    if settings.log_link:
        return settings.log_link.replace("{run_id}", quote(run_id, safe=""))
    return f"clickstream logs --run {run_id}"


def remember_secrets(settings: Settings) -> None:
    """Mask the secrets that this process holds anyway: passwords in the settings' addresses, AWS's and traces' keys."""
    texts = [value for value in settings.model_dump().values() if isinstance(value, str)]
    for address in (part.strip() for text in texts for part in text.split(",") if "://" in part):
        try:
            password = urlsplit(address).password
        except ValueError:
            continue
        remember_secret(password or "")
    for name in _AWS_SECRETS:
        remember_secret(read_environment(name) or "")
    for header in (read_environment(_TRACE_HEADERS) or "").split(","):
        remember_secret(header.partition("=")[2].strip())


def _start_traces(service: str, settings: Settings) -> None:
    """Record spans when an address for them is set; the SDK is loaded only then."""
    if settings.trace_endpoint and not is_tracing():
        from clickstream_platform.gateways.tracing import OtlpSpans

        start_tracing(
            OtlpSpans(settings.trace_endpoint, service, version=platform_version(), share=settings.trace_share)
        )


def platform_version() -> str:
    """Return the version of the platform; empty when it runs from files that were never installed."""
    try:
        return version("clickstream-platform")
    except PackageNotFoundError:
        return ""


def _is_json(form: Format) -> bool:
    return form == "json" or (form == "auto" and not sys.stderr.isatty())
