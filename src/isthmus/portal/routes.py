"""All routes of the shop behind one guard."""

from __future__ import annotations

from litestar import Router

from isthmus.portal import buying, front
from isthmus.portal.guard import guard, handlers

__all__ = ["portal_router"]

LARGEST_FORM = 128 * 1024
"""Bytes of a form or an uploaded list."""


def portal_router() -> Router:
    """The routes; each has its line in ``permissions``."""
    return Router(
        "/shop",
        route_handlers=[*front.ROUTES, *buying.ROUTES],
        guards=[guard],
        exception_handlers=handlers(),
        request_max_body_size=LARGEST_FORM,
        include_in_schema=False,
    )
