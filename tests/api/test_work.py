"""Approvals, processes and the inbox by the API."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

from isthmus.api.v1 import ApiSite
from isthmus.app.bootstrap import clock
from isthmus.desk.approvals import request_approval
from isthmus.desk.processes.order import order
from isthmus.model.state import InboxEntry, InboxKind
from isthmus.process import start
from isthmus.sync.ports import Batch
from tests.api.office import Program
from tests.console.people import a_person
from tests.desk.asking import RULES, ask


async def test_an_approval_is_listed_for_whom_it_waits_and_answered_once(program: Program, api: ApiSite) -> None:
    async with api.store.transaction() as tx:
        request = await request_approval(tx, RULES, ask(), now=clock())
    shown = (await program.get(f"/approvals/{request.id}")).json()
    who = shown["deciders"][0]
    await api.access.people.save(a_person("boss", login=who, roles=["approver"]))
    boss = Program(program.client, (await api.access.add_token(who, "t", ["see", "approve"], by="t"))[1])
    assert [one["id"] for one in (await boss.get("/approvals?mine=true")).json()["items"]] == [request.id]
    assert (await program.get("/approvals?mine=true")).json()["items"] == []
    assert [one["id"] for one in (await program.get("/approvals")).json()["items"]] == [request.id]
    wrong = await program.post(f"/approvals/{request.id}/answer", {"choice": "approve"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "not-entitled")
    done = await boss.post(f"/approvals/{request.id}/answer", {"choice": "refuse", "comment": "no"})
    assert done.status_code == 200, done.text
    again = await boss.post(f"/approvals/{request.id}/answer", {"choice": "approve"})
    assert (again.status_code, again.json()["code"]) == (409, "already-decided")
    assert (await boss.post("/approvals/none/answer", {"choice": "approve"})).status_code == 404
    assert (await boss.post(f"/approvals/{request.id}/answer", {"choice": "maybe"})).status_code == 400


async def test_processes_are_paged_shown_and_cancelled(program: Program, api: ApiSite) -> None:
    now = clock()
    for number in range(5):
        async with api.store.transaction() as tx:
            given = {"order": "o", "simulation": "s", "verified": True}
            await start(tx, order, given, id=f"p{number}", now=now + timedelta(seconds=number // 2))
    seen: list[str] = []
    page = (await program.get("/processes?limit=2")).json()
    while True:
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        page = (await program.get(f"/processes?limit=2&cursor={page['next']}")).json()
    assert len(seen) == len(set(seen)) == 5
    assert seen[0] == "p4"
    assert (await program.get("/processes/p1")).json()["state"] == "running"
    refused = await program.post("/processes/p1/retry")
    assert refused.status_code == 422, "only what failed is retried"
    done = await program.post("/processes/p1/cancel", idempotency_key="c")
    assert (done.status_code, done.json()["state"]) == (200, "cancelled")
    assert (await program.post("/processes/p1/cancel", idempotency_key="c")).json() == done.json()
    assert [one["id"] for one in (await program.get("/processes?state=cancelled")).json()["items"]] == ["p1"]


async def test_an_id_with_slashes_is_one_part_of_an_address(program: Program, api: ApiSite) -> None:
    async with api.store.transaction() as tx:
        await start(tx, order, {"order": "o", "simulation": "s", "verified": True}, id="order/SO 1%2F", now=clock())
    (listed,) = (await program.get("/processes")).json()["items"]
    address = f"/processes/{quote(listed['id'], safe='')}"
    assert (await program.get(address)).json()["id"] == "order/SO 1%2F"
    assert (await program.post(f"{address}/cancel")).json()["state"] == "cancelled"
    assert (await program.get("/processes/order/SO 1%2F")).status_code == 404
    assert (await program.get("/processes?state=nonsense")).status_code == 400
    assert (await program.post("/processes/none/cancel")).status_code == 404


async def test_the_inbox_is_paged_and_a_mass_change_is_not_decided_here(program: Program, api: ApiSite) -> None:
    def entry(id: str, kind: InboxKind) -> InboxEntry:
        return InboxEntry(
            id=id, kind=kind, subject=f"s{id}", flow="contact", summary=f"Question {id}", detail={"waiting": 3},
            choices=["approve", "hold"], opened_at=clock(),
        )  # fmt: skip

    entries = [entry(f"e{number}", InboxKind.FAILURE) for number in range(3)] + [entry("brake", InboxKind.BRAKE)]
    async with api.store.transaction() as tx:
        await tx.save(Batch(open_inbox=entries))
    seen: list[str] = []
    page = (await program.get("/inbox?limit=3")).json()
    while True:
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        page = (await program.get(f"/inbox?limit=3&cursor={page['next']}")).json()
    assert sorted(seen) == ["brake", "e0", "e1", "e2"]
    assert [one["id"] for one in (await program.get("/inbox?kind=brake")).json()["items"]] == ["brake"]
    assert (await program.get("/inbox/e1")).json()["summary"] == "Question e1"
    held = await program.post("/inbox/brake/decision", {"choice": "approve"})
    assert (held.status_code, held.json()["code"]) == (422, "refused")
    wrong = await program.post("/inbox/e1/decision", {"choice": "nonsense"})
    assert wrong.status_code == 422
    assert (await program.post("/inbox/none/decision", {"choice": "x"})).status_code == 404


async def test_a_token_is_told_what_it_may(program: Program) -> None:
    found = (await program.get("/me")).json()
    assert found["login"] == "all@office.example"
    assert "order" in found["scopes"]
