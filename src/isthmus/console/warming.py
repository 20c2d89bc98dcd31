"""What the first readers of the console would have to wait for."""

from __future__ import annotations

import asyncio
import contextlib

from isthmus.app.flow_history import flow_versions
from isthmus.console.flows import VERSIONS
from isthmus.console.pages import load_pages
from isthmus.console.site import Site
from isthmus.errors import IsthmusError

__all__ = ["make_ready"]


async def make_ready(site: Site) -> None:
    """Templates and texts in every language, the overview's figures, what each version of a flow wrote. What fails is
    made when somebody asks for it."""
    await asyncio.to_thread(load_pages)
    with contextlib.suppress(IsthmusError):
        await site.pulse.look()
    for flow in list(site.world.order):
        with contextlib.suppress(IsthmusError):
            await flow_versions(site.store, site.project, flow, site.counts, VERSIONS)
