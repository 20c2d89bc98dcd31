"""The shortest script that still fails: actions are left out, ever smaller parts of them, until none can be spared."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from isthmus.testing.simulator.script import Action
from isthmus.testing.simulator.simulation import Outcome, simulate

__all__ = ["shrink"]

TRIES = 400
"""Runs at most."""


def shrink(outcome: Outcome, report: Callable[[int], None] | None = None) -> Outcome:
    """A run of the same seed with as few actions as can be found that fails in the same way (delta debugging).
    ``report`` is told how many actions are left."""
    kind = _kind(outcome)
    best, tries = outcome, 0
    parts = 2
    while tries < TRIES and len(best.actions) > 1:
        size = max(1, len(best.actions) // parts)
        for start in range(0, len(best.actions), size):
            tries += 1
            found = _tried(best, _without(best.actions, start, size))
            if found is not None and _kind(found) == kind:
                best, parts = found, max(2, parts - 1)
                if report is not None:
                    report(len(best.actions))
                break
        else:
            if size == 1:
                break
            parts = min(len(best.actions), parts * 2)
    return best


def _kind(outcome: Outcome) -> str:
    return outcome.violations[0].partition(":")[0]


def _without(actions: Sequence[Action], start: int, size: int) -> list[Action]:
    """All but these; the hub is begun in any case."""
    left_out = range(start, start + size)
    return [action for place, action in enumerate(actions) if place not in left_out or action.deed == "begin"]


def _tried(best: Outcome, actions: Sequence[Action]) -> Outcome | None:
    if len(actions) == len(best.actions):
        return None
    found = simulate(best.seed, 0, actions)
    return found if found.violations else None
