"""The web server of a running hub.

``POST /hooks/{system}`` takes a far system's webhook: signature and age are checked by its connector, the body is used
for nothing but *where to look*. ``GET /health`` says whether the hub is alive and ready.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import uvicorn
from litestar import Litestar, Request, get, post
from litestar.exceptions import HTTPException, NotFoundException
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.types import ControllerRouterHandler

from isthmus import events
from isthmus.app.bootstrap import clock
from isthmus.app.hints import HintDesk
from isthmus.errors import IsthmusError, Unauthorized

__all__ = ["make_app", "serve"]

LARGEST_HOOK = 1024 * 1024
"""Bytes a webhook may have."""
HOOKS_PER_SECOND = 200


def make_app(desk: HintDesk, routes: Sequence[ControllerRouterHandler] = ()) -> Litestar:
    """The ASGI application over a hub's hint desk, and other ``routes``."""

    @post("/hooks/{system:str}", status_code=202, request_max_body_size=LARGEST_HOOK)
    async def hook(system: str, request: Request[Any, Any, Any]) -> Mapping[str, int]:
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

    @get("/health", exclude_from_auth=True)
    async def health() -> Mapping[str, str]:
        return {"status": "ok"}

    limit = RateLimitConfig(rate_limit=("second", HOOKS_PER_SECOND), exclude=["/health"])
    # Logging is the command's: Litestar's own configuration would replace level and format.
    return Litestar([hook, health, *routes], openapi_config=None, middleware=[limit.middleware], logging_config=None)


@contextlib.asynccontextmanager
async def serve(
    desk: HintDesk, host: str, port: int, routes: Sequence[ControllerRouterHandler] = ()
) -> AsyncIterator[int]:
    """Serve until the block ends; gives the port in use (``port`` 0 takes a free one)."""
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    config = uvicorn.Config(make_app(desk, routes), log_level="warning", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    # Signals belong to the command, which stops everything in order.
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await task
