"""What far systems and watchdogs call.

``POST /hooks/{system}`` takes a far system's webhook: signature and age are checked by its connector, the body is used
for nothing but *where to look*. ``GET /health`` says whether the hub is alive.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from litestar import Request, get, post
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from isthmus import events
from isthmus.app.bootstrap import clock
from isthmus.app.hints import HintDesk
from isthmus.errors import IsthmusError, Unauthorized

__all__ = ["hook_routes"]

LARGEST_HOOK = 1024 * 1024
"""Bytes a webhook may have."""


def hook_routes(desk: HintDesk | None) -> list[HTTPRouteHandler]:
    """The routes; without a desk (systems are not open here) only health."""

    @get("/health", exclude_from_auth=True)
    async def health() -> Mapping[str, str]:
        return {"status": "ok"}

    if desk is None:
        return [health]

    @post("/hooks/{system:str}", status_code=202, request_max_body_size=LARGEST_HOOK)
    async def hook(system: FromPath[str], request: Request[Any, Any, Any]) -> Mapping[str, int]:
        headers = {name.lower(): value for name, value in request.headers.items()}
        try:
            taken = await desk.take(system, headers, await request.body(), clock())
        except LookupError:
            raise NotFoundException(f"No system '{system}' sends webhooks to this hub.") from None
        except Unauthorized as error:
            events.emit(events.HINT_REFUSED, logging.WARNING, system=system, code=error.code)
            raise HTTPException("The signature does not verify.", status_code=401) from error
        except IsthmusError as error:
            events.emit(events.HINT_REFUSED, logging.WARNING, system=system, code=error.code)
            raise HTTPException("The body cannot be read.", status_code=400) from error
        return {"hints": taken}

    return [health, hook]
