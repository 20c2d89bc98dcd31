"""``first_link``: linking two systems full of data, against the bare client calls that it needs."""

from __future__ import annotations

import asyncio
import cProfile
import io
import pstats
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, nullcontext
from pathlib import Path
from typing import Any

import psutil

from benchmarks.figures import Figure, machine
from benchmarks.phases import Phases, metering
from benchmarks.place import stage
from benchmarks.processes import cpu_seconds
from benchmarks.replay import Replayed, replay
from benchmarks.tape import Tape, gaps, overlap, recorded_system, union
from isthmus.app.approving import catch_up_approving
from isthmus.app.bootstrap import STATE_FOLDER, open_hub, open_system, read_project, wanted_custom_fields
from isthmus.app.lab_project import write_lab_project
from isthmus.cli.demo import Stage
from isthmus.connector import Preparable, System
from isthmus.errors import IsthmusError
from isthmus.store import EmbeddedServer
from isthmus.sync.engine import Round
from isthmus.sync.world import World

__all__ = ["first_link"]

TARGET = 1.25
LINES = 40
"""Of the profile."""


class _Run:
    """The hub's own run, measured."""

    def __init__(self) -> None:
        self.tape, self.phases = Tape(), Phases()
        self.linked = Round()
        self.seconds = self.cpu = self.postgres = 0.0
        self.start = self.end = 0.0
        self.profile = ""


def first_link(size: str, say: Callable[[str], None], profile: Path | None) -> list[Figure]:
    """Record the hub's calls while it links, then make the same calls without it. ``profile``: also write a profile
    there, which makes the hub slower; its figures then mean nothing."""
    where = machine()
    with stage(size, say) as place:
        say("first link by the hub")
        run = asyncio.run(_hub(place.folder, profiled=profile is not None))
        if profile is not None:
            profile.parent.mkdir(parents=True, exist_ok=True)
            profile.write_text(run.profile, encoding="utf-8")
        if run.linked.problems:
            raise RuntimeError(f"The first link did not run through: {run.linked.problems}")
        say(f"hub: {run.seconds:.2f} s, {len(run.tape.calls)} calls; seeding the systems again")
        EmbeddedServer(place.folder / STATE_FOLDER / "pg").stop()
        _seed_again(place, size)
        say("the same calls without the hub")
        bare = asyncio.run(_bare(place.folder, run.tape))
        say(f"bare: {bare.seconds:.2f} s, {len(bare.tape.calls)} calls")
    _check(run, bare)
    figures = _figures(run, bare, where, size)
    _explain(figures[0].detail, say)
    return figures


async def _hub(folder: Path, *, profiled: bool) -> _Run:
    run = _Run()
    with metering(run.phases):
        async with open_hub(folder, prepare=True) as hub:
            if hub.down:
                raise RuntimeError(f"A system is down: {hub.down}")
            for name, system in list(hub.engine.systems.items()):
                hub.engine.add_system(name, recorded_system(name, system, run.tape, run.phases))
            postgres = _postgres(folder)
            cpu, database = time.process_time(), cpu_seconds(postgres, children=True)
            run.start = time.perf_counter()
            with cProfile.Profile() if profiled else nullcontext() as measured:
                run.linked = await catch_up_approving(hub, by="benchmark")
            run.end = time.perf_counter()
            run.seconds = run.end - run.start
            run.cpu = time.process_time() - cpu
            run.postgres = cpu_seconds(postgres, children=True) - database
    run.profile = _top(measured) if measured is not None else ""
    return run


def _postgres(folder: Path) -> psutil.Process:
    pid = EmbeddedServer(folder / STATE_FOLDER / "pg").pid()
    if pid is None:
        raise RuntimeError("The hub's database does not run.")
    return psutil.Process(pid)


def _top(profile: cProfile.Profile) -> str:
    text = io.StringIO()
    stats = pstats.Stats(profile, stream=text)
    stats.sort_stats("tottime").print_stats(LINES)
    stats.sort_stats("cumulative").print_stats("isthmus", LINES)
    return text.getvalue()


def _seed_again(place: Stage, size: str) -> None:
    place.lab.seed("small" if size == "small" else "full")
    port = int(place.hub_url().rpartition(":")[2])
    write_lab_project(place.folder, place.lab, port=port)


async def _bare(folder: Path, tape: Tape) -> Replayed:
    project = read_project(folder)
    world = World(project.flows, project.converters)
    async with AsyncExitStack() as stack:
        systems: dict[str, System] = {}
        for name in tape.systems():
            system = await open_system(project, name)
            if isinstance(system, IsthmusError):
                raise system
            stack.push_async_callback(system.close)
            if isinstance(system, Preparable):
                await system.prepare(wanted_custom_fields(world, name))
            systems[name] = system
        return await replay(tape, systems)


