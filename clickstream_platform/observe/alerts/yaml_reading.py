"""Reading YAML so that every fault can be shown with its line.

Belongs here: mappings, lists and values of a checked type from YAML's own nodes. Does not: what they mean.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import yaml

_TEXT, _INTEGER, _BOOLEAN = "tag:yaml.org,2002:str", "tag:yaml.org,2002:int", "tag:yaml.org,2002:bool"
_MAX_TEXT_CHARACTERS = 500


@dataclass(slots=True)
class Faults:
    """All that is wrong with one file."""

    name: str
    found: list[str] = field(default_factory=list)

    def add(self, node: yaml.Node | None, text: str) -> None:
        """Note a fault at a node; None: of the file as a whole."""
        self.add_mark(None if node is None else node.start_mark, text)

    def add_mark(self, mark: yaml.Mark | None, text: str) -> None:
        """Note a fault at a place."""
        self.found.append(f"{self.name}: {text}" if mark is None else f"{self.name}:{mark.line + 1}: {text}")


@dataclass(frozen=True, slots=True)
class Field:
    """What a value must be."""

    kind: str
    required: bool = False
    least: int = 0
    most: int = 0
    choices: Sequence[str] = ()

    @classmethod
    def text(cls, *, required: bool = False) -> Field:
        """A text that is not empty."""
        return cls("text", required)

    @classmethod
    def texts(cls, *, required: bool = False) -> Field:
        """A list of texts."""
        return cls("texts", required)

    @classmethod
    def number(cls, least: int, most: int) -> Field:
        """An integer within bounds."""
        return cls("number", False, least, most)

    @classmethod
    def boolean(cls) -> Field:
        """True or false."""
        return cls("boolean")

    @classmethod
    def choice(cls, choices: Sequence[str]) -> Field:
        """One of some texts."""
        return cls("choice", False, 0, 0, choices)


def read_fields(node: yaml.Node | None, known: Collection[str] | None, faults: Faults) -> dict[str, yaml.Node]:
    """Return a mapping's values by key; None or null is an empty one. Unknown and repeated keys are faults."""
    if node is None or node.tag == "tag:yaml.org,2002:null":
        return {}
    if not isinstance(node, yaml.MappingNode):
        faults.add(node, "a mapping belongs here")
        return {}
    found: dict[str, yaml.Node] = {}
    for key_node, value in node.value:
        key = str(key_node.value) if isinstance(key_node, yaml.ScalarNode) else ""
        if not key or len(key) > _MAX_TEXT_CHARACTERS:
            faults.add(key_node, "this can't be a key")
        elif known is not None and key not in known:
            faults.add(key_node, f"unknown key {key!r}; known are {', '.join(sorted(known))}")
        elif key in found:
            faults.add(key_node, f"{key!r} is there twice")
        else:
            found[key] = value
    return found


def read_map(node: yaml.Node | None, form: Mapping[str, Field], faults: Faults) -> dict[str, object]:
    """Return the values of a mapping of a known form; what is at fault is noted and left out."""
    values: dict[str, object] = {}
    nodes = read_fields(node, form.keys(), faults)
    for name, value in nodes.items():
        read = _value(value, form[name])
        if read is None:
            faults.add(value, f"{name!r} must be {_wanted(form[name])}")
        else:
            values[name] = read
    for name, wanted in form.items():
        if wanted.required and name not in nodes:
            faults.add(node, f"{name!r} is missing")
    return values


def read_list(node: yaml.Node | None, faults: Faults) -> list[yaml.Node]:
    """Return the nodes of a list; None is an empty one."""
    if node is None:
        return []
    if not isinstance(node, yaml.SequenceNode):
        faults.add(node, "a list belongs here")
        return []
    return list(node.value)


def _value(node: yaml.Node, wanted: Field) -> object:
    """Return the value, None when it is not what is wanted."""
    if wanted.kind == "texts":
        if not isinstance(node, yaml.SequenceNode):
            return None
        texts = [_text(each) for each in node.value]
        return None if None in texts or (wanted.required and not texts) else tuple(texts)
    if wanted.kind == "number":
        return _number(node, wanted)
    if wanted.kind == "boolean":
        is_boolean = isinstance(node, yaml.ScalarNode) and node.tag == _BOOLEAN
        return node.value.lower() in {"true", "yes", "on"} if is_boolean else None
    text = _text(node)
    return None if wanted.kind == "choice" and text not in wanted.choices else text


def _text(node: yaml.Node) -> str | None:
    if not isinstance(node, yaml.ScalarNode) or node.tag not in (_TEXT, _INTEGER):
        return None
    return node.value if 0 < len(node.value) <= _MAX_TEXT_CHARACTERS else None


def _number(node: yaml.Node, wanted: Field) -> int | None:
    if not isinstance(node, yaml.ScalarNode) or node.tag != _INTEGER or not node.value.isdecimal():
        return None
    number = int(node.value) if len(node.value) < 12 else -1
    return number if wanted.least <= number <= wanted.most else None


def _wanted(wanted: Field) -> str:
    match wanted.kind:
        case "texts":
            return "a list of texts"
        case "number":
            return f"an integer from {wanted.least} to {wanted.most}"
        case "boolean":
            return "true or false"
        case "choice":
            return "one of " + ", ".join(wanted.choices)
    return f"a text of at most {_MAX_TEXT_CHARACTERS} characters"
