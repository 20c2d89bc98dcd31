"""Flows edited on their page: checked as one types, kept, proposed, reviewed by somebody else."""

from __future__ import annotations

import re

import pytest

from isthmus.app.bootstrap import clock, make_world, read_project
from isthmus.app.flow_approved import bring_up, in_force
from isthmus.app.flow_files import file_text
from isthmus.app.flow_notes import note_flows
from isthmus.app.flow_preview import Samples
from isthmus.connector import Record, Traits
from isthmus.console import Site
from isthmus.store import ChangeState, FlowChange, FlowChanges, Jobs, PostgresStore
from isthmus.sync.pauses import PauseBook
from tests.app.twin_office import FLOW
from tests.console.people import Browser, a_person
from tests.console.test_pages import a_record
from tests.store.examples import NOW

EDIT = "/flows/customer/edit"
OTHER = FLOW.replace("name: {crm: name, erp: name, owner: crm}", "name: {crm: name, erp: name, owner: erp}  # theirs")
CHECKS = {"hx-request": "true"}


async def two_engineers(site: Site) -> None:
    await site.access.people.save(a_person("engineer", login="second@office.example", name="Second"))


async def typed(browser: Browser, text: str, edits: int = 0, **more: str) -> str:
    """What the page shows beside the text."""
    answer = await browser.post(f"{EDIT}/check", {"text": text, "edits": str(edits), **more}, **CHECKS)
    assert answer.status_code == 200
    return " ".join(answer.text.split())


async def proposed(browser: Browser, store: PostgresStore, text: str = OTHER, edits: int = 0) -> FlowChange:
    answer = await browser.post(f"{EDIT}/propose", {"text": text, "edits": str(edits), "note": "the ERP names them"})
    assert answer.status_code == 303, answer.text
    (change,) = await FlowChanges(store).find("customer", [ChangeState.PROPOSED])
    assert answer.headers["location"] == f"/flows/customer/changes/{change.id}"
    return change


async def test_faults_stand_beside_the_text_with_line_and_column(browser: Browser, store: PostgresStore) -> None:
    await browser.sign_in("engineer")
    page = (await browser.get(EDIT)).text
    assert FLOW in page
    assert 'data-key="f" aria-current="page"' in page
    calm = await typed(browser, FLOW)
    assert "No faults" in calm
    assert "What you change" not in calm
    assert await FlowChanges(store).draft("customer", "engineer@office.example") is None
    wrong = FLOW.replace("owner: crm", "owner: cmr")
    line = wrong[: wrong.index("cmr")].count("\n") + 1
    shown = await typed(browser, wrong)
    assert f'data-line="{line}"' in shown
    assert re.search(r"Did you mean (&#39;|')crm", shown)
    # However broken it is, it is kept, and stands there again.
    await typed(browser, "flow: [<b>\n", 0)
    draft = await FlowChanges(store).draft("customer", "engineer@office.example")
    assert draft is not None
    again = (await browser.get(EDIT)).text
    assert "flow: [&lt;b&gt;" in again
    assert f'name="edits" value="{draft.edits}"' in again


async def test_fields_that_a_text_changes_are_marked(browser: Browser) -> None:
    await browser.sign_in("engineer")
    await browser.get(EDIT)
    shown = await typed(browser, OTHER.replace("  phone: {crm: phone, erp: phone}\n", ""))
    assert shown.count('<tr class="changed">') == 2
    assert "taken out" in shown
    assert '<span class="plus">+ name: {crm: name, erp: name, owner: erp} # theirs' in shown


async def test_a_window_that_was_overtaken_by_another_of_the_same_person_overwrites_nothing(
    browser: Browser, store: PostgresStore
) -> None:
    await browser.sign_in("engineer")
    await browser.get(EDIT)
    await typed(browser, OTHER, 0)
    await typed(browser, OTHER + "# one\n", 0)
    late = await typed(browser, OTHER + "# two\n", 0)
    assert "could not be kept" in late
    assert 'id="edits" name="edits" value="0"' in late
    draft = await FlowChanges(store).draft("customer", "engineer@office.example")
    assert draft is not None
    assert (draft.content or "").endswith("# one\n")
    refused = await browser.post(f"{EDIT}/propose", {"text": OTHER + "# two\n", "edits": "0", "note": "mine"})
    assert refused.status_code == 409
    assert "# two" in refused.text
    assert 'value="mine"' in refused.text


