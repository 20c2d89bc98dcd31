"""When all is calm: how long does a change take to arrive, also one made in a bad moment? And is old news believed?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from isthmus.model.state import LinkState
from isthmus.testing.memory import Trouble
from isthmus.testing.simulator.triangle import EVERY, RESOURCES, SYSTEMS

if TYPE_CHECKING:
    from isthmus.testing.simulator.simulation import Simulation

__all__ = ["probe"]

OUTAGE = 12
LATEST = EVERY + 15
"""Seconds within which a change must be everywhere, whatever got lost: one interval, and the pauses after an outage."""

SOON = 10
"""Seconds within which a change that the hub was told of must be there, whatever happens at a third system."""


async def probe(run: Simulation) -> None:
    """Change one customer: in one system, in two at once, during an outage of the second, and beside a second that does
    not answer; each must arrive in time. Then the hub is shown how the customer was before."""
    keys = _everywhere(run)
    if keys is None:
        return
    first, second, third = SYSTEMS
    run.facts["seconds to arrive, one change"] = await _arrival(run, keys, [(first, "email")])
    run.facts["seconds to arrive, two at once"] = await _arrival(run, keys, [(first, "name"), (second, "email")])
    run.worlds[second].faults.add(Trouble.DOWN)
    changing = asyncio.create_task(_arrival(run, keys, [(first, "email"), (third, "name")]))
    await asyncio.sleep(OUTAGE)
    run.worlds[second].faults.heal()
    run.facts["seconds to arrive, after an outage"] = max(0.0, await changing - OUTAGE)
    run.worlds[second].faults.add(Trouble.HANG, on="read")
    run.probes += 1
    run.people.change("Customer", second, keys[second], "tax_id", 2_000_000 + run.probes)
    await asyncio.sleep(1)
    seconds = await _arrival(run, keys, [(first, "email")], among=(first, third))
    run.facts["seconds to arrive, beside a system that hangs"] = seconds
    run.worlds[second].faults.heal()
    if run.setting.hints and seconds > SOON:
        run.complain(f"late: told of at once, and there only in {seconds:.0f} s, as another system hangs")
    await _old_news(run, keys)


async def _old_news(run: Simulation, keys: dict[str, str]) -> None:
    """A hint makes the hub look at a record, and what answers is a replica that is behind. Where versions are ordered
    the hub can tell, however late it is: nothing follows from it."""
    await asyncio.sleep(LATEST)  # what was changed last is everywhere
    engine = run.workers[0].engine
    if engine is None:
        return
    for system in SYSTEMS:
        resource, before = RESOURCES["Customer"][system], run.facts["hub writes"]
        if not run.worlds[system].tables[resource].spec.traits.ordered_versions:
            continue
        run.worlds[system].faults.add(Trouble.STALE, on="fetch", resource=resource, times=1)
        await engine.look(system, resource, [keys[system]])
        run.worlds[system].faults.heal()
        await asyncio.sleep(SOON)
        if run.facts["hub writes"] > before:
            run.complain(f"old news: {keys[system]} in {system} as it was before, shown late, was believed")


def _everywhere(run: Simulation) -> dict[str, str] | None:
    """Keys of a customer that all three systems have and keep in step."""
    held: dict[str, dict[str, str]] = {}
    for link in run.database.links.values():
        calm = link.state is LinkState.LINKED and not (link.conflicts or link.not_held or link.problem or link.doom)
        if link.flow == "Customer" and calm and link.item is not None and link.key is not None:
            held.setdefault(link.item, {})[link.system] = link.key
    found = [keys for item, keys in sorted(held.items()) if len(keys) == len(SYSTEMS)]
    return found[0] if found else None


async def _arrival(
    run: Simulation, keys: dict[str, str], changes: list[tuple[str, str]], among: tuple[str, ...] = SYSTEMS
) -> float:
    """Make the changes at this moment; seconds until these systems show the same."""
    wanted = {}
    for system, name in changes:
        run.probes += 1
        number = 2_000_000 + run.probes
        run.people.change("Customer", system, keys[system], name, number)
        wanted[name] = run.people.shown("Customer", system, keys[system]).get(name)
    began = asyncio.get_running_loop().time()
    while True:
        waited = asyncio.get_running_loop().time() - began
        shown = [run.people.shown("Customer", system, keys[system]) for system in among]
        if all(each.get(name) == value for each in shown for name, value in wanted.items()):
            return waited
        if waited > LATEST + OUTAGE:
            told = ", ".join(f"{name} of {keys[system]} in {system}" for system, name in changes)
            run.complain(f"late: {told}: not everywhere in {waited:.0f} s")
            return waited
        await asyncio.sleep(0.25)
