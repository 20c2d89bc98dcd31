"""The simulator: a company with three systems and a hub of one to four processes, in one real process, on one seed.

The hub is the real one (service, engine, mapping, merge); systems and store are in memory, and time is made up. People
work in all systems, and everything goes wrong that can: see :mod:`isthmus.testing.simulator.script`. When the storm is
over the invariants of SPEC.md are checked over what the systems hold (:mod:`isthmus.testing.simulator.judge`).

    outcome = simulate(seed=7, steps=2000)
    if outcome.violations:
        print(*shrink(outcome).actions, sep="\\n")
"""

from isthmus.testing.simulator.campaign import Campaign, Failure, campaign, quiet
from isthmus.testing.simulator.gate import Gate, GatedStore, Killed, gated
from isthmus.testing.simulator.script import Action
from isthmus.testing.simulator.shrink import shrink
from isthmus.testing.simulator.simulation import Outcome, Simulation, simulate

__all__ = [
    "Action",
    "Campaign",
    "Failure",
    "Gate",
    "GatedStore",
    "Killed",
    "Outcome",
    "Simulation",
    "campaign",
    "gated",
    "quiet",
    "shrink",
    "simulate",
]
