"""Folders in the cache that are made once, whole or not at all, however many processes want them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from .environments import locked

__all__ = ["made_once"]

_DONE = ".complete"


def made_once(folder: Path, make: Callable[[Path], None], abandon: Callable[[Path], None] = lambda draft: None) -> Path:
    """``folder``, filled by ``make`` when it is not there yet.

    ``make`` gets an empty folder of another name, which becomes ``folder`` only when it returned; a second process
    waits for the first. ``abandon`` is called before the half-made folder of a killed attempt is deleted.
    """
    if (folder / _DONE).exists():
        return folder
    with locked(folder.with_name(folder.name + ".lock")):
        if (folder / _DONE).exists():
            return folder
        draft = folder.with_name(folder.name + ".draft")
        if draft.exists():
            abandon(draft)
            shutil.rmtree(draft)
        draft.mkdir(parents=True)
        try:
            make(draft)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        (draft / _DONE).touch()
        draft.rename(folder)
    return folder
