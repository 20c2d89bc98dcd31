"""Items by the API: found, shown without what is not for the caller, edited as they were seen; trace and explain."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from isthmus.api.v1 import ApiSite
from isthmus.api.v1 import items as routes
from tests.api.office import Program, made
from tests.console.people import a_person


async def test_an_item_is_edited_as_it_was_seen(program: Program, api: ApiSite) -> None:
    seen = await program.get("/items/kern")
    tag = seen.headers["etag"]
    assert seen.json()["fields"]["name"] == "Kern <b>GmbH</b>"
    assert (await program.call("PATCH", "/items/kern", {"fields": {"name": "New"}})).json()["code"] == "no-version"
    done = await program.call("PATCH", "/items/kern", {"fields": {"name": "New"}}, if_match=tag)
    assert (done.status_code, done.json()["fields"]["name"]) == (200, "New")
    assert done.headers["etag"] != tag
    late = await program.call("PATCH", "/items/kern", {"fields": {"name": "Other"}}, if_match=tag)
    assert (late.status_code, late.json()["code"]) == (412, "moved-on")
    for wrong in ("", "*", '"x"', '"999"', "W/"):
        answer = await program.call("PATCH", "/items/kern", {"fields": {"name": "Other"}}, if_match=wrong)
        assert answer.status_code == 412, wrong
    assert (await program.get("/items/kern")).json()["fields"]["name"] == "New"
    last = (await api.access.people.audit())[0]
    assert (last.who, last.action, last.subject) == ("all@office.example", "item edited", "kern")
    history = await api.reads.history("kern")
    assert (history[0].cause.kind, history[0].cause.by) == ("person", "all@office.example")


@pytest.mark.parametrize(
    ("fields", "code"),
    [({"nonsense": 1}, "needs-person"), ({"credit_limit": "much"}, "unmappable"), ({}, "bad-request")],
)
async def test_an_edit_that_does_not_fit_is_told(program: Program, fields: dict[str, object], code: str) -> None:
    answer = await program.call("PATCH", "/items/kern", {"fields": fields}, if_match='"1"')
    assert answer.json()["code"] == code, answer.text


async def test_items_are_found_and_gone_through(program: Program, api: ApiSite) -> None:
    for number in range(5):
        await made(api.store, "Product", {"sku": f"VLV-{number}", "name": "Ventil für 云帆"})
    seen: list[str] = []
    address = "/items?q=ventil&entity=Product&limit=2"
    page = (await program.get(address)).json()
    while True:
        seen += [one["fields"]["sku"] for one in page["items"]]
        if page["next"] is None:
            break
        page = (await program.get(f"{address}&cursor={page['next']}")).json()
    assert sorted(seen) == [f"VLV-{number}" for number in range(5)]
    assert len((await program.get("/items?q=云帆云")).json()["items"]) == 0
    assert len((await program.get("/items?q=für 云帆")).json()["items"]) == 5
    assert len((await program.get("/items?entity=Customer")).json()["items"]) == 1
    assert (await program.get("/items/none")).json()["code"] == "not-found"


async def test_what_needs_a_role_is_left_out_unless_the_token_names_it(
    program: Program, api: ApiSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "field_roles", lambda world, entity: {"cost": "cost"} if entity == "Product" else {})
    await made(
        api.store, "Product", {"sku": "SEC-1", "name": "x", "cost": {"amount": "7", "currency": "EUR"}}, "secret"
    )
    hidden = (await program.get("/items/secret")).json()
    assert (hidden["hidden"], "cost" in hidden["fields"]) == (["cost"], False)
    assert '"7"' not in (await program.get("/items?q=sec-1")).text
    edit = await program.call("PATCH", "/items/secret", {"fields": {"cost": None}}, if_match='"1"')
    assert (edit.status_code, edit.json()["code"]) == (403, "no-scope")
    # A person who sees it, by a token that does not name it, and by one that does.
    await api.access.people.save(replace(a_person("cost"), roles=["viewer", "cost"]))
    for scopes, seen in ((["see"], False), (["see", "cost"], True)):
        secret = (await api.access.add_token("cost@office.example", "t", scopes, by="t"))[1]
        answer = await Program(program.client, secret).get("/items/secret")
        assert ("cost" in answer.json()["fields"]) == seen


async def test_a_document_is_traced_and_a_record_explained(program: Program, api: ApiSite) -> None:
    order = await made(api.store, "SalesOrder", {"customer": "kern", "number": "S-77", "state": "done"})
    await made(api.store, "Delivery", {"order": order.id, "number": "D-1", "state": "done"})
    found = (await program.get("/trace?q=S-77")).json()
    [root] = found["roots"]
    assert (root["name"], [child["entity"] for child in root["children"]]) == ("S-77", ["Delivery"])
    assert (await program.get("/trace?q=nothing-like-it")).json() == {"roots": [], "events": []}
    answer = (await program.get("/explain?system=crm&resource=contacts&key=1")).json()
    assert (answer["in_step"], answer["parts"]) == (False, [])
    assert answer["sentence"]


@pytest.mark.parametrize("path", ["/items/%00", "/items?q=abc%00", "/orders/%00", "/inbox/%00", "/trace?q=%00%00%00"])
async def test_what_no_database_holds_is_refused(program: Program, path: str) -> None:
    assert (await program.get(path)).status_code in (400, 404)
