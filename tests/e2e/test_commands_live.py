"""Every command on the real systems, as a user gives it: what it says, as JSON too, and how it exits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.e2e.office import HEARD, Office, isthmus, see

pytestmark = [pytest.mark.lab]

LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [a-z]+\.[a-z_]+ .*")
"""A line of the log as docs/events.md shows it."""


@pytest.fixture(scope="module")
def alone(office: Office) -> Iterator[tuple[str, int]]:
    """A customer in both systems, and no hub that runs: from here on commands do all the work."""
    customer = office.customer("Command")
    office.settle()
    office.stage.stop_hub()
    yield customer
    if office.stage.hub_pid() is None:
        office.stage.start_hub()


def explained(office: Office, *record: object) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of `explain`; for people it says the same."""
    said = office.isthmus("explain", *map(str, record), "--json")
    shown = office.isthmus("explain", *map(str, record))
    assert shown.code == said.code
    assert said.json["sentence"] in " ".join(shown.out.split())
    return said.code, said.json


def entry_of(office: Office, kind: str, key: object) -> dict[str, Any]:
    """The open entry of this kind about this record, as `inbox list` gives it."""
    said = office.isthmus("inbox", "list", "--kind", kind, "--flow", "customer", "--json")
    assert said.code == 0
    (found,) = [entry for entry in said.json if str(key) in json.dumps(entry["detail"])]
    return dict(found)


def synced(office: Office) -> None:
    """`sync` as a step of what follows."""
    assert office.isthmus("sync", "--json").code in (0, 4)


def test_lab_status_tells_where_the_systems_are(office: Office) -> None:
    said = office.isthmus("lab", "status", "--json")
    assert said.code == 0
    told = {one["name"]: (one["state"], one["url"], one["size"]) for one in said.json}
    assert told == {
        "tryton": ("up", office.lab.tryton.url, "small"),
        "bottlecrm": ("up", office.lab.bottlecrm.url, "small"),
        "mail": ("up", office.lab.mail.url, "small"),
    }
    assert office.lab.tryton.url in office.isthmus("lab", "status").out


