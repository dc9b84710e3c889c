"""The documents, and which of them match. Belongs here: `_bulk` and `_search`. Does not: HTTP."""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

_WORDS = re.compile(r"\w+")


class RefusedError(Exception):
    """The request is not one that the platform makes."""


@dataclass
class Faults:
    """What goes wrong: a status for all requests, for each line, for lines that hold a text; the largest body."""

    status: int = 0
    busy_items: int = 0  # so many items are answered with 429
    item_status: int = 0
    refused_text: str = ""
    refused_status: int = 400
    max_bytes: int = 100_000_000
    nonsense: bytes = b""  # what a proxy answers instead, with 200
    authorization: str = ""  # others are answered with 401


@dataclass
class Engine:
    """One data stream in memory."""

    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)
    bulks: int = 0
    duplicates: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def bulk(self, data: bytes) -> dict[str, Any]:
        """Create each document, unless its id is taken."""
        lines = data.split(b"\n")
        if lines[-1] or len(lines) % 2 == 0:
            raise RefusedError("The bulk request must be pairs of lines and be terminated by a newline")
        self.bulks += 1
        with self.lock:
            items = [
                {"create": self._create(action, line)} for action, line in zip(lines[:-1:2], lines[1::2], strict=True)
            ]
        return {"took": 1, "errors": any(item["create"]["status"] >= 300 for item in items), "items": items}

    def _create(self, action: bytes, line: bytes) -> dict[str, Any]:
        described = json.loads(action)
        if list(described) != ["create"]:
            raise RefusedError("only write ops with an op_type of create are allowed in data streams")
        identifier = described["create"]["_id"]
        if self.faults.busy_items > 0:
            self.faults.busy_items -= 1
            return {"_id": identifier, "status": 429, "error": {"type": "es_rejected_execution_exception"}}
        if self.faults.item_status:
            return {"_id": identifier, "status": self.faults.item_status, "error": {"type": "cluster_block_exception"}}
        if self.faults.refused_text and self.faults.refused_text.encode() in line:
            status = self.faults.refused_status
            return {"_id": identifier, "status": status, "error": {"type": "document_parsing_exception", "reason": "…"}}
        if identifier in self.documents:
            self.duplicates += 1
            return {"_id": identifier, "status": 409, "error": {"type": "version_conflict_engine_exception"}}
        document = json.loads(line)
        if "@timestamp" not in document:
            raise RefusedError("data stream timestamp field [@timestamp] is missing")
        self.documents[identifier] = document
        return {"_id": identifier, "status": 201}

    def search(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the first `size` documents in the order of `sort`, which is by time and number, newest first."""
        if list(body["sort"][0]) != ["@timestamp"] or body["sort"][0]["@timestamp"] != "desc":
            raise RefusedError(f"sort {body['sort']}")
        conditions = body["query"]["bool"]
        with self.lock:
            found = [
                (identifier, document)
                for identifier, document in self.documents.items()
                if all(_holds(condition, document) for condition in conditions.get("filter", []))
                and all(_holds(condition, document) for condition in conditions.get("must", []))
            ]
        found.sort(key=lambda each: (each[1]["@timestamp"], each[1].get("event.sequence", 0)), reverse=True)
        hits = [{"_id": identifier, "_source": document} for identifier, document in found[: body["size"]]]
        return {"took": 1, "timed_out": False, "hits": {"total": {"value": len(found)}, "hits": hits}}


def _holds(condition: dict[str, Any], document: dict[str, Any]) -> bool:
    (kind, given), *others = condition.items()
    if others:
        raise RefusedError(f"a condition of several parts: {condition}")
    if kind == "simple_query_string":
        return _has_text(given, document)
    ((name, wanted),) = given.items()
    value = document.get(name)
    if kind == "term":
        return value is not None and value == wanted
    if kind == "terms":
        return value in wanted
    if kind == "range":
        moment = datetime.fromisoformat(str(value))
        after = "gte" not in wanted or moment >= datetime.fromisoformat(wanted["gte"])
        return after and ("lt" not in wanted or moment < datetime.fromisoformat(wanted["lt"]))
    raise RefusedError(f"condition {kind}")


def _has_text(given: dict[str, Any], document: dict[str, Any]) -> bool:
    if given["default_operator"] != "and":
        raise RefusedError("default_operator")
    texts = [str(document.get(name.partition("^")[0], "")) for name in given["fields"]]
    words = [[word.lower() for word in _WORDS.findall(text)] for text in texts]
    for phrase in re.findall(r'"([^"]+)"|(\S+)', given["query"]):
        wanted = [word.lower() for word in _WORDS.findall(phrase[0] or phrase[1])]
        if not any(_contains(each, wanted) for each in words):
            return False
    return True


def _contains(words: list[str], wanted: list[str]) -> bool:
    return any(words[start : start + len(wanted)] == wanted for start in range(len(words) - len(wanted) + 1))
