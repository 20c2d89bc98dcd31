"""All routes of the shop behind one guard."""

from __future__ import annotations

from litestar import Router

from isthmus.portal import (
    asking,
    billing,
    buying,
    calling,
    front,
    offering,
    quoting,
    repairing,
    sending_back,
    stations,
    visiting,
)
from isthmus.portal.guard import guard, handlers

__all__ = ["portal_router"]

LARGEST_FORM = 128 * 1024
"""Bytes of a form or an uploaded list."""


PARTS = (front, buying, billing, quoting, offering, sending_back, asking, stations, repairing, visiting, calling)


def portal_router() -> Router:
    """The routes; each has its line in ``permissions``."""
    return Router(
        "/shop",
        route_handlers=[handler for part in PARTS for handler in part.ROUTES],
        guards=[guard],
        exception_handlers=handlers(),
        request_max_body_size=LARGEST_FORM,
        include_in_schema=False,
    )
