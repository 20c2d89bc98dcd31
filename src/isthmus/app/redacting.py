"""Questions without the values that a reader does not see: in what was to be written, in the request as it was sent,
and in what the system answered."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from msgspec.structs import replace

from isthmus.app.record_view import HIDDEN
from isthmus.mapping.shape import tops
from isthmus.model.flow import Flow
from isthmus.model.state import InboxEntry

__all__ = ["redacted"]

SHORTEST = 2
"""Characters that a value must have to be looked for in an answer: one letter stands everywhere."""


def redacted(entry: InboxEntry, flow: Flow | None, secret: Collection[str]) -> InboxEntry:
    """The entry for a reader who must not see these fields of the entity."""
    if not secret or flow is None:
        return entry
    detail = dict(entry.detail)
    values = detail.get("values")
    hidden: set[str] = set()
    if isinstance(values, Mapping):
        hidden = {text for name in secret if name in values for text in _texts(values[name])}
        detail["values"] = {name: HIDDEN if name in secret else value for name, value in values.items()}
    request = detail.get("request")
    if isinstance(request, Mapping) and isinstance(fields := request.get("fields"), Mapping):
        exprs = [flow.expr(name, str(detail.get("system"))) for name in secret if name in flow.fields]
        far = {top for expr in exprs if expr is not None for top in tops(expr)}
        hidden |= {text for name in far if name in fields for text in _texts(fields[name])}
        shown = {name: HIDDEN if name in far else value for name, value in fields.items()}
        detail["request"] = {**request, "fields": shown}
    for name in ("message", "advice"):
        if isinstance(detail.get(name), str):
            detail[name] = _without(detail[name], hidden)
    return replace(entry, detail=detail, summary=_without(entry.summary, hidden))


def _texts(value: Any) -> set[str]:
    """How a value may stand in a sentence."""
    if isinstance(value, Mapping):
        return {text for part in value.values() for text in _texts(part)}
    if isinstance(value, list | tuple):
        return {text for part in value for text in _texts(part)}
    text = "" if value is None or isinstance(value, bool) else str(value)
    return {text} if len(text) >= SHORTEST else set()


def _without(text: str, hidden: Collection[str]) -> str:
    for one in sorted(hidden, key=len, reverse=True):
        text = text.replace(one, HIDDEN)
    return text
