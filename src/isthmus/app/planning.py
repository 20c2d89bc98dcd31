"""The dry run: what would be created, changed and deleted, on which side, field by field. Changes nothing anywhere.

The very same engine runs, on a scratch copy of the hub's memory that is thrown away, and stops before the first write.
Far systems are only read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from isthmus.app.bootstrap import Hub, clock, new_id, wanted_custom_fields
from isthmus.app.remapping import forget_moved
from isthmus.connector import Preparable
from isthmus.errors import IsthmusError
from isthmus.model.state import InboxEntry, InboxKind
from isthmus.sync.brake import limit_of
from isthmus.sync.engine import Engine
from isthmus.sync.plan import Step, StepKind

__all__ = ["PlanDigest", "PlanLine", "PlanReport", "digest_of", "make_plan", "plan_of"]

SAMPLES = 5
"""Planned writes that a digest shows of each side, flow and kind."""
QUESTIONS = 50
"""Questions that a digest shows of each kind."""
LONGEST = 500
"""Characters of a value in a digest."""


class PlanLine(msgspec.Struct, frozen=True, kw_only=True):
    """One planned write (or what stands in its way)."""

    kind: str
    flow: str
    system: str
    resource: str
    key: str | None
    name: str
    changes: Mapping[str, tuple[Any, Any]]
    """Field -> [as the system has it, as it will be]."""
    note: str = ""


class PlanReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole dry run."""

    lines: Sequence[PlanLine]
    counts: Mapping[str, Mapping[str, Mapping[str, int]]]
    """System -> flow -> kind (create, update, archive, delete, wait, refuse) -> how many."""
    conflicts: Sequence[Mapping[str, Any]]
    doubtful: Sequence[Mapping[str, Any]]
    brakes: Sequence[str]
    """What would stop at the mass-change brake."""
    custom_fields: Mapping[str, Sequence[str]]
    """System -> custom fields that a run would make."""
    problems: Mapping[str, str]
    read: int


async def make_plan(hub: Hub, report: Callable[[str, str, int], None] | None = None) -> PlanReport:
    """Plan everything as it stands now."""
    async with hub.store.scratch() as scratch:
        await forget_moved(scratch, hub.world.flows)
        engine = Engine(
            scratch,
            hub.world,
            hub.engine.systems,
            clock=clock,
            new_id=new_id,
            jitter=lambda: 0.0,
            pauses=hub.engine.pauses,
        )
        for observer in engine.observers.values():
            observer.kept = {}
        done = await engine.observe_all(report)
        problems = dict(done.problems)
        while await engine.meet_all():
            for system, observer in engine.observers.items():
                try:
                    await observer.reread_woken(1_000_000)
                except IsthmusError as error:
                    problems[system] = str(error)
        steps = await engine.plan(problems)
        async with scratch.transaction() as tx:
            entries = await tx.all_open_entries()
            items = await tx.items({step.link.item for step in steps if step.link.item is not None})
            linked = {
                (flow.name, system): await tx.count_linked(flow.name, system)
                for flow in hub.world.flows.values()
                for system in flow.sides
            }
    names = {id: item.fields.get("name") or item.fields.get("number") for id, item in items.items()}
    lines = [_line(step, str(names.get(step.link.item or "") or "")) for step in steps]
    lines = [line for line in lines if line.kind != StepKind.NOTHING]
    missing = {
        name: list(await system.missing(wanted_custom_fields(hub.world, name)))
        for name, system in hub.engine.systems.items()
        if isinstance(system, Preparable) and hub.engine.pauses.of(name) is None
    }
    problems |= {name: str(error) for name, error in hub.down.items()}
    return PlanReport(
        lines=lines,
        counts=_count(lines),
        conflicts=[_shown(entry) for entry in entries if entry.kind is InboxKind.CONFLICT],
        doubtful=[_shown(entry) for entry in entries if entry.kind in (InboxKind.MATCH, InboxKind.MERGE)],
        brakes=_brakes(hub, lines, linked),
        custom_fields={name: fields for name, fields in missing.items() if fields},
        problems=problems,
        read=done.read,
    )


def plan_of(report: PlanReport, flow: str) -> PlanReport:
    """The part of a plan that one flow is about."""
    lines = [line for line in report.lines if line.flow == flow]
    return msgspec.structs.replace(
        report,
        lines=lines,
        counts=_count(lines),
        conflicts=[one for one in report.conflicts if one["flow"] == flow],
        doubtful=[one for one in report.doubtful if one["flow"] == flow],
        brakes=[brake for brake in report.brakes if brake.startswith(f"{flow}/")],
    )


class PlanDigest(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a dry run to be looked at later: all counts, and samples."""

    counts: Mapping[str, Mapping[str, Mapping[str, int]]]
    """As in :class:`PlanReport`."""
    samples: Sequence[PlanLine]
    conflicts: int
    doubtful: int
    questions: Sequence[str]
    """What the first of them are about."""
    brakes: Sequence[str]
    custom_fields: Mapping[str, Sequence[str]]
    problems: Mapping[str, str]
    read: int


def digest_of(report: PlanReport) -> PlanDigest:
    """Small enough for a page, however large the plan is."""
    taken: Counter[tuple[str, str, str]] = Counter()
    samples = []
    for line in report.lines:
        place = (line.system, line.flow, line.kind)
        taken[place] += 1
        if taken[place] <= SAMPLES:
            changes = {name: (_short(old), _short(new)) for name, (old, new) in line.changes.items()}
            samples.append(msgspec.structs.replace(line, changes=changes, note=line.note[:LONGEST]))
    return PlanDigest(
        counts=report.counts,
        samples=samples,
        conflicts=len(report.conflicts),
        doubtful=len(report.doubtful),
        questions=[str(one["summary"])[:LONGEST] for one in [*report.conflicts, *report.doubtful][:QUESTIONS]],
        brakes=report.brakes,
        custom_fields=report.custom_fields,
        problems=report.problems,
        read=report.read,
    )


def _short(value: Any) -> Any:
    """A value as it is, or the beginning of its text when it is a long one."""
    text = str(value)
    return value if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _line(step: Step, name: str) -> PlanLine:
    note = ""
    if step.waits_for is not None:
        note = "after the record it belongs to"
    elif step.error is not None:
        note = str(step.error)
    kind = str(step.kind)
    if step.kind is StepKind.WAIT:
        kind = "create" if step.link.key is None else "update"
    return PlanLine(
        kind=kind,
        flow=step.link.flow,
        system=step.link.system,
        resource=step.link.resource,
        key=step.link.key,
        name=name,
        changes=step.changes,
        note=note,
    )


def _count(lines: Sequence[PlanLine]) -> dict[str, dict[str, dict[str, int]]]:
    tally = Counter((line.system, line.flow, line.kind) for line in lines)
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for (system, flow, kind), number in sorted(tally.items()):
        counts.setdefault(system, {}).setdefault(flow, {})[kind] = number
    return counts


def _brakes(hub: Hub, lines: Sequence[PlanLine], linked: Mapping[tuple[str, str], int]) -> list[str]:
    groups = {"create": "creates", "update": "updates", "delete": "deletes", "archive": "deletes"}
    tally = Counter((line.flow, line.system, groups[line.kind]) for line in lines if line.kind in groups)
    return [
        f"{flow}/{system}/{kind}"
        for (flow, system, kind), number in sorted(tally.items())
        if number > limit_of(hub.world.flows[flow], kind, linked[(flow, system)])
    ]


def _shown(entry: InboxEntry) -> dict[str, Any]:
    return {"flow": entry.flow, "summary": entry.summary, "detail": entry.detail, "choices": list(entry.choices)}
