"""One measured figure, the machine it was measured on, and how figures are shown and kept."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import psutil
from rich.console import Console
from rich.table import Table

__all__ = ["Figure", "largest_memory", "machine", "percentile", "save", "show"]

BUSY = 1.0
"""Load average above which figures say more about the neighbours than about Isthmus."""


class Figure(msgspec.Struct, kw_only=True):
    """One line of the table. ``holds`` None: there is no target, the figure only explains another one."""

    name: str
    value: float
    unit: str
    floor: float | None = None
    """The same by the bare calls, in the same unit."""
    target: float | None = None
    """What ``value`` (or, where ``of_ratio``, the ratio) may be at most."""
    of_ratio: bool = False
    at_least: float | None = None
    """What it must be at least, for figures that may be too small (as well)."""
    size: str = ""
    machine: str = ""
    at: str = ""
    detail: Mapping[str, Any] = {}

    @property
    def ratio(self) -> float | None:
        """Value to floor."""
        return self.value / self.floor if self.floor else None

    @property
    def holds(self) -> bool | None:
        """Whether the target is kept."""
        judged = self.ratio if self.of_ratio else self.value
        if judged is None or (self.target is None and self.at_least is None):
            return None
        enough = self.at_least is None or judged >= self.at_least
        return enough and (self.target is None or judged <= self.target)


def machine() -> str:
    """Cores, processor, memory and the load average at this moment, in one line."""
    memory = psutil.virtual_memory().total / 2**30
    load = os.getloadavg()[0]
    busy = " BUSY: figures are not comparable" if load > BUSY else ""
    return (
        f"{psutil.cpu_count()} cores, {_processor()}, {memory:.0f} GiB, Python {platform.python_version()}, "
        f"load {load:.2f}{busy}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "processor unknown"
    )


def largest_memory(*, anew: bool = False) -> float:
    """MiB that this process took at most since it started; from now on where that is asked ``anew``. (``getrusage``
    counts in what the process had taken that it was started from.)"""
    if anew:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def percentile(values: Sequence[float], part: float) -> float:
    """The smallest value that at least ``part`` (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * part) - 1)]


def show(figures: Sequence[Figure], console: Console) -> None:
    """The table."""
    table = Table(title="Benchmarks")
    for name in ("name", "value", "unit", "floor", "ratio", "target", "holds"):
        table.add_column(name, justify="left" if name in ("name", "unit", "holds") else "right")
    for figure in figures:
        table.add_row(
            figure.name,
            _number(figure.value),
            figure.unit,
            _number(figure.floor),
            _number(figure.ratio),
            _target(figure),
            {True: "yes", False: "NO", None: ""}[figure.holds],
        )
    console.print(table)
    for line in dict.fromkeys(figure.machine for figure in figures):
        console.print(f"Machine: {line}", markup=False, highlight=False, soft_wrap=True)


def save(figures: Sequence[Figure], path: Path) -> None:
    """Write all figures as one JSON list."""
    rows = [
        {**msgspec.to_builtins(figure), "ratio": figure.ratio, "holds": figure.holds, "at": figure.at or _now()}
        for figure in figures
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _target(figure: Figure) -> str:
    if figure.target is None:
        least = "" if figure.at_least is None else f"≥ {_number(figure.at_least)}"
        return f"× {least}" if least and figure.of_ratio else least
    least = "" if figure.at_least is None else f"{_number(figure.at_least)} – "
    return f"{'× ' if figure.of_ratio else ''}{least or '≤ '}{_number(figure.target)}"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
