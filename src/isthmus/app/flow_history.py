"""Versions of flows: what was in force when and what it wrote, what a change would do, and the way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from time import monotonic

import msgspec

from isthmus.app.bootstrap import clock, open_hub, open_store, read_project
from isthmus.app.flow_files import put_file
from isthmus.app.flow_notes import note_flows
from isthmus.app.planning import PlanReport, make_plan, plan_of
from isthmus.errors import Misconfigured
from isthmus.model.state import Effect, FlowVersion
from isthmus.project import Project
from isthmus.store import FlowChanges, PostgresStore, Reads, WriteCount

__all__ = [
    "KeptCounts",
    "RolledBack",
    "VersionView",
    "earlier_file",
    "flow_history",
    "flow_versions",
    "preview_flow",
    "roll_back",
    "show_version",
]


LEAST_SECONDS = 2.0
SHARE = 20
"""Counting takes at most one part in so many of the time."""


class VersionView(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a flow."""

    version: FlowVersion
    until: datetime | None
    """When the next version was first run; None: none was."""
    counts: Sequence[WriteCount]
    """What was written while it was in force."""
    present: bool
    """Whether it is what the project says now."""
    writes: Sequence[Effect] = ()
    """The newest of these writes, where they were asked for."""


class KeptCounts:
    """Writes of versions, for a page that many look at: those of a version that is over never change, and those of the
    present one are counted anew when counting takes a small share of the time."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._over: dict[tuple[str, datetime, datetime], Sequence[WriteCount]] = {}
        self._present: dict[tuple[str, datetime], tuple[float, float, Sequence[WriteCount]]] = {}

    async def of(self, flow: str, since: datetime, until: datetime | None) -> Sequence[WriteCount]:
        """What was written for a flow in a time, a little late for one that is not over."""
        if until is not None:
            if (flow, since, until) not in self._over:
                self._over[flow, since, until] = await self._reads.count_writes_of_flow(flow, since, until)
            return self._over[flow, since, until]
        made, cost, counts = self._present.get((flow, since), (0.0, -1.0, []))
        if cost < 0 or monotonic() - made > max(LEAST_SECONDS, SHARE * cost):
            began = monotonic()
            counts = await self._reads.count_writes_of_flow(flow, since, None)
            self._present[flow, since] = (monotonic(), monotonic() - began, counts)
        return counts


class RolledBack(msgspec.Struct, frozen=True, kw_only=True):
    """What going back to an earlier version has done. A running hub takes it up when it is started again."""

    flow: str
    version: int
    file: str | None
    """The file that was written or taken away; None: nothing had to be changed."""
    pack_changed: bool
    """The flow extends a pack's flow that is another now than it was then."""
    counts: Sequence[WriteCount]
    """What was written since that version was last in force. It stays written."""
    writes: Sequence[Effect]


async def flow_history(folder: Path, flow: str | None = None) -> list[VersionView]:
    """All versions of a flow, or of all flows. Raises ``Misconfigured`` for an unknown one."""
    async with open_store(folder) as (project, store):
        return await _views(Reads(store), project, flow)


async def flow_versions(
    store: PostgresStore, project: Project, flow: str, counts: KeptCounts, newest: int
) -> tuple[list[VersionView], int]:
    """The newest versions of a flow, the present one first, and how many there are; none when it has never run."""
    reads = Reads(store)
    versions = await reads.flow_versions(flow)
    if not versions:
        return [], 0
    return (await _views(reads, project, flow, counts.of, newest))[::-1], len(versions)


async def show_version(folder: Path, flow: str, number: int, limit: int) -> VersionView:
    """One version with its text and the newest of its writes. Raises ``Misconfigured`` for an unknown one."""
    async with open_store(folder) as (project, store):
        reads = Reads(store)
        view = _numbered(await _views(reads, project, flow), flow, number)
        ran_at = view.version.ran_at
        writes = await reads.writes_of_flow(flow, ran_at, view.until, limit) if ran_at is not None else []
        return msgspec.structs.replace(view, writes=writes)


