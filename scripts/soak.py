"""``make soak``: the simulator over many seeds on all processors, its figures written into docs/reliability.md.

.venv/bin/python scripts/soak.py [--steps 1000000] [--seed 10001] [--storm 600]
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

from isthmus.testing.simulator import Campaign, Outcome, campaign, simulate

DOCUMENT = Path(__file__).parent.parent / "docs" / "reliability.md"
BEGIN, END = "<!-- soak: written by make soak -->", "<!-- end of soak -->"


def main() -> int:
    """Run, write, and say what failed; 1 when anything did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000, help="steps of all seeds together")
    parser.add_argument("--seed", type=int, default=10_001, help="the first seed")
    parser.add_argument("--storm", type=int, default=600, help="steps of one storm")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    each = sum(simulate(given.seed + number, given.storm).steps for number in range(10)) / 10
    seeds = math.ceil(given.steps / each)
    seen = [0, 0]

    def report(outcome: Outcome) -> None:
        seen[0] += 1
        seen[1] += outcome.steps
        if seen[0] % 100 == 0:
            print(f"{seen[0]} of {seeds} seeds, {seen[1]} steps", flush=True)
        if outcome.violations:
            print(f"seed {outcome.seed}: {outcome.violations[0]}", flush=True)

    done = campaign(given.seed, seeds, given.storm, report=report)
    write(done, given.seed, given.storm)
    return 1 if done.failures else 0


def write(done: Campaign, first: int, storm: int) -> None:
    """Put the figures between the marks of the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    machine = f"{os.cpu_count()} processors, Python {platform.python_version()}"
    rows = [
        ("Date, machine", f"{datetime.now(UTC):%Y-%m-%d}, {machine}"),
        ("Seeds", f"{done.seeds} (from {first} on, storms of {storm} steps)"),
        ("Steps", f"{done.steps:,}"),
        ("Seconds", f"{done.seconds:,.0f} ({done.steps / done.seconds:,.0f} steps a second)"),
        ("**Seeds with a violation**", f"**{done.violations}**"),
        *((name.capitalize(), f"{value:,.0f}") for name, value in done.totals.items()),
        *((f"Longest {name}", f"{value:.1f}") for name, value in done.slowest.items()),
    ]
    lines = [BEGIN, "", "| Figure | Value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows), ""]
    lines += [f"- Seed {failure.seed}: {failure.violations[0]}" for failure in done.failures]
    lines += [""] if done.failures else []
    DOCUMENT.write_text(head + "\n".join([*lines, END]) + tail, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
