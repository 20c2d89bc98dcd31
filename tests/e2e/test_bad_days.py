"""Bad days of both real systems: every failure is told, nothing is lost or made twice, and the rest goes on."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from isthmus.testing import Fault
from tests.e2e.office import HEARD, Office, isthmus, money, see
from tests.e2e.weather import PATIENCE, Weather, bad_weather, says

pytestmark = [pytest.mark.lab]

TOO_LONG = PATIENCE + 1.0
OTHER = {"crm": "erp", "erp": "crm"}


@dataclass(frozen=True)
class Customer:
    """One customer in both systems."""

    office: Office
    account: str
    party: int

    def edit(self, system: str, website: str) -> None:
        """A person changes the website there."""
        if system == "crm":
            self.office.carl.patch_account(self.account, website=website)
        else:
            self.office.erin.set_contact(self.party, "website", website)

    def held(self, system: str, website: str) -> bool:
        """Whether the hub has taken in this website from there."""
        place = ("account", self.account) if system == "crm" else ("party", self.party)
        return bool(self.office.held(system, *place, "website") == website)

    def shows(self, system: str, website: str) -> bool:
        """Whether the system has exactly this website."""
        if system == "crm":
            return bool(self.office.account(self.account)["website"] == website)
        found = [m["value"] for m in self.office.party(self.party)["contact_mechanisms"] if m["type"] == "website"]
        return found == [website]


@pytest.fixture(scope="module")
def crowd(office: Office) -> list[Customer]:
    """Customers that are in step when the weather turns, as is all that earlier tests have left."""
    found = [Customer(office, *keys) for keys in office.customers("Weather", 8)]
    office.settle()
    return found


@pytest.fixture(scope="module")
def weather(office: Office, crowd: list[Customer]) -> Iterator[Weather]:
    """Both systems stand behind proxies; the hub does not run yet."""
    with bad_weather(office) as weather:
        yield weather


@pytest.fixture(autouse=True)
def fair_again(weather: Weather) -> Iterator[None]:
    yield
    weather.heal()


@pytest.fixture(scope="module")
def hub(weather: Weather) -> Weather:
    """From here on the hub runs behind the proxies; it has seen what happened before."""
    weather.office.stage.start_hub()
    weather.office.settle()
    return weather


# -- catching up while a system cannot be read ---------------------------------------------------------------------

LISTS = {"crm": "/api/accounts/?", "erp": "isthmus"}
"""What stands in the requests by which changes are looked for."""
UNREADABLE: dict[str, tuple[Fault | None, str]] = {
    "down": (None, "cannot be reached"),
    "slow": (Fault.DELAY, "no answer in time"),
    "rate limited": (Fault.TOO_MANY, "asks us to slow down"),
    "an error page": (Fault.GARBAGE, "is not"),
    "half an answer": (Fault.HALF, "connection lost"),
}


@pytest.mark.flow("CH-2")
@pytest.mark.parametrize("system", ["crm", "erp"])
def test_a_system_that_cannot_be_read_is_named_and_the_other_one_is_taken_in(
    office: Office, weather: Weather, crowd: list[Customer], system: str
) -> None:
    """The system answers until it is asked what changed; a page that came in half shows nobody as deleted."""
    before = office.open_entries()
    for number, (word, (fault, told)) in enumerate(UNREADABLE.items()):
        website, customer = f"https://unread-{system}-{number}.example", crowd[number]
        customer.edit(OTHER[system], website)
        if fault is None:
            weather.down(system)
        else:
            weather.proxy(system).fail(fault, when=says(LISTS[system]), delay=TOO_LONG)
        said = office.isthmus("sync", "--json")
        weather.heal()
        assert said.code == 3, (word, said)
        assert set(said.json["problems"]) == {system}, word
        assert told in said.json["problems"][system], word
        assert customer.held(OTHER[system], website), word
    caught_up = office.isthmus("sync", "--json")
    assert caught_up.json["problems"] == {}
    assert office.open_entries() == before
    for number in range(len(UNREADABLE)):
        assert crowd[number].shows(system, f"https://unread-{system}-{number}.example")


# -- writing -------------------------------------------------------------------------------------------------------

UNWRITABLE = (
    Fault.DROP, Fault.BUSY, Fault.TOO_MANY, Fault.BROKEN, Fault.GARBAGE_AFTER, Fault.HALF, Fault.SWALLOW, Fault.DELAY
)  # fmt: skip


@pytest.mark.flow("CH-2")
@pytest.mark.parametrize("system", ["erp", "crm"])
def test_a_write_that_fails_in_any_way_arrives_once_all_the_same(
    office: Office, hub: Weather, crowd: list[Customer], system: str
) -> None:
    before = office.open_entries()
    wanted = {}
    for customer, fault in zip(crowd, UNWRITABLE, strict=True):
        website = wanted[customer] = f"https://{fault.replace(' ', '-')}-{system}.example"
        hub.proxy(system).fail(fault, when=says(website), times=1, delay=TOO_LONG)
        customer.edit(OTHER[system], website)
    for customer, website in wanted.items():
        see(partial(customer.shows, system, website))
        assert any(says(website)(request) for request in hub.proxy(system).seen)
    office.settle()
    assert office.open_entries() == before


@pytest.mark.flow("CH-2")
@pytest.mark.parametrize("system", ["erp", "crm"])
def test_while_a_system_is_down_the_other_is_taken_in_and_afterwards_all_is_caught_up(
    office: Office, hub: Weather, crowd: list[Customer], system: str
) -> None:
    customer, website = crowd[0], f"https://dark-{system}.example"
    record = ("account", customer.account) if system == "crm" else ("party", str(customer.party))
    hub.down(system)
    customer.edit(OTHER[system], website)
    see(lambda: customer.held(OTHER[system], website))
    # A request that was under way at that moment may be told first, as one whose connection was lost.
    see(lambda: "cannot be reached" in _down_as_told(office, system))
    answer = office.isthmus("explain", system, *record, "--json")
    assert answer.code == 1
    assert "website" in answer.out
    hub.heal()
    see(lambda: customer.shows(system, website))
    see(lambda: not _down_as_told(office, system))


def _down_as_told(office: Office, system: str) -> str:
    lines = office.isthmus("status", "--json").json["lines"]
    return "\n".join(str(line["failing"]) for line in lines if line["system"] == system and line["failing"])


# -- answers that are lost after a create --------------------------------------------------------------------------


@pytest.mark.flow("ERP-1")
@pytest.mark.spec(5)
def test_a_customer_whose_answer_was_lost_is_in_the_erp_once(
    office: Office, hub: Weather, crowd: list[Customer]
) -> None:
    name, email = office.new("Swallowed")
    hub.erp.fail(Fault.SWALLOW, when=says("party.create", name), times=1)
    account = office.carl.create_account(name, email=email, country="DE", city="Kiel")
    crowd[1].edit("crm", "https://meanwhile.example")
    see(lambda: crowd[1].shows("erp", "https://meanwhile.example"))
    see(lambda: office.custom(office.carl.account(account), "erp_number"))
    office.in_step("crm", "account", account)
    (party,) = office.erin.parties([["name", "=", name]])
    assert party["code"] == office.custom(office.account(account), "erp_number")
    assert _creates(office, "crm", "account", account) == ["unknown-outcome"]


@pytest.mark.flow("SAP-7")
@pytest.mark.spec(5)
def test_an_account_whose_answer_came_too_late_is_in_the_crm_once(
    office: Office, hub: Weather, crowd: list[Customer]
) -> None:
    name, email = office.new("Belated")
    hub.crm.fail(Fault.DELAY, when=lambda request: request.method == "POST" and says(name)(request), delay=TOO_LONG)
    party = office.erin.create_customer(name, email=email, city="Wien", country="AT")
    crowd[2].edit("erp", "https://meanwhile.example")
    see(lambda: crowd[2].shows("crm", "https://meanwhile.example"))
    account = see(lambda: office.carl.account(name))
    see(lambda: office.isthmus("explain", "erp", "party", str(party), "--json").code == 0)
    assert [one["id"] for one in office.carl.accounts(name=name)] == [account["id"]]
    assert _creates(office, "erp", "party", str(party)) == ["unknown-outcome"]


@pytest.mark.flow("ERP-3")
@pytest.mark.spec(5)
def test_an_order_of_whose_answer_half_was_lost_is_in_the_erp_once(office: Office, hub: Weather) -> None:
    sku = office.product("HALF", "20", 50)
    account, party = office.customer("Halved")
    title, _ = office.new("Half")
    hub.erp.fail(Fault.HALF, when=says("sale.create", title), times=1)
    deal = office.carl.create_opportunity(account, title, [(sku, 3, None)])
    office.carl.set_stage(deal, "CLOSED_WON")
    number = see(lambda: office.deal(deal, "erp_order_number"))
    office.settle()
    (sale,) = office.sales(party)
    assert sale["number"] == number
    assert [(line["product.code"], line["quantity"]) for line in sale["lines"]] == [(sku, 3.0)]
    assert _creates(office, "crm", "opportunity", deal) == ["unknown-outcome"]


def _creates(office: Office, system: str, resource: str, key: str) -> list[Any]:
    """How the creates ended that this record led to."""
    sql = (
        "select effect.outcome from effect join link on link.item = effect.item where effect.kind = 'create'"
        " and (link.system, link.resource, link.key) = (%s, %s, %s) order by effect.seq"
    )
    return [row["outcome"] for row in office.rows(sql, system, resource, key)]


# -- records that no system expected -------------------------------------------------------------------------------


@pytest.mark.flow("ERP-1")
def test_any_name_travels_both_ways_unharmed(office: Office, hub: Weather) -> None:
    """Emoji, Arabic, and Hebrew with marks of direction."""
    there, back = [], []
    for word in ("🏭 Größenwahn 🚀", "شركة الجسر للتجارة", "\u200fבע״מ גשר\u200e (Berlin)"):
        for system, names in (("CRM", there), ("ERP", back)):
            names.append(office.new(f"{word} {system}")[0])
    for name in there:
        office.carl.create_account(name, city="Berlin", country="DE")
    for name in back:
        office.erin.create_customer(name, city="Berlin", country="DE")
    for name in there:
        see(partial(office.erin.party, name))
    see(lambda: set(back) <= {account["name"] for account in office.carl.accounts()})


@pytest.mark.flow("ERP-1")
def test_a_name_of_10000_characters_waits_with_its_reason_until_it_is_shortened(
    office: Office, hub: Weather, crowd: list[Customer]
) -> None:
    name, email = office.new("Long")
    long = name + " " + "é" * (10_000 - len(name) - 1)
    party = office.erin.create_customer(long, email=email, city="Wien", country="AT")
    entry = see(lambda: next(iter(_failures(office, long[:40])), None))
    assert "name" in entry["summary"]
    crowd[3].edit("erp", "https://short.example")
    see(lambda: crowd[3].shows("crm", "https://short.example"))
    office.erin.patch_party(party, name=name)
    see(lambda: office.carl.account(name))
    see(lambda: _failures(office, long[:40]) == [])


def _failures(office: Office, word: str) -> list[dict[str, Any]]:
    sql = "select * from inbox where kind = 'failure' and decided_at is null and position(%s in summary) > 0"
    return office.rows(sql, word)


@pytest.mark.flow("ERP-3")
def test_a_deal_in_another_currency_than_its_order_is_for_a_person_to_see(office: Office, hub: Weather) -> None:
    sku = office.product("DOLLAR", "20", 50)
    account, party = office.customer("Dollar")
    deal = office.carl.create_opportunity(account, office.new("Dollars")[0], [(sku, 2, None)], currency="USD")
    euros = office.carl.create_opportunity(account, office.new("Euros")[0], [(sku, 1, None)])
    office.carl.set_stage(deal, "CLOSED_WON")
    office.carl.set_stage(euros, "CLOSED_WON")
    (entry,) = see(lambda: office.entries("conflict", deal, *(sale["id"] for sale in office.sales(party))))
    sides = entry["detail"]["fields"]["currency"]
    assert {"USD", "EUR"} <= set(sides.values())
    see(lambda: office.deal(euros, "erp_order_number"))
    # All that concerns money comes back in the ERP's currency, and says so; the deal keeps its own.
    see(lambda: office.deal(deal, "erp_total"))
    see(lambda: (office.deal(deal, "erp_currency"), money(office.deal(deal, "erp_net"))) == ("EUR", 40))
    assert (office.carl.opportunity(deal) or {})["currency"] == "USD"


@pytest.mark.flow("ERP-1")
def test_a_record_that_breaks_the_mapping_is_set_aside_field_by_field(
    office: Office, hub: Weather, crowd: list[Customer]
) -> None:
    """An amount without its currency is none; all else of that customer flows, and so do the others."""
    broken = crowd[4]
    office.carl.patch_account(
        broken.account,
        custom_fields={**office.account(broken.account)["custom_fields"], "erp_credit_limit": "5000"},
        website="https://broken.example",
    )
    (entry,) = see(lambda: office.entries("failure", broken.account))
    assert "currency" in entry["summary"]
    assert set(entry["detail"]["fields"]) == {"credit_limit"}
    see(lambda: broken.shows("erp", "https://broken.example"))
    crowd[5].edit("crm", "https://whole.example")
    see(lambda: crowd[5].shows("erp", "https://whole.example"))
    office.carl.patch_account(
        broken.account,
        custom_fields={**office.account(broken.account)["custom_fields"], "erp_credit_limit": None},
    )
    see(lambda: office.entries("failure", broken.account) == [])


# -- webhooks ------------------------------------------------------------------------------------------------------


def test_a_webhook_that_is_not_signed_as_it_must_be_has_no_effect(office: Office, hub: Weather) -> None:
    office.settle()
    before, refused = office.writes(), hub.log().count("hint.refused")
    told = _event(office, "account.updated", {"id": "11111111-1111-1111-1111-111111111111"})
    hint = b'{"database": "erp", "records": [["party.party", 1]], "more": false}'
    now = int(time.time())
    assert _post(office, "crm", told, _signed("crm", "whsec_forged", told, now)) == 401
    assert _post(office, "crm", told + b" ", _signed("crm", hub.hook_secret, told, now)) == 401
    assert _post(office, "crm", told, _signed("crm", hub.hook_secret, told, now - 3600)) == 401
    assert _post(office, "crm", told, {}) == 401
    assert _post(office, "erp", hint, _signed("erp", "forged", hint, now)) == 401
    assert _post(office, "erp", hint, {}) == 401
    assert _post(office, "nobody", told, {}) == 404
    garbage = b"\xff\xfe not JSON"
    assert _post(office, "crm", garbage, _signed("crm", hub.hook_secret, garbage, now)) == 400
    assert _post(office, "erp", garbage, _signed("erp", hub.hint_secret, garbage, now)) == 400
    see(lambda: hub.log().count("hint.refused") == refused + 8)
    office.settle()
    assert office.writes() == before


@pytest.mark.flow("CH-2")
def test_webhooks_repeated_or_out_of_order_change_nothing(office: Office, hub: Weather, crowd: list[Customer]) -> None:
    customer = crowd[6]
    customer.edit("crm", "https://first.example")
    see(lambda: customer.shows("erp", "https://first.example"))
    old = _event(office, "account.updated", office.account(customer.account))
    customer.edit("crm", "https://second.example")
    see(lambda: customer.shows("erp", "https://second.example"))
    new = _event(office, "account.updated", office.account(customer.account))
    office.settle()
    writes = office.writes()
    now = int(time.time())
    hint = f'{{"database": "erp", "records": [["party.party", {customer.party}]], "more": false}}'.encode()
    for body in (new, new, old, old):
        assert _post(office, "crm", body, _signed("crm", hub.hook_secret, body, now)) == 202
        assert _post(office, "erp", hint, _signed("erp", hub.hint_secret, hint, now)) == 202
    # What comes after them is not held up by them.
    crowd[7].edit("crm", "https://after.example")
    see(lambda: crowd[7].shows("erp", "https://after.example"))
    office.settle()
    assert customer.shows("erp", "https://second.example")
    assert customer.shows("crm", "https://second.example")
    ours = "select effect.key from effect order by seq offset %s"
    assert str(customer.party) not in [row["key"] for row in office.rows(ours, writes)]


@pytest.mark.flow("CH-4")
def test_webhooks_about_records_that_are_gone_ask_once_and_lose_nothing(office: Office, hub: Weather) -> None:
    account, party = office.customer("Gone")
    last = _event(office, "account.updated", office.account(account))
    office.carl.delete_account(account)
    (entry,) = see(lambda: office.entries("delete", account, party))
    now = int(time.time())
    never = _event(office, "account.updated", {"id": "22222222-2222-2222-2222-222222222222"})
    hint = b'{"database": "erp", "records": [["party.party", 99999999], ["sale.sale", 99999999]], "more": false}'
    deleted = _event(office, "account.deleted", {"id": account})
    for body in (last, deleted, deleted, never):
        assert _post(office, "crm", body, _signed("crm", hub.hook_secret, body, now)) == 202
    assert _post(office, "erp", hint, _signed("erp", hub.hint_secret, hint, now)) == 202
    _, other = office.customer("Alive")
    office.settle()  # by now they all have been followed
    assert office.party(other)["active"]
    assert [one["id"] for one in office.entries("delete", account, party)] == [entry["id"]]
    assert office.party(party)["active"]
    assert office.rows("select * from link where key = any(%s)", ["22222222-2222-2222-2222-222222222222"]) == []


def _event(office: Office, name: str, data: Mapping[str, Any]) -> bytes:
    """A call as BottleCRM makes it, of something that happened a minute ago."""
    at = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=1)
    return json.dumps({"event": name, "created_at": at.isoformat(), "data": dict(data)}, default=str).encode()


def _signed(system: str, secret: str, body: bytes, at: int) -> dict[str, str]:
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {{"crm": "X-BottleCRM-Signature", "erp": "X-Isthmus-Signature"}[system]: f"t={at},v1={mac}"}


def _post(office: Office, system: str, body: bytes, headers: Mapping[str, str]) -> int:
    request = urllib.request.Request(f"{office.stage.hub_url()}/hooks/{system}", body, dict(headers), method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


# -- projects that are wrong ---------------------------------------------------------------------------------------


def elsewhere(weather: Weather, folder: Path, old: str, new: str) -> Path:
    """A copy of the project as it is in good weather, but for one thing."""
    assert old in weather.sound
    (folder / "isthmus.toml").write_text(weather.sound.replace(old, new))
    shutil.copytree(weather.office.folder / "secrets", folder / "secrets")
    return folder


def found_wrong(folder: Path) -> dict[str, str]:
    """What `check --live` says is wrong, by system."""
    said = isthmus("check", "--live", "--json", "-C", folder)
    assert said.code == 3, said
    return {one["system"]: one["problem"] for one in said.json["live"] if one["problem"]}


def test_a_wrong_address_is_told(office: Office, weather: Weather, tmp_path: Path) -> None:
    found = found_wrong(elsewhere(weather, tmp_path, office.lab.tryton.url, "http://127.0.0.1:9"))
    assert set(found) == {"erp"}
    assert "127.0.0.1:9 cannot be reached" in found["erp"]


def test_the_address_of_another_system_is_told(office: Office, weather: Weather, tmp_path: Path) -> None:
    found = found_wrong(elsewhere(weather, tmp_path, office.lab.bottlecrm.url, office.lab.tryton.url))
    assert set(found) == {"crm"}


@pytest.mark.parametrize(
    ("system", "secret", "told"), [("erp", "erp-password", "login 'hub'"), ("crm", "crm-token", "credentials")]
)
def test_a_wrong_login_is_told_without_the_secret(
    weather: Weather, tmp_path: Path, system: str, secret: str, told: str
) -> None:
    folder = elsewhere(weather, tmp_path, "[packs]", "[packs]")
    (folder / "secrets" / secret).write_text("wrong-but-secret-all-the-same")
    found = found_wrong(folder)
    assert set(found) == {system}
    assert told in found[system]
    assert "wrong-but-secret" not in "".join(HEARD)  # for the others see the fixture of the office


def test_a_certificate_of_an_unknown_authority_is_refused_and_accepted_by_its_file(
    office: Office, weather: Weather, tmp_path: Path
) -> None:
    tls = Path(__file__).with_name("tls")
    with weather.encrypted("crm", tls) as url:
        folder = elsewhere(weather, tmp_path, office.lab.bottlecrm.url, url)
        found = found_wrong(folder)
        assert set(found) == {"crm"}
        assert "certificate" in found["crm"]
        assert "ca_file" in found["crm"]
        text = (folder / "isthmus.toml").read_text()
        trusted = f'url = "{url}"\nhttp = {{ca_file = "{tls / "certificate.pem"}"}}'
        (folder / "isthmus.toml").write_text(text.replace(f'url = "{url}"', trusted))
        said = isthmus("check", "--live", "--json", "-C", folder)
        assert said.code == 0, said


def test_unknown_keys_are_told_with_their_place_and_the_nearest_name(weather: Weather, tmp_path: Path) -> None:
    folder = elsewhere(weather, tmp_path, "quote_orders = true", "quote_order = true")
    (folder / "flows").mkdir()
    flow = "flow: customer\nextends: crm-erp/customer\nfields:\n  nmae: {}\n  email: {ownr: crm}\n"
    (folder / "flows" / "customer.yaml").write_text(flow)
    said = isthmus("check", "--json", "-C", folder)
    assert said.code == 2
    line = 1 + (folder / "isthmus.toml").read_text().splitlines().index("quote_order = true")
    assert {(error["place"], error["message"], error["advice"]) for error in said.json["errors"]} == {
        (f"isthmus.toml:{line}:1", "Unknown key of [systems.erp] 'quote_order'.", "Did you mean 'quote_orders'?"),
        ("flows/customer.yaml:4:3", "Unknown field of Customer 'nmae'.", "Did you mean 'name'?"),
        ("flows/customer.yaml:5:11", "Unknown key of field 'email' 'ownr'.", "Did you mean 'owner'?"),
    }


def test_a_field_that_a_system_does_not_have_is_told_with_the_nearest_name(weather: Weather, tmp_path: Path) -> None:
    folder = elsewhere(weather, tmp_path, "[packs]", "[packs]")
    (folder / "flows").mkdir()
    flow = "flow: customer\nextends: crm-erp/customer\nfields:\n  website: {crm: websiet}\n"
    (folder / "flows" / "customer.yaml").write_text(flow)
    said = isthmus("check", "--live", "--json", "-C", folder)
    assert said.code == 1
    unknown = {one["system"]: one["unknown"] for one in said.json["live"]}
    assert unknown["erp"] == []
    (told,) = unknown["crm"]
    assert "flows/customer.yaml:" in told
    assert told.endswith("crm account has no field 'websiet'. Did you mean 'website'?")
