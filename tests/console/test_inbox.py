"""Deciding in the console: one question, many at once, two people at the same one."""

from __future__ import annotations

import re

from isthmus.app.inbox_work import decide_questions
from isthmus.console import Site
from isthmus.model.state import FieldConflict, InboxKind, LinkState, Problem
from isthmus.store import Jobs, PostgresStore, Reads
from tests.console.people import Browser
from tests.store.examples import NOW, a_link, a_question, an_item, save


async def a_conflict(store: PostgresStore) -> None:
    """Name and phone were changed on both sides."""
    conflicts = {"name": FieldConflict("Old", "Hub", "Far"), "phone": FieldConflict(None, "1", "2")}
    link = a_link(
        "l1", item="i1", system="crm", resource="contacts", conflicts=conflicts, far={"name": "Far", "phone": "2"}
    )
    detail = {"fields": {"name": {}, "phone": {}}, "system": "crm"}
    entry = a_question("q1", subject="l1", detail=detail, choices=("hub", "far", "value"))
    await save(store, items=[an_item("i1", fields={"name": "Hub", "phone": "1"})], links=[link], open_inbox=[entry])


async def failures(store: PostgresStore, count: int) -> None:
    """As many refusals of the same kind."""
    items = [an_item(f"i{n}") for n in range(count)]
    problem = Problem("rejected", "No.")
    links = [a_link(f"l{n}", item=f"i{n}", system="erp", resource="contacts", problem=problem) for n in range(count)]
    entries = [
        a_question(
            f"q{n}",
            kind=InboxKind.FAILURE,
            subject=f"l{n}",
            detail={"message": f"Record {n} has no '{n}'.", "system": "erp", "code": "rejected"},
            choices=("retry", "unlink"),
        )
        for n in range(count)
    ]
    await save(store, items=items, links=links, open_inbox=entries)


async def test_a_conflict_is_decided_field_by_field(browser: Browser, store: PostgresStore, site: Site) -> None:
    await a_conflict(store)
    await browser.sign_in("operator")
    page = (await browser.get("/inbox/q1")).text
    assert all(shown in page for shown in ("Old", "Hub", "Far"))
    fields = {"choice": "fields", "side.name": "far", "side.phone": "value", "field.phone": "+49 3"}
    assert (await browser.post("/inbox/q1", fields)).status_code == 303
    item = (await Reads(store).items(["i1"]))["i1"]
    assert (item.fields["name"], item.fields["phone"]) == ("Far", "+49 3")
    assert item.set_by["phone"].by == "operator@office.example"
    entry = await Reads(store).entry("q1")
    assert entry is not None
    assert entry.decided_by == "operator@office.example"
    audit = (await site.access.people.audit(1))[0]
    assert (audit.who, audit.action, audit.subject) == ("operator@office.example", "question decided", "q1")


async def test_the_second_of_two_people_is_told_who_was_first(browser: Browser, store: PostgresStore) -> None:
    await a_conflict(store)
    await browser.sign_in("operator")
    await browser.get("/inbox/q1")
    await browser.post("/inbox/q1", {"choice": "hub"})
    answer = await browser.post("/inbox/q1", {"choice": "far"}, **{"hx-request": "true"})
    assert answer.status_code == 422
    assert answer.headers["hx-retarget"] == "#told"
    assert "operator@office.example has decided this already (hub)" in answer.text


async def test_a_value_that_does_not_fit_changes_nothing(browser: Browser, store: PostgresStore) -> None:
    await a_conflict(store)
    await browser.sign_in("operator")
    await browser.get("/inbox/q1")
    assert (await browser.post("/inbox/q1", {"choice": "fields", "side.name": "far"})).status_code == 422
    assert (await browser.post("/inbox/q1", {"choice": "nonsense"})).status_code == 422
    entry = await Reads(store).entry("q1")
    assert entry is not None
    assert entry.decided_at is None


async def test_a_failure_is_corrected_and_tried_again(browser: Browser, store: PostgresStore) -> None:
    await failures(store, 1)
    await browser.sign_in("operator")
    page = (await browser.get("/inbox/q0")).text
    assert 'name="field.name" value="Name of i0"' in page
    await browser.post("/inbox/q0", {"choice": "retry", "field.name": "Better", "field.email": ""})
    item = (await Reads(store).items(["i0"]))["i0"]
    assert item.fields == {"name": "Better"}, "a field that nobody touched was edited"
    link = (await Reads(store).links(["l0"]))["l0"]
    assert link.problem is None
    assert link.due_at is not None


