"""What the contract must know about one resource: a sample, changes to it, and what the system refuses."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from isthmus.connector import Record

__all__ = ["Delivery", "ResourceCase", "filled", "forbidden", "holds"]


class ResourceCase(msgspec.Struct, frozen=True, kw_only=True):
    """One resource under contract. Every ``{tag}`` in a text is replaced by something unique for each record."""

    name: str
    create: Mapping[str, Any] | None = None
    """Fields of a good new record, with values that the system keeps as they are. None: nothing can be created here,
    then the tests that need records use those that exist (``existing``)."""
    change: Mapping[str, Any] | None = None
    """Fields for an update, different from ``create``. None: the resource is not changed by the tests."""
    second: Mapping[str, Any] | None = None
    """Another change of the same fields, for edits behind the hub's back."""
    invalid: Mapping[str, Any] | None = None
    """Fields of a new record (laid over ``create``) that the system must refuse."""
    text: str | None = None
    """A free text field for emoji, right-to-left and very long texts."""
    parents: Mapping[str, str] = {}
    """Field -> resource: the field gets the key of a record made by that resource's own case first."""
    own_parents: bool = False
    """A parent takes one such record only: many records need as many parents."""
    unknown_key: str = "999999999"
    """A key of the right shape that no record has."""
    existing: str | None = None
    """Key of a record that is there, for a resource in which nothing can be created."""
    readonly_echo: frozenset[str] = frozenset()
    """Created fields that the system may answer differently (it computes or normalises them)."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook call as the far system would make it, before signing."""

    body: bytes
    resource: str
    key: str
    """Where the hint must point."""


def filled(value: Any, tag: str) -> Any:
    """The sample with every ``{tag}`` replaced, at any depth."""
    match value:
        case str():
            return value.replace("{tag}", tag)
        case Mapping():
            return {name: filled(inner, tag) for name, inner in value.items()}
        case list() | tuple():
            return [filled(inner, tag) for inner in value]
    return value


def holds(sent: Any, got: Any) -> bool:
    """Whether ``got`` keeps what was sent: objects may have more keys (ids), numbers compare by value, and an empty
    text is as good as null."""
    if isinstance(sent, Mapping):
        return isinstance(got, Mapping) and all(holds(value, got.get(name)) for name, value in sent.items())
    if isinstance(sent, list | tuple):
        return isinstance(got, list | tuple) and len(sent) == len(got) and all(map(holds, sent, got))
    if sent in (None, "") or got in (None, ""):
        return sent in (None, "") and got in (None, "")
    if isinstance(sent, bool) or isinstance(got, bool):
        return sent is got
    if isinstance(sent, int | Decimal) and isinstance(got, int | Decimal):
        return Decimal(sent) == Decimal(got)
    return bool(sent == got)


def forbidden(value: Any, path: str = "") -> list[str]:
    """Paths inside a far value whose type a connector must not give (floats, dates, tuples, sets, own classes)."""
    match value:
        case None | bool() | int() | str() | Decimal():
            return [] if type(value) in (type(None), bool, int, str, Decimal) else [f"{path}: {type(value).__name__}"]
        case dict():
            wrong = [f"{path}: key {key!r}" for key in value if type(key) is not str]
            return wrong + [fault for key, inner in value.items() for fault in forbidden(inner, f"{path}.{key}")]
        case list():
            return [fault for at, inner in enumerate(value) for fault in forbidden(inner, f"{path}[{at}]")]
        case datetime() | date():
            return [f"{path}: {type(value).__name__} (give ISO 8601 text)"]
    return [f"{path}: {type(value).__name__}"]


def differences(sent: Mapping[str, Any], record: Record) -> dict[str, tuple[Any, Any]]:
    """Fields of ``sent`` that the record does not hold: name -> (sent, held)."""
    return {
        name: (value, record.fields.get(name, "(absent)"))
        for name, value in sent.items()
        if not holds(value, record.fields.get(name))
    }
