"""TOML files as nodes. ``tomllib`` gives the values; a scan of the text that it accepted gives the places."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from isthmus.errors import Place
from isthmus.project.faults import Faults
from isthmus.project.nodes import Node

__all__ = ["read_toml"]

type KeyPath = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_STRINGS = (
    re.compile(r'"""(?:[^\\]|\\.)*?"{3,5}', re.DOTALL),
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_BARE_VALUE = re.compile(r"[^,\]}\n#]+")


def read_toml(text: str, file: str, faults: Faults) -> Node | None:
    """The document; None, with the error remembered, when it is not TOML."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"^(.*?) \(at (?:line (\d+), column (\d+)|end of document)\)$", str(error), re.DOTALL)
        problem = found[1] if found else str(error)
        line = int(found[2]) if found and found[2] else text.count("\n") + 1
        faults.add(Place(file, line, int(found[3]) if found and found[3] else 1), f"Not valid TOML: {problem}.")
        return None
    except RecursionError:
        faults.add(Place(file), "The file is nested too deeply.")
        return None
    places = _Scanner(text.replace("\r\n", "\n"), file).scan()
    return _node(values, (), places, Place(file, 1, 1))


def _node(value: Any, path: KeyPath, places: Mapping[KeyPath, tuple[Place, Place]], above: Place) -> Node:
    _, place = places.get(path, (above, above))
    if isinstance(value, dict):
        keys = {name: places.get((*path, name), (place, place))[0] for name in value}
        return Node({name: _node(v, (*path, name), places, place) for name, v in value.items()}, place, keys)
    if isinstance(value, list):
        return Node(tuple(_node(v, (*path, i), places, place) for i, v in enumerate(value)), place)
    if value is None or isinstance(value, str | int | float):
        return Node(value, place, quoted=isinstance(value, str))
    return Node(str(value), place)  # dates and times: their text is all that is ever wanted


class _Scanner:
    """Finds keys and values of a text that is known to be valid TOML."""

    def __init__(self, text: str, file: str) -> None:
        self._text, self._file, self._at = text, file, 0
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self._found: dict[KeyPath, tuple[Place, Place]] = {}
        self._counts: dict[KeyPath, int] = {}

    def scan(self) -> Mapping[KeyPath, tuple[Place, Place]]:
        """Key path -> (place of the key, place of the value)."""
        table: KeyPath = ()
        while self._skip(_BLANK):
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._found

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        found = pattern.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at < len(self._text)

    def _place(self, at: int) -> Place:
        low, high = 0, len(self._lines)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._lines[middle] <= at else (low, middle)
        return Place(self._file, low + 1, at - self._lines[low] + 1)

    def _note(self, path: KeyPath, key: int, value: int) -> None:
        self._found.setdefault(path, (self._place(key), self._place(value)))

    def _header(self) -> KeyPath:
        """``[a.b]`` or ``[[a.b]]``; positions in lists of tables are counted as they come."""
        start = self._at
        many = self._text.startswith("[[", start)
        self._at += 2 if many else 1
        self._skip(_SPACE)
        path: KeyPath = ()
        names = self._key()
        for position, (name, at) in enumerate(names):
            path = (*path, name)
            self._note(path, at, start)
            last = position == len(names) - 1
            if many and last:
                self._counts[path] = self._counts.get(path, -1) + 1
            if path in self._counts:
                path = (*path, self._counts[path])
                self._note(path, at, start)
        self._skip(_SPACE)
        self._at += 2 if many else 1
        return path

    def _key(self) -> list[tuple[str, int]]:
        names = []
        while True:
            at = self._at
            names.append((self._key_part(), at))
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return names
            self._at += 1
            self._skip(_SPACE)

    def _key_part(self) -> str:
        for pattern in _STRINGS[2:]:
            found = pattern.match(self._text, self._at)
            if found:
                self._at = found.end()
                return str(tomllib.loads(f"k = {found[0]}")["k"])
        found = _BARE_KEY.match(self._text, self._at)
        assert found, "tomllib accepted the text"
        self._at = found.end()
        return found[0]

    def _pair(self, table: KeyPath) -> None:
        names = self._key()
        self._at += 1  # the equals sign
        self._skip(_SPACE)
        path = table
        for name, at in names:
            path = (*path, name)
            self._note(path, at, self._at)
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        for pattern in _STRINGS:
            found = pattern.match(self._text, self._at)
            if found:
                self._at = found.end()
                return
        if self._text[self._at] == "[":
            self._sequence(path)
        elif self._text[self._at] == "{":
            self._inline_table(path)
        else:
            self._skip(_BARE_VALUE)

    def _sequence(self, path: KeyPath) -> None:
        self._at += 1
        position = 0
        while self._skip(_BLANK) and self._text[self._at] != "]":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._note((*path, position), self._at, self._at)
            self._value((*path, position))
            position += 1
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._skip(_BLANK) and self._text[self._at] != "}":
            if self._text[self._at] == ",":
                self._at += 1
                continue
            self._pair(path)
        self._at += 1
