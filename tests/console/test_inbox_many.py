"""Failures of one cause: the request and the answer as a reader may see them, corrected and tried again in bulk."""

from __future__ import annotations

from isthmus.app.bootstrap import clock, read_project
from isthmus.app.inbox_work import decide_questions
from isthmus.app.record_view import HIDDEN
from isthmus.app.redacting import redacted
from isthmus.console import Site
from isthmus.model.state import InboxKind, LinkState, Problem
from isthmus.store import Jobs, PostgresStore, Reads
from isthmus.sync.world import World
from tests.app.twin_office import FLOW
from tests.console.people import Browser, a_person
from tests.store.examples import NOW, a_link, a_question, an_item, save

CAUSE = {"kind": "failure", "flow": "customer", "cause": "No country # here."}


async def refused(store: PostgresStore, count: int, **detail: object) -> None:
    """As many refused updates of one cause; the last one has no record in the hub."""
    items = [an_item(f"i{n}", fields={"name": f"Name {n}", "phone": f"+49 {n}"}) for n in range(count)]
    problem = Problem("rejected", "No.")
    links = [a_link(f"l{n}", item=f"i{n}", system="erp", resource="contacts", problem=problem) for n in range(count)]
    links.append(a_link("lost", system="erp", resource="contacts", state=LinkState.NEW, problem=problem))
    subjects = [*(f"l{n}" for n in range(count)), "lost"]
    entries = [
        a_question(
            f"q{n}",
            kind=InboxKind.FAILURE,
            subject=subject,
            detail={"message": f"No country {n} here.", "system": "erp", "code": "rejected", **detail},
            choices=("retry", "unlink"),
        )
        for n, subject in enumerate(subjects)
    ]
    await save(store, items=items, links=links, open_inbox=entries)


async def test_a_field_of_all_of_one_cause_is_corrected_and_they_are_tried_again(
    browser: Browser, store: PostgresStore
) -> None:
    await refused(store, 3)
    await browser.sign_in("operator")
    page = (await browser.get("/inbox?kind=failure&flow=customer&cause=No+country+%23+here.")).text
    assert 'value="correct"' in page
    assert '<option value="phone">' in page
    done = await browser.post(
        "/inbox/bulk", {**CAUSE, "all": "1", "choice": "correct", "field": "phone", "value": "+49 40 1"}
    )
    assert "3 done." in done.text
    assert "1 refused:" in done.text
    assert "no record of it in the hub" in done.text
    items = await Reads(store).items(["i0", "i1", "i2"])
    assert {item.fields["phone"] for item in items.values()} == {"+49 40 1"}
    assert {item.set_by["phone"].by for item in items.values()} == {"operator@office.example"}
    links = await Reads(store).links(["l0", "l1", "l2"])
    assert all(link.due_at is not None and link.problem is None for link in links.values())
    assert [entry.id for entry in await Reads(store).inbox(kind=InboxKind.FAILURE, limit=9)] == ["q3"]


async def test_only_those_that_are_ticked_are_corrected_and_a_value_that_does_not_fit_corrects_none(
    browser: Browser, store: PostgresStore
) -> None:
    await refused(store, 3)
    await browser.sign_in("operator")
    await browser.get("/inbox?kind=failure&flow=customer")
    form = {"kind": "failure", "flow": "customer", "choice": "correct", "field": "name"}
    done = await browser.post("/inbox/bulk", {**form, "entry": ["q0", "q2"], "value": "Better"})
    assert "2 done." in done.text
    items = await Reads(store).items(["i0", "i1", "i2"])
    assert [items[f"i{n}"].fields["name"] for n in range(3)] == ["Better", "Name 1", "Better"]
    none = await browser.post("/inbox/bulk", {**form, "value": "Better"})
    assert none.status_code == 422
    assert "Nothing is chosen" in none.text
    wrong = await browser.post("/inbox/bulk", {**form, "entry": ["q1"], "field": "credit_limit", "value": "much"})
    assert wrong.status_code == 422
    assert 'value="much"' in wrong.text, "what was typed is kept"
    assert 'value="q1" aria-label="Choose this question" checked' in wrong.text
    blank = await browser.post("/inbox/bulk", {**form, "entry": ["q1"], "value": " "})
    assert (blank.status_code, "Say the new value" in blank.text) == (422, True)
    both = await browser.post("/inbox/bulk", {**form, "entry": ["q1"], "value": "x", "empty": "1"})
    assert both.status_code == 422
    emptied = await browser.post("/inbox/bulk", {**form, "entry": ["q0"], "field": "phone", "empty": "1"})
    assert "1 was not open any more:" in emptied.text, "it was decided above"
    assert "operator@office.example has decided it (retry)." in emptied.text
    unknown = await browser.post("/inbox/bulk", {**form, "entry": ["q1"], "field": "nothing", "value": "x"})
    assert unknown.status_code == 422
    assert (await Reads(store).items(["i1"]))["i1"].fields["name"] == "Name 1"
    await browser.sign_in("viewer")
    assert 'value="correct"' not in (await browser.get("/inbox?kind=failure&flow=customer")).text


