"""Where a benchmark runs: a folder of its own with the lab's systems, a project and a hub, gone afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from benchmarks.linking import link
from benchmarks.server import own_folder
from isthmus.cli.demo import Stage

__all__ = ["linked_stage", "stage"]


@contextmanager
def stage(size: str, say: Callable[[str], None]) -> Iterator[Stage]:
    """Systems freshly seeded and running, a project for them, an empty hub that does not run yet."""
    with own_folder() as folder:
        found = Stage(folder, say)
        try:
            found.set_up(size)
            yield found
        finally:
            found.tear_down()


@contextmanager
def linked_stage(size: str, say: Callable[[str], None]) -> Iterator[Stage]:
    """The same, after a first link."""
    with stage(size, say) as place:
        asyncio.run(link(place.folder, say))
        yield place
