"""Drivers for far systems, one folder per kind, and the registry that finds them.

A kind is bundled (a folder here) or comes with an installed package that names its connector in the entry point group
``isthmus.connectors``: ``acme = "isthmus_acme:connector"``. Nothing is imported before a project asks for it.
"""

from __future__ import annotations

import difflib
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from isthmus.connector import Connector
from isthmus.errors import Misconfigured

__all__ = ["GROUP", "find", "kinds"]

GROUP = "isthmus.connectors"
"""Entry point group of connectors outside this package."""

# What a module of somebody else's may raise while it is imported.
_IMPORT_FAULTS = (
    ImportError,
    AttributeError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
_BUNDLED = ("bottlecrm", "rest", "tryton")


def kinds() -> list[str]:
    """Every kind that can be used here, sorted."""
    return sorted({*_BUNDLED, *_installed()})


def find(kind: str) -> Connector:
    """The connector of a kind. A bundled kind cannot be replaced by an installed one.

    Raises ``Misconfigured`` for an unknown kind (with the nearest known one) and for a plug-in that cannot be loaded.
    """
    if kind in _BUNDLED:
        return cast(Connector, import_module(f"{__name__}.{kind}").connector)
    found = _installed().get(kind)
    if found is None:
        near = difflib.get_close_matches(kind, kinds(), n=1, cutoff=0.5)
        raise Misconfigured(
            f"There is no connector of kind '{kind}'.",
            advice=f"Did you mean '{near[0]}'?" if near else f"Known kinds: {', '.join(kinds())}.",
        )
    return _loaded(found)


def _installed() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(point: EntryPoint) -> Connector:
    try:
        connector: Any = point.load()
    except _IMPORT_FAULTS as error:
        raise Misconfigured(
            f"The connector '{point.name}' ({point.value}) cannot be loaded: {type(error).__name__}: {error}.",
            advice="Is the package that brings it installed completely, and for this version of Isthmus?",
        ) from error
    kind = getattr(connector, "kind", None)
    if kind != point.name or not hasattr(connector, "open") or not hasattr(connector, "config"):
        raise Misconfigured(
            f"The entry point '{point.name}' ({point.value}) is not a connector of that kind (its kind is {kind!r})."
        )
    return cast(Connector, connector)
