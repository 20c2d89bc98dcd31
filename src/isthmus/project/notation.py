"""The two small notations inside flow files: paths into far records, and converters by name.

    path       segment ("." segment)*
    segment    name | name "[" number "]" | name "[" name "=" text "]"
    converter  name | name "(" argument ("," argument)* ")"
    argument   text | text "=" text

Names and texts with other characters stand in double quotes, with ``\\"`` and ``\\\\`` inside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from isthmus.model.flow import Convert, Segment

__all__ = ["KEY", "NotationError", "parse_convert", "parse_path", "print_path"]

KEY = "@key"
"""The path that means the record's key."""

_BARE_NAME = re.compile(r'[^\s.\[\]=(),"\\]+')
_BARE_VALUE = re.compile(r'[^\[\]"\\]+')
_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_CONVERT = re.compile(r"\s*([a-z][a-z0-9_]*)\s*(?:(\()(.*)\)\s*)?", re.DOTALL)
_ARGUMENT = re.compile(r'\s*("(?:[^"\\]|\\["\\])*"|[^",=]*)\s*(=?)')


class NotationError(ValueError):
    """The text does not follow the notation; ``offset`` is the character at fault, from 0."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _quoted(text: str, bare: re.Pattern[str]) -> str:
    if bare.fullmatch(text) and text == text.strip():
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class _PathReader:
    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def name(self, what: str, bare: re.Pattern[str] = _BARE_NAME) -> str:
        found = _QUOTED.match(self.text, self.at)
        if found:
            self.at = found.end()
            if not found[1]:
                raise NotationError(f"{what} is empty", found.start())
            return _unquoted(found[1])
        found = bare.match(self.text, self.at)
        if not found or not found[0].strip():
            raise NotationError(f"expected {what}", self.at)
        self.at = found.end()
        return found[0].strip()

    def take(self, sign: str) -> bool:
        if not self.text.startswith(sign, self.at):
            return False
        self.at += len(sign)
        return True

    def segment(self) -> Segment:
        name = self.name("a field name")
        if not self.take("["):
            return Segment(name)
        start = self.at
        selector = self.name("a position or a name")
        if self.take("]"):
            if not (selector.isascii() and selector.isdigit()):
                raise NotationError(f"'{selector}' is no position; write [0] or [name=value]", start)
            return Segment(name, index=int(selector))
        if not self.take("="):
            raise NotationError("expected '=' or ']'", self.at)
        wanted = self.name("a value", _BARE_VALUE)
        if not self.take("]"):
            raise NotationError("expected ']'", self.at)
        return Segment(name, where=(selector, wanted))

    def path(self) -> Iterator[Segment]:
        while True:
            yield self.segment()
            if self.at == len(self.text):
                return
            if not self.take("."):
                raise NotationError(f"unexpected '{self.text[self.at]}'", self.at)


def parse_path(text: str) -> tuple[Segment, ...]:
    """The segments of a path such as ``contact_mechanisms[type=email].value``. Raises :class:`NotationError`."""
    if text != text.strip():
        raise NotationError("blanks around a path", 0 if text[:1].isspace() else len(text.rstrip()))
    return tuple(_PathReader(text).path())


def print_path(segments: tuple[Segment, ...]) -> str:
    """The text of a path; :func:`parse_path` reads it back as the same segments."""
    parts = []
    for segment in segments:
        text = _quoted(segment.name, _BARE_NAME)
        if segment.index is not None:
            text += f"[{segment.index}]"
        elif segment.where is not None:
            name, wanted = segment.where
            text += f"[{_quoted(name, _BARE_NAME)}={_quoted(wanted, _BARE_VALUE)}]"
        parts.append(text)
    return ".".join(parts)


def parse_convert(text: str) -> Convert:
    """A converter with its arguments, such as ``choice(open=draft, closed=done)``. Raises :class:`NotationError`."""
    found = _CONVERT.fullmatch(text)
    if not found:
        raise NotationError("expected a converter such as lowercase or ref(customer)", 0)
    if not found[2]:
        return Convert(found[1])
    args: list[str] = []
    pairs: list[tuple[str, str]] = []
    inner, at, start = found[3], 0, found.start(3)
    while True:
        left, at, equals = _argument(inner, at, start)
        if equals:
            right, at, more = _argument(inner, at, start)
            if more:
                raise NotationError("unexpected '='", start + at - 1)
            pairs.append((left, right))
        else:
            args.append(left)
        if at >= len(inner):
            break
        if inner[at] != ",":
            raise NotationError("expected ','", start + at)
        at += 1
    return Convert(found[1], tuple(args), tuple(pairs))


def _argument(inner: str, at: int, start: int) -> tuple[str, int, bool]:
    found = _ARGUMENT.match(inner, at)
    assert found, "the pattern accepts an empty text"
    word = found[1].strip()
    if word.startswith('"'):
        return _unquoted(word[1:-1]), found.end(), bool(found[2])
    if not word:
        raise NotationError("an argument is empty", start + at)
    return word, found.end(), bool(found[2])
