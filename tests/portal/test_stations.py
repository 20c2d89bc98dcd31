"""Service stations in the shop: their own people, and nobody else."""

from __future__ import annotations

import re
from typing import Any

from isthmus.portal.permissions import ROUTES, STATION
from isthmus.store import PostgresStore, Reads
from tests.api.office import PretendBusiness, made
from tests.portal.conftest import Buyer
from tests.portal.papers import euro, station
from tests.portal.test_door import address_of


async def test_everything_of_a_station_is_on_one_page_and_nothing_of_others(
    browsers: Any, store: PostgresStore
) -> None:
    await station(store, "kern", "S1")
    await station(store, "other", "SECRET")
    lines = [
        {"id": "1", "station": "station-S1", "amount": "80"},
        {"id": "2", "station": "station-S1", "amount": "15.50"},
        {"id": "3", "station": "station-SECRET", "amount": "4000"},
    ]
    fields = {"number": "LS-1", "period": "2026-10", "currency": "EUR", "state": "booked", "lines": lines}
    await made(store, "LabourSettlement", {**fields, "total": euro("4095.50")}, "settlement-1")
    buyer: Buyer = await browsers("kern@buyer.example")
    page = (await buyer.get("/shop/station")).text
    for own in ("Station S1", "MR-S1", "RT-S1", "RR-S1", "LS-1", "€95.50", "Repairs: 2"):
        assert own in page, own
    assert "SECRET" not in page
    assert "4,0" not in page, "what others are paid"
    assert "RT-S1" in (await buyer.get("/shop/returns")).text
    assert 'href="/shop/station"' in (await buyer.get("/shop/orders")).text


async def test_who_has_no_station_has_no_such_page(browsers: Any, store: PostgresStore) -> None:
    await station(store, "other", "S2")
    buyer: Buyer = await browsers("kern@buyer.example")
    assert 'href="/shop/station"' not in (await buyer.get("/shop/orders")).text
    for (method, path), needed in ROUTES.items():
        if needed == STATION:
            for id in ("station-S2", "request-S2"):
                answer = await (buyer.get if method == "GET" else buyer.post)(address_of(path, id))
                assert answer.status_code == 403, (method, path)


async def test_a_station_asks_for_material_once_and_nothing_typed_is_lost(browsers: Any, store: PostgresStore) -> None:
    id = await station(store, "kern", "S3")
    buyer: Buyer = await browsers("kern@buyer.example")
    form = await buyer.get(f"/shop/station/{id}/request")
    found = re.search(r'name="key" value="([^"]+)"', form.text)
    assert found is not None
    for text, told in (("NONE-9; 2", "no such part number"), ("", "no line in it")):
        page = await buyer.post(f"/shop/station/{id}/request", {"text": text, "key": found[1]})
        assert (page.status_code, told in page.text, text in page.text) == (422, True, True)
    wrong = await buyer.post(f"/shop/station/{id}/request", {"text": "BRG-01; 2", "supply": "fill_up", "key": found[1]})
    assert (wrong.status_code, "BRG-01; 2" in wrong.text, "has no fill_up" in wrong.text) == (422, True, True)
    asked = {"text": "BRG-01; 2", "key": found[1]}
    answers = [await buyer.post(f"/shop/station/{id}/request", asked) for _ in range(2)]
    assert answers[0].headers["location"] == answers[1].headers["location"]
    page = (await buyer.get(answers[0].headers["location"])).text
    assert ("being checked" in page, "BRG-01" in page) == (True, True)
    assert (await buyer.post(f"{answers[0].headers['location']}/cancel")).status_code == 303
    assert "cancelled" in (await buyer.get("/shop/station")).text


async def test_a_refused_request_shows_why_and_is_handed_in_again(browsers: Any, store: PostgresStore) -> None:
    await station(store, "kern", "S4")
    buyer: Buyer = await browsers("kern@buyer.example")
    page = (await buyer.get("/shop/requests/request-S4")).text
    assert "BRG-01; 1" in page, "to be corrected"
    wrong = await buyer.post("/shop/requests/request-S4/correct", {"text": "=1+1"})
    assert (wrong.status_code, "looks like a formula" in wrong.text) == (422, True)
    assert (await buyer.post("/shop/requests/request-S4/correct", {"text": "BRG-02; 4"})).status_code == 303
    (request,) = await Reads(store).referencing("station-S4", "MaterialRequest")
    assert (request.fields["state"], request.fields["lines"][0]["product"]) == ("new", "p02")


async def test_a_station_announces_a_return(browsers: Any, store: PostgresStore, business: PretendBusiness) -> None:
    id = await station(store, "kern", "S5")
    buyer: Buyer = await browsers("kern@buyer.example")
    await buyer.get(f"/shop/station/{id}/return")
    form = {"text": "BRG-03; 2", "reason": "", "credited": "yes", "key": "key-of-s5"}
    page = await buyer.post(f"/shop/station/{id}/return", form)
    assert (page.status_code, "Say why" in page.text, "BRG-03; 2" in page.text) == (422, True, True)
    assert re.search(r'name="credited"[^>]*checked', page.text)
    done = await buyer.post(f"/shop/station/{id}/return", form | {"reason": "old"})
    assert done.status_code == 303
    page = (await buyer.get(done.headers["location"])).text
    assert ("Station S5" in page, "old" in page) == (True, True)
    assert done.headers["location"].removeprefix("/shop/returns/") in (await buyer.get("/shop/station")).text