async def test_ten_thousand_failures_are_one_line_and_one_click(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    await failures(store, 10_000)
    await browser.sign_in("operator")
    page = await browser.get("/inbox")
    assert len(page.content) < 100_000
    assert "10,000" in page.text
    assert "Record # has no #." in page.text
    assert "Page 1" in page.text
    cause = {"kind": "failure", "flow": "customer", "cause": "Record # has no #.", "all": "1", "choice": "retry"}
    asked = await browser.post("/inbox/bulk", cause)
    assert asked.status_code == 303
    place = asked.headers["location"]
    (job,) = await Jobs(store).all_open()
    assert place == f"/inbox/bulk/{job.job.id}"
    await decide_questions(store, site.world, job.job, lambda state, count: None)
    await Jobs(store).end(job.job.id, NOW)
    assert "All of them are decided." in (await browser.get(place)).text
    assert await Reads(store).inbox_counts() == []
    decided = await Reads(store).entry("q9999")
    assert decided is not None
    assert (decided.decided_by, decided.decision) == ("operator@office.example", "retry")


async def test_those_that_are_ticked_are_decided_and_the_others_not(browser: Browser, store: PostgresStore) -> None:
    await failures(store, 3)
    await browser.sign_in("operator")
    await browser.get("/inbox?kind=failure")
    answer = await browser.post(
        "/inbox/bulk", {"kind": "failure", "entry": ["q0", "q2", "no such"], "choice": "unlink"}
    )
    assert "2 done." in answer.text
    assert "1 was not open any more:" in answer.text
    links = await Reads(store).links(["l0", "l1", "l2"])
    assert [links[f"l{n}"].state for n in range(3)] == [LinkState.UNLINKED, LinkState.LINKED, LinkState.UNLINKED]


async def test_a_question_is_given_put_off_and_talked_about(browser: Browser, store: PostgresStore) -> None:
    await failures(store, 2)
    await browser.sign_in("operator")
    await browser.get("/inbox/q0")
    await browser.post("/inbox/q0/care", {"assignee": "operator@office.example"})
    assert "Name of i0" in (await browser.get("/inbox?view=mine")).text
    await browser.post("/inbox/q0/comment", {"text": "I asked the <b>customer</b>."})
    assert "I asked the &lt;b&gt;customer&lt;/b&gt;." in (await browser.get("/inbox/q0")).text
    await browser.post("/inbox/q0/care", {"hours": "24"})
    assert "Name of i0" not in (await browser.get("/inbox")).text
    assert "Name of i0" in (await browser.get("/inbox?view=snoozed")).text
    await browser.post("/inbox/q0/care", {"hours": ""})
    assert "Name of i0" in (await browser.get("/inbox")).text
    assert (await browser.post("/inbox/q0/care", {"assignee": "nobody@office.example"})).status_code == 422


async def test_an_operator_does_not_approve_a_mass_change(browser: Browser, store: PostgresStore) -> None:
    detail = {"system": "erp", "kind": "updates", "waiting": 900, "limit": 50, "linked": 1000}
    brake = a_question(
        "b1", kind=InboxKind.BRAKE, subject="customer/erp/updates", detail=detail, choices=("approve", "hold")
    )
    await save(store, open_inbox=[brake])
    await browser.sign_in("operator")
    assert re.search(r">[^<]*\b900\b", (await browser.get("/inbox/b1")).text)
    assert (await browser.post("/inbox/b1/approve", {"choice": "approve"})).status_code == 403
    assert (await browser.post("/inbox/b1", {"choice": "approve"})).status_code == 422
    await browser.sign_in("approver")
    await browser.get("/inbox/b1")
    assert (await browser.post("/inbox/b1/approve", {"choice": "approve"})).status_code == 303
    entry = await Reads(store).entry("b1")
    assert entry is not None
    assert (entry.decision, entry.decided_by) == ("approve", "approver@office.example")
