"""Decisions on many questions are a job: none is decided twice, none lost, what is refused says why and can be tried
again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from isthmus.app.access import Principal
from isthmus.app.bootstrap import Hub, open_hub
from isthmus.app.inbox_desk import InboxDesk
from isthmus.app.inbox_many import ManyDesk, Task
from isthmus.app.job_work import do_job
from isthmus.errors import NeedsPerson, StoreUnavailable
from isthmus.model.state import InboxKind, LinkState, Problem
from isthmus.store import EntryState, Job, JobEntries, Jobs, People, PostgresStore, Reads
from tests.app.test_flow_changes import until
from tests.app.twin_office import Workers, make_project
from tests.console.people import a_person
from tests.store.examples import a_link, a_question, an_item, save

OPERATOR = frozenset({"operator"})
ANNA = Principal(login="anna@office.example", name="Anna", roles=OPERATOR)
BO = Principal(login="bo@office.example", name="Bo", roles=OPERATOR)
CORRECT = Task(kind=InboxKind.FAILURE, choice="retry", flow="customer", field="phone", text="+49 40 1")
RETRY = Task(kind=InboxKind.FAILURE, choice="retry", flow="customer", cause="No.")


@pytest.fixture
async def hub(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    monkeypatch.setenv("ISTHMUS_DATABASE_URL", database_url)
    async with open_hub(make_project(tmp_path / "project", "http://127.0.0.1:1")) as made:
        for who in (ANNA, BO):
            await People(made.store).save(a_person("operator", login=who.login))
        yield made


async def refused(store: PostgresStore, count: int, *, lost: bool = False) -> list[str]:
    """Questions about so many refused updates; ``lost`` adds one whose record the hub does not have."""
    items = [an_item(f"i{n}", fields={"name": f"Name {n}", "phone": f"+49 {n}"}) for n in range(count)]
    problem = Problem("rejected", "No.")
    links = [a_link(f"l{n}", item=f"i{n}", system="erp", resource="contacts", problem=problem) for n in range(count)]
    if lost:
        # It waits for a record that never comes, else a worker would make an item of it.
        state, waits = LinkState.NEW, "erp/contacts/never"
        links.append(a_link("lost", system="erp", resource="contacts", state=state, waits_for=waits, problem=problem))
    entries = [
        a_question(
            f"q-{link.id}",
            kind=InboxKind.FAILURE,
            subject=link.id,
            detail={"message": "No.", "system": "erp", "code": "rejected"},
            choices=("retry", "unlink"),
        )
        for link in links
    ]
    await save(store, items=items, links=links, open_inbox=entries)
    return [entry.id for entry in entries]


async def ended(store: PostgresStore, id: str) -> Job:
    async def look() -> bool:
        found = await Jobs(store).one(id)
        return found is not None and found.done_at is not None

    await until(look)
    found = await Jobs(store).one(id)
    assert found is not None
    return found


async def counts(store: PostgresStore, job: Job) -> dict[EntryState, int]:
    return (await JobEntries(store).counts([job.id]))[job.id]


async def test_a_worker_that_is_killed_in_the_middle_leaves_no_question_out_and_decides_none_twice(
    hub: Hub, database_url: str
) -> None:
    ids = await refused(hub.store, 300, lost=True)
    workers = Workers(hub.project.folder, database_url)
    anna = ManyDesk(hub.store, hub.world, ANNA)
    job = await anna.ask(CORRECT, ids)
    try:
        first = await workers.start()

        async def begun() -> bool:
            return (await counts(hub.store, job)).get(EntryState.DONE, 0) > 20

        await until(begun)
        await workers.kill(first)
        assert (await counts(hub.store, job))[EntryState.WAITING] > 0, "it was killed in the middle"
        # Somebody else is faster with one that it has not come to.
        await InboxDesk(hub.store, hub.world, BO).decide("q-l299", "unlink")
        await workers.start()
        found = await ended(hub.store, job.id)
    finally:
        await workers.close()
    assert (found.attempts, found.problem) == (2, "")
    assert await counts(hub.store, job) == {EntryState.DONE: 299, EntryState.PASSED: 1, EntryState.REFUSED: 1}
    assert found.result["counts"] == {"done": 299, "passed": 1, "refused": 1}
    for n in range(299):
        changes = [one for one in await Reads(hub.store).history(f"i{n}", 10) if one.cause.by == ANNA.login]
        assert [one.changes["phone"] for one in changes] == [(f"+49 {n}", "+49 40 1")]
    decided = [await Reads(hub.store).entry(id) for id in ids]
    assert {one.decided_by for one in decided[:299] if one is not None} == {ANNA.login}
    work = await anna.one_job(job.id)
    assert work is not None
    assert {(one.state, one.reason) for one in work.reasons} == {
        (EntryState.PASSED, f"{BO.login} has decided it (unlink)."),
        (EntryState.REFUSED, "There is no record of it in the hub that could be corrected."),
    }
    assert [(note.entry, note.state) for note in work.not_done] == [
        ("q-lost", EntryState.REFUSED),
        ("q-l299", EntryState.PASSED),
    ]
    # What was refused can be tried again, by anybody who may, and as often as wanted.
    again = await ManyDesk(hub.store, hub.world, BO).again(job.id)
    assert (again.asked_by, again.task["entries"], again.task["field"]) == (BO.login, 1, "phone")
    await do_job(hub, again)
    assert await counts(hub.store, again) == {EntryState.REFUSED: 1}


async def test_two_people_who_want_the_same_questions_decided_are_told(hub: Hub) -> None:
    ids = await refused(hub.store, 60)
    anna, bo = ManyDesk(hub.store, hub.world, ANNA), ManyDesk(hub.store, hub.world, BO)
    first = await anna.ask(RETRY, ids[:40])
    second = await bo.ask(RETRY, ids)
    assert (second.task["entries"], second.task["others"]) == (20, {ANNA.login: 40})
    with pytest.raises(NeedsPerson, match=f"{ANNA.login}, {BO.login}"):
        await bo.ask(RETRY, ids)
    # While it waits somebody takes one out of its hands.
    await InboxDesk(hub.store, hub.world, BO).decide(ids[3], "unlink")
    await do_job(hub, first)
    await do_job(hub, second)
    assert await counts(hub.store, first) == {EntryState.DONE: 39, EntryState.PASSED: 1}
    assert await counts(hub.store, second) == {EntryState.DONE: 20}
    links = await Reads(hub.store).links([f"l{n}" for n in range(60)])
    assert links["l3"].state is LinkState.UNLINKED
    assert all(links[f"l{n}"].problem is None and links[f"l{n}"].due_at for n in range(60) if n != 3)
    by = [(await Reads(hub.store).entry(id)) for id in ids]
    assert [one.decided_by for one in by if one is not None] == [*[ANNA.login] * 3, BO.login, *[ANNA.login] * 36,
                                                                *[BO.login] * 20]  # fmt: skip
    audit = await People(hub.store).audit(20)
    asked = [one for one in audit if one.action == "questions decided"]
    assert [(one.who, one.detail["entries"]) for one in reversed(asked)] == [(ANNA.login, 40), (BO.login, 20)]
    with pytest.raises(NeedsPerson, match="Nothing is left"):
        await anna.again(first.id)


async def test_who_may_not_decide_any_more_when_it_begins_decides_nothing(hub: Hub) -> None:
    ids = await refused(hub.store, 2)
    anna = ManyDesk(hub.store, hub.world, ANNA)
    job = await anna.ask(RETRY, ids)
    await People(hub.store).save(a_person("viewer", login=ANNA.login))
    await do_job(hub, job)
    found = await ended(hub.store, job.id)
    assert "may not decide" in found.problem
    assert await counts(hub.store, job) == {EntryState.WAITING: 2}
    assert {one.id for one in await Reads(hub.store).inbox(limit=9)} == set(ids)
    # Whoever may takes it up where it was left.
    again = await ManyDesk(hub.store, hub.world, BO).again(job.id)
    await do_job(hub, again)
    assert await counts(hub.store, again) == {EntryState.DONE: 2}


async def test_a_question_over_which_the_hub_stumbles_keeps_no_other_from_being_decided(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await refused(hub.store, 5)
    whole, lost_to_another = InboxDesk.decide, [ids[2]]

    async def stumbling(self: InboxDesk, id: str, *given: Any, **more: Any) -> Any:
        if id == ids[1]:
            raise RuntimeError("never thought of")
        if id in lost_to_another:
            lost_to_another.remove(id)
            raise StoreUnavailable("Another transaction went first.", wait=0.01)
        return await whole(self, id, *given, **more)

    monkeypatch.setattr(InboxDesk, "decide", stumbling)
    anna = ManyDesk(hub.store, hub.world, ANNA)
    job = await anna.ask(CORRECT, ids)
    await do_job(hub, job)
    assert await counts(hub.store, job) == {EntryState.DONE: 4, EntryState.REFUSED: 1}
    (reason,) = await JobEntries(hub.store).reasons(job.id, 5)
    assert reason.reason == "A fault in the hub (RuntimeError); see its log."
    monkeypatch.undo()
    again = await anna.again(job.id)
    await do_job(hub, again)
    assert await counts(hub.store, again) == {EntryState.DONE: 1}


async def test_what_a_stopped_one_did_stays_and_the_rest_can_be_gone_on_with(hub: Hub) -> None:
    ids = await refused(hub.store, 3)
    anna = ManyDesk(hub.store, hub.world, ANNA)
    job = await anna.ask(CORRECT, ids)
    with pytest.raises(NeedsPerson, match="not done yet"):
        await anna.again(job.id)
    await anna.carry_out(CORRECT, ids[:1], job=job.id)
    await Jobs(hub.store).stop(job.id, BO.login)
    stopped = await Jobs(hub.store).one(job.id)
    assert stopped is not None
    await do_job(hub, stopped)
    work = await anna.one_job(job.id)
    assert work is not None
    assert (work.left, work.counts, work.job.problem) == (
        2, {EntryState.DONE: 1, EntryState.WAITING: 2}, f"Stopped by {BO.login}.",
    )  # fmt: skip
    again = await anna.again(job.id)
    await do_job(hub, again)
    assert await counts(hub.store, again) == {EntryState.DONE: 2}
