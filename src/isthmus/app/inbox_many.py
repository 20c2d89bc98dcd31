"""The same decision on many questions: of a few at once, of more by a job (:mod:`.inbox_work`), and what came of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

import msgspec

from isthmus.app.inbox_desk import InboxDesk, typed
from isthmus.errors import IsthmusError, NeedsPerson, StoreUnavailable, Unmappable
from isthmus.model.fields import canonical
from isthmus.model.state import InboxEntry, InboxKind
from isthmus.store import EntryNote, EntryReason, EntryState, Job, JobEntries, JobKind, Jobs
from isthmus.sync.decide import retry_in

__all__ = ["AT_ONCE", "MANY", "Done", "ManyDesk", "Task", "Work"]

AT_ONCE = 50
"""Most questions that are decided while somebody waits for the page."""
MANY = 10_000
"""Most questions that are decided by one job."""
SHOWN = 100
"""Questions of a job that are shown one by one; reasons are counted over all."""
REASONS = 20
RETRY = "retry"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is decided on many questions; ``Job.task`` as a value."""

    kind: InboxKind
    choice: str
    flow: str = ""
    cause: str = ""
    """Flow and cause that they were chosen by; empty: by hand."""
    field: str = ""
    """Of a retry: a field that gets the value ``text`` in all of the records first."""
    text: str = ""
    entries: int = 0
    """How many questions."""
    others: Mapping[str, int] = {}
    """Who has a job that decides so many of the same questions already; they were left out."""

    @property
    def together(self) -> bool:
        """Whether all may be done in one transaction: records are tried again as they are, nobody corrects them."""
        return self.choice == RETRY and not self.field


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What deciding some questions came to."""

    done: int
    passed: Mapping[str, str]
    """Question that was not open any more -> who has decided it."""
    refused: Mapping[str, str]
    """Question -> why not."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A job of decisions as people see it."""

    job: Job
    task: Task
    counts: Mapping[EntryState, int]
    reasons: Sequence[EntryReason]
    not_done: Sequence[EntryNote]
    """The first of those that were refused, then of those that were passed over."""
    headlines: Mapping[str, str]

    @property
    def left(self) -> int:
        """Questions that may be tried again: refused, or not come to."""
        if self.job.done_at is None:
            return 0
        return self.counts.get(EntryState.REFUSED, 0) + self.counts.get(EntryState.WAITING, 0)


