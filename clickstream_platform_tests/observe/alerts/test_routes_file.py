"""The routes file: what it may say, and what is said about what it may not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways import notifications
from clickstream_platform.model.findings import Finding, Severity
from clickstream_platform.observe.alert_metrics import AlertMetrics
from clickstream_platform.observe.alerts import routes_file
from clickstream_platform.observe.alerts.alert import Alert
from clickstream_platform.observe.alerts.lifecycle import advance
from clickstream_platform.observe.alerts.routes import Channel, Routes
from clickstream_platform.observe.alerts.routes_file import parse_routes
from clickstream_platform.observe.alerts.routes_source import RoutesSource
from clickstream_platform.observe.alerts.timing import KindRule, Timing
from clickstream_platform_tests.observe.alerts.world import START, finding, seen

GOOD = """
channels:
  pager: {url: "env:PAGER_URL", max_messages: 50, window_seconds: 3600}
  operators: {url: file:/run/secrets/slack}
  acme-team: {url: aws-secretsmanager:prod/acme-mail}
kinds:
  volume_drop: {severity: info}
  stream_late: {fire_after_seconds: 600, resolve_after_seconds: 0}
timing: {digest_at: 3, resolve_after_seconds: 120}
routes:
  - name: the customer's own team
    customers: [acme, "acme_*"]
    channels: [acme-team]
    at_least: warning
    continue: true
  - {name: nights, at_least: critical, channels: [pager, operators], repeat_seconds: 86400}
  - {name: platform, platform: true, kinds: ["*_away", sensor_stale], channels: [operators]}
  - {name: nobody, kinds: [duplicates_share], channels: []}
  - {name: rest, channels: [operators, log]}