async def preview_flow(
    folder: Path,
    flow: str,
    number: int | None,
    change: str | None = None,
    report: Callable[[str, str, int], None] | None = None,
) -> PlanReport:
    """What the flow would write if it were in force as the project has it now, as an earlier version had it or as a
    proposed change has it. Changes nothing anywhere."""
    instead: Mapping[str, str | None] = {}
    async with open_store(folder) as (project, store):
        if change is not None:
            proposed = await FlowChanges(store).one(change)
            if proposed is None or proposed.flow != flow:
                raise Misconfigured(f"There is no change {change} of flow '{flow}'.")
            instead = {proposed.file: proposed.content}
        elif number is not None:
            version = _numbered(await _views(Reads(store), project, flow), flow, number).version
            instead = earlier_file(project, version)
        elif flow not in project.flows:
            raise _unknown(flow, project.flows)
    async with open_hub(folder, instead=instead) as hub:
        return plan_of(await make_plan(hub, report), flow)


async def roll_back(folder: Path, flow: str, number: int, *, by: str, limit: int) -> RolledBack:
    """Give the project the file of an earlier version again. The present one is noted as a version first, and what the
    project comes to is checked. Raises ``Misconfigured`` for an unknown version, ``ProjectErrors`` for one that the
    project cannot have any more; then nothing is changed."""
    async with open_store(folder) as (project, store):
        reads = Reads(store)
        views = await _views(reads, project, flow)
        view = _numbered(views, flow, number)
        instead = earlier_file(project, view.version)
        now = read_project(folder, instead=instead).sources.get(flow)
        await note_flows(store, project, by=by, now=clock(), ran=False)
        for file, content in instead.items():
            put_file(folder, file, content)
        since = view.until
        return RolledBack(
            flow=flow,
            version=number,
            file=next(iter(instead), None),
            pack_changed=(now.pack if now is not None else None) != view.version.pack,
            counts=await reads.count_writes_of_flow(flow, since, None) if since is not None else [],
            writes=await reads.writes_of_flow(flow, since, None, limit) if since is not None else [],
        )


async def _views(
    reads: Reads,
    project: Project,
    flow: str | None,
    count: Callable[[str, datetime, datetime | None], Awaitable[Sequence[WriteCount]]] | None = None,
    newest: int | None = None,
) -> list[VersionView]:
    """Versions with what they wrote; of one flow perhaps only the ``newest``."""
    versions = await reads.flow_versions(flow)
    if flow is not None and not versions:
        raise _unknown(flow, {version.flow for version in await reads.flow_versions()})
    views, count = [], count or reads.count_writes_of_flow
    for version in versions if newest is None else versions[-newest:]:
        later = [v for v in versions if (v.flow, v.number > version.number) == (version.flow, True)]
        until = next((v.ran_at for v in later if v.ran_at is not None), None)
        ran_at = version.ran_at
        counts = await count(version.flow, ran_at, until) if ran_at is not None else []
        source = project.sources.get(version.flow)
        texts = (source.content, source.pack) if source is not None else (None, None)
        present = not later and texts == (version.content, version.pack)
        views.append(VersionView(version=version, until=until, counts=counts, present=present))
    return views


def _numbered(views: Sequence[VersionView], flow: str, number: int) -> VersionView:
    for view in views:
        if view.version.number == number:
            return view
    known = ", ".join(str(view.version.number) for view in views)
    raise Misconfigured(f"There is no version {number} of flow '{flow}'.", advice=f"Known: {known}.")


def _unknown(flow: str, known: object) -> Misconfigured:
    names = ", ".join(sorted(map(str, known))) if isinstance(known, dict | set) else ""
    return Misconfigured(f"Nothing is known of a flow '{flow}'.", advice=f"Known: {names or 'none that has run'}.")


def earlier_file(project: Project, version: FlowVersion) -> Mapping[str, str | None]:
    """Which file must have which text (None: be gone) for the flow to be as it was."""
    source = project.sources.get(version.flow)
    present = source.file if source is not None else None
    if version.content is None:
        if version.pack is None and source is not None and present is None:
            raise Misconfigured(
                f"Flow '{version.flow}' was not in the project then, and comes from a pack now.",
                advice="Leave it out in isthmus.toml: without = [...] below [packs].",
            )
        return {present: None} if present is not None else {}
    if source is not None and source.content == version.content:
        return {}
    return {present or version.file or f"flows/{version.flow}.yaml": version.content}
