"""Pages: how many, and a cursor that says after which thing the next one begins. A cursor is opaque to clients."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import msgspec
from litestar.params import QueryParameter

from isthmus.api.v1.problems import Failed

__all__ = ["Cursor", "Limit", "after", "after_time", "cursor_of"]

Limit = Annotated[int, QueryParameter(name="limit", ge=1, le=200, description="Things on a page.", required=False)]
Cursor = Annotated[
    str | None,
    QueryParameter(name="cursor", max_length=500, description="What `next` of the page before said.", required=False),
]


def cursor_of(*place: str) -> str:
    """The cursor of the thing that stands at this place."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def _place(cursor: str, parts: int) -> Sequence[str]:
    try:
        found = msgspec.json.decode(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)), type=list[str])
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        found = []
    if len(found) != parts or any("\x00" in part for part in found):
        raise Failed(400, "bad-cursor", "This is no cursor of a page of ours.")
    return found


def after(cursor: str | None) -> str:
    """The id of the last thing of the page before; empty: begin at the first."""
    return _place(cursor, 1)[0] if cursor else ""


def after_time(cursor: str | None) -> tuple[datetime | None, str]:
    """Time and id of the last thing of the page before."""
    if not cursor:
        return None, ""
    at, id = _place(cursor, 2)
    try:
        return msgspec.convert(at, datetime), id
    except msgspec.ValidationError:
        raise Failed(400, "bad-cursor", "This is no cursor of a page of ours.") from None
