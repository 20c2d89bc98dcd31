"""Work that takes minutes and is done by a worker of the hub: how far it is, and ending it early."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response, ServerSentEvent

from isthmus.app.bootstrap import clock
from isthmus.app.job_desk import JobDesk
from isthmus.console.front import Form, back
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of
from isthmus.errors import IsthmusError
from isthmus.pages import COOKIE
from isthmus.store import Job

__all__ = ["ROUTES", "desk_of"]

NET_SECONDS = 5.0
"""How often it is looked at when nobody tells of anything: notices may be lost."""
LONGEST_SECONDS = 1800.0
"""A stream ends after this long; the browser opens another."""
MOST_JOBS = 50


def desk_of(request: Call) -> JobDesk:
    """The desk, for whoever asks."""
    site = site_of(request)
    return JobDesk(site.store, site.world, principal_of(request))


async def _part(request: Call, found: Job, place: str) -> Response[str]:
    at_work = bool(found.started_at) or await desk_of(request).at_work()
    return render(request, "job.html", job=found, place=place, at_work=at_work, now=clock())


@get("/jobs/{id:str}")
async def job(id: FromPath[str], request: Call) -> Response[Any]:
    """How far it is, as a part of a page; when it is done, the whole page is read anew."""
    found = await desk_of(request).job(id)
    if found is None:
        raise NotFoundException
    answer = await _part(request, found, back(request, dict(request.query_params)))
    if found.done_at is not None:
        answer.headers["hx-refresh"] = "true"
    return answer


@get("/jobs/live")
async def live(request: Call) -> ServerSentEvent:
    """How far these jobs (``id``, as often as wanted) are, as they move, for as long as somebody looks and is signed
    in. The event ``job-ID`` carries the part of the page, ``done-ID`` says that the page is to be read anew."""
    ids = list(dict.fromkeys(request.query_params.getall("id", [])))[:MOST_JOBS]
    return ServerSentEvent(_moves(request, ids, back(request, dict(request.query_params))))


async def _moves(request: Call, ids: list[str], place: str) -> AsyncIterator[dict[str, Any]]:
    site, desk, secret = site_of(request), desk_of(request), request.cookies.get(COOKIE, "")
    left, began = set(ids), time.monotonic()

    async def look(id: str) -> tuple[Job | None, Any]:
        if await site.access.by_session(secret, in_use=False) is None:
            return None, None
        found = await desk.job(id)
        return found, None if found is None else (await _part(request, found, place)).content

    with site.job_news.watch(ids) as watch:
        async for moved in watch.moved(NET_SECONDS):
            for id in sorted(moved & left):
                try:
                    # A reader who leaves must not break off a query in the middle: its connection would be lost.
                    found, page = await asyncio.shield(asyncio.create_task(look(id)))
                except IsthmusError:
                    continue  # The store is away: the page stays as it is.
                if found is None or found.done_at is not None:
                    left.discard(id)
                    yield {"event": f"done-{id}", "data": ""}
                else:
                    yield {"event": f"job-{id}", "data": page}
            if not left or time.monotonic() - began > LONGEST_SECONDS:
                break
    yield {"event": "ended", "data": ""}


@post("/jobs/{id:str}/stop", status_code=303)
async def stop_job(id: FromPath[str], request: Call, data: Form) -> Redirect:
    """End it early."""
    await desk_of(request).stop(id)
    return Redirect(back(request, data), status_code=303)


ROUTES = [job, live, stop_job]
