"""Approvals on PostgreSQL: stages, deadlines, deputies, and everybody who may not, may not any more, or asks twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from isthmus.desk.approval_state import Choice, RequestState
from isthmus.desk.approvals import decide, get_approval
from isthmus.errors import AlreadyDecided, IsthmusError, NeedsPerson, NotEntitled, TooLate
from isthmus.process import Definition, ProcessState, Run, cancel, start
from isthmus.process.turn import take_turn
from isthmus.store import PostgresStore, Reads
from isthmus.testing import run_every_step_twice
from tests.desk.asking import START, ApprovalStage, Desk, ask
from tests.desk.rules import ANNA, BEN, BOSS, CHEN, DORA, HOUR, LI, RULES


async def test_what_needs_nobody_is_approved_at_once(store: PostgresStore) -> None:
    request = await Desk(store).request(ask(amount="500"))
    assert (request.state, request.rule, request.stages) == (RequestState.APPROVED, "small", ())
    assert await Reads(store).processes() == []


async def test_people_see_who_must_act_since_when_and_until_when(store: PostgresStore) -> None:
    desk = Desk(store)
    request = await desk.request(ask())
    assert (request.state, request.stage, request.since) == (RequestState.OPEN, 0, START)
    assert request.due_at == START + timedelta(hours=1)
    [process] = await Reads(store).processes()
    assert (process.state, process.who, process.question) == (
        ProcessState.WAITING,
        f"sales ({ANNA}, {BEN})",
        "Order for 5000?",
    )
    assert process.wake_at == request.due_at
    assert await desk.told("so-1") == [("approval_needed", ANNA), ("approval_needed", BEN)]


async def test_stages_follow_one_another_and_all_must_approve(store: PostgresStore) -> None:
    desk = Desk(store)
    await desk.request(ask(amount="20000"))
    request = await desk.answer("so-1", BEN, comment="fine by me")
    assert (request.state, request.stage) == (RequestState.OPEN, 1)
    assert (await desk.answer("so-1", DORA)).state is RequestState.OPEN, "the boss has not answered"
    request = await desk.answer("so-1", BOSS)
    assert (request.state, request.due_at) == (RequestState.APPROVED, None)
    said = [(one.stage, one.seat, one.by, one.comment) for one in await desk.answers("so-1")]
    assert said == [(0, "sales", BEN, "fine by me"), (1, "finance", DORA, ""), (1, BOSS, BOSS, "")]
    assert (await desk.told("so-1"))[-1] == ("request_approved", LI)


async def test_one_refusal_refuses(store: PostgresStore) -> None:
    desk = Desk(store)
    await desk.request(ask(amount="20000"))
    await desk.answer("so-1", BEN)
    request = await desk.answer("so-1", BOSS, Choice.REFUSE, comment="too risky")
    assert request.state is RequestState.REFUSED
    [told] = [one for one in await desk.notices("so-1") if one.milestone == "request_refused"]
    assert told.recipient == LI
    assert told.context["comments"] == [f"{BOSS}: too risky"]
    with pytest.raises(AlreadyDecided, match="decided already: refused"):
        await desk.answer("so-1", CHEN)


@pytest.mark.parametrize("turn", [True, False])
async def test_a_second_answer_is_refused(store: PostgresStore, turn: bool) -> None:
    """Also when the process has not gone on yet."""
    desk = Desk(store)
    await desk.request(ask())
    await desk.answer("so-1", ANNA, turn=turn)
    for login in (ANNA, BEN):
        with pytest.raises(AlreadyDecided):
            await desk.answer("so-1", login, Choice.REFUSE)
    assert [one.by for one in await desk.answers("so-1")] == [ANNA]
    assert (await desk.later("so-1", 1)).state is RequestState.APPROVED


async def test_two_at_the_same_moment_make_one_answer(store: PostgresStore) -> None:
    desk = Desk(store)
    await desk.request(ask())

    async def click(login: str) -> str:
        try:
            async with store.transaction() as tx:
                await decide(tx, "so-1", by=login, choice=Choice.APPROVE, via="cli", now=desk.now)
        except AlreadyDecided:
            return "refused"
        return "taken"

    said = await asyncio.gather(*(click(login) for login in (ANNA, BEN) * 4))
    assert sorted(said) == ["refused"] * 7 + ["taken"]


async def test_whoever_is_not_asked_may_not_answer(store: PostgresStore) -> None:
    desk = Desk(store)
    await desk.request(ask())
    with pytest.raises(NotEntitled, match=f"Now sales \\({ANNA}, {BEN}\\) decides"):
        await desk.answer("so-1", CHEN)
    with pytest.raises(NotEntitled):
        await desk.answer("so-1", CHEN, on_behalf_of=ANNA)
    with pytest.raises(NeedsPerson, match="no approval request so-2"):
        await desk.answer("so-2", CHEN)
    assert await desk.answers("so-1") == []


async def test_the_requester_never_decides_also_not_as_a_deputy(store: PostgresStore) -> None:
    desk = Desk(store)
    request = await desk.request(ask(requester=ANNA.upper()))
    assert [seat.members for seat in request.stages[0].seats] == [(BEN,)]
    await desk.delegate(BEN, ANNA)
    for more in ({}, {"on_behalf_of": BEN}):
        with pytest.raises(NotEntitled, match="four eyes"):
            await desk.answer("so-1", ANNA, **more)


async def test_a_deputy_answers_for_as_long_as_it_was_said(store: PostgresStore) -> None:
    desk = Desk(store)
    await desk.delegate(ANNA, DORA, hours=(-2, -1))
    await desk.delegate(BEN, CHEN)
    await desk.request(ask())
    assert ("approval_needed", CHEN) in await desk.told("so-1")
    with pytest.raises(NotEntitled):
        await desk.answer("so-1", DORA)
    request = await desk.answer("so-1", "Chen@LAB.example")
    assert request.state is RequestState.APPROVED
    [answer] = await desk.answers("so-1")
    assert (answer.by, answer.on_behalf_of, answer.seat) == (CHEN, BEN, "sales")


async def test_an_ended_delegation_gives_no_right(store: PostgresStore) -> None:
    desk = Desk(store)
    made = await desk.delegate(BEN, CHEN)
    await desk.request(ask())
    async with store.transaction() as tx:
        assert await tx.approvals.end_delegation(made, desk.now)
        assert not await tx.approvals.end_delegation(made, desk.now)
    with pytest.raises(NotEntitled):
        await desk.answer("so-1", CHEN)


async def test_a_double_click_of_a_deputy_is_no_second_vote(store: PostgresStore) -> None:
    desk = Desk(store)
    await desk.delegate(BOSS, DORA)
    await desk.request(ask(amount="20000"))
    await desk.answer("so-1", ANNA)
    await desk.answer("so-1", DORA)
    with pytest.raises(AlreadyDecided, match=r"To answer for boss.* as well, say so"):
        await desk.answer("so-1", DORA)
    request = await desk.answer("so-1", DORA, on_behalf_of=BOSS)
    assert request.state is RequestState.APPROVED


async def test_after_the_deadline_the_escalation_decides(store: PostgresStore) -> None:
    desk = Desk(store)
    await desk.request(ask())
    desk.now += timedelta(seconds=HOUR)
    with pytest.raises(TooLate, match=f"The deadline was .*Now {BOSS} decides"):
        await desk.answer("so-1", ANNA)
    request = await desk.later("so-1", 0)
    assert (request.escalated, request.since) == (True, desk.now)
    assert request.due_at == desk.now + timedelta(seconds=HOUR)
    with pytest.raises(NotEntitled, match=f"Now {BOSS} decides"):
        await desk.answer("so-1", ANNA)
    with pytest.raises(TooLate, match=f"Now {BOSS} decides"):
        await desk.answer("so-1", ANNA, asked_at=(0, False))
    assert (await desk.answer("so-1", BOSS)).state is RequestState.APPROVED


async def test_when_nobody_answers_it_is_not_approved(store: PostgresStore) -> None:
    desk = Desk(store)
    await desk.request(ask())
    await desk.later("so-1", HOUR)
    desk.now += timedelta(seconds=HOUR)
    with pytest.raises(TooLate, match="counts as refused"):
        await desk.answer("so-1", BOSS)
    request = await desk.later("so-1", 0)
    assert request.state is RequestState.EXPIRED
    assert (await desk.notices("so-1"))[-1].context["expired"] is True


async def test_an_answer_in_time_counts_however_late_the_process_hears_of_it(store: PostgresStore) -> None:
    """The workers were down from before the answer until long after the deadline."""
    desk = Desk(store)
    await desk.request(ask())
    desk.now += timedelta(seconds=HOUR - 1)
    await desk.answer("so-1", ANNA, turn=False)
    assert (await desk.later("so-1", 10 * HOUR)).state is RequestState.APPROVED


async def test_asked_twice_is_one_request(store: PostgresStore) -> None:
    desk = Desk(store)
    first = await desk.request(ask())
    desk.now += timedelta(seconds=5)
    assert await desk.request(ask()) == first
    assert len(await desk.told("so-1")) == 2


async def test_a_withdrawn_request_takes_no_answer(store: PostgresStore) -> None:
    desk = Desk(store)
    await desk.request(ask())
    async with store.transaction() as tx:
        await cancel(tx, "approval/so-1", by=LI, now=desk.now)
    with pytest.raises(AlreadyDecided, match="withdrawn"):
        await desk.answer("so-1", ANNA)


async def test_without_a_rule_nothing_is_approved(store: PostgresStore) -> None:
    desk = Desk(store)
    wanted = ask()
    other = type(wanted.facts)(document="Return")
    with pytest.raises(NeedsPerson, match="No rule says who approves a Return"):
        await desk.request(type(wanted)(id="r", key="r", title="?", facts=other, requester=LI))


@pytest.mark.flow("OA-6")
@pytest.mark.parametrize("choice", list(Choice))
async def test_a_process_waits_for_its_approval(store: PostgresStore, choice: Choice) -> None:
    desk = Desk(store)

    async def parent(run: Run, given: Any) -> str:
        return await get_approval(run, RULES, ask(), lambda: desk.now)

    definition = Definition("parent", parent)

    async def turn() -> None:
        await take_turn(store, {"parent": definition}, "p", clock=lambda: desk.now, jitter=lambda: 0.0)

    async with store.transaction() as tx:
        await start(tx, definition, None, id="p", now=desk.now)
    await turn()
    await desk.turn("so-1")
    await turn()
    await desk.answer("so-1", ANNA, choice)
    await turn()
    found = {process.id: process for process in await Reads(store).processes()}
    assert found["p"].state is ProcessState.DONE
    assert found["p"].result == ("approved" if choice is Choice.APPROVE else "refused")


@pytest.mark.parametrize(
    ("amount", "says", "end"),
    [
        ("5000", {"stage 1": RequestState.APPROVED}, RequestState.APPROVED),
        ("5000", {"stage 1 escalated": RequestState.REFUSED}, RequestState.REFUSED),
        ("5000", {}, RequestState.EXPIRED),
        ("20000", {"stage 1": RequestState.APPROVED, "stage 2": RequestState.APPROVED}, RequestState.APPROVED),
    ],
)
async def test_every_step_may_run_twice_and_fail_anywhere(
    store: PostgresStore, amount: str, says: dict[str, RequestState], end: RequestState
) -> None:
    made: list[ApprovalStage] = []

    def stage() -> ApprovalStage:
        made.append(ApprovalStage(store, ask(amount=amount), says))
        return made[-1]

    runs = await run_every_step_twice(store, stage)
    assert runs >= 1 + 6 * 3
    (state, *_), told = await made[0].effects()
    assert state == end
    assert len(told) == len(set(told)), "nobody is told twice"


def test_errors_say_what_a_person_can_do() -> None:
    assert {kind.code for kind in (AlreadyDecided, NotEntitled, TooLate)} == {
        "already-decided",
        "not-entitled",
        "too-late",
    }
    assert all(issubclass(kind, IsthmusError) for kind in (AlreadyDecided, NotEntitled, TooLate))
