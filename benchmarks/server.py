"""A folder, and a database server, of a benchmark's own; gone afterwards."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isthmus.store import EmbeddedServer

__all__ = ["own_folder", "own_server"]


@contextmanager
def own_folder() -> Iterator[Path]:
    """An empty folder."""
    folder = Path(tempfile.mkdtemp(prefix="isthmus-bench-"))
    # The database servers run under an account of their own when we are root, and must get through here.
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def own_server() -> Iterator[EmbeddedServer]:
    """A server with everything on disk, to be started."""
    with own_folder() as folder:
        server = EmbeddedServer(folder / "pg")
        try:
            yield server
        finally:
            server.stop()
