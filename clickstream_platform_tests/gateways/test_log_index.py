"""Both clients against the stand-in: who asks, what is found, what is refused, what is set up."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.log_index import (
    DEFAULT_NAME,
    ClientIndex,
    IndexKind,
    IndexOptions,
    open_log_index,
)
from clickstream_platform.gateways.log_index_setup import DEFAULT_RETENTION_DAYS, install, setup_requests
from clickstream_platform.observe.logs.fields import FIELDS
from clickstream_platform.observe.logs.ports import IndexAwayError, LogLine, LogQuery
from clickstream_platform_tests.log_index_stand_in.server import LogIndexStandIn, running_log_index

KINDS: tuple[IndexKind, ...] = ("opensearch", "elasticsearch")
DEPLOY = Path(__file__).parents[2] / "deploy" / "logs"


@pytest.fixture
def stand_in() -> Iterator[LogIndexStandIn]:
    with running_log_index() as running:
        yield running


@pytest.fixture(params=KINDS)
def index(request: pytest.FixtureRequest, stand_in: LogIndexStandIn) -> Iterator[ClientIndex]:
    opened = open_log_index(IndexOptions(stand_in.url, request.param))
    yield opened
    opened.close()


def line(number: int, message: str, **fields: object) -> LogLine:
    document = {
        "@timestamp": f"2026-11-22T09:00:{number:02}.000Z",
        "log.level": "info",
        "message": message,
        "event.sequence": number,
        **{name.replace("__", "."): value for name, value in fields.items()},
    }
    return LogLine(f"id-{number}", json.dumps(document).encode())


LINES = (
    line(1, "froze 3 events", clickstream__customer="acme", clickstream__run_id="r1"),
    line(2, "staged 3 events", clickstream__customer="acme", clickstream__event="order", service__name="run"),
    line(3, "froze 4 events", clickstream__customer="tiny", log__level="error", error__message="no such bucket"),
)


def found(index: ClientIndex, query: LogQuery) -> list[int]:
    return [int(hit.id.removeprefix("id-")) for hit in index.search(query)]


def test_lines_are_found_by_words_phrase_field_and_time(index: ClientIndex) -> None:
    assert index.put(LINES).again == ()
    nine = datetime(2026, 11, 22, 9, 0, 2, tzinfo=UTC)
    assert found(index, LogQuery()) == [1, 2, 3]
    assert found(index, LogQuery("froze")) == [1, 3]
    assert found(index, LogQuery("events froze", customer="acme")) == [1]
    assert found(index, LogQuery('"events froze"')) == []
    assert found(index, LogQuery("bucket")) == [3]
    assert found(index, LogQuery(run="r1")) == [1]
    assert found(index, LogQuery(event="order", service="run")) == [2]
    assert found(index, LogQuery(levels=("error", "critical"))) == [3]
    assert found(index, LogQuery(since=nine)) == [2, 3]
    assert found(index, LogQuery(until=nine)) == [1]
    assert found(index, LogQuery(limit=2)) == [2, 3]


def test_lines_that_are_there_already_count_as_taken(index: ClientIndex, stand_in: LogIndexStandIn) -> None:
    index.put(LINES)
    assert index.put(LINES).refused == 0
    assert len(stand_in.engine.documents) == 3
    assert stand_in.engine.duplicates == 3


def test_the_reason_of_a_refusal_quotes_nothing(index: ClientIndex, stand_in: LogIndexStandIn) -> None:
    stand_in.engine.faults.refused_text = "froze 3"
    answer = index.put(LINES)
    assert (answer.refused, answer.reason) == (1, "400 document_parsing_exception")


def test_an_index_that_is_away_says_where_and_what_to_do(index: ClientIndex, stand_in: LogIndexStandIn) -> None:
    stand_in.stop()
    for ask in (lambda: index.put(LINES), lambda: index.search(LogQuery())):
        with pytest.raises(IndexAwayError, match=r"no answer.*Check that it runs") as caught:
            ask()
        assert stand_in.url in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_user_and_password_are_sent(kind: IndexKind, stand_in: LogIndexStandIn) -> None:
    secret = '{"user": "logger", "password": "long sekret word"}'
    opened = open_log_index(IndexOptions(stand_in.url, kind, secret=secret))
    opened.put(LINES)
    opened.close()
    expected = "Basic " + base64.b64encode(b"logger:long sekret word").decode()
    assert {headers.get("Authorization", headers.get("authorization")) for *_, headers in stand_in.requests} == {
        expected
    }
    assert "sekret" not in repr(opened.options)


def test_an_api_key_is_sent(stand_in: LogIndexStandIn) -> None:
    opened = open_log_index(IndexOptions(stand_in.url, "elasticsearch", secret='{"api_key": "abcdefgh=="}'))
    opened.put(LINES)
    opened.close()
    assert {headers.get("Authorization", headers.get("authorization")) for *_, headers in stand_in.requests} == {
        "ApiKey abcdefgh=="
    }


def test_requests_to_amazon_are_signed(stand_in: LogIndexStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAPLANTEDPLANTED00")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "sekret")
    opened = open_log_index(IndexOptions(stand_in.url, aws_region="eu-west-1"))
    opened.put(LINES)
    opened.close()
    (headers,) = (headers for *_, headers in stand_in.requests)
    assert headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAPLANTEDPLANTED00/")
    assert "/eu-west-1/es/aws4_request" in headers["Authorization"]


@pytest.mark.parametrize(
    "options",
    [
        IndexOptions("logs.example:9200"),
        IndexOptions("https://user:word@logs.example"),
        IndexOptions("https://logs.example", secret="sekret word"),
        IndexOptions("https://logs.example", secret='{"user": "sekret"}'),
        IndexOptions("https://logs.example", secret='{"api_key": "sekret"}'),
        IndexOptions("https://logs.example", "elasticsearch", aws_region="eu-west-1"),
    ],
)
def test_options_that_no_client_could_use_are_refused_without_the_secret(options: IndexOptions) -> None:
    with pytest.raises(ConfigurationError) as caught:
        open_log_index(options)
    assert "sekret" not in str(caught.value)
    assert "word" not in str(caught.value).replace("password", "")


def test_template_and_retention_are_installed_and_again_without_harm(
    index: ClientIndex, stand_in: LogIndexStandIn
) -> None:
    paths = install(index, 14)
    assert install(index, 14) == paths
    assert list(stand_in.engine.settings) == paths
    assert stand_in.engine.settings == setup_requests(index.options.kind, DEFAULT_NAME, 14)
    assert "14d" in json.dumps(stand_in.engine.settings) or "15d" in json.dumps(stand_in.engine.settings)


@pytest.mark.parametrize("kind", KINDS)
def test_the_template_has_every_field_and_no_other(kind: IndexKind) -> None:
    template = setup_requests(kind, DEFAULT_NAME, 30)["/_index_template/clickstream-logs"]
    assert template["index_patterns"] == ["logs-clickstream-default*"]
    assert template["data_stream"] == {}
    properties = template["template"]["mappings"]["properties"]
    assert set(leaves(properties)) == set(FIELDS)


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_in_deploy_are_what_is_installed(kind: IndexKind) -> None:
    bodies = setup_requests(kind, DEFAULT_NAME, DEFAULT_RETENTION_DAYS)
    files = [
        json.loads((DEPLOY / kind / name).read_text()) for name in ("retention-policy.json", "index-template.json")
    ]
    assert files == list(bodies.values())


def leaves(properties: dict[str, dict[str, object]], prefix: str = "") -> Iterator[str]:
    for name, described in properties.items():
        inner = described.get("properties")
        if isinstance(inner, dict):
            yield from leaves(inner, f"{prefix}{name}.")
        else:
            yield prefix + name
