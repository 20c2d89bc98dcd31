"""Where a system's secrets stand, and whether they are there; never the secrets themselves."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from isthmus.project.secrets import is_reference

__all__ = ["Reference", "references_of"]

SETTINGS = "isthmus.toml"


class Reference(msgspec.Struct, frozen=True):
    """One value that stands elsewhere."""

    key: str
    """Its key in ``[systems.NAME]``, dotted."""
    place: str
    """``env:NAME`` or ``file:PATH``."""
    present: bool
    """There is something, and it can be read."""


def references_of(folder: Path, system: str, environ: Mapping[str, str] | None = None) -> list[Reference]:
    """The references of a system, as ``isthmus.toml`` has them now; none when it cannot be read."""
    environ = os.environ if environ is None else environ
    try:
        settings = tomllib.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    systems = settings.get("systems")
    table = systems.get(system) if isinstance(systems, dict) else None
    return [Reference(key, place, _present(folder, place, environ)) for key, place in _references(table or {})]


def _references(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _references(part, f"{key}.{name}" if key else name)
    elif isinstance(value, str) and is_reference(value):
        yield key, value


def _present(folder: Path, place: str, environ: Mapping[str, str]) -> bool:
    kind, _, name = place.partition(":")
    if kind == "env":
        return bool(environ.get(name.strip()))
    path = folder / Path(name.strip()).expanduser()
    try:
        return path.is_file() and os.access(path, os.R_OK) and path.stat().st_size > 0
    except OSError:
        return False
