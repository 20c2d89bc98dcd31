"""Comparisons, repairs and dry runs are asked for on pages; what a worker makes of them is shown there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import msgspec

from isthmus.app.planning import PlanDigest, PlanLine
from isthmus.console import Site
from isthmus.model.state import InboxKind
from isthmus.pages import COOKIE
from isthmus.store import Job, JobKind, Jobs, PostgresStore, Reads
from isthmus.web import Parts, serve
from tests.console.people import PASSWORD, Browser
from tests.console.test_flows_and_compare import a_difference
from tests.console.test_pages import a_record
from tests.store.examples import NOW, a_question, save

DIGEST = PlanDigest(
    counts={"erp": {"customer": {"create": 3, "update": 1}}},
    samples=[
        PlanLine(
            kind="update",
            flow="customer",
            system="erp",
            resource="contacts",
            key="e1",
            name="<script>alert(1)</script>",
            changes={"phone": ("+49 40 1", "+49 40 2")},
        )
    ],
    conflicts=2,
    doubtful=0,
    questions=["phone of Anna: changed in crm and elsewhere since they last agreed."],
    brakes=["customer/erp/creates"],
    custom_fields={},
    problems={},
    read=1234,
)


async def the_job(store: PostgresStore) -> Job:
    found = await Jobs(store).all_open()
    return found[0].job


async def compared(store: PostgresStore, records: int) -> None:
    values = {"flow": "customer", "began_at": NOW, "now": NOW, "records": records}
    await store.rows("note_comparison", values)


async def test_never_compared_and_nothing_found_are_told_apart(browser: Browser, store: PostgresStore) -> None:
    await browser.sign_in("viewer")
    page = (await browser.get("/compare")).text
    assert "never compared" in page
    assert "no difference" not in page
    await compared(store, 1234)
    page = (await browser.get("/compare")).text
    assert "never compared" not in page
    for shown in ("no difference", "1,234"):
        assert shown in page, shown


async def test_two_people_who_ask_at_once_get_one_comparison(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    await browser.sign_in("operator")
    assert 'action="/compare"' in (await browser.get("/compare?flow=customer")).text
    answer = await browser.post("/compare", {"flow": "customer"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/compare?flow=customer")
    await browser.sign_in("engineer")
    await browser.get("/compare")
    await browser.post("/compare", {"flow": "customer"})
    job = await the_job(store)
    assert (job.kind, job.flow, job.asked_by) == (JobKind.COMPARE, "customer", "operator@office.example")
    await Jobs(store).end(job.id, NOW)
    assert await Jobs(store).all_open() == []
    asked = [one for one in await site.access.people.audit(10) if one.action == "compare asked"]
    assert {one.who for one in asked} == {"operator@office.example", "engineer@office.example"}
    assert (await browser.post("/compare", {"flow": "nothing"})).status_code == 422


async def test_progress_is_shown_until_it_is_done_and_then_the_page_is_new(
    browser: Browser, store: PostgresStore
) -> None:
    await browser.sign_in("operator")
    await browser.get("/compare")
    await browser.post("/compare", {"flow": ""})
    job = await the_job(store)
    page = (await browser.get("/compare")).text
    assert f'hx-get="/jobs/{job.id}?place=%2Fcompare"' in page
    assert "No hub is running" in page
    attempt = await Jobs(store).begin(job.id, NOW)
    assert attempt == 1
    await Jobs(store).tell(job.id, attempt, {"erp": ("records read", 5000)})
    part = await browser.get(f"/jobs/{job.id}?place=/compare", **{"hx-request": "true"})
    assert "5,000" in part.text
    assert "hx-refresh" not in part.headers
    await browser.post(f"/jobs/{job.id}/stop", {"place": "/compare"})
    assert (await the_job(store)).stopped_by == "operator@office.example"
    await Jobs(store).end(job.id, NOW, problem="Stopped by operator@office.example.")
    part = await browser.get(f"/jobs/{job.id}?place=/compare", **{"hx-request": "true"})
    assert part.headers["hx-refresh"] == "true"
    assert "Stopped by" in (await browser.get("/compare")).text
    assert (await browser.post(f"/jobs/{job.id}/stop")).status_code == 422


async def test_the_ticked_differences_are_repaired_as_chosen(browser: Browser, store: PostgresStore) -> None:
    await a_record(store)
    for id in ("d1", "d2", "d3"):
        await a_difference(store, id)
    await browser.sign_in("operator")
    page = (await browser.get("/compare?flow=customer")).text
    assert "data-all" not in page
    assert (await browser.post("/compare/repair", {"flow": "customer", "choice": "far"})).status_code == 403
    await browser.sign_in("engineer")
    assert "data-all" in (await browser.get("/compare?flow=customer")).text
    nothing = await browser.post("/compare/repair", {"flow": "customer", "choice": "far"})
    assert nothing.status_code == 422
    assert "Nothing is chosen" in nothing.text
    assert (await browser.post("/compare/repair", {"choice": "mine", "entry": "d1"})).status_code == 422
    await browser.post("/compare/repair", {"flow": "customer", "choice": "far", "entry": ["d1", "d3"]})
    job = await the_job(store)
    assert (job.kind, job.flow, list(job.choices)) == (JobKind.REPAIR, "customer", ["d1=far", "d3=far"])
    second = await browser.post("/compare/repair", {"flow": "customer", "choice": "hub", "entry": "d2"})
    assert second.status_code == 422
    assert "has a repair under way" in second.text
    await Jobs(store).end(job.id, NOW, result={"counts": {}, "refused": {"d3": "It is not as it was."}})
    assert "It is not as it was." in (await browser.get("/compare?flow=customer")).text
    await browser.post("/compare/repair", {"flow": "customer", "choice": "rule", "scope": "all"})
    assert list((await the_job(store)).choices) == ["rule"]


async def test_a_dry_run_is_asked_for_and_shown_with_its_samples(
    browser: Browser, store: PostgresStore, site: Site
) -> None:
    await browser.sign_in("operator")
    assert "No dry run yet" in (await browser.get("/flows/customer/plan")).text
    await browser.post("/flows/customer/plan")
    job = await the_job(store)
    assert (job.kind, job.flow) == (JobKind.PLAN, "customer")
    await Jobs(store).end(job.id, NOW, result=msgspec.to_builtins(DIGEST))
    page = (await browser.get("/flows/customer/plan")).text
    assert "<script>alert" not in page
    for shown in ("1,234 records read", "+49 40 2", "customer/erp/creates", "2 conflicts", "phone of Anna"):
        assert shown in page, shown
    object.__setattr__(site.world.flows["customer"].fields["phone"], "role", "cost")
    assert "+49 40" not in (await browser.get("/flows/customer/plan")).text
    assert (await browser.get("/flows/nothing/plan")).status_code == 404


async def test_a_held_mass_change_is_approved_on_the_plans_page(browser: Browser, store: PostgresStore) -> None:
    detail = {"system": "erp", "waiting": 500, "limit": 100, "linked": 1000}
    brake = a_question(
        "q1", subject="customer/erp/creates", kind=InboxKind.BRAKE, detail=detail, choices=("approve", "hold")
    )
    await save(store, open_inbox=[brake])
    await browser.sign_in("operator")
    assert "/approve" not in (await browser.get("/flows/customer/plan")).text
    await browser.sign_in("approver")
    assert f'action="/inbox/{brake.id}/approve"' in (await browser.get("/flows/customer/plan")).text
    answer = await browser.post(f"/inbox/{brake.id}/approve", {"choice": "approve", "place": "/flows/customer/plan"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/flows/customer/plan")
    decided = await Reads(store).entry(brake.id)
    assert decided is not None
    assert (decided.decision, decided.decided_by) == ("approve", "approver@office.example")


async def test_an_open_page_is_told_of_each_move_until_the_job_is_done(store: PostgresStore, site: Site) -> None:
    jobs = Jobs(store)
    for id, flow in (("j1", "customer"), ("j2", "")):
        assert await jobs.ask(Job(id=id, kind=JobKind.PLAN, flow=flow, asked_by="<b>anna", asked_at=NOW)) is not None
    secret = await site.access.sign_in("viewer@office.example", PASSWORD, address="", agent="")
    assert secret is not None
    async with (
        serve(Parts(site=site), "127.0.0.1", 0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}", cookies={COOKIE: secret}) as client,
        client.get("/jobs/live", params=[("id", "j1"), ("id", "j2"), ("id", "none"), ("place", "/compare")]) as answer,
    ):
        assert answer.content_type == "text/event-stream"
        events = told_events(answer)
        first = [await anext(events) for _ in range(3)]
        assert [name for name, _ in first] == ["job-j1", "job-j2", "done-none"]
        assert "&lt;b&gt;anna" in first[0][1]
        assert "No hub is running" in first[0][1]
        attempt = await jobs.begin("j1", NOW)
        assert attempt is not None
        await jobs.tell("j1", attempt, {"erp": ("records read", 5000)})
        async for name, page in events:
            if name == "job-j1" and "5,000" in page:
                break
        await jobs.end("j1", NOW)
        async for name, _ in events:
            if name == "done-j1":
                break
        await site.access.sign_out(secret, "viewer@office.example")
        await jobs.begin("j2", NOW)
        # Whoever has signed out sees no more of it.
        assert [name async for name, _ in events][-2:] == ["done-j2", "ended"]


async def told_events(answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, str]]:
    """Name and text of each event."""
    name, lines = "", []
    async for raw in answer.content:
        line = raw.decode().rstrip("\r\n")
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data:"):
            lines.append(line.removeprefix("data:").strip())
        elif not line and name:
            yield name, "\n".join(lines)
            name, lines = "", []