class ManyDesk(InboxDesk):
    """The use cases, for one person."""

    @cached_property
    def _parts(self) -> JobEntries:
        return JobEntries(self._store)

    # -- asking ----------------------------------------------------------------------------------------------------

    async def alike(self, *, kind: str | None, flow: str | None, cause: str | None) -> dict[str, str]:
        """Open questions of a group, at most :data:`MANY`: id -> flow."""
        return await self.work.alike(self._now(), kind=kind, flow=flow, cause=cause, limit=MANY)

    async def flows_of(self, ids: Sequence[str]) -> dict[str, str]:
        """Those of these questions that there are: id -> flow."""
        found = await self.work.of(ids)
        return {id: found[id].flow for id in ids if id in found}

    def check(self, task: Task, flows: Collection[str], *, empty: bool) -> None:
        """No text of a correction only when the field is to be ``empty``. Raises ``NeedsPerson`` when the field is not
        for this person, or cannot have that value in one of these flows."""
        if not task.field:
            return
        if any(task.field not in self.correctable(flow) for flow in flows):
            raise NeedsPerson(f"'{task.field}' cannot be corrected for many at once.")
        if empty == bool(task.text.strip()):
            raise NeedsPerson("Say the new value, or that the field is to be empty.")
        for flow in flows:
            kind = self._world.flows[flow].entity.fields[task.field]
            try:
                canonical(kind, typed(kind, task.text))
            except Unmappable as error:
                raise NeedsPerson(f"{task.field}: {error.message}", advice=error.advice) from error

    async def ask(self, task: Task, ids: Collection[str]) -> Job:
        """Have a worker decide these questions. What somebody else's job is about to decide is left out. Raises
        ``NeedsPerson`` when nothing else is left."""
        others = await self._parts.under_way(ids)
        wanted = [id for id in dict.fromkeys(ids) if id not in others]
        if not wanted:
            names = ", ".join(sorted(set(others.values())))
            raise NeedsPerson(
                f"These are being decided already, for {names}." if names else "Nothing is left to decide.",
                advice="The inbox shows how far that is.",
            )
        task = msgspec.structs.replace(task, entries=len(wanted), others=dict(Counter(others.values())))
        job = Job(
            id=self._ids(),
            kind=JobKind.DECIDE,
            flow=task.flow,
            asked_by=self._me.login,
            asked_at=self._now(),
            task=msgspec.to_builtins(task),
        )
        told = {"job": job.id, "kind": task.kind, "choice": task.choice, "cause": task.cause, "entries": len(wanted)}
        told |= {"fields": [task.field]} if task.field else {}
        await self._access.note(self._me.login, "questions decided", task.flow or "all flows", told)
        return await self._parts.ask(job, wanted)

    async def again(self, id: str) -> Job:
        """Try again what an ended job was refused, and what it did not come to. Raises ``NeedsPerson`` when it has not
        ended, or left nothing."""
        job = await Jobs(self._store).one(id)
        if job is None or job.kind is not JobKind.DECIDE:
            raise NeedsPerson(f"There is no such job {id}.")
        if job.done_at is None:
            raise NeedsPerson("It is not done yet.", advice="Wait until it is, or stop it.")
        task, left = task_of(job), await self._parts.left(id)
        self.check(task, set((await self.flows_of(left)).values()), empty=not task.text.strip())
        return await self.ask(task, left)

    # -- looking ---------------------------------------------------------------------------------------------------

    async def jobs(self, limit: int) -> list[Work]:
        """Jobs of decisions: those that are not done, then the others, the newest first; without single questions."""
        jobs = await self._parts.jobs(limit)
        counts = await self._parts.counts([job.id for job in jobs])
        return [
            Work(job=job, task=task_of(job), counts=counts[job.id], reasons=(), not_done=(), headlines={})
            for job in jobs
        ]

    async def one_job(self, id: str) -> Work | None:
        """One job of decisions, with what it did not do and why."""
        job = await Jobs(self._store).one(id)
        if job is None or job.kind is not JobKind.DECIDE:
            return None
        not_done = await self._parts.not_done(id, SHOWN)
        entries = await self.work.of([note.entry for note in not_done])
        return Work(
            job=job,
            task=task_of(job),
            counts=(await self._parts.counts([id]))[id],
            reasons=await self._parts.reasons(id, REASONS),
            not_done=not_done,
            headlines=await self.headlines(list(entries.values())),
        )

    # -- doing -----------------------------------------------------------------------------------------------------

    async def carry_out(self, task: Task, ids: Sequence[str], *, job: str | None = None) -> Done:
        """Decide these questions; each is carried out or refused on its own. A ``job`` that they are a part of knows
        of what is done as soon as it is; what is not, is for the caller to note. Raises ``StoreUnavailable``."""
        done, left = 0, list(ids)
        if task.together:
            tried = await self._retry(left, job)
            done, left = len(tried), [id for id in left if id not in tried]
        passed, refused = {}, {}
        for id in left:
            try:
                await self._one(task, id, job)
                done += 1
            except StoreUnavailable:
                raise
            except IsthmusError as error:
                entry = await self._reads.entry(id)
                if entry is None or entry.decided_at is not None:
                    passed[id] = _why_passed(entry)
                else:
                    refused[id] = f"{error.message} {error.advice or ''}".strip()
        return Done(done=done, passed=passed, refused=refused)

    async def _one(self, task: Task, id: str, job: str | None) -> None:
        fields = {}
        if task.field:
            question = await self.question(id)
            if question is not None and question.entry.decided_at is None and task.field not in question.editable:
                raise NeedsPerson("There is no record of it in the hub that could be corrected.")
            fields = {task.field: task.text}
        await self.decide(id, task.choice, fields=fields, job=job)

    async def _retry(self, ids: Sequence[str], job: str | None) -> set[str]:
        """Try the records of these failures again, in one transaction; those questions that are decided by that."""
        found = await self.work.of(ids)
        # Whether one is about what this person may not see is looked at more closely, one by one.
        plain = [one for id in ids if (one := found.get(id)) is not None and not self._secret(one) and _failed(one)]
        if not plain:
            return set()
        await self._note(RETRY, f"{len(plain)} records", {"entries": [entry.id for entry in plain]})
        subjects = [entry.subject for entry in plain]
        async with self._store.transaction() as tx:
            tried = await retry_in(tx, self._world, subjects, by=self._me.login, now=self._now())
            if job is not None:
                await tx.job_entries.note(job, [EntryNote(id, EntryState.DONE) for id in tried])
        return set(tried) & set(ids)


def task_of(job: Job) -> Task:
    """What a job of decisions decides."""
    return msgspec.convert(dict(job.task), Task)


def _failed(entry: InboxEntry) -> bool:
    return entry.kind is InboxKind.FAILURE and entry.decided_at is None


def _why_passed(entry: InboxEntry | None) -> str:
    if entry is None:
        return "It is not there any more."
    if entry.decision == "withdrawn":
        return "It is not asked any more."
    return f"{entry.decided_by} has decided it ({entry.decision})."
