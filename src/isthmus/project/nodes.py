"""Values of a file with the place of each: what YAML and TOML files become before their meaning is read."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from isthmus.errors import Place
from isthmus.project.faults import Faults

__all__ = [
    "Node",
    "duration_of",
    "elements_of",
    "flag_of",
    "mapping_of",
    "name_of",
    "overlaid",
    "plain",
    "read_text",
    "share_of",
    "text_of",
    "whole_of",
    "word_of",
]

NAME = re.compile(r"[a-z][a-z0-9_]*")
"""What systems, flows, fields and converters may be called."""

_UNITS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}


@dataclass(frozen=True, slots=True)
class Node:
    """A scalar (text, int, Decimal, bool, None), a tuple of nodes, or a mapping of nodes."""

    value: Any
    place: Place
    keys: Mapping[str, Place] = field(default_factory=dict)
    """For mappings: where each key stands."""
    quoted: bool = False
    """Text in quotes, so that its characters start one column later."""

    @property
    def is_map(self) -> bool:
        """Whether this is a mapping."""
        return isinstance(self.value, Mapping)

    @property
    def is_list(self) -> bool:
        """Whether this is a list."""
        return isinstance(self.value, tuple)

    @property
    def is_off(self) -> bool:
        """Whether this switches something off: null or the word ``off``."""
        return self.value is None or (self.value == "off" and not self.quoted)

    def entries(self) -> Mapping[str, Node]:
        """The entries of a mapping; none for anything else."""
        return self.value if isinstance(self.value, Mapping) else {}

    def inside(self, offset: int) -> Place:
        """The place of the character at ``offset`` of a text in one line."""
        place = self.place
        return Place(place.file, place.line, place.column + offset + (1 if self.quoted else 0))


def read_text(path: Path, file: str, faults: Faults) -> str | None:
    """A project file's text; None, with the error remembered, when it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        faults.add(Place(file), f"Cannot read the file: {error.strerror or type(error).__name__}.")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        faults.add(Place(file, line, 1), "The file is not UTF-8 text.", "Save it as UTF-8.")
    return None


def plain(node: Node) -> Any:
    """The value without places."""
    if node.is_map:
        return {name: plain(inner) for name, inner in node.value.items()}
    if node.is_list:
        return [plain(inner) for inner in node.value]
    return node.value


def overlaid(below: Node, above: Node, depth: int) -> Node:
    """``above`` laid over ``below``: mappings are joined key by key for ``depth`` levels; deeper, and for anything
    else, ``above`` replaces ``below``."""
    if depth == 0 or not (below.is_map and above.is_map):
        return above
    entries = dict(below.value)
    for name, inner in above.value.items():
        entries[name] = overlaid(entries[name], inner, depth - 1) if name in entries else inner
    return Node(entries, above.place, {**below.keys, **above.keys})


def _kind(node: Node) -> str:
    if node.is_map:
        return "a mapping"
    if node.is_list:
        return "a list"
    names = {str: "text", bool: "yes or no", int: "a number", Decimal: "a number", type(None): "nothing"}
    return names.get(type(node.value), "something else")


def mapping_of(node: Node, what: str, keys: Collection[str] | None, faults: Faults) -> Mapping[str, Node]:
    """The entries of a mapping whose keys are all among ``keys`` (None: any). What is wrong is remembered and left
    out."""
    if not node.is_map:
        if node.value is not None:
            faults.add(node.place, f"{what} must be a mapping, not {_kind(node)}.")
        return {}
    if keys is None:
        return node.entries()
    found = {}
    for name, inner in node.entries().items():
        if name in keys:
            found[name] = inner
        else:
            faults.unknown(node.keys[name], f"key of {what}", name, keys)
    return found


def elements_of(node: Node, what: str, faults: Faults) -> Sequence[Node]:
    """The elements of a list; a single value counts as a list of one."""
    if node.is_map or node.value is None:
        faults.add(node.place, f"{what} must be a list, not {_kind(node)}.")
        return ()
    return node.value if node.is_list else (node,)


def text_of(node: Node, what: str, faults: Faults) -> str | None:
    """A text that is not blank."""
    if isinstance(node.value, str) and node.value.strip():
        return node.value
    shown = "blank" if isinstance(node.value, str) else _kind(node)
    faults.add(node.place, f"{what} must be text, not {shown}.")
    return None


def name_of(node: Node, what: str, faults: Faults) -> str | None:
    """A name: lower-case letters, digits and underscores, starting with a letter."""
    text = text_of(node, what, faults)
    if text is not None and not NAME.fullmatch(text):
        faults.add(node.place, f"'{text}' cannot be {what}.", "Use a-z, 0-9 and _, starting with a letter.")
        return None
    return text


def word_of(node: Node, what: str, known: Collection[str], faults: Faults) -> str | None:
    """One of the ``known`` words."""
    text = text_of(node, what, faults)
    if text is not None and text not in known:
        faults.unknown(node.place, what, text, known)
        return None
    return text


def flag_of(node: Node, what: str, faults: Faults) -> bool | None:
    """True or false."""
    if isinstance(node.value, bool):
        return node.value
    faults.add(node.place, f"{what} must be true or false, not {_kind(node)}.")
    return None


def whole_of(node: Node, what: str, faults: Faults) -> int | None:
    """A whole number that is not negative."""
    if isinstance(node.value, int) and not isinstance(node.value, bool) and node.value >= 0:
        return node.value
    faults.add(node.place, f"{what} must be a whole number from 0 on.")
    return None


def share_of(node: Node, what: str, faults: Faults) -> float | None:
    """A share between 0 and 1, written ``20%`` or ``0.2``."""
    text = str(node.value).strip()
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", text)
    share = None if found is None else Decimal(found[1]) / (100 if found[2] else 1)
    if share is None or share > 1 or isinstance(node.value, bool):
        faults.add(node.place, f"{what} must be a share such as 20% or 0.2 (at most 100%).")
        return None
    return float(share)


def duration_of(node: Node, what: str, faults: Faults) -> float | None:
    """Seconds of a duration such as ``500ms``, ``15s``, ``2m`` or ``1h``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", str(node.value).strip())
    seconds = None if found is None else Decimal(found[1]) * _UNITS[found[2]]
    if seconds is None or not 0 < seconds <= 86400:
        faults.add(node.place, f"{what} must be a duration of at most 24h such as 500ms, 15s, 2m or 1h.")
        return None
    return float(seconds)