async def test_a_station_notes_a_repair_once_and_sees_what_it_is_worth(
    browsers: Any, store: PostgresStore, business: PretendBusiness
) -> None:
    id = await station(store, "kern", "S6")
    buyer: Buyer = await browsers("kern@buyer.example")
    assert f"/shop/station/{id}/repair" in (await buyer.get("/shop/station")).text
    page = (await buyer.get(f"/shop/station/{id}/repair")).text
    assert '<option value="overhaul">' in page, "the methods that the rules know"
    form = {"serial": "SN-<77>", "method": "", "on": "2026-01-05", "text": "BRG-01; 2", "key": "key-of-s6"}
    for change, told in (
        ({}, "Say how it was repaired"),
        ({"method": "swap", "on": "tomorrow"}, "This is no day"),
        ({"method": "swap", "on": "2999-01-01"}, "still to come"),
        ({"method": "swap", "text": "NONE-9; 1"}, "no such part number"),
    ):
        answer = await buyer.post(f"/shop/station/{id}/repair", form | change)
        assert (answer.status_code, told in answer.text) == (422, True), change
        assert "SN-&lt;77&gt;" in answer.text, "what was typed is lost"
    done = [await buyer.post(f"/shop/station/{id}/repair", form | {"method": "overhaul"}) for _ in range(2)]
    assert [one.status_code for one in done] == [303, 303]
    assert done[0].headers["location"] == done[1].headers["location"], "sent twice"
    page = (await buyer.get(done[0].headers["location"])).text
    assert "level major, fee €80.00" in page
    assert "SN-&lt;77&gt;" in page
    (repair,) = await Reads(store).items_by_field("RepairRecord", "serial_number", "SN-<77>")
    assert repair.fields["level"] == "major"
    assert repair.fields["parts"] == [{"product": "p01", "quantity": "2"}]
    assert "kern@buyer.example" in str(repair.set_by["method"].by)


async def test_a_station_puts_its_own_repair_right_and_no_other(browsers: Any, store: PostgresStore) -> None:
    id = await station(store, "kern", "S7")
    await station(store, "other", "S8")
    buyer: Buyer = await browsers("kern@buyer.example")
    await buyer.get(f"/shop/station/{id}/repair")
    first = {"serial": "SN-1", "method": "overhaul", "on": "2026-01-05", "text": "BRG-01; 2", "key": "key-of-s7"}
    place = (await buyer.post(f"/shop/station/{id}/repair", first)).headers["location"]
    repair = place.partition("noted=")[2]
    page = (await buyer.get(f"/shop/station/{id}/repair?corrects={repair}")).text
    assert ('value="SN-1"' in page, "BRG-01; 2" in page, "It was no repair at all" in page) == (True, True, True)
    again = first | {"method": "swap", "key": "key-of-s7-again", "corrects": repair, "withdrawn": "yes"}
    assert (await buyer.post(f"/shop/station/{id}/repair", again)).status_code == 303
    (later,) = await Reads(store).items_by_field("RepairRecord", "corrects", repair)
    assert (later.fields["level"], later.fields["withdrawn"]) == ("minor", True)
    page = (await buyer.get("/shop/station")).text
    assert "puts right" in page
    once_more = await buyer.post(f"/shop/station/{id}/repair", again | {"key": "key-of-s7-third"})
    assert (once_more.status_code, "is put right by" in once_more.text) == (422, True)
    for wrong in ("repair-S8", "station-S8", "nothing"):
        assert (await buyer.get(f"/shop/station/{id}/repair?corrects={wrong}")).status_code == 404
        answer = await buyer.post(f"/shop/station/{id}/repair", first | {"key": "key-of-s7-4", "corrects": wrong})
        assert answer.status_code == 404
    assert (await buyer.get("/shop/station?noted=repair-S8")).status_code == 404


async def test_the_call_centre_finds_by_serial_number(browsers: Any, store: PostgresStore) -> None:
    id = await station(store, "kern", "S9")
    fields = {"number": "RR-9", "station": id, "method": "overhaul", "repaired_on": "2026-10-05"}
    await made(store, "RepairRecord", {**fields, "serial_number": "HX-2044-β"}, "repair-hx")
    back = {"customer": "other", "number": "RT-9", "state": "announced", "process": "p", "reason": "HX-2044-β leaks"}
    await made(store, "Return", {**back, "order": "o", "lines": []}, "return-hx")
    asked = {"customer": "other", "number": "SQ-7", "requester": "x@y.example", "subject": "SQ-7 Our pump"}
    await made(store, "ServiceCase", {**asked, "description": "x\n\nIt is the hx-2044-β."}, "question-hx")
    clerk: Buyer = await browsers("sales@office.example")
    page = (await clerk.get("/shop/desk?q=HX-2044-%CE%B2")).text
    for part in ("RR-9", "Station S9", "/shop/station?for=kern", "RT-9", "/shop/returns/return-hx?for=other", "SQ-7"):
        assert part in page, part
    assert page.index("RR-9") < page.index("RT-9")
    assert "/shop/questions/question-hx?for=other" in page
    assert "RR-9" in (await clerk.get("/shop/desk?q=2044")).text, "a part of it"
    for place in ("station?for=kern", "returns/return-hx?for=other", "questions/question-hx?for=other"):
        assert (await clerk.get(f"/shop/{place}")).status_code == 200, place
    assert "Nothing found" in (await clerk.get("/shop/desk?q=HX-9999")).text
