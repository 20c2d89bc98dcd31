"""Approvals in the console: whose turn it is, answering, and who may not."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from isthmus.app.bootstrap import clock
from isthmus.console import Site
from isthmus.desk.approval_rules import ApprovalRules, Need, Rule, Seat, Stage
from isthmus.desk.approval_state import RequestState
from isthmus.store import PostgresStore
from tests.console.people import Browser, a_person
from tests.desk.asking import Desk, ask

ME, BOSS = "approver@office.example", "boss@office.example"
SALES = Seat("sales", (ME, "anna@office.example"))
LEAD = Stage(name="lead", seats=(SALES,), within=3600.0, escalate=(Seat(BOSS, (BOSS,)),))
BOTH = Stage(name="both", seats=(Seat(BOSS, (BOSS,)), Seat("cfo", ("cfo@office.example",))), need=Need.ALL)
RULES = ApprovalRules(currency="EUR", rules=(Rule(name="orders", document="SalesOrder", stages=(LEAD, BOTH)),))
ANSWER = {"choice": "approve", "stage": "0", "escalated": "0"}


@pytest.fixture
async def desk(store: PostgresStore) -> Desk:
    """One request of 5000 EUR that waits for sales."""
    desk = Desk(store, RULES)
    desk.now = clock()
    await desk.request(replace(ask(), details={"Why": "<b>urgent</b>"}))
    return desk


async def test_what_waits_for_me_stands_first_and_says_who_until_when(browser: Browser, desk: Desk) -> None:
    await desk.request(ask("so-2", requester=ME))
    await browser.sign_in("approver")
    page = (await browser.get("/approvals")).text
    mine, others = page.split("For others to answer")
    assert "/approvals/so-1" in mine
    assert "/approvals/so-2" in others, "nobody approves what they request themselves"
    assert "5,000.00 EUR" in mine
    assert f"{(await desk.found('so-1')).due_at:%Y-%m-%d %H:%M}" in mine
    await browser.sign_in("viewer")
    assert "For you to answer" not in (await browser.get("/approvals")).text


async def test_a_request_is_approved_with_a_comment(browser: Browser, desk: Desk, site: Site) -> None:
    await browser.sign_in("approver")
    page = (await browser.get("/approvals/so-1")).text
    for shown in ("&lt;b&gt;urgent&lt;/b&gt;", "lead", "both", "all must approve", BOSS, "Approve", "Refuse"):
        assert shown in page, shown
    answer = await browser.post("/approvals/so-1", {**ANSWER, "comment": "For this customer, yes."})
    assert (answer.status_code, answer.headers["location"]) == (303, "/approvals/so-1")
    (given,) = await desk.answers("so-1")
    assert (given.by, given.via, given.comment, given.seat) == (ME, "console", "For this customer, yes.", "sales")
    page = (await browser.get("/approvals/so-1")).text
    assert "For this customer, yes." in page
    assert "Your answer is noted." in page
    audit = (await site.access.people.audit(1))[0]
    assert (audit.who, audit.action, audit.subject, audit.detail) == (
        ME,
        "approval answered",
        "so-1",
        {"choice": "approve"},
    )
    await desk.turn("so-1")
    assert (await desk.found("so-1")).stage == 1
    assert "Others decide this." in (await browser.get("/approvals/so-1")).text


async def test_a_refusal_ends_it_and_stands_among_the_decided(browser: Browser, desk: Desk) -> None:
    await browser.sign_in("approver")
    await browser.get("/approvals/so-1")
    await browser.post("/approvals/so-1", {**ANSWER, "choice": "refuse"})
    await desk.turn("so-1")
    assert (await desk.found("so-1")).state is RequestState.REFUSED
    assert "/approvals/so-1" not in (await browser.get("/approvals")).text
    assert "/approvals/so-1" in (await browser.get("/approvals?view=decided")).text


async def test_a_second_answer_is_told_of_the_first_and_the_comment_stays(browser: Browser, desk: Desk) -> None:
    await browser.sign_in("approver")
    await browser.get("/approvals/so-1")
    await desk.answer("so-1", "anna@office.example", turn=False)
    late = await browser.post("/approvals/so-1", {**ANSWER, "comment": "I think so too."})
    assert late.status_code == 422
    assert "This stage was decided already by anna@office.example" in late.text
    assert len(await desk.answers("so-1")) == 1


async def test_who_is_not_asked_cannot_answer(browser: Browser, desk: Desk, site: Site) -> None:
    await site.access.people.save(a_person("operator", roles=["operator", "approver"]))
    await browser.sign_in("operator")
    page = (await browser.get("/approvals/so-1")).text
    assert 'name="choice"' not in page
    answer = await browser.post("/approvals/so-1", ANSWER)
    assert answer.status_code == 422
    assert "may not decide this" in answer.text
    assert (await browser.post("/approvals/so-1", {**ANSWER, "choice": "nonsense"})).status_code == 422
    await browser.sign_in("viewer")
    await browser.get("/approvals/so-1")
    assert (await browser.post("/approvals/so-1", ANSWER)).status_code == 403
    assert await desk.answers("so-1") == []
    assert (await browser.get("/approvals/nothing")).status_code == 404


async def test_a_deputy_answers_in_the_right_of_another(browser: Browser, desk: Desk, site: Site) -> None:
    await site.access.people.save(a_person("engineer", roles=["engineer", "approver"]))
    await desk.delegate("anna@office.example", "engineer@office.example")
    await browser.sign_in("engineer")
    assert "For you to answer" in (await browser.get("/approvals")).text
    assert "<option>anna@office.example</option>" in (await browser.get("/approvals/so-1")).text
    await browser.post("/approvals/so-1", {**ANSWER, "on_behalf_of": "anna@office.example"})
    (given,) = await desk.answers("so-1")
    assert (given.by, given.on_behalf_of) == ("engineer@office.example", "anna@office.example")


async def test_margins_are_for_the_role_cost(browser: Browser, desk: Desk, store: PostgresStore, site: Site) -> None:
    wanted = ask("so-3")
    await desk.request(replace(wanted, facts=replace(wanted.facts, margin=Decimal("0.1234"))))
    await browser.sign_in("approver")
    assert "12.34 %" not in (await browser.get("/approvals/so-3")).text
    await site.access.people.save(a_person("approver", roles=["approver", "cost"]))
    assert "12.34 %" in (await browser.get("/approvals/so-3")).text


async def test_a_request_is_opened_and_answered_where_its_list_leads(browser: Browser, desk: Desk) -> None:
    """Requests are called by their document, ``quote/QU-1``: the slash is part of the id, not of the address."""
    await desk.request(ask("quote/QU-1/approval"))
    await browser.sign_in("approver")
    address = "/approvals/quote%2FQU-1%2Fapproval"
    assert f'href="{address}"' in (await browser.get("/approvals")).text
    page = (await browser.get(address)).text
    assert f'action="{address}"' in page
    assert f'name="place" value="{address}"' in page, "who changes the language stays here"
    answer = await browser.post(address, ANSWER)
    assert (answer.status_code, answer.headers["location"]) == (303, address)
    assert len(await desk.answers("quote/QU-1/approval")) == 1
    assert (await browser.get("/approvals/quote/QU-1/approval")).status_code == 404
