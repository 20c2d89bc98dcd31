"""Where a benchmark runs: a folder of its own with the lab's systems, a project and a hub, gone afterwards."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.linking import link
from isthmus.cli.demo import Stage

__all__ = ["linked_stage", "stage"]


@contextmanager
def stage(size: str, say: Callable[[str], None]) -> Iterator[Stage]:
    """Systems freshly seeded and running, a project for them, an empty hub that does not run yet."""
    folder = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    # The database servers run under an account of their own when we are root, and must get through here.
    folder.chmod(0o711)
    found = Stage(folder, say)
    try:
        found.set_up(size)
        yield found
    finally:
        found.tear_down()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def linked_stage(size: str, say: Callable[[str], None]) -> Iterator[Stage]:
    """The same, after a first link."""
    with stage(size, say) as place:
        asyncio.run(link(place.folder, say))
        yield place
