"""YAML files as nodes: YAML 1.2 without anchors, tags and merge keys, so that a text means what it shows."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

from isthmus.errors import Misconfigured, Place
from isthmus.project.faults import Faults
from isthmus.project.nodes import Node

__all__ = ["read_yaml"]

MOST_KEPT = 128
"""Texts whose nodes are kept: all files of the packs and of a project of some size."""
LONGEST_KEPT = 20_000
"""Characters of such a text."""

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_PLAIN = {"": None, "~": None, "null": None, "Null": None, "true": True, "True": True, "false": False, "False": False}


def read_yaml(text: str, file: str, faults: Faults) -> Node | None:
    """The only document of a YAML text; None when it is empty or, with the error remembered, cannot be read. The same
    text is parsed once: a project is read again for every letter that somebody types into one of its flows."""
    node, found = (_read_kept if len(text) < LONGEST_KEPT else _read)(text, file)
    for error in found:
        faults.add(error.place, error.message, error.advice)
    return node


def _read(text: str, file: str) -> tuple[Node | None, tuple[Misconfigured, ...]]:
    faults = Faults()
    node = _parsed(text, file, faults)
    return node, tuple(faults.found)


_read_kept = lru_cache(maxsize=MOST_KEPT)(_read)


def _parsed(text: str, file: str, faults: Faults) -> Node | None:
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except YAMLError as error:
        faults.add(_place_of(error, file, text), *_explained(error))
        return None
    except RecursionError:
        faults.add(Place(file), "The file is nested too deeply.")
        return None
    if root is None:
        faults.add(Place(file), "The file is empty.")
        return None
    return _Reader(file, faults).node(root)


def _place_of(error: YAMLError, file: str, text: str) -> Place:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is not None:
        return Place(file, mark.line + 1, mark.column + 1)
    position = getattr(error, "position", None)
    if isinstance(position, int):
        before = text[:position]
        return Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    return Place(file)


def _explained(error: YAMLError) -> tuple[str, str]:
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read")
    if "'@'" in problem:
        return "Not valid YAML: a text may not start with @ unless it is in quotes.", 'Write "@key".'
    if "'\\t'" in problem:
        return "Not valid YAML: indented by a tab.", "Indent by spaces."
    if "another document" in problem:
        return "A file holds one document.", "Make a file of its own for what follows '---'."
    return f"Not valid YAML: {problem}.", ""


class _Reader:
    def __init__(self, file: str, faults: Faults) -> None:
        self._file, self._faults = file, faults
        self._seen: set[int] = set()

    def node(self, found: Any) -> Node:
        place = self._place(found)
        if id(found) in self._seen:
            self._faults.add(place, "Anchors and aliases (& and *) are not used in project files.", "Write it out.")
            return Node(None, place)
        self._seen.add(id(found))
        if str(found.tag).startswith("!"):
            self._faults.add(place, f"Tags such as {str(found.tag)[:30]} are not used in project files.")
        match found:
            case ScalarNode():
                value = self._plain(found.value) if found.style is None else found.value
                return Node(value, place, quoted=found.style is not None)
            case SequenceNode():
                return Node(tuple(self.node(inner) for inner in found.value), place)
            case MappingNode():
                return self._mapping(found, place)
            case _:
                raise AssertionError(f"unexpected YAML node {type(found).__name__}")

    def _mapping(self, found: Any, place: Place) -> Node:
        entries: dict[str, Node] = {}
        keys: dict[str, Place] = {}
        for key, inner in found.value:
            here = self._place(key)
            if not isinstance(key, ScalarNode):
                self._faults.add(here, "A key must be a plain word.")
                continue
            name = str(key.value)
            if name in entries:
                self._faults.add(here, f"'{name}' is given twice (first in line {keys[name].line}).")
                continue
            entries[name], keys[name] = self.node(inner), here
        return Node(entries, place, keys)

    def _plain(self, text: str) -> Any:
        if text in _PLAIN:
            return _PLAIN[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            return Decimal(text)
        return text

    def _place(self, found: Any) -> Place:
        mark = found.start_mark
        return Place(self._file, mark.line + 1, mark.column + 1)
