"""All routes of the console behind one guard."""

from __future__ import annotations

from typing import Any

from litestar import Router
from litestar.exceptions import NotFoundException

from isthmus.console import (
    administration,
    approvals,
    comparing,
    editing,
    entering,
    flow_editing,
    flow_review,
    flows,
    front,
    inbox,
    inbox_many,
    jobs,
    linking,
    overview,
    planning,
    processes,
    records,
    signing,
    systems,
    tracing,
)
from isthmus.console.guard import guard, handlers

__all__ = ["console_router", "unknown_page"]


def console_router() -> Router:
    """The routes; each has its line in ``permissions``."""
    parts = (
        *(signing, entering, front, overview, records, editing, linking, inbox, inbox_many, approvals, tracing),
        *(systems, flows, flow_editing, flow_review, planning, comparing, jobs, processes, administration),
    )
    pages = [route for part in parts for route in part.ROUTES]
    return Router("/", route_handlers=pages, guards=[guard], exception_handlers=handlers(), include_in_schema=False)


def unknown_page() -> dict[Any, Any]:
    """What an address that is nobody's shows."""
    return {NotFoundException: handlers()[NotFoundException]}