async def test_a_session_that_ends_takes_nothing_with_it(browser: Browser, store: PostgresStore) -> None:
    await browser.sign_in("engineer")
    await browser.get(EDIT)
    await typed(browser, OTHER, 0)
    browser.client.cookies.delete("isthmus_session")
    answer = await browser.post(f"{EDIT}/check", {"text": OTHER + "# more\n", "edits": "0"}, **CHECKS)
    # The page stays as it is, with a place to sign in over it.
    assert (answer.status_code, answer.headers["hx-retarget"]) == (401, "#again")
    await browser.sign_in("engineer")
    assert "# theirs" in (await browser.get(EDIT)).text


async def test_two_people_see_each_other_and_the_second_takes_in_what_the_first_changed(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    await two_engineers(site)
    await browser.sign_in("engineer")
    await browser.get(EDIT)
    await typed(browser, FLOW + "# mine\n", 0)
    await browser.sign_in("second")
    await browser.get(EDIT)
    assert "editing this flow too: <b>engineer@office.example</b>" in await typed(browser, OTHER, 0)
    change = await proposed(browser, store)
    await browser.sign_in("engineer")
    await browser.get(EDIT)
    assert f"/flows/customer/changes/{change.id}" in await typed(browser, FLOW + "# mine\n", 0)
    await browser.post(f"/flows/customer/changes/{change.id}/approve", {"unseen": "1"})
    await bring_up(site.project.folder, store)
    late = await typed(browser, FLOW + "# mine\n", 0)
    assert "has changed since you began" in late
    assert "# mine" in (await browser.get(EDIT)).text
    assert (await browser.post(f"{EDIT}/propose", {"text": FLOW + "# mine\n", "edits": "0"})).status_code == 409
    await browser.post(f"{EDIT}/take-in")
    draft = await FlowChanges(store).draft("customer", "engineer@office.example")
    assert draft is not None
    assert draft.base == OTHER
    assert "has changed since you began" not in await typed(browser, OTHER + "# mine\n", draft.edits)
    await browser.post(f"{EDIT}/discard")
    assert await FlowChanges(store).draft("customer", "engineer@office.example") is None


async def test_somebody_else_approves_and_it_is_written_with_comments_and_noted(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    await two_engineers(site)
    await browser.sign_in("engineer")
    await browser.get(EDIT)
    change = await proposed(browser, store)
    address = f"/flows/customer/changes/{change.id}"
    own = (await browser.get(address)).text
    assert "somebody else must approve it" in own
    assert f'action="{address}/approve"' not in own
    assert (await browser.post(f"{address}/approve", {"unseen": "1"})).status_code == 422
    for role, sees in (("viewer", True), ("operator", True)):
        await browser.sign_in(role)
        page = (await browser.get(address)).text
        assert ("the ERP names them" in page) is sees
        assert f'action="{address}/approve"' not in page
        assert (await browser.post(f"{address}/approve", {"unseen": "1"})).status_code == 403
    await browser.sign_in("second")
    page = " ".join((await browser.get(address)).text.split())
    assert '<span class="minus">- name: {crm: name, erp: name, owner: crm}' in page
    assert "<del>crm</del> → <ins>erp</ins>" in page
    assert "No dry run" not in (await browser.get("/flows")).text
    assert address in (await browser.get("/flows")).text
    assert "Flow changes to review" in (await browser.get("/")).text
    # A dry run is asked for; without one it must be said.
    hasty = await browser.post(f"{address}/approve", {"answer": "fine"})
    assert (hasty.status_code, 'value="fine"' in hasty.text) == (422, True)
    assert (await browser.post(f"{address}/plan")).status_code == 303
    (waiting,) = await Jobs(store).all_open()
    job = waiting.job
    assert (str(job.kind), job.flow, job.choices) == ("preview", "customer", [change.id])
    assert (await browser.post(f"{address}/approve", {"answer": "fine", "unseen": "1"})).status_code == 303
    assert (await browser.post(f"{address}/approve", {"unseen": "1"})).status_code == 422, "it is decided"
    assert file_text(site.project.folder, "flows/customer.yaml") == FLOW, "a page writes no file"
    await bring_up(site.project.folder, store)
    assert file_text(site.project.folder, "flows/customer.yaml") == OTHER
    done = (await browser.get(address)).text
    assert "approved" in done
    assert "second@office.example" in done
    audit = [(one.who, one.action) for one in await site.access.people.audit(20)]
    assert ("engineer@office.example", "flow change proposed") in audit
    assert ("second@office.example", "flow change approved") in audit


async def test_a_refusal_says_why_and_one_takes_ones_own_back(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    await two_engineers(site)
    await browser.sign_in("engineer")
    await browser.get(EDIT)
    change = await proposed(browser, store)
    address = f"/flows/customer/changes/{change.id}"
    await browser.sign_in("second")
    await browser.get(address)
    assert (await browser.post(f"{address}/refuse", {"answer": " "})).status_code == 422
    assert (await browser.post(f"{address}/withdraw")).status_code == 422
    assert (await browser.post(f"{address}/refuse", {"answer": "ask <b>sales</b> first"})).status_code == 303
    page = (await browser.get(address)).text
    assert "ask &lt;b&gt;sales&lt;/b&gt; first" in page
    await browser.sign_in("engineer")
    await browser.get(EDIT)
    again = await proposed(browser, store)
    assert (await browser.post(f"/flows/customer/changes/{again.id}/withdraw")).status_code == 303
    assert (await browser.get("/flows/customer/changes/none")).status_code == 404
    assert (await browser.get("/flows/order/changes/" + again.id)).status_code == 404
    await bring_up(site.project.folder, store)
    assert file_text(site.project.folder, "flows/customer.yaml") == FLOW


async def test_an_earlier_version_is_proposed_and_a_file_is_taken_away_when_there_was_none(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    await note_flows(store, site.project, by="anna", now=NOW, ran=True)
    await two_engineers(site)
    await browser.sign_in("engineer")
    await browser.get(EDIT)
    change = await proposed(browser, store)
    await browser.sign_in("second")
    await browser.get(EDIT)
    await browser.post(f"/flows/customer/changes/{change.id}/approve", {"unseen": "1"})
    await bring_up(site.project.folder, store)
    project = read_project(site.project.folder)
    await in_force(project, store, clock())
    site.renew(project, await make_world(project, store))
    page = (await browser.get("/flows/customer")).text
    assert 'action="/flows/customer/versions/1"' in page
    assert 'action="/flows/customer/versions/2"' not in page
    assert "engineer@office.example" in page
    answer = await browser.post("/flows/customer/versions/1")
    assert answer.status_code == 303
    assert "Back to version 1." in (await browser.get(answer.headers["location"])).text
    assert (await browser.post("/flows/customer/versions/9")).status_code == 422


class OneRecord:
    """A resource with one record."""

    name = "contacts"
    traits = Traits()

    def __init__(self, fields: dict[str, str] | None) -> None:
        self.record = Record(key="e1", fields=fields) if fields is not None else None

    async def fetch(self, keys: list[str]) -> list[Record]:
        return [self.record] if self.record is not None else []


class OneSystem:
    """A system with that resource."""

    def __init__(self, fields: dict[str, str] | None) -> None:
        self.resource = OneRecord(fields)

    def resources(self) -> dict[str, OneRecord]:
        return {"contacts": self.resource}


@pytest.mark.parametrize("there", [True, False])
async def test_a_real_record_is_shown_as_the_text_would_have_it(
    browser: Browser, store: PostgresStore, site: Site, there: bool
) -> None:
    await a_record(store)
    (item,) = await site.reads.search("", 5, "Customer") or await site.reads.latest_items(5)
    fields = {"vat": "DE1", "name": "<i>Name</i>", "email": "A@B.example", "phone": "+49 30 1"}
    systems = {"erp": OneSystem(fields if there else None)}
    site.samples = Samples(site.reads, systems, PauseBook())  # type: ignore[arg-type]
    await browser.sign_in("engineer")
    page = (await browser.get(EDIT)).text
    assert "isthmus web" not in page
    found = await browser.get(f"{EDIT}/records", **CHECKS)
    assert f'data-pick="{item.id}"' in found.text
    text = FLOW.replace("erp: email", "erp: {path: email, as: lowercase}")
    shown = await typed(browser, text, 0, record=item.id)
    assert 'id="preview"' in shown
    assert "It is not open here." in shown, "the CRM is not"
    if there:
        assert "<ins>a@b.example</ins>" in shown
        assert "&lt;i&gt;Name" in shown
    else:
        assert "not there any more" in shown
    broken = await typed(browser, text + "x", 0, record=item.id)
    assert 'id="preview"' not in broken
    assert "shown again when the text has no faults" in broken
    unknown = await typed(browser, text, 2, record="none")
    assert "Pick another one" in unknown
