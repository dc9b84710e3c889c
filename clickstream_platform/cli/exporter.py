"""`clickstream exporter`: one long-lived process that tells how the platform is, and whom it concerns.

Belongs here: options, wiring, signals. Does not: asking (`pipeline.platform_metrics`), rendering (`observe.exporter`).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from clickstream_platform.cli.canary import STATE_FILE
from clickstream_platform.cli.dev import DAGSTER_FOLDER
from clickstream_platform.cli.support import handle_errors

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from clickstream_platform.observe.alerts.engine import AlertEngine
    from clickstream_platform.observe.alerts.observation import Observation
    from clickstream_platform.observe.exporter.probing import Probes
    from clickstream_platform.observe.exporter.tallies import CustomerLabels
    from clickstream_platform.pipeline.platform_metrics import PlatformProbes
    from clickstream_platform.pipeline.platform_sources import AlertSink, Orchestrator
    from clickstream_platform.settings import Settings
    from clickstream_platform.wiring import Wiring

MEMORY = Path("exporter") / "memory.json"


@handle_errors
def exporter_command(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the metrics; 0 takes a free one.")] = 9464,
    host: Annotated[str, typer.Option(help="Address to listen on; the metrics ask for no password.")] = "127.0.0.1",
    max_customers: Annotated[
        int, typer.Option(min=1, help="Customers with series of their own; all further ones are counted together.")
    ] = 2_000,
) -> None:
    """Serve Prometheus metrics of the whole platform on /metrics, and raise alerts; stop with Ctrl-C or SIGTERM."""
    from prometheus_client import CollectorRegistry

    from clickstream_platform.observe.exporter.probing import Probes
    from clickstream_platform.observe.exporter.tallies import CustomerLabels
    from clickstream_platform.observe.health_server import serving_health
    from clickstream_platform.settings import load_settings
    from clickstream_platform.wiring import open_wiring

    settings = load_settings()
    metrics, stop = CollectorRegistry(), threading.Event()
    with ExitStack() as stack:
        wiring = stack.enter_context(open_wiring(settings))
        platform = _platform(settings, wiring, metrics, stack, CustomerLabels(max_customers))
        probes = Probes(platform.probes())
        _register(metrics, settings, wiring, platform, probes)
        bound = stack.enter_context(
            serving_health(host, port, metrics, is_alive=probes.find_stuck, is_ready=probes.find_unready)
        )
        address = f"http://{host}:{bound}/metrics"
        Console(stderr=True).print(f"Metrics on {address}, data in {settings.home}. Stop with Ctrl-C.", soft_wrap=True)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        probes.start()
        stop.wait()
        probes.stop()
        platform.remember()


def _platform(
    settings: Settings,
    wiring: Wiring,
    metrics: CollectorRegistry,
    stack: ExitStack,
    labels: CustomerLabels | None = None,
) -> PlatformProbes:
    """Put together who is asked."""
    from clickstream_platform.defs.state import dagster_name
    from clickstream_platform.pipeline.batcher_lag import batcher_lag
    from clickstream_platform.pipeline.collector_watch import CollectorWatch
    from clickstream_platform.pipeline.freshness.ledgers import WarehouseLedgers
    from clickstream_platform.pipeline.freshness.opening import open_watch
    from clickstream_platform.pipeline.ledger_sums import LedgerLook
    from clickstream_platform.pipeline.platform_metrics import PlatformProbes
    from clickstream_platform.pipeline.platform_sources import Sources
    from clickstream_platform.pipeline.platform_terms import Pages
    from clickstream_platform.pipeline.platform_watches import CanaryLook, FreshnessLook, SlowRuns, UnusualLook
    from clickstream_platform.pipeline.registry_figures import read_registry
    from clickstream_platform.pipeline.unusual.opening import open_unusual_watch
    from clickstream_platform.pipeline.unusual.thresholds import read_thresholds

    named = settings.thresholds
    thresholds = Path(named) if named else None
    ledgers = WarehouseLedgers(wiring)
    sums = LedgerLook(lambda: wiring.registry, ledgers)
    pages = Pages(settings.dagster_webserver_url, settings.registry_api_url, dagster_name)
    collectors = [url.strip() for url in settings.collector_metrics_urls.split(",") if url.strip()]
    sources = Sources(
        registry=partial(read_registry, lambda: wiring.registry),
        orchestrator=_orchestrator(settings, stack),
        batcher_behind=batcher_lag(settings),
        watches={
            "freshness": FreshnessLook(lambda: open_watch(wiring), pages),
            "unusual": UnusualLook(lambda: open_unusual_watch(wiring, thresholds)),
            "ledgers": sums,
            "canary": CanaryLook(settings.home.absolute() / STATE_FILE),
            **({"collectors": CollectorWatch(collectors)} if collectors else {}),
        },
        runs=SlowRuns(partial(read_thresholds, thresholds)),
        listeners=(sums.note,),
        alerts=_alerts(settings, metrics, stack),
    )
    memory = settings.home.absolute() / MEMORY
    return PlatformProbes(sources, wiring.clock, pages=pages, memory=memory, labels=labels)


def _orchestrator(settings: Settings, stack: ExitStack) -> Orchestrator:
    """Return Dagster as that of DAGSTER_HOME, else as the one of `clickstream dev`."""
    from clickstream_platform.defs.instance_metrics import DagsterSource
    from clickstream_platform.settings import read_environment

    home = read_environment("DAGSTER_HOME") or str(settings.home.absolute() / DAGSTER_FOLDER)
    return stack.enter_context(DagsterSource(Path(home), settings.dagster_webserver_url))


def _alerts(settings: Settings, metrics: CollectorRegistry, stack: ExitStack) -> AlertSink:
    """Return what hands observations to the alert engine, which is opened when it is first needed."""
    from clickstream_platform.cli.alerts import open_alert_engine
    from clickstream_platform.observe.alert_metrics import AlertMetrics

    alert_metrics = AlertMetrics(metrics)
    opened: list[AlertEngine] = []

    def take(observations: Sequence[Observation], now: datetime) -> None:
        if not opened:
            opened.append(open_alert_engine(settings, alert_metrics))
            stack.callback(opened[0].close)
        opened[0].evaluate(observations, now)

    return take


def _register(
    metrics: CollectorRegistry, settings: Settings, wiring: Wiring, platform: PlatformProbes, probes: Probes
) -> None:
    """Let the metrics tell all of it."""
    from prometheus_client import ProcessCollector

    from clickstream_platform.observe.exporter import names
    from clickstream_platform.observe.exporter.rendering import PlatformCollector
    from clickstream_platform.observe.snapshot_age import SnapshotAgeCollector
    from clickstream_platform.registry.client.ages import count_waiting, read_ages
    from clickstream_platform.registry.client.files import find_folder

    metrics.register(PlatformCollector(platform.state, wiring.clock.now))
    metrics.register(probes)
    ProcessCollector(registry=metrics)
    names.BUILD.gauge(metrics).labels(version("clickstream-platform")).set(1)
    if (folder := find_folder(settings)) is not None:
        metrics.register(
            SnapshotAgeCollector(partial(read_ages, folder, wiring.clock.now), partial(count_waiting, folder))
        )
