"""Bad days of both real systems: every failure is told, nothing is lost or made twice, and the rest goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from isthmus.testing import Fault
from tests.e2e.office import Office, money, see
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
    """Customers that are in step when the weather turns."""
    return [Customer(office, *keys) for keys in office.customers("Weather", 8)]


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
    """From here on the hub runs behind the proxies."""
    weather.office.stage.start_hub()
    return weather


# -- catching up while a system cannot be read ---------------------------------------------------------------------

LISTS = {"crm": "/api/accounts/?", "erp": "isthmus"}
"""What stands in the requests by which changes are looked for."""
UNREADABLE: dict[str, tuple[Fault | None, str]] = {
    "down": (None, "cannot be reached"),
    "slow": (Fault.DELAY, "no answer in time"),
    "rate limited": (Fault.TOO_MANY, "asks us to slow down"),
    "failing": (Fault.BROKEN, "failed (status 500)"),
    "an error page": (Fault.GARBAGE, "is not"),
    "no HTTP at all": (Fault.NOISE, "connection lost"),
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
    told = see(lambda: _down_as_told(office, system))
    assert "cannot be reached" in told
    answer = office.isthmus("explain", system, *record, "--json")
    assert answer.code == 1
    assert "website" in answer.out
    hub.heal()
    see(lambda: customer.shows(system, website))
    see(lambda: not _down_as_told(office, system))


def _down_as_told(office: Office, system: str) -> str:
    lines = office.isthmus("status", "--json").json["lines"]
    return next((str(line["failing"]) for line in lines if line["system"] == system and line["failing"]), "")


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
@pytest.mark.parametrize(
    "name",
    ["🏭 Größenwahn 🚀", "شركة الجسر للتجارة", "\u200fבע״מ גשר\u200e (Berlin)"],
    ids=["emoji", "Arabic", "Hebrew"],
)
def test_any_name_travels_both_ways_unharmed(office: Office, hub: Weather, name: str) -> None:
    there, email = office.new(f"{name} CRM")
    back, other = office.new(f"{name} ERP")
    office.carl.create_account(there, email=f"{email[-24:]}", city="Berlin", country="DE")
    office.erin.create_customer(back, email=f"{other[-24:]}", city="Berlin", country="DE")
    see(lambda: office.erin.party(there))
    see(lambda: next((one for one in office.carl.accounts() if one["name"] == back), None))


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
    assert _failures(office, long[:40]) == []


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
    assert office.deal(deal, "erp_currency") == "EUR"
    assert (office.carl.opportunity(deal) or {})["currency"] == "USD"
    assert money(office.deal(deal, "erp_net")) == 40
