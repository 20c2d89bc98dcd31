"""Processor time of processes, by id."""

from __future__ import annotations

import psutil

__all__ = ["cpu_seconds"]


def cpu_seconds(process: psutil.Process, *, children: bool = False) -> float:
    """Processor seconds (user and system) that the process has used; with ``children`` also those of its children,
    living and ended."""
    own = process.cpu_times()
    total = own.user + own.system
    if not children:
        return total
    total += own.children_user + own.children_system
    for child in process.children(recursive=True):
        try:
            total += cpu_seconds(child)
        except psutil.NoSuchProcess:
            continue
    return total
