"""How often Python looks for garbage in circles."""

from __future__ import annotations

import gc
from functools import cache

__all__ = ["collect_rarely"]

THRESHOLDS = (50_000, 20, 50)
"""New objects until the youngest are looked at; rounds until the older ones are."""


@cache
def collect_rarely() -> None:
    """For a process that handles records in batches: what is there now stays, and of the many objects that a batch
    makes next to none are in circles. Looking for these every few hundred objects takes a fifth of the processor
    time. Once for all in a process: what is frozen stays so. What is there now is modules and classes with next to no
    garbage among them; going through it first would cost each short command some tens of milliseconds."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
