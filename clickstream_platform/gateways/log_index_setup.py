"""What an index is told once: the fields' types, and how long lines are kept.

Belongs here: the bodies for Elasticsearch and OpenSearch, and installing them; deploy/logs/ holds the same as files,
for those who install them otherwise (a test holds them against this). Does not: sending lines (`log_index`).

Both keep a data stream: one name to write to and search, with an index behind it for each day or so many bytes, which
is deleted as a whole when it is old enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from clickstream_platform.observe.logs.fields import FIELDS, FieldType

if TYPE_CHECKING:
    from clickstream_platform.gateways.log_index import ClientIndex, IndexKind

DEFAULT_RETENTION_DAYS = 30
POLICY = "clickstream-logs"
# Above the templates that Elasticsearch brings along for logs-*-*, which have 100.
_PRIORITY = 300
_SHARD_GB = 30
# One field for each name would be an index's end when somebody logs names that come from data.
_MAX_FIELDS = 200


def setup_requests(kind: IndexKind, name: str, retention_days: int, replicas: int = 1) -> dict[str, dict[str, Any]]:
    """Return the bodies by path, in the order in which they are to be sent (PUT)."""
    template = {f"/_index_template/{POLICY}": _template(kind, name, replicas)}
    if kind == "elasticsearch":
        return {f"/_ilm/policy/{POLICY}": _lifecycle(retention_days), **template}
    return {f"/_plugins/_ism/policies/{POLICY}": _state_management(name, retention_days), **template}


def install(index: ClientIndex, retention_days: int, replicas: int = 1) -> list[str]:
    """Send them, and return the paths; raises IndexAwayError when one is refused.

    Elasticsearch replaces a policy that is there; OpenSearch keeps it, for it wants to know which version to replace.
    """
    requests = setup_requests(index.options.kind, index.options.name, retention_days, replicas)
    for path, body in requests.items():
        index.change(path, body)
    return list(requests)


def _template(kind: IndexKind, name: str, replicas: int) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "number_of_shards": 1,
        "number_of_replicas": replicas,
        # Without it an index that nobody searched for half a minute shows nothing new until the second search.
        "refresh_interval": "1s",
        "mapping.total_fields.limit": _MAX_FIELDS,
        "codec": "best_compression",
    }
    if kind == "elasticsearch":
        settings["lifecycle.name"] = POLICY
    return {
        "index_patterns": [f"{name}*"],
        "priority": _PRIORITY,
        "data_stream": {},
        "template": {"settings": {"index": settings}, "mappings": _mappings(kind)},
        "_meta": {"description": "Logs of the clickstream platform; made by `clickstream log-index install`."},
    }


def _mappings(kind: IndexKind) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, described in FIELDS.items():
        *outer, last = name.split(".") if name != "@timestamp" else [name]
        place = properties
        for part in outer:
            place = place.setdefault(part, {"properties": {}})["properties"]
        place[last] = _type(kind, described.type)
    # Nothing but these fields is searched; others are kept in the document and cost nothing.
    return {"dynamic": False, "properties": properties}


def _type(kind: IndexKind, type_: FieldType) -> Mapping[str, Any]:
    if type_ == "keyword":
        return {"type": "keyword", "ignore_above": 1024}
    if type_ == "text" and kind == "elasticsearch":
        return {"type": "match_only_text"}
    return {"type": type_}


def _lifecycle(days: int) -> dict[str, Any]:
    rollover = {"max_age": "1d", "max_primary_shard_size": f"{_SHARD_GB}gb"}
    return {
        "policy": {
            "phases": {
                "hot": {"actions": {"rollover": rollover}},
                # Counted from the rollover, so the last line of an index lives as long as it says.
                "delete": {"min_age": f"{days}d", "actions": {"delete": {}}},
            }
        }
    }


def _state_management(name: str, days: int) -> dict[str, Any]:
    rollover = {"rollover": {"min_index_age": "1d", "min_primary_shard_size": f"{_SHARD_GB}gb"}}
    # Counted from the making of an index, which is a day before its last line.
    delete = [{"state_name": "delete", "conditions": {"min_index_age": f"{days + 1}d"}}]
    return {
        "policy": {
            "description": f"Logs of the clickstream platform: kept {days} days.",
            "default_state": "hot",
            "states": [
                {"name": "hot", "actions": [rollover], "transitions": delete},
                {"name": "delete", "actions": [{"delete": {}}], "transitions": []},
            ],
            # Of a data stream either its own name counts or that of the index behind it, depending on the version.
            "ism_template": [{"index_patterns": [f"{name}*", f".ds-{name}*"], "priority": _PRIORITY}],
        }
    }
