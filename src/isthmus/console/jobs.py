"""Work that takes minutes and is done by a worker of the hub: how far it is, and ending it early."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.bootstrap import clock
from isthmus.app.job_desk import JobDesk
from isthmus.console.front import Form, back
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of

__all__ = ["ROUTES", "desk_of"]


def desk_of(request: Call) -> JobDesk:
    """The desk, for whoever asks."""
    site = site_of(request)
    return JobDesk(site.store, site.world, principal_of(request))


@get("/jobs/{id:str}")
async def job(id: FromPath[str], request: Call) -> Response[Any]:
    """How far it is, as a part of a page; when it is done, the whole page is read anew."""
    desk = desk_of(request)
    found = await desk.job(id)
    if found is None:
        raise NotFoundException
    place = back(request, dict(request.query_params))
    answer = render(
        request, "job.html", job=found, place=place, at_work=found.started_at or await desk.at_work(), now=clock()
    )
    if found.done_at is not None:
        answer.headers["hx-refresh"] = "true"
    return answer


@post("/jobs/{id:str}/stop", status_code=303)
async def stop_job(id: FromPath[str], request: Call, data: Form) -> Redirect:
    """End it early."""
    await desk_of(request).stop(id)
    return Redirect(back(request, data), status_code=303)


ROUTES = [job, stop_job]
