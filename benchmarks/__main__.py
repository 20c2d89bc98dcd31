"""``python -m benchmarks [names…] [--size full|small] [--json FILE] [--profile] [--rate N] [--seconds N]``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benchmarks.bulk import bulk
from benchmarks.compare import compare
from benchmarks.figures import BUSY, Figure, save, show
from benchmarks.first_link import first_link
from benchmarks.growth import growth
from benchmarks.hint_latency import hint_latency
from benchmarks.idle_cost import idle_cost
from benchmarks.open_processes import open_processes
from benchmarks.order_simulation import order_simulation
from benchmarks.place import linked_stage
from benchmarks.retention import retention
from benchmarks.rows import rows
from benchmarks.steady import steady
from benchmarks.throughput import throughput
from benchmarks.workers import workers
from isthmus.cli.demo import Stage

RESULTS = Path(__file__).with_name("results")
ALONE = {
    "throughput": throughput,
    "bulk": bulk,
    "growth": growth,
    "steady": steady,
    "workers": workers,
    "compare": compare,
    "retention": retention,
    "rows": rows,
}
"""Those that need no far systems of the lab."""
LINKED = {
    "hint_latency": hint_latency,
    "idle_cost": idle_cost,
    "order_simulation": order_simulation,
    "open_processes": open_processes,
}
"""Those that need linked systems."""
NAMES = ("first_link", *LINKED, *ALONE)


def main() -> int:
    """Run what was asked for; 0 when every target holds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"which: {', '.join(NAMES)}; all when none is named")
    parser.add_argument("--size", choices=("full", "small"), default="full", help="2,000 customers, or a few to try")
    parser.add_argument("--json", type=Path, default=RESULTS / "latest.json", help="where the figures are written")
    parser.add_argument("--profile", action="store_true", help="first_link also writes results/profile.txt (slower)")
    parser.add_argument("--rate", type=int, help="steady: changes a second (default 2,000)")
    parser.add_argument("--seconds", type=int, help="steady: for how long (default 300)")
    chosen = parser.parse_args()
    if unknown := [name for name in chosen.names if name not in NAMES]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    console = Console(highlight=False)
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"[{time.monotonic() - began:7.1f} s] {text}", markup=False, highlight=False, soft_wrap=True)

    if os.getloadavg()[0] > BUSY:
        say(f"WARNING: the load average is {os.getloadavg()[0]:.2f}; wait until the machine is quiet.")
    names = [name for name in NAMES if not chosen.names or name in chosen.names]
    figures: list[Figure] = []
    with ExitStack() as stack:
        # A first link takes long: the benchmarks that need linked systems share one.
        linked: Stage | None = None
        for name in names:
            say(f"--- {name}")
            if name == "first_link":
                figures += first_link(chosen.size, say, RESULTS / "profile.txt" if chosen.profile else None)
            elif name == "steady":
                figures += steady(chosen.size, say, chosen.rate, chosen.seconds)
            elif name in ALONE:
                figures += ALONE[name](chosen.size, say)
            else:
                linked = linked or stack.enter_context(linked_stage(chosen.size, say))
                figures += LINKED[name](linked, chosen.size, say)
            save(figures, chosen.json)
    show(figures, Console(width=max(console.width, 110)))
    return 0 if all(figure.holds is not False for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
