"""Texts that a system keeps in several fields, such as first and last name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isthmus.errors import Unmappable
from isthmus.mapping.paths import ABSENT, read, write
from isthmus.model.fields import Canonical, FieldType, Kind, canonical
from isthmus.model.flow import Join

__all__ = ["joined", "put_join"]

_TEXT = FieldType(kind=Kind.TEXT)


def joined(expr: Join, parts: Sequence[Any]) -> str:
    """The text that the parts come to; empty ones are left out."""
    texts = [canonical(_TEXT, part) for part in parts if part is not ABSENT]
    return expr.by.join(text for text in texts if text)


def put_join(expr: Join, value: Canonical, record: dict[str, Any]) -> dict[str, Any]:
    """Split from the right: the last part gets one word, the first all the rest ("Anna Maria" + "Lee"); a text with
    one word goes to the last part."""
    try:
        if canonical(_TEXT, joined(expr, [read(record, path.segments) for path in expr.paths])) == value:
            return record
    except Unmappable:
        pass  # whatever is there does not read as wanted
    words = [] if value is None else str(value).rsplit(expr.by, len(expr.paths) - 1)
    padded = [""] * (len(expr.paths) - len(words)) + words
    for path, word in zip(expr.paths, padded, strict=True):
        record = write(record, path.segments, word)
    return record