def _check(run: _Run, bare: Replayed) -> None:
    """The floor counts only when it is made of the same calls with the same outcome."""
    if run.tape.counts() != bare.tape.counts():
        raise RuntimeError("The calls without the hub are not those that the hub made.")
    wrong = [line for line in bare.differences if ".write" in line]
    if len(wrong) > len(run.tape.calls) // 100:
        raise RuntimeError("The calls came to something else without the hub:\n  " + "\n  ".join(wrong[:10]))


def _figures(run: _Run, bare: Replayed, where: str, size: str) -> list[Figure]:
    named: dict[str, Any] = {"machine": where, "size": size}
    written = sum(call.records for call in run.tape.calls if call.method == "write")
    read = sum(call.records for call in run.tape.calls if call.method in ("scan", "changes", "fetch"))
    records = read + written
    rows: list[tuple[str, float, str, float | None]] = [
        ("calls", len(run.tape.calls), "calls", len(bare.tape.calls)),
        ("rate", records / run.seconds, "records/s", records / bare.seconds),
        ("cpu", run.cpu, "CPU s", bare.cpu_seconds),
        ("cpu_own", run.cpu - bare.cpu_seconds, "CPU s", None),
        ("postgresql", run.postgres, "CPU s", None),
        ("hub_alone", _alone(run), "s", None),
    ]
    whole = Figure(
        name="first_link",
        value=run.seconds,
        unit="s",
        floor=bare.seconds,
        target=TARGET,
        of_ratio=True,
        detail=_detail(run, bare, read, written),
        **named,
    )
    parts = [
        Figure(name=f"first_link_{name}", value=value, unit=unit, floor=floor, **named)
        for name, value, unit, floor in rows
    ]
    return [whole, *parts]


def _alone(run: _Run) -> float:
    """Seconds in which no far call was under way: what everybody waited for was the hub."""
    return run.seconds - overlap([(run.start, run.end)], union(run.tape.calls))


def _detail(run: _Run, bare: Replayed, read: int, written: int) -> dict[str, Any]:
    rounded = {name: round(seconds, 3) for name, seconds in _longest(run.phases.wall)}
    client = sum(seconds for name, seconds in run.phases.cpu.items() if name.startswith("client "))
    return {
        "records_read": read,
        "records_written": written,
        "calls": [_kind(name, run.tape, bare.tape) for name in run.tape.counts()],
        "call_seconds": {
            name: {
                "hub": round(sum(call.seconds for call in run.tape.of(name)), 3),
                "bare": round(sum(call.seconds for call in bare.tape.of(name)), 3),
            }
            for name in run.tape.systems()
        },
        "cpu_by_phase": {
            **{name: round(seconds, 3) for name, seconds in _longest(run.phases.cpu) if seconds >= 0.0005},
            "outside of phases": round(run.cpu - sum(run.phases.cpu.values()), 3),
        },
        "cpu_of_clients": round(client, 3),
        "wall_by_phase": rounded,
        "times_by_phase": dict(run.phases.times),
        "systems_waited_for_the_hub": [
            {"where": where, "times": times, "seconds": round(seconds, 3), "nobody_else_busy": round(alone, 3)}
            for where, times, seconds, alone in gaps(run.tape)
        ],
        "differences": list(bare.differences)[:50],
    }


def _kind(name: str, hub: Tape, bare: Tape) -> dict[str, Any]:
    """One kind of call, e.g. ``crm account.write``: how many, about how many records, how long in both runs."""
    mine, theirs = ([call for call in tape.calls if call.kind == name] for tape in (hub, bare))
    return {
        "kind": name,
        "calls": len(mine),
        "records": sum(call.records for call in mine),
        "hub_seconds": round(sum(call.seconds for call in mine), 3),
        "bare_seconds": round(sum(call.seconds for call in theirs), 3),
    }


def _longest(seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=lambda row: -row[1])


def _explain(detail: Mapping[str, Any], say: Callable[[str], None]) -> None:
    say("far calls: seconds in the hub's run, seconds bare, calls, records:")
    for row in sorted(detail["calls"], key=lambda row: -row["hub_seconds"])[:15]:
        say(
            f"  {row['hub_seconds']:8.3f} {row['bare_seconds']:8.3f} {row['calls']:6} {row['records']:6}  {row['kind']}"
        )
    for name, both in detail["call_seconds"].items():
        say(f"  {both['hub']:8.3f} {both['bare']:8.3f}  all of {name}")
    say("processor seconds of the hub by phase (exclusive), elapsed seconds (inclusive), times:")
    for name, seconds in list(detail["cpu_by_phase"].items())[:25]:
        wall, times = detail["wall_by_phase"].get(name, 0.0), detail["times_by_phase"].get(name, 0)
        say(f"  {seconds:8.3f} {wall:8.3f} {times:6}  {name}")
    say("systems waited for the hub (seconds; of them with nobody else busy):")
    for row in detail["systems_waited_for_the_hub"][:15]:
        say(f"  {row['seconds']:8.3f} {row['nobody_else_busy']:8.3f} {row['times']:6}  {row['where']}")
    for line in detail["differences"][:10]:
        say(f"differs: {line}")
