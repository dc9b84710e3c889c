"""The document as YAML and back.

Belongs here: writing YAML that every reader, of YAML 1.1 or 1.2, takes for the same values. Does not: which fields
there are (`layout`), parsing (`nodes`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

from clickstream_platform.registry.exchange.layout import Document, read_layout
from clickstream_platform.registry.exchange.nodes import parse_text, parse_value, read_scalar

_HEADER = """\
# The registry as one document. Show what it would change: clickstream registry apply FILE --plan-only
# It has the hashes of write keys: keep it as safe as the registry's database. API tokens are not in it.
"""
_TEXT = "tag:yaml.org,2002:str"
# Whatever else there may be in a name: it is written in double quotes, and what cannot be seen as its escape.
_HARMLESS = re.compile(r"[\w.,:;/@ ()+*'%$=~!?&#<>|{}\[\]-]*", re.ASCII)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc] # whichever class is installed
    """Writes plainly only what is text for everybody."""

    def represent_text(self, text: str) -> yaml.ScalarNode:
        """Write a text, in quotes where some reader would take it for something else."""
        is_text = _HARMLESS.fullmatch(text) and isinstance(_read(text), str)
        node: yaml.ScalarNode = self.represent_scalar(_TEXT, text, style=None if is_text else '"')
        return node

    def ignore_aliases(self, _: object) -> bool:
        """Write everything out; our own reader takes no aliases."""
        return True


_Dumper.add_representer(str, _Dumper.represent_text)


def to_yaml(document: Mapping[str, Any]) -> str:
    """Return a document as YAML, its fields in the order they have."""
    return _HEADER + str(
        yaml.dump(
            document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=100_000
        )
    )


def from_yaml(text: str | bytes) -> Document:
    """Read a document from YAML or JSON; raise DocumentError with everything that is wrong, and in which line."""
    return read_layout(parse_text(text))


def read_plain(text: str | bytes) -> Any:  # noqa: ANN401 - whatever JSON can hold
    """Read any other YAML or JSON, such as a JSON Schema, as strictly; raise DocumentError."""
    return parse_text(text).plain()


def check_document(document: Mapping[str, Any]) -> Document:
    """Return a document that came as plain values, its times in UTC; raise DocumentError as `from_yaml`."""
    return read_layout(parse_value(document))


def _read(text: str) -> object:
    try:
        return read_scalar(text)
    except ValueError:
        return None
