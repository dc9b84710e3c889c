"""The index that logs are sent to and found in: Elasticsearch or OpenSearch, each through its makers' own client.

Belongs here: the clients. Does not: bodies of requests and answers (`log_index_bodies`), templates and retention
(`log_index_setup`), when to send (`observe.logs.shipping`). Which client, and why both: docs/decisions/0014-logs.md.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from clickstream_platform.errors import ConfigurationError
from clickstream_platform.gateways.log_index_bodies import CONFLICT, answer_of, flat, search_body
from clickstream_platform.observe.logs.known_secrets import remember_secret_document
from clickstream_platform.observe.logs.ports import IndexAwayError, LogHit, LogIndex, LogLine, LogQuery, PutAnswer
from clickstream_platform.observe.logs.redaction import mask_values

IndexKind = Literal["elasticsearch", "opensearch"]
DEFAULT_NAME = "logs-clickstream-default"
_TOO_LARGE = 413
_LOGIN = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """Where the index is and who asks; `secret` is JSON with user and password, or with api_key (Elasticsearch)."""

    url: str
    kind: IndexKind = "opensearch"
    name: str = DEFAULT_NAME
    secret: str = field(default="", repr=False)
    ca_file: str = ""
    aws_region: str = ""
    timeout_seconds: float = 10.0


def open_log_index(options: IndexOptions) -> ClientIndex:
    """Open the index; nothing is asked yet. Raises ConfigurationError for options that no client could use."""
    address = urlsplit(options.url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise _refused("its address is not like https://logs.example:9200", "Set CLICKSTREAM_LOG_INDEX_URL.")
    if address.username is not None:
        raise _refused(
            "its address holds a user name or password", "Name them by CLICKSTREAM_LOG_INDEX_SECRET_REFERENCE."
        )
    login = _login_of(options.secret)
    if options.kind == "elasticsearch":
        if options.aws_region:
            raise _refused("Amazon's service is OpenSearch", "Set CLICKSTREAM_LOG_INDEX_KIND to opensearch.")
        return ElasticsearchIndex(options, login)
    if "api_key" in login:
        raise _refused("OpenSearch takes no API key", "Give a user and a password, or an AWS region.")
    return OpenSearchIndex(options, login)


class ClientIndex(ABC, LogIndex):
    """What both clients have in common: the requests are the same, only classes and names differ."""

    def __init__(self, options: IndexOptions) -> None:
        """Keep the options."""
        self.options = options

    def put(self, lines: Sequence[LogLine]) -> PutAnswer:
        """Create the lines under their ids; those that are there already count as taken."""
        pairs = (b'{"create":{"_id":%b}}\n%b\n' % (json.dumps(each.id).encode(), each.document) for each in lines)
        data = b"".join(pairs)
        answer = self._ask("sending log lines", lambda: self._bulk(data))
        items = answer.get("items")
        if not isinstance(items, list) or len(items) != len(lines):
            raise self._away("sending log lines", "the answer is none to this request")
        return answer_of(items) if answer.get("errors") else PutAnswer()

    def search(self, query: LogQuery) -> list[LogHit]:
        """Find lines; there are none where there is no index yet."""
        answer = self._ask("searching the logs", lambda: self._search(search_body(query)))
        hits = [LogHit(hit["_id"], flat(hit["_source"])) for hit in answer["hits"]["hits"]]
        return hits[::-1]

    def change(self, path: str, body: Mapping[str, Any]) -> None:
        """PUT a template or policy; a policy of OpenSearch that is there already stays as it is."""
        self._ask("setting the log index up", lambda: self._put(path, body), taken=CONFLICT)

    def _ask(self, doing: str, call: Callable[[], Any], taken: int = 0) -> Mapping[str, Any]:
        try:
            return dict(call())
        except self._errors() as error:
            status = self._status_of(error)
            if status is not None and status == taken:
                return {}
            failure = self._away(doing, f"{status or 'no answer'}, {mask_values(str(error))[:300]}")
            failure.is_too_large, failure.is_login_refused = status == _TOO_LARGE, status in _LOGIN
            raise failure from error
        except (TypeError, ValueError) as error:  # something else listens there, such as a proxy
            raise self._away(doing, "the answer is none to this request") from error

    def _away(self, doing: str, cause: str) -> IndexAwayError:
        remedy = "Check that it runs and takes these credentials."
        return IndexAwayError(doing, where=self.options.url, cause=cause, remedy=remedy)

    @abstractmethod
    def _bulk(self, data: bytes) -> Any: ...  # noqa: ANN401 - what clients answer has no type

    @abstractmethod
    def _search(self, body: Mapping[str, Any]) -> Any: ...  # noqa: ANN401

    @abstractmethod
    def _put(self, path: str, body: Mapping[str, Any]) -> Any: ...  # noqa: ANN401

    @abstractmethod
    def _errors(self) -> tuple[type[Exception], ...]: ...

    @abstractmethod
    def _status_of(self, error: Exception) -> int | None: ...


class ElasticsearchIndex(ClientIndex):
    """Elasticsearch, through `elasticsearch`."""

    def __init__(self, options: IndexOptions, login: Mapping[str, str]) -> None:
        """Make the client; it retries nothing by itself, which the buffer does."""
        # Imported only here: it takes more than a second and 70 MB, which nobody without this index need pay.
        from elasticsearch import ApiError, Elasticsearch, TransportError

        super().__init__(options)
        given: dict[str, Any] = {"ca_certs": options.ca_file} if options.ca_file else {}
        if "api_key" in login:
            given["api_key"] = login["api_key"]
        elif login:
            given["basic_auth"] = (login["user"], login["password"])
        self._client = Elasticsearch(
            options.url, request_timeout=options.timeout_seconds, max_retries=0, retry_on_timeout=False, **given
        )
        self._known = (ApiError, TransportError)

    def close(self) -> None:
        """Release connections."""
        self._client.close()

    def _bulk(self, data: bytes) -> Any:  # noqa: ANN401
        # Its types know objects only; texts it sends as they are.
        operations: list[Any] = [data.removesuffix(b"\n")]
        return self._client.bulk(operations=operations, index=self.options.name)

    def _search(self, body: Mapping[str, Any]) -> Any:  # noqa: ANN401
        return self._client.search(index=self.options.name, ignore_unavailable=True, **body)

    def _put(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401
        headers = {"accept": "application/json", "content-type": "application/json"}
        return self._client.perform_request("PUT", path, headers=headers, body=body)

    def _errors(self) -> tuple[type[Exception], ...]:
        return self._known

    def _status_of(self, error: Exception) -> int | None:
        status = getattr(getattr(error, "meta", None), "status", None)
        return status if isinstance(status, int) else None


class OpenSearchIndex(ClientIndex):
    """OpenSearch, Amazon's among them, through `opensearch-py`."""

    def __init__(self, options: IndexOptions, login: Mapping[str, str]) -> None:
        """Make the client; with a region it signs requests with boto3's credentials."""
        # Imported only here: it takes half a second, which nobody without this index need wait for.
        from opensearchpy import OpenSearch, OpenSearchException, Urllib3AWSV4SignerAuth

        super().__init__(options)
        given: dict[str, Any] = {"ca_certs": options.ca_file} if options.ca_file else {}
        if options.aws_region:
            import boto3

            given["http_auth"] = Urllib3AWSV4SignerAuth(boto3.Session().get_credentials(), options.aws_region)
        elif login:
            given["http_auth"] = (login["user"], login["password"])
        self._client = OpenSearch(
            [options.url], timeout=options.timeout_seconds, max_retries=0, retry_on_timeout=False, **given
        )
        self._known = (OpenSearchException,)

    def close(self) -> None:
        """Release connections."""
        self._client.close()

    def _bulk(self, data: bytes) -> Any:  # noqa: ANN401
        return self._client.bulk(body=data, index=self.options.name)

    def _search(self, body: Mapping[str, Any]) -> Any:  # noqa: ANN401
        return self._client.search(index=self.options.name, body=body, params={"ignore_unavailable": "true"})

    def _put(self, path: str, body: Mapping[str, Any]) -> Any:  # noqa: ANN401
        return self._client.transport.perform_request("PUT", path, body=body)

    def _errors(self) -> tuple[type[Exception], ...]:
        return self._known

    def _status_of(self, error: Exception) -> int | None:
        status = getattr(error, "status_code", None)
        return status if isinstance(status, int) else None


def _login_of(secret: str) -> dict[str, str]:
    if not secret:
        return {}
    try:
        login = json.loads(secret)
        given = {name: str(login[name]) for name in ("user", "password", "api_key") if name in login}
    except (ValueError, TypeError):
        given = {}
    if given.keys() not in ({"user", "password"}, {"api_key"}):
        form = '{"user": "…", "password": "…"} or {"api_key": "…"}'
        raise _refused("its secret has another form", f"Keep it as {form}.")
    remember_secret_document(secret)
    return given


def _refused(cause: str, remedy: str) -> ConfigurationError:
    return ConfigurationError("cannot use the log index", cause=cause, remedy=remedy)
