"""SQL by name, from ``sql/queries/*.sql``: a query begins with ``-- name: xyz`` and ends at the next one.

Parameters are ``%(name)s``; a percent sign of SQL is written ``%%``. Several statements under one name take no
parameters. ``{link_columns}`` stands for the query of that name in ``columns.sql``, ``{changed_items}`` for a part that
others share in ``search.sql``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

__all__ = ["narrowed", "planned_each_time", "query", "schema", "statements"]

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)
_PARTS = re.compile(r"\{(\w+_columns|changed_\w+)\}")


def query(name: str) -> bytes:
    """The SQL of this name; a KeyError is a programming mistake."""
    return _queries()[name]


@cache
def planned_each_time(name: str) -> bool:
    """Whether the query says ``-- planned each time``: what is best depends on what is asked so much that one plan for
    all of its calls would be bad."""
    return b"-- planned each time" in query(name)


@cache
def narrowed(name: str) -> bytes:
    """The query of this name, giving of each link or item only its id, and which version of the row is the present one
    (``ctid``, ``xmin``)."""
    text = _texts()[name]
    columns = _PARTS.search(text)
    assert columns is not None, f"{name} gives no whole rows"
    table = columns[1].removesuffix("_columns")
    return text.replace(columns[0], f"{table}.id, {table}.ctid::text, {table}.xmin::text", 1).encode()


def statements(name: str) -> list[bytes]:
    """The statements of a query that has several."""
    parts = re.split(rb";\s*$", query(name), flags=re.MULTILINE)
    return [part for part in parts if part.strip()]


def schema() -> str:
    """``schema.sql``: the whole catalog as it should be."""
    return (files("isthmus.store") / "sql" / "schema.sql").read_text()


@cache
def _texts() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for file in sorted((files("isthmus.store") / "sql" / "queries").iterdir(), key=lambda each: each.name):
        parts = _NAME.split(file.read_text())
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            assert name not in found, f"{file.name} defines {name} again"
            found[name] = text.strip()
    return found


@cache
def _queries() -> Mapping[str, bytes]:
    found = _texts()
    return {name: _PARTS.sub(lambda match: found[match[1]], text).encode() for name, text in found.items()}
