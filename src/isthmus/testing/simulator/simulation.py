"""One run: a company, a hub of several processes, a storm of people and troubles, then calm, decisions, judgement."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec
import xxhash

from isthmus.app.hints import HintDesk
from isthmus.connector import Deletes, System
from isthmus.errors import IsthmusError, StoreUnavailable
from isthmus.sync.engine import Engine
from isthmus.sync.world import World
from isthmus.testing.memory import MemoryWorld, Trouble
from isthmus.testing.memory_database import MemoryDatabase
from isthmus.testing.memory_driver import MemoryConfig, MemoryConnector
from isthmus.testing.memory_store import MemoryStore
from isthmus.testing.simulator.clerk import Clerk
from isthmus.testing.simulator.forms import Forms
from isthmus.testing.simulator.hands import Hands
from isthmus.testing.simulator.judge import Judge
from isthmus.testing.simulator.ledger import Ledger
from isthmus.testing.simulator.loop import MadeUp, run_virtually
from isthmus.testing.simulator.people import People
from isthmus.testing.simulator.probes import probe
from isthmus.testing.simulator.script import Action, storm
from isthmus.testing.simulator.triangle import EVERY, make_flows, make_worlds, setting_of
from isthmus.testing.simulator.witness import Witness
from isthmus.testing.simulator.worker import Worker

__all__ = ["Outcome", "Simulation", "simulate"]

MOST_STEPS = 60_000
"""Steps of a run at most, beside 50 times what was asked for: who takes more runs in circles."""
ROUNDS = 40
"""Calm periods after the storm until everything must have come to rest."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one run came to."""

    seed: int
    steps: int
    """Actions of people and troubles, calls to systems, commits."""
    digest: str
    """Of every step with its time: the same for the same seed."""
    violations: Sequence[str]
    actions: Sequence[Action]
    facts: Mapping[str, float]
    """Figures of the run: writes, kills, decisions, seconds until a change arrived."""


def simulate(seed: int, steps: int, actions: Sequence[Action] | None = None) -> Outcome:
    """Play one seed until so many steps were taken, or the given actions of it; then let it come to rest and judge."""
    return run_virtually(Simulation(seed, steps, actions).play())