def test_a_project_of_init_reaches_both_systems(
    office: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm, erp = office.lab.bottlecrm, office.lab.tryton
    words = ("--crm-url", crm.url, "--erp-url", erp.url, "--erp-database", erp.database, "--erp-login", "hub")
    assert isthmus("init", tmp_path / "mine", *words, "--json").code == 0
    monkeypatch.setenv("CRM_TOKEN", crm.credentials["hub"]["token"])
    monkeypatch.setenv("ERP_PASSWORD", erp.credentials["hub"]["password"])
    checked = isthmus("check", "--live", "-C", tmp_path / "mine", "--json")
    assert checked.code == 0, checked
    live = {one["system"]: one for one in checked.json["live"]}
    assert (live["erp"]["product"], live["erp"]["user"]) == ("Tryton", "hub")
    assert live["crm"]["product"].startswith("BottleCRM")
    assert [one for one in live.values() if one["problem"] or one["unknown"]] == []
    assert "Tryton" in isthmus("check", "--live", "-C", tmp_path / "mine").out


@pytest.mark.flow("CH-2")
def test_plan_says_field_by_field_what_sync_then_does(office: Office, alone: tuple[str, int]) -> None:
    account, party = alone
    office.carl.patch_account(account, website="https://planned.example")
    planned = office.isthmus("plan", "--json")
    assert planned.code == 0, planned
    (line,) = [one for one in planned.json["lines"] if (one["resource"], one["key"]) == ("party", str(party))]
    assert (line["system"], line["kind"]) == ("erp", "update")
    assert line["changes"] == {"website": [None, "https://planned.example"]}
    assert office.mechanism(party, "website") == ""
    assert "website: – → https://planned.example" in office.isthmus("plan", "--all").out
    done = office.isthmus("sync", "--once", "--json")
    assert (done.code == 4) == bool(done.json["inbox"])
    assert done.json["written"] >= 1
    assert office.mechanism(party, "website") == "https://planned.example"
    assert "wrote 0 in" in office.isthmus("sync").out
    code, answer = explained(office, "crm", "account", account)
    assert (code, answer["in_step"]) == (0, True)
    assert {part["state"] for part in answer["parts"]} == {"in step"}


@pytest.mark.flow("CH-4")
def test_a_conflict_is_explained_listed_shown_and_decided(office: Office, alone: tuple[str, int]) -> None:
    account, party = alone
    office.carl.patch_account(account, phone="+49 40 5551111")
    office.erin.set_contact(party, "phone", "+49 40 5552222")
    synced(office)
    code, answer = explained(office, "erp", "party", party)
    assert (code, answer["in_step"]) == (1, False)
    (part,) = [one for one in answer["parts"] if one["state"] == "conflict"]
    entry = entry_of(office, "conflict", part["key"])
    assert part["inbox"] == entry["id"]
    assert set(part["fields"]["phone"]) == {"base", "hub", part["system"]}
    assert entry["summary"] in " ".join(office.isthmus("inbox", "show", entry["id"]).out.split())
    assert office.isthmus("inbox", "show", entry["id"], "--json").json["choices"] == ["hub", "far", "value"]
    status = office.isthmus("status", "--json")
    assert status.code == 1
    assert [one for one in status.json["lines"] if one["conflicts"]]
    assert office.isthmus("inbox", "decide", entry["id"], "perhaps").code == 1
    decided = office.isthmus("inbox", "decide", entry["id"], "value", "--field", "phone=+49 40 5553333", "--json")
    assert (decided.code, decided.json["decision"]) == (0, "value")
    assert office.isthmus("inbox", "decide", entry["id"], "hub").code == 1  # decided already
    synced(office)
    assert office.mechanism(party, "phone") == "+49405553333"
    assert explained(office, "erp", "party", party)[0] == 0


@pytest.mark.flow("ERP-1")
def test_a_doubtful_record_is_explained_and_decided(office: Office, alone: tuple[str, int]) -> None:
    name, email = office.new("Twofold")
    vat = office.vat()
    office.erin.create_customer(name, email=email, city="Berlin", country="DE", vat=("eu_vat", vat))
    synced(office)
    double = office.carl.create_account(f"{name} Süd", city="Ulm", country="DE", custom_fields={"vat_number": vat})
    synced(office)
    code, answer = explained(office, "crm", "account", double)
    assert (code, answer["parts"][0]["state"]) == (1, "doubtful")
    entry = entry_of(office, "match", double)
    assert entry["id"] in answer["parts"][0]["advice"]
    assert office.isthmus("inbox", "decide", entry["id"], "separate").code == 0
    synced(office)
    assert office.erin.party(f"{name} Süd") is not None
    assert explained(office, "crm", "account", double)[0] == 0


@pytest.mark.flow("ERP-1")
def test_what_is_set_aside_and_what_waits_for_it_are_explained_and_retried(
    office: Office, alone: tuple[str, int]
) -> None:
    name, email = office.new("Refused")
    person = office.new("waiter")[1]
    party = office.erin.create_customer(
        f"{name} {'long ' * 60}end", email=email, city="Wien", country="AT", people=[("Wolf Wartend", person)]
    )
    synced(office)
    code, answer = explained(office, "erp", "party", party)
    (aside,) = [part for part in answer["parts"] if part["state"] == "set aside"]
    assert (code, aside["system"], aside["inbox"]) == (1, "crm", entry_of(office, "failure", name)["id"])
    (mechanism,) = office.erin.read("party.contact_mechanism", [["value", "=", person]], ["id"])
    code, answer = explained(office, "erp", "contact", mechanism["id"])
    assert (code, {part["state"] for part in answer["parts"]}) == (1, {"in step", "waiting"})
    writes = office.writes()
    retried = office.isthmus("retry", "--flow", "customer", "--system", "crm", "--json")
    assert retried.code == 0
    assert retried.json["retried"] >= 1
    synced(office)
    assert office.writes() > writes  # tried, and refused once more
    assert explained(office, "erp", "party", party)[0] == 1
    office.erin.patch_party(party, name=name)
    synced(office)
    assert office.carl.account(name) is not None
    assert office.carl.contacts(email=person)
    assert explained(office, "erp", "party", party)[0] == 0
    assert explained(office, "erp", "contact", mechanism["id"])[0] == 0


def test_what_nobody_knows_is_answered_as_such(office: Office, alone: tuple[str, int]) -> None:
    assert explained(office, "crm", "account", "no-such-key")[0] == 1
    assert "There is no system 'sap'" in explained(office, "sap", "account", "1")[1]["sentence"]
    assert "No flow uses" in explained(office, "crm", "leads", "1")[1]["sentence"]
    traced = office.isthmus("trace", "SO-NOWHERE", "--json")
    assert (traced.code, traced.json["roots"]) == (1, [])
    missing = office.isthmus("inbox", "show", "no-such-entry", "--json")
    assert missing.code == 1
    assert "isthmus inbox list" in missing.err


@pytest.mark.flow("ERP-3")
def test_trace_follows_an_order_by_any_of_its_names(office: Office, alone: tuple[str, int]) -> None:
    account, party = alone
    sku = str(office.carl.products()[0]["sku"])
    deal = office.carl.create_opportunity(account, office.new("Traced")[0], [(sku, 2, None)])
    office.carl.set_stage(deal, "CLOSED_WON")
    synced(office)
    (sale,) = see(lambda: office.sales(party))
    for word in (str(sale["number"]), deal, f"crm/opportunity/{deal}", f"erp/sale/{sale['id']}"):
        found = office.isthmus("trace", word, "--json")
        assert found.code == 0, word
        assert f"crm opportunity {deal}" in [name for root in found.json["roots"] for name in root["records"]], word
    assert f"SalesOrder {sale['number']}" in office.isthmus("trace", f"erp/sale/{sale['id']}").out


@pytest.mark.flow("CH-5")
def test_compare_shows_what_differs_and_repair_mends_it(office: Office, alone: tuple[str, int]) -> None:
    account, party = alone
    office.carl.patch_account(account, website="https://drifted.example")
    found = office.isthmus("compare", "customer", "--json")
    assert found.code == 1
    (drift,) = [one for one in found.json["drifts"] if one["key"] == account]
    assert (drift["kind"], drift["fields"]["website"]["far"]) == ("edited while paused", "https://drifted.example")
    assert "edited while paused" in office.isthmus("compare", "customer").out
    mended = office.isthmus("compare", "customer", "--repair", "--json")
    assert mended.code == int(bool(mended.json["drifts"]))
    assert [one for one in mended.json["drifts"] if one["key"] in (account, str(party))] == []
    assert office.mechanism(party, "website") == "https://drifted.example"


@pytest.mark.flow("CH-2")
def test_run_says_where_it_listens_keeps_in_step_and_ends_when_told(office: Office, alone: tuple[str, int]) -> None:
    account, party = alone
    command = [sys.executable, "-m", "isthmus", "run", "--json", "-C", str(office.folder)]
    plain = {name: value for name, value in os.environ.items() if name != "ISTHMUS_LOG"}
    with subprocess.Popen(command, env=plain, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as hub:
        assert hub.stdout is not None
        assert hub.stderr is not None
        try:
            lines = [hub.stdout.readline()]
            while not lines[-1].startswith("}"):
                lines.append(hub.stdout.readline())
            told = json.loads("".join(lines))
            assert told["down"] == {}
            with urllib.request.urlopen(told["health"], timeout=10) as answer:
                assert json.load(answer) == {"status": "ok"}
            office.carl.patch_account(account, website="https://running.example")
            see(lambda: office.mechanism(party, "website") == "https://running.example")
            with psycopg.connect(office.database()):
                refused = office.isthmus("stop", "--json")  # somebody else uses the database
                assert (refused.code, refused.json["stopped"]) == (1, False)
            rest, log = hub.communicate(timeout=30)
            HEARD.append(log)
        finally:
            hub.kill()
    assert (hub.returncode, rest) == (0, "")
    # Warnings and worse only, as ISTHMUS_LOG is not set, and in the form that docs/events.md shows.
    assert [line for line in log.splitlines() if not LOGGED.fullmatch(line) or " INFO " in line] == []
    stopped = office.isthmus("stop", "--json")
    assert (stopped.code, stopped.json["stopped"]) == (0, True)
    assert office.isthmus("status", "--json").code in (0, 1)  # it starts again by itself