async def test_the_request_and_the_answer_are_shown_without_what_a_role_hides(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    file = site.project.folder / "flows" / "customer.yaml"
    file.write_text(FLOW.replace("erp: phone}", "erp: phone, role: cost}"))
    project = read_project(site.project.folder)
    site.renew(project, World(project.flows, project.converters))
    request = {"kind": "update", "fields": {"phone": "+49 555", "name": "Nord<b>"}}
    await refused(
        store,
        1,
        message="<i>Nord</i> may not have +49 555.",
        values={"name": "Nord<b>", "phone": "+49 555"},
        request=request,
    )
    await browser.sign_in("operator")
    page = (await browser.get("/inbox/q0")).text
    assert "+49 555" not in page
    assert f"may not have {HIDDEN}." in page
    assert f'"phone": "{HIDDEN}"' in page.replace("&#34;", '"')
    assert "Nord&lt;b&gt;" in page
    assert 'name="choice" value="retry"' in page, "who may not see one value may still try again"
    assert "+49 555" not in (await browser.get("/inbox")).text
    await site.access.people.save(a_person("operator", login="buyer@office.example", roles=["operator", "cost"]))
    await browser.sign_in("buyer")
    page = (await browser.get("/inbox/q0")).text
    assert "+49 555" in page
    assert "The request:" in page


async def test_a_failure_of_a_hidden_field_itself_is_not_shown(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    file = site.project.folder / "flows" / "customer.yaml"
    file.write_text(FLOW.replace("erp: phone}", "erp: phone, role: cost}"))
    project = read_project(site.project.folder)
    site.renew(project, World(project.flows, project.converters))
    await refused(store, 1, field="phone", values={"phone": "+49 555"})
    await browser.sign_in("operator")
    page = (await browser.get("/inbox/q0")).text
    assert "roles do not show" in page
    assert (await browser.post("/inbox/q0", {"choice": "retry"})).status_code == 422


def test_short_values_are_not_looked_for_in_an_answer() -> None:
    entry = a_question("q", kind=InboxKind.FAILURE, detail={"message": "A bad day, 15.00 EUR.", "values": {
        "cost": {"amount": "15.00", "currency": "EUR"}, "grade": "A", "name": "day"}})  # fmt: skip
    flow = object.__new__(type("Flow", (), {"fields": {}}))
    shown = redacted(entry, flow, {"cost", "grade"})  # type: ignore[arg-type]
    assert shown.detail["message"] == f"A bad day, {HIDDEN} {HIDDEN}."
    assert shown.detail["values"] == {"cost": HIDDEN, "grade": HIDDEN, "name": "day"}


async def test_more_than_a_page_of_them_is_a_job_that_tells_how_far_it_is_and_what_it_did_not_do(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    await refused(store, 60)
    await browser.sign_in("operator")
    await browser.get("/inbox?kind=failure&flow=customer&cause=No+country+%23+here.")
    form = {**CAUSE, "all": "1", "choice": "correct", "field": "phone"}
    assert (await browser.post("/inbox/bulk", {**form, "value": " "})).status_code == 422
    asked = await browser.post("/inbox/bulk", {**form, "value": "+49 40 1"})
    assert asked.status_code == 303
    place = asked.headers["location"]
    job = (await Jobs(store).all_open())[0].job
    page = (await browser.get(place)).text
    assert "61 questions" in page
    assert "No hub is running" in page
    assert "/again" not in page
    # Colleagues see it in the inbox, and whoever wants the same is told.
    await browser.sign_in("engineer")
    assert place in (await browser.get("/inbox")).text
    second = await browser.post("/inbox/bulk", {**CAUSE, "all": "1", "choice": "retry"})
    assert second.status_code == 422
    assert "being decided already, for operator@office.example" in second.text
    # Fewer are decided at once, whoever else is about to.
    one = await browser.post("/inbox/bulk", {**CAUSE, "entry": ["q7"], "choice": "unlink"})
    assert "1 done." in one.text

    attempt = await Jobs(store).begin(job.id, NOW)
    assert attempt is not None
    progress: dict[str, tuple[str, int]] = {}
    result = await decide_questions(
        store, site.world, job, lambda state, count: progress.update({state: ("questions", count)})
    )
    assert result == {"done": 59, "passed": 1, "refused": 1}
    await Jobs(store).tell(job.id, attempt, progress)
    part = await browser.get(f"/jobs/{job.id}?place={place}", **{"hx-request": "true"})
    assert '<progress max="61" value="61"' in part.text
    assert "61 of 61" in part.text
    assert (await browser.post(f"{place}/again")).status_code == 422, "it has not ended"
    await Jobs(store).end(job.id, clock(), attempt=attempt, result={"counts": result})
    page = (await browser.get(place)).text
    assert "There is no record of it in the hub that could be corrected." in page
    assert "engineer@office.example has decided it (unlink)." in page
    assert 'href="/inbox/q60"' in page
    assert "Try the 1 that is left again" in page
    assert place in (await browser.get("/inbox?view=decided")).text
    again = await browser.post(f"{place}/again")
    assert again.status_code == 303
    made = await Jobs(store).one(again.headers["location"].rpartition("/")[2])
    assert made is not None
    assert (made.asked_by, made.task["entries"]) == ("engineer@office.example", 1)
    assert (await browser.get("/inbox/bulk/nothing")).status_code == 404
    audit = [one for one in await site.access.people.audit(200) if one.action == "questions decided"]
    assert [one.who for one in audit] == ["engineer@office.example", "operator@office.example"]

    await browser.sign_in("viewer")
    page = (await browser.get(place)).text
    assert "/again" not in page
    assert "engineer@office.example has decided it" in page
    assert (await browser.post(f"{place}/again")).status_code == 403
