"""What an index is asked, and what its answers say, the same for Elasticsearch and OpenSearch. Pure.

Belongs here: from a query to a body, from an answer to nouns of ours. Does not: sending (`log_index`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clickstream_platform.observe.logs.ports import LogQuery, PutAnswer

CONFLICT = 409
# Of a line, but not because of it: a login, a write block, no such index, a busy index, a shard that is away.
_NOT_ITS_FAULT = frozenset({401, 403, 404, 429, 502, 503, 504})
_SEARCHED = ["message^2", "error.message", "error.type", "error.stack_trace"]
_TERMS = {
    "customer": "clickstream.customer",
    "event": "clickstream.event",
    "run": "clickstream.run_id",
    "service": "service.name",
}


def search_body(query: LogQuery) -> dict[str, Any]:
    """Return the body of a search for the newest lines that match."""
    return {
        "size": query.limit,
        "query": {"bool": _conditions(query)},
        "sort": [{"@timestamp": "desc"}, {"event.sequence": {"order": "desc", "unmapped_type": "long"}}],
    }


def answer_of(items: Sequence[Mapping[str, Any]]) -> PutAnswer:
    """Return what the index says to each line; it quotes a line in its reasons, so only their kinds are told."""
    results = [item.get("create", {}) for item in items]
    statuses = [int(result.get("status", 200)) for result in results]
    kinds = [
        f"{status} {(result.get('error') or {}).get('type', 'unknown')}"
        for status, result in zip(statuses, results, strict=True)
    ]
    is_taking = any(status < 500 and status not in _NOT_ITS_FAULT for status in statuses)
    # An error of the server is that of the line when it took others at the same time.
    again = [
        position
        for position, status in enumerate(statuses)
        if status in _NOT_ITS_FAULT or (status >= 500 and not is_taking)
    ]
    waits = set(again)
    refused = [
        position
        for position, status in enumerate(statuses)
        if status >= 400 and status != CONFLICT and position not in waits
    ]
    reason = kinds[refused[0]] if refused else ""
    return PutAnswer(tuple(again), len(refused), reason, kinds[again[0]] if again else "")


def _conditions(query: LogQuery) -> dict[str, Any]:
    terms = [{"term": {name: value}} for part, name in _TERMS.items() if (value := getattr(query, part)) is not None]
    if query.levels:
        terms.append({"terms": {"log.level": list(query.levels)}})
    bounds = {"gte": query.since, "lt": query.until}
    times = {name: moment.isoformat() for name, moment in bounds.items() if moment is not None}
    if times:
        terms.append({"range": {"@timestamp": times}})
    if not query.text:
        return {"filter": terms}
    text = {"query": query.text, "fields": _SEARCHED, "default_operator": "and", "flags": "AND|OR|NOT|PHRASE|PREFIX"}
    return {"filter": terms, "must": [{"simple_query_string": text}]}


def flat(source: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Return the fields by dotted name, however whoever sent them nested them."""
    found: dict[str, object] = {}
    for name, value in source.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return found
