"""Many seeds, side by side on all processors, and what they came to."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

import msgspec

from isthmus.testing.simulator.script import Action
from isthmus.testing.simulator.simulation import Outcome, simulate

__all__ = ["Campaign", "Failure", "campaign", "quiet"]

SUMS = ("hub writes", "hints", "kills", "decisions", "overwritten", "forms", "set back")


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A seed that failed, as it ran."""

    seed: int
    violations: Sequence[str]
    actions: Sequence[Action]


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """What all seeds came to."""

    seeds: int
    steps: int
    seconds: float
    failures: Sequence[Failure]
    totals: Mapping[str, float]
    """Writes, hints, kills, decisions of all runs; edits lost in the window that unguarded systems leave open; forms
    saved, and writes of the hub that they have set back."""
    slowest: Mapping[str, float]
    """The longest seconds that a change took to arrive, by kind of moment."""

    @property
    def violations(self) -> int:
        """How many seeds failed."""
        return len(self.failures)


def campaign(
    first: int,
    seeds: int,
    steps: int,
    *,
    processes: int | None = None,
    report: Callable[[Outcome], None] | None = None,
) -> Campaign:
    """Run ``seeds`` seeds from ``first`` on, each for about ``steps`` steps; ``report`` is told of each as it ends."""
    began = time.monotonic()
    taken, failures = 0, []
    totals, slowest = dict.fromkeys(SUMS, 0.0), dict[str, float]()
    for outcome in _outcomes(range(first, first + seeds), steps, processes or os.cpu_count() or 1):
        taken += outcome.steps
        if outcome.violations:
            failures.append(Failure(seed=outcome.seed, violations=outcome.violations, actions=outcome.actions))
        for name, value in outcome.facts.items():
            if name in totals:
                totals[name] += value
            else:
                slowest[name] = max(value, slowest.get(name, 0.0))
        if report is not None:
            report(outcome)
    return Campaign(
        seeds=seeds,
        steps=taken,
        seconds=time.monotonic() - began,
        failures=failures,
        totals=totals,
        slowest=slowest,
    )


def _outcomes(seeds: Sequence[int], steps: int, processes: int) -> Iterator[Outcome]:
    if processes == 1 or len(seeds) == 1:
        yield from (simulate(seed, steps) for seed in seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=logging.disable) as pool:
        yield from pool.map(simulate, seeds, [steps] * len(seeds), chunksize=4)


@contextmanager
def quiet() -> Iterator[None]:
    """What the simulated hub would log is no news; whoever else runs in this process is heard again afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