class Simulation(MadeUp):
    """The surroundings of one run. See :func:`simulate`."""

    def __init__(self, seed: int, steps: int, actions: Sequence[Action] | None = None) -> None:
        super().__init__()
        self.seed, self._wanted, self._given = seed, steps, actions
        self._forms = Random(f"{seed} forms")
        self.setting = setting_of(Random(f"{seed} setting"), self._forms)
        self._dice = {name: Random(f"{seed} {name}") for name in ("pace", "jitter", "post", "clerk")}
        self._trace = xxhash.xxh3_128()
        self.steps = 0
        self.calm = False
        self.runaway = False
        self.probes = 0
        self.violations: list[str] = []
        self.played: list[Action] = []
        counted = ("kills", "decisions", "hub writes", "hints", "overwritten", "forms", "set back")
        self.facts: dict[str, float] = dict.fromkeys(counted, 0)
        self.worlds: Mapping[str, MemoryWorld] = make_worlds(self.setting, self.now)
        self.ledger = Ledger()
        self.database = MemoryDatabase(self.now, self._pace_of_store)
        self.world = self.flows()
        self.people = People(self.world, self.worlds, self.ledger, self.database)
        self.workers = [Worker(f"worker {number}", self) for number in range(self.setting.workers)]
        self._store = MemoryStore(self.database)
        self.clerk = Clerk(self._store, self.database, self.world, self.people, self.ledger, self.new_id)
        self.hands = Hands(self._store, self.database, self.world, self.ledger, self.new_id)
        self.forms = Forms(self)
        self.judge = Judge(self)
        self.repeated: dict[tuple[str, str, str, str], int] = {}
        """How often the same thing was written that changed nothing."""
        self._waiting: set[asyncio.Task[None]] = set()
        for name, world in self.worlds.items():
            world.witness = Witness(self, name, world).see

    # -- surroundings of the workers -----------------------------------------------------------------------------

    def jitter(self) -> float:
        """From 0 to 1."""
        return self._dice["jitter"].random()

    def flows(self) -> World:
        """The flows, compiled."""
        return World(make_flows(self.setting))

    async def open_store(self) -> MemoryStore:
        """A session of its own."""
        return MemoryStore(self.database)

    async def pace(self) -> None:
        """Mostly nothing, often a little, sometimes much time goes by."""
        chance = self._dice["pace"].random()
        if chance > 0.985 and not self.calm:
            await asyncio.sleep(self._dice["pace"].expovariate(0.7))
        elif chance > 0.4:
            await asyncio.sleep(self._dice["pace"].expovariate(60))

    async def _pace_of_store(self, place: str) -> None:
        if place != "lock" and self._dice["pace"].random() > 0.5:
            await asyncio.sleep(self._dice["pace"].expovariate(300))

    def note(self, who: str, what: str) -> None:
        """One step was taken."""
        self.steps += 1
        if self.steps > MOST_STEPS + 50 * self._wanted and not self.runaway:
            self.runaway = True
            self.complain("no rest: the hub runs in circles")
            for worker in self.workers:
                worker.kill()
        self._trace.update(f"{asyncio.get_running_loop().time():.6f} {who} {what}\n".encode())

    def complain(self, violation: str) -> None:
        """Something is wrong."""
        if violation not in self.violations:
            self.violations.append(violation)

    # -- the run -------------------------------------------------------------------------------------------------

    async def play(self) -> Outcome:
        """The storm, the calm after it, the judgement."""
        asyncio.get_running_loop().set_exception_handler(self._astray)
        systems = await self._open_systems()
        desk = HintDesk(self._store, systems)
        post = asyncio.create_task(self._deliver(desk)) if self.setting.hints else None
        await self._storm()
        await self._calm_down()
        if not self.violations:
            await probe(self)
        if post is not None:
            post.cancel()
        for worker in self.workers:
            worker.kill()
            await worker.bury()
        for task in self._waiting:
            task.cancel()
        return Outcome(
            seed=self.seed,
            steps=self.steps,
            digest=self._trace.hexdigest(),
            violations=self.violations,
            actions=self.played,
            facts=self.facts,
        )

    def _astray(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A task that nobody waits for any more: those of killed processes end so."""

    async def _open_systems(self) -> dict[str, System]:
        connector = MemoryConnector(self.worlds)
        systems = {name: await connector.open(MemoryConfig(world=name)) for name in self.worlds}
        for name, world in self.worlds.items():
            world.hook_url = f"https://hub.example.com/hooks/{name}"
        return systems

    async def _storm(self) -> None:
        script: Iterable[Action] = (
            self._given
            if self._given is not None
            else storm(Random(f"{self.seed} storm"), self.setting, Random(f"{self.seed} hands"), self._forms)
        )
        for action in script:
            if self._given is None and self.steps >= self._wanted:
                return
            self.played.append(action)
            if action.after:
                await asyncio.sleep(action.after)
            self.note("people", action.deed)
            await self._perform(action)
            if len(self.played) % 8 == 0:
                self.judge.explain_all()

    async def _perform(self, action: Action) -> None:
        match action.deed:
            case "begin":
                for worker in self.workers:
                    await worker.start()
            case "fault":
                trouble, _, on = action.what.partition("/")
                self.worlds[action.system].faults.add(
                    Trouble(trouble), on=on, times=action.times, skip=int(action.pick * 3)
                )
            case "outage":
                self._later(self._outage(action.system, action.times))
            case "drift":
                self._drift(action)
            case "kill":
                self._kill(action)
            case "deafen":
                self.database.deafen(self._worker(action)._store)
            case "decide":
                await self._decide(action)
            case "form":
                self._later(self.forms.fill_in(action))
            case "hand":
                await self.hands.act(action)
            case _:
                self.people.act(action)

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._waiting.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._waiting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.complain(f"fell over: what people do: {task.exception()!r}")

    def _worker(self, action: Action) -> Worker:
        return self.workers[int(action.pick * len(self.workers))]

    def _kill(self, action: Action) -> None:
        worker = self._worker(action)
        if not worker.alive:
            return
        self.facts["kills"] += 1
        if action.what:
            worker.gate.doomed = action.what
        else:
            worker.kill()
        self._later(self._revive(worker, action.other * 20))

    async def _revive(self, worker: Worker, seconds: float) -> None:
        """Somebody starts a dead process again after a while."""
        for _ in range(60):
            if not worker.alive:
                break
            await asyncio.sleep(0.5)
        if worker.alive:
            worker.gate.doomed = None
            return
        await worker.bury()
        await asyncio.sleep(seconds)
        if not worker.alive and not self.runaway:
            await worker.start()

    async def _outage(self, system: str, seconds: int) -> None:
        faults = self.worlds[system].faults
        faults.add(Trouble.DOWN, on="any")
        await asyncio.sleep(seconds)
        faults.heal()

    def _drift(self, action: Action) -> None:
        """The far system's administrator adds, removes or renames a field."""
        resource = self.people.resource(action.entity, action.system)
        fields = self.worlds[action.system].tables[resource].fields
        if action.what == "new":
            fields[f"extra{action.number}"] = fields["note"]
            return
        lens = self.people.lens(action.entity, action.system)
        names = sorted(lens.far_fields - self.people.vital(action.entity, action.system))
        if names:
            name = names[int(action.pick * len(names))]
            info = fields.pop(name, None)
            if info is not None and action.what == "renamed":
                fields[f"{name}_new"] = info
            self._later(self._undrift(action, name, 20 + 60 * action.other))

    async def _undrift(self, action: Action, name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        resource = self.people.resource(action.entity, action.system)
        fields = self.worlds[action.system].tables[resource].fields
        fields[name] = fields["note"]
        fields.pop(f"{name}_new", None)
        self.worlds[action.system].touch(resource)

    async def _decide(self, action: Action) -> None:
        entries = await self.clerk.entries()
        if entries:
            entry = entries[int(action.pick * len(entries))]
            try:
                await self.clerk.decide(entry, Random(f"{self.seed} {action.number}"))
            except StoreUnavailable:
                return
            self.facts["decisions"] += 1

    async def _deliver(self, desk: HintDesk) -> None:
        """The post: calls of the systems get lost, come twice, late and in any order."""
        dice = self._dice["post"]
        while True:
            await asyncio.sleep(0.1 if self.calm else dice.choice([0.05, 0.3, 2.0]))
            for name, world in self.worlds.items():
                calls, world.outbox = world.outbox, []
                if not self.calm:
                    calls = [call for call in calls for _ in range(dice.choice([0, 1, 1, 1, 2]))]
                    dice.shuffle(calls)
                for headers, body in calls:
                    self.facts["hints"] += 1
                    try:
                        await desk.take(name, headers, body, self.now())
                    except IsthmusError as error:
                        self.complain(f"hint refused: {error}")

    # -- after the storm -----------------------------------------------------------------------------------------

    async def _calm_down(self) -> None:
        """Everything heals, every process runs again, all questions are decided; then it must come to rest."""
        self.calm = True
        self.repeated.clear()
        for task in [*self._waiting]:
            await asyncio.wait([task])
        for world in self.worlds.values():
            world.faults.heal()
        self.people.correct_all()
        for worker in self.workers:
            worker.gate.doomed = None
            if not worker.alive and not self.runaway:
                await worker.start()
        await asyncio.sleep(EVERY)
        await self.scan_all()
        judge = self.judge
        for _ in range(ROUNDS):
            await asyncio.sleep(EVERY + 2)
            await self._decide_all(judge)
            if not judge.restless():
                break
        before = self.facts["hub writes"]
        await self.scan_all()
        await asyncio.sleep(2 * EVERY)
        if self.facts["hub writes"] > before:
            self.complain(f"no rest: {self.facts['hub writes'] - before:.0f} writes although nothing changed")
        self.forms.settle()
        for violation in judge.verdict():
            self.complain(violation)

    async def _decide_all(self, judge: Judge) -> None:
        for entry in await self.clerk.entries():
            judge.explained(entry)
            why = await self.clerk.decide(entry, self._dice["clerk"])
            self.facts["decisions"] += 1
            if why is not None and "decided this already" not in why and "no longer linked" not in why:
                self.complain(f"undecidable: {entry.kind} {entry.summary}: {why}")

    async def scan_all(self) -> None:
        """A complete reading of what does not tell of deletes, as the hub does once an hour by itself."""
        engine = await self._opened(self.workers[0])
        if engine is None:
            return
        for system in self.worlds:
            for resource in self.world.resources(system):
                if self.worlds[system].tables[resource].spec.traits.deletes is Deletes.SILENT:
                    try:
                        await engine.observers[system].scan(resource)
                    except IsthmusError as error:
                        self.complain(f"not readable: {system} {resource}: {error}")

    async def _opened(self, worker: Worker) -> Engine | None:
        """The engine of a process with all its systems: one that did not answer when the process began is opened some
        time later. What had vanished from a system that is left out would be seen only when all must be at rest."""
        missing = sorted(self.worlds)
        for _ in range(100):
            if self.runaway:
                return None
            opened = worker.engine.observers if worker.engine is not None else {}
            missing = sorted(self.worlds.keys() - opened.keys())
            if not missing:
                return worker.engine
            await asyncio.sleep(1)
        self.complain(f"no rest: {worker.name} has not opened {', '.join(missing)}")
        return None
