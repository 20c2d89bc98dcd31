"""The simulator itself: one seed is one run, planted bugs are found, a failing script is made short."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from isthmus.testing.simulator import campaign, shrink, simulate
from tests.simulation.planted import BUGS

STEPS = 600
SEEDS = 60
"""Seeds within which each planted bug must be found."""

FOUND_FAULTS = {
    5: "two questions about one deleted record",
    15: "what waits for its parent was made a second time",
    39: "a merge on one page with its unchanged winner",
    50: "a delete seen before its answer ran in circles",
    67: "an edit right after our write was in conflict with it",
    106: "a system that opened while hints were followed ended the hub",
    108: "two answers 'restore' made a record twice",
    130: "several counterparts that restore one record",
    324: "our own write whose answer was lost won over a newer edit",
    711: "a write that waited for its retry was forgotten",
    724: "a write that waited for its retry was forgotten",
    860: "a write that waited for its retry was forgotten",
    1625: "a record set apart that was still due ran in circles",
}
"""Seeds that found a fault of the engine, and which."""


@pytest.mark.spec(8)
def test_one_seed_is_one_run_to_the_last_call():
    first, second = simulate(7, STEPS), simulate(7, STEPS)
    assert first.steps == second.steps
    assert first.digest == second.digest
    assert simulate(8, STEPS).digest != first.digest


def test_one_seed_is_one_run_in_every_process():
    program = f"from isthmus.testing.simulator import simulate; print(simulate(9, {STEPS}).digest)"
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


@pytest.mark.spec(1)
@pytest.mark.spec(2)
@pytest.mark.spec(8)
def test_nothing_is_violated_in_the_share_of_every_build():
    done = campaign(1, 40, STEPS, processes=1)
    assert [(failure.seed, failure.violations) for failure in done.failures] == []
    assert done.steps > 40 * STEPS


@pytest.mark.spec(8)
@pytest.mark.parametrize("seed", list(FOUND_FAULTS), ids=[str(seed) for seed in FOUND_FAULTS])
def test_what_a_seed_has_found_once_stays_mended(seed):
    assert simulate(seed, STEPS).violations == [], FOUND_FAULTS[seed]


@pytest.mark.parametrize("name", list(BUGS))
def test_a_planted_bug_is_found(name, monkeypatch):
    BUGS[name](monkeypatch.setattr)
    assert any(simulate(seed, STEPS).violations for seed in range(1, SEEDS)), BUGS[name].__doc__


def test_a_failing_script_is_made_short(monkeypatch):
    BUGS["last_writer_wins"](monkeypatch.setattr)
    failed = next(outcome for seed in range(1, SEEDS) if (outcome := simulate(seed, STEPS)).violations)
    least = shrink(failed)
    assert least.violations
    assert len(least.actions) < len(failed.actions) / 2
    assert simulate(least.seed, 0, least.actions).violations == least.violations
