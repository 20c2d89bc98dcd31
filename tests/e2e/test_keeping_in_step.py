"""The hub's own flows: within seconds (CH-2), conflicts and deletes (CH-4), proof and repair (CH-5)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest

from tests.e2e.office import Office, see

pytestmark = [pytest.mark.lab]


@pytest.mark.flow("CH-2")
def test_changes_are_on_the_other_side_within_seconds(office: Office) -> None:
    """Accounts and parties are looked at every 60 and 15 seconds; webhooks and hints make it quicker than half the
    shorter. Each one has to arrive, and most of them as quickly: one may meet a machine that is busy elsewhere."""
    account, party = office.customer("Quick")
    to_erp, to_crm = [], []
    for number in range(5):
        office.carl.patch_account(account, website=f"https://quick{number}.example")
        to_erp.append(seconds(lambda: office.mechanism(party, "website") == f"https://quick{number}.example"))  # noqa: B023
        office.in_step("crm", "account", account)
        office.erin.set_contact(party, "phone", f"+49 40 555880{number}")
        shown = f"+4940555880{number}"
        to_crm.append(seconds(lambda: str(office.account(account)["phone"]).replace(" ", "") == shown))  # noqa: B023
        office.in_step("crm", "account", account)
    assert statistics.median(to_erp) < 7, to_erp
    assert statistics.median(to_crm) < 7, to_crm


def seconds(probe: Callable[[], bool]) -> float:
    """How long it takes until this is seen."""
    began = time.monotonic()
    see(probe)
    return time.monotonic() - began


@pytest.mark.flow("CH-4")
def test_a_conflict_waits_for_a_person_and_all_else_flows(office: Office) -> None:
    account, party = office.customer("Quarrel", phone="+49 40 5550000")
    see(lambda: office.mechanism(party, "phone") == "+49405550000")
    office.settle()
    office.stage.stop_hub()
    office.carl.patch_account(account, phone="+49 40 5551111")
    office.erin.set_contact(party, "phone", "+49 40 5552222")
    office.erin.patch_address(party, city="Kiel")
    office.stage.start_hub()
    see(lambda: office.account(account)["city"] == "Kiel")
    (entry,) = see(lambda: office.entries("conflict", account, party))
    assert set(entry["detail"]["fields"]) == {"phone"}
    assert str(office.account(account)["phone"]).replace(" ", "") == "+49405551111"
    assert office.mechanism(party, "phone") == "+49405552222"
    office.settle()
    told = office.isthmus("explain", str(entry["system"]), str(entry["resource"]), str(entry["key"]), "--json")
    assert told.code == 1
    (frozen,) = [part for part in told.json["parts"] if part["state"] == "conflict"]
    assert frozen["inbox"] == entry["id"]
    assert set(frozen["fields"]) == {"phone"}
    office.decide(entry, "value", "--field", "phone=+49 40 5553333")
    see(lambda: office.mechanism(party, "phone") == "+49405553333")
    see(lambda: str(office.account(account)["phone"]).replace(" ", "") == "+49405553333")
    (decided,) = office.rows("select * from inbox where id = %s", entry["id"])
    assert (decided["decision"], decided["decided_by"]) == ("value", "erin")


@pytest.mark.flow("CH-4")
def test_what_was_written_does_not_come_back_as_a_change(office: Office) -> None:
    account, party = office.customer("Echo")
    office.carl.patch_account(account, website="https://echo.example", phone="+49 40 5554711")
    see(lambda: office.mechanism(party, "website") == "https://echo.example")
    office.erin.patch_address(party, street="Hallweg 1")
    see(lambda: office.account(account)["address_line"] == "Hallweg 1")
    office.settle()
    before = office.writes()
    # Everything is looked at once more, and what there is to be written is.
    office.settle()
    assert office.rows("select * from effect order by seq offset %s", before) == []


@pytest.mark.flow("CH-4")
def test_a_customer_deleted_in_the_crm_is_held_for_a_person(office: Office) -> None:
    account, party = office.customer("Leaver")
    see(lambda: office.custom(office.carl.account(account), "erp_number"))
    office.carl.delete_account(account)
    (entry,) = see(lambda: office.entries("delete", account, party))
    assert office.party(party)["active"]
    assert {"restore", "archive"} <= set(entry["choices"])
    office.decide(entry, "archive")
    see(lambda: not office.erin.parties([["id", "=", party], ["active", "in", [True, False]]])[0]["active"])


@pytest.mark.flow("CH-4")
def test_a_customer_archived_in_the_erp_is_archived_in_the_crm(office: Office) -> None:
    account, party = office.customer("Sleeper")
    see(lambda: office.custom(office.carl.account(account), "erp_number"))
    office.erin.deactivate_party(party)
    see(lambda: not office.account(account)["is_active"])


@pytest.mark.flow("CH-4")
def test_parties_merged_in_the_erp_are_asked_about_in_the_crm(office: Office) -> None:
    kept_account, kept = office.customer("Keeper", city="Lübeck")
    lost_account, lost = office.customer("Loser", city="Passau")
    see(lambda: office.custom(office.carl.account(lost_account), "erp_number"))
    office.erin.merge_parties(lost, kept)
    (entry,) = see(lambda: office.entries("merge", lost_account, kept_account))
    assert entry["system"] == "crm"
    assert office.carl.account(lost_account) is not None
    assert office.account(lost_account)["is_active"]
    assert "archive" in entry["choices"]
    office.decide(entry, "archive")
    see(lambda: not office.account(str(entry["key"]))["is_active"])


@pytest.mark.flow("CH-5")
def test_compare_finds_what_was_changed_while_the_hub_was_away_and_repairs_it(office: Office) -> None:
    account, party = office.customer("Drift")
    sku = office.product("DRIFT", "10")
    office.settle()
    office.stage.stop_hub()
    try:
        office.carl.patch_account(account, website="https://drift.example")
        office.erin.change_list_price(sku, "11")
        found = office.isthmus("compare", "customer", "product", "--json")
        assert found.code == 1
        drifts = [drift for drift in found.json["drifts"] if drift["kind"] == "edited while paused"]
        missed = {(drift["system"], drift["key"]): set(drift["fields"]) for drift in drifts}
        # The price lists follow the list price.
        variant = str(office.erin.read("product.product", [["code", "=", sku]], ["id"])[0]["id"])
        assert missed == {("crm", account): {"website"}, ("erp", variant): {"list_price", "prices"}}
        assert office.mechanism(party, "website") == ""  # comparing repairs nothing
        repaired = office.isthmus("compare", "customer", "product", "--repair", "--json")
        assert "edited while paused" not in repaired.json["counts"]
        assert office.mechanism(party, "website") == "https://drift.example"
        assert str((office.carl.product(sku) or {})["price"]) == "11.00"
    finally:
        office.stage.start_hub()