"""


def alert(of: Finding, routes: Routes) -> Alert:
    [found] = advance({}, [seen(of)], START, routes.timing).saved.values()
    return found


def refused(text: str) -> str:
    with pytest.raises(ConfigurationError) as error:
        parse_routes(text, "routes.yaml")
    return error.value.cause


def test_a_whole_file() -> None:
    with pytest.raises(ConfigurationError, match="'channels' must be a list of texts"):
        parse_routes(GOOD, "routes.yaml")  # nobody is said as [log]
    routes = parse_routes(GOOD.replace("channels: []", "channels: [log]"), "routes.yaml")
    assert routes.channels["pager"] == Channel("pager", "env:PAGER_URL", 50, 3_600)
    assert set(routes.channels) == {"pager", "operators", "acme-team", "log"}
    kinds = {"volume_drop": KindRule(Severity.INFO), "stream_late": KindRule(None, 600, 0)}
    assert routes.timing == Timing(digest_at=3, resolve_after_seconds=120, kinds=kinds)
    assert routes.timing.resolve_after("stream_late", 5) == 0

    def channels(*of: str | None) -> list[str]:
        return list(routes.of(alert(finding(*of), routes)))  # type: ignore[arg-type]

    assert channels("stream_late", "acme_shop", "page") == ["acme-team", "pager", "operators"]
    assert channels("stream_late", "other", "page") == ["pager", "operators"]
    assert channels("volume_drop", "acme", None) == ["operators", "log"], "info is below the team's warning"
    assert channels("duplicates_share", "other", "page") == ["log"]
    assert channels("daemon_unhealthy", None, None) == ["pager", "operators"]


FAULTS = [
    ("", "routes.yaml: it is empty"),
    ("routes: [", "routes.yaml:1: it is no YAML"),
    ("routes: []", "routes.yaml: there is no route"),
    ("channels: {}", "routes.yaml:1: there is no `routes`"),
    ("- a", "routes.yaml:1: a mapping belongs here"),
    ("routes:\n- {name: a, channels: [log]}\nrouts: 1", "routes.yaml:3: unknown key 'routs'"),
    ("routes:\n- name: a\n  chanels: [log]", "routes.yaml:3: unknown key 'chanels'; known are at_least"),
    ("routes:\n- name: a\n  channels: [chat]", "routes.yaml:2: route 'a' leads to 'chat', which is no channel"),
    ("routes:\n- {name: a, channels: [log], kinds: [stream_lat]}", "'stream_lat' (did you mean stream_late?)"),
    ("routes:\n- {name: a, channels: [log], at_least: high}", "'at_least' must be one of info, warning, critical"),
    ("routes:\n- {name: a, channels: [log], customers: acme}", "'customers' must be a list of texts"),
    ("routes:\n- {name: a, channels: [log], continue: maybe}", "'continue' must be true or false"),
    ("routes:\n- {name: a, channels: [log], repeat_seconds: 1}", "'repeat_seconds' must be an integer from 300"),
    ("routes:\n- {name: a, channels: [log]}\n- {name: a, channels: [log]}", "routes.yaml:3: a second route is named"),
    ("routes:\n- {name: a, channels: [log]}\n- {name: b, channels: [log]}", "routes.yaml:2: route 'a' takes all"),
    ("routes:\n- {name: a, channels: [log], customers: [x]}", "routes.yaml:2: the last route, 'a', must be without"),
    ("routes:\n- {name: a, channels: [log], platform: true, customers: [x]}", "can take nothing"),
    ("channels:\n  a: {url: env:A}\nroutes:\n- {name: a, channels: [log]}", "no route leads to channel 'a'"),
    ("channels:\n  log: {url: env:A}\nroutes:\n- {name: a, channels: [log]}", "routes.yaml:2: 'log' is no name"),
    ("channels:\n  a: {}\nroutes:\n- {name: a, channels: [a]}", "routes.yaml:2: 'url' is missing"),
    ("channels:\n  a: {url: env:A}\n  a: {url: env:B}\nroutes: []", "routes.yaml:3: 'a' is there twice"),
    (
        "kinds:\n  stream_late: {severity: bad}\n  stream_lte: {}\nroutes: []",
        "routes.yaml:2: 'severity' must be one of",
    ),
    ("kinds:\n  stream_lte: {}\nroutes: []", "routes.yaml:2: 'stream_lte' is no kind of finding"),
    ("timing: {fire_after_seconds: soon}\nroutes: []", "'fire_after_seconds' must be an integer from 0 to 31536000"),
    ("timing: {digest_at: 0}\nroutes: []", "'digest_at' must be an integer from 1"),
    ("[" * 2_000, "routes.yaml: it is no YAML (RecursionError)"),
    ("a" * 300_000, "routes.yaml: it is longer than 262144 characters"),
]


@pytest.mark.parametrize(("text", "fault"), FAULTS, ids=[fault for _, fault in FAULTS])
def test_each_fault_is_shown_with_its_line(text: str, fault: str) -> None:
    assert fault in refused(text)


def test_all_faults_are_shown_at_once() -> None:
    text = "channels:\n  a: {url: env:A}\n" + "routes:\n" + "\n".join("- {name: 1, kind: []}" for _ in range(30))
    shown = refused(text)
    assert shown.count("routes.yaml:") == 20
    assert "more" in shown


@pytest.mark.parametrize("secret", ["slack://T0K3N/abc/def", "https://hooks.example/T0K3N", "T0K3N", "env:T0K3N-x"])
def test_an_address_in_place_of_its_reference_is_refused_and_not_shown(secret: str) -> None:
    shown = refused(f"channels:\n  a: {{url: '{secret}'}}\nroutes:\n- {{name: a, channels: [a]}}")
    assert "routes.yaml:2: the url of channel 'a' is no reference" in shown
    assert "T0K3N" not in shown


@given(st.text(alphabet="channels:routeskindtmg {}[]-\n\"'&*!|>#,1a", max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_routes(text, "routes.yaml")
    except ConfigurationError as error:
        assert "routes.yaml" in error.cause  # noqa: PT017 - either outcome is right


def test_a_changed_file_counts_and_a_broken_one_does_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, metrics = tmp_path / "routes.yaml", AlertMetrics()
    path.write_text("routes:\n- {name: one, channels: [log]}\n")
    source = RoutesSource(path, metrics)

    def valid() -> float | None:
        return metrics.registry.get_sample_value("clickstream_alerts_routes_valid")

    assert (source().routes[0].name, valid()) == ("one", 1)
    path.write_text("routes:\n- {name: two, chanels: [log]}\n")
    for _ in range(3):
        assert (source().routes[0].name, valid()) == ("one", 0)
    assert len([each for each in caplog.records if "routes.yaml:2" in each.message]) == 1, "logged once"
    path.unlink()
    assert (source().routes[0].name, valid()) == ("one", 0)
    path.write_text("routes:\n- {name: three, channels: [log]}\n")
    assert (source().routes[0].name, valid()) == ("three", 1)


def test_a_broken_file_stops_the_start_and_none_means_the_log(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="can't be read"):
        RoutesSource(tmp_path / "none.yaml")
    assert list(RoutesSource(None)().channels) == ["log"]


def test_the_example_is_right() -> None:
    path = Path(__file__).parents[3] / "deploy" / "alerts" / "routes.example.yaml"
    routes = parse_routes(path.read_text(encoding="utf-8"), path.name)
    assert list(routes.of(alert(finding("stream_late", "acme_shop"), routes))) == ["acme-team", "pager", "operators"]
    assert list(routes.of(alert(finding("volume_surge", "acme"), routes))) == ["operators"]


def test_the_documents_name_every_key() -> None:
    text = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")
    for form in (routes_file._CHANNEL, routes_file._KIND, routes_file._ROUTE, routes_file._TIMING):
        for key in form:
            assert f"`{key}`" in text, key
    for names, defaults in re.findall(r"^\| (`\w+_\w+`(?:, `\w+`)*) \| ([\d, ]+?) \|", text, re.MULTILINE):
        for name, default in zip(re.findall(r"`(\w+)`", names), defaults.split(", "), strict=True):
            assert getattr(Timing(), name) == int(default), name
    for service in notifications._INCIDENT_FIELDS.keys() - {"goalerts", "victorops"}:
        assert f"`{service}`" in text, service
