"""Processes: where each stands and whom it waits for, and what one has behind it."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Redirect, Response

from isthmus.app.bootstrap import clock
from isthmus.app.stopping import stop
from isthmus.console.guard import principal_of
from isthmus.console.pages import Call, render, site_of
from isthmus.pages import in_address
from isthmus.process import ProcessState, retry

__all__ = ["ROUTES"]

SHOWN = 100


@get("/processes")
async def processes(request: Call) -> Response[str]:
    """The newest first, of all states or one."""
    wanted = request.query_params.get("state", "")
    states = [ProcessState(wanted)] if wanted in set(ProcessState) else []
    found = await site_of(request).reads.processes(states, SHOWN)
    return render(request, "processes.html", found=found, states=list(ProcessState), chosen=wanted, now=clock())


@get("/processes/{id:str}")
async def process(id: FromPath[str], request: Call) -> Response[str]:
    """One with its history."""
    found = await site_of(request).reads.process(id)
    if found is None:
        raise NotFoundException
    return render(request, "process.html", process=found[0], history=found[1], signals=found[2], now=clock())


@post("/processes/{id:str}/retry", status_code=303)
async def retry_process(id: FromPath[str], request: Call) -> Redirect:
    """Go on at the step at which it failed."""
    site = site_of(request)
    await site.access.note(principal_of(request).login, "process retried", id)
    async with site.store.transaction() as tx:
        await retry(tx, id, now=clock())
    return Redirect(f"/processes/{in_address(id)}", status_code=303)


@post("/processes/{id:str}/cancel", status_code=303)
async def cancel_process(id: FromPath[str], request: Call) -> Response[Any]:
    """Stop it for good."""
    site, me = site_of(request), principal_of(request).login
    await site.access.note(me, "process cancelled", id)
    async with site.store.transaction() as tx:
        await stop(tx, site.world, id, by=me, now=clock())
    return Redirect(f"/processes/{in_address(id)}", status_code=303)


ROUTES = [processes, process, retry_process, cancel_process]
