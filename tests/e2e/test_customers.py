"""Customers and the people at them, both ways (ERP-1, SAP-7)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from isthmus.cli.demo.day import CUSTOMER
from isthmus.lab.dataset import generate
from isthmus.lab.people import ErpUser
from tests.e2e.office import Office, money, see

pytestmark = [pytest.mark.lab, pytest.mark.flow("ERP-1"), pytest.mark.flow("SAP-7")]

TRUTH = {account.name: account for account in generate("small").accounts}
"""What every account of the seed truly is, which no system knows."""


def test_the_first_link_joins_what_is_the_same_and_nothing_else(office: Office) -> None:
    """Every account of the seed bears the number of its own party, or waits for a person; none bears another's."""
    parties = {party["code"]: party["name"] for party in office.erin.parties()}
    wrong, open_ones = {}, []
    for account in office.carl.accounts():
        if account["name"] not in TRUTH:
            continue
        truth = TRUTH[account["name"]]
        number = office.custom(account, "erp_number")
        if not number:
            if truth.kind != "only-crm":
                open_ones.append(account)
        elif parties[number] != (truth.party or truth.name):
            wrong[account["name"]] = parties[number]
    assert wrong == {}
    # Two accounts fit one party: the hub does not choose.
    assert {TRUTH[account["name"]].kind for account in open_ones} <= {"ambiguous", "near-name"}
    for account in open_ones:
        assert office.entries("match", account["id"]), account["name"]


def test_what_the_erp_refuses_waits_with_its_reason_and_goes_on_after_a_correction(office: Office) -> None:
    """The ERP takes tax numbers of the countries that it is set up for; Japan is none of them."""
    (tokyo,) = [
        account
        for account in office.carl.accounts()
        if account["name"] in TRUTH and account["country"] == "JP" and TRUTH[account["name"]].kind == "only-crm"
    ]
    if office.erin.party(tokyo["name"]) is None:
        (entry,) = [
            e
            for e in office.rows("select * from inbox where kind = 'failure' and decided_at is null")
            if tokyo["name"] in e["summary"]
        ]
        assert "jp_vat" in entry["summary"]
        login = office.lab.tryton.credentials["admin"]
        admin = ErpUser(office.lab.tryton.url, office.lab.tryton.database, login["login"], login["password"])
        (settings,) = admin.read("party.configuration", [], ["identifier_types"])
        types = [*settings["identifier_types"], "jp_vat"]
        admin.call("model.party.configuration.write", [settings["id"]], {"identifier_types": types})
        office.decide(entry, "retry")
    see(lambda: office.erin.party(tokyo["name"]))


def test_each_side_got_what_only_the_other_had(office: Office) -> None:
    expect = office.lab.tryton.expect
    in_erp = {party["name"] for party in office.erin.parties()}
    own = {name for name, account in TRUTH.items() if account.kind == "only-crm" and account.country != "JP"}
    assert len(own) == expect["accounts_only_crm"] - 1
    assert own <= in_erp
    seed = generate("small")
    known = {account.party for account in seed.accounts}
    only_erp = {party.name for party in seed.parties if party.name not in known}
    assert len(only_erp) == expect["parties_only_erp"]
    assert only_erp <= {account["name"] for account in office.carl.accounts()}


def test_a_customer_of_the_crm_reaches_the_erp_whole(office: Office) -> None:
    name, email = office.new("Harbour")
    account = office.carl.create_account(
        **{**CUSTOMER, "name": name, "email": email}, website="https://harbour.example"
    )
    key = int(see(lambda: office.erin.party(name))["id"])
    # The CRM is told the number when the ERP has answered the whole create.
    number = see(lambda: office.custom(office.carl.account(account), "erp_number"))
    party = office.party(key)
    (address,) = party["addresses"]
    there = {"address_line": "street", "city": "city", "postcode": "postal_code", "country": "country.code"}
    assert {name: address[theirs] for name, theirs in there.items()} == {name: CUSTOMER[name] for name in there}
    assert office.mechanism(key, "email") == email
    assert office.mechanism(key, "phone") == CUSTOMER["phone"].replace(" ", "")
    assert office.mechanism(key, "website") == "https://harbour.example"
    assert number == party["code"]


def test_terms_and_credit_limit_of_the_erp_reach_the_crm(office: Office) -> None:
    account, party = office.customer("Creditor")
    office.erin.set_payment_term(party, "60 days")
    office.erin.patch_party(party, credit_limit_amount=Decimal(25000))
    see(lambda: office.custom(office.carl.account(account), "erp_payment_terms") == "60 days")
    see(lambda: money(office.custom(office.carl.account(account), "erp_credit_limit")) == 25000)
    see(lambda: office.custom(office.account(account), "erp_credit_currency") == "EUR")


def test_a_customer_of_the_erp_reaches_the_crm_with_its_people(office: Office) -> None:
    name, email = office.new("Quarry")
    _, person = office.new("miner")
    party = office.erin.create_customer(
        name,
        email=email,
        phone="+43 1 5551234",
        street="Steinweg 4",
        postal_code="1010",
        city="Wien",
        country="AT",
        people=[("Greta Stein", person)],
        credit_limit_amount=Decimal(9000),
    )
    see(lambda: office.carl.account(name))
    office.in_step("erp", "party", party)
    account = see(lambda: office.carl.account(name))
    assert (account["email"], account["phone"].replace(" ", "")) == (email, "+4315551234")
    assert (account["address_line"], account["postcode"], account["city"]) == ("Steinweg 4", "1010", "Wien")
    assert account["country"] == "AT"
    assert office.custom(account, "erp_number") == office.party(party)["code"]
    assert money(office.custom(account, "erp_credit_limit")) == 9000
    contact = see(lambda: next(iter(office.carl.contacts(email=person)), None))
    assert (contact["first_name"], contact["last_name"]) == ("Greta", "Stein")


def test_edits_travel_both_ways_and_meet_in_the_same_record(office: Office) -> None:
    account, party = office.customer("Mover", address_line="Old Street 1", postcode="20095")
    office.carl.patch_account(account, address_line="New Street 2")
    see(lambda: office.party(party)["addresses"][0]["street"] == "New Street 2")
    office.erin.patch_address(party, city="Bremen", postal_code="28195")
    see(lambda: (office.account(account)["city"], office.account(account)["postcode"]) == ("Bremen", "28195"))
    office.erin.set_contact(party, "phone", "+49 421 555900")
    see(lambda: str(office.account(account)["phone"]).replace(" ", "") == "+49421555900")
    assert office.account(account)["address_line"] == "New Street 2"


def test_people_travel_both_ways(office: Office) -> None:
    account, party = office.customer("Crew")
    contact = office.contact(account, "Nadia", "Rahman")
    mailbox = office.carl.call("GET", f"/contacts/{contact}/")["contact_obj"]["email"]
    see(lambda: office.mechanism(party, "email", "Nadia Rahman") == mailbox)
    office.carl.patch_contact(contact, phone="+49 40 5550177")
    see(lambda: office.mechanism(party, "phone", "Nadia Rahman") == "+49405550177")
    (row,) = office.erin.read("party.contact_mechanism", [["party", "=", party], ["value", "=", mailbox]], ["id"])
    _, other = office.new("rahman")
    office.erin.call("model.party.contact_mechanism.write", [row["id"]], {"value": other})
    see(lambda: office.carl.call("GET", f"/contacts/{contact}/")["contact_obj"]["email"] == other)


def test_a_doubtful_pair_is_decided_by_a_person(office: Office) -> None:
    """The same tax number and another name: nobody is joined or made twice until somebody says what it is."""
    name, email = office.new("Original")
    vat = office.vat()
    party = office.erin.create_customer(name, email=email, city="Berlin", country="DE", vat=("eu_vat", vat))
    account = str(see(lambda: office.carl.account(name))["id"])
    double = office.carl.create_account(
        f"{name} Filiale", city="Berlin", country="DE", custom_fields={"vat_number": vat}
    )
    (entry,) = see(lambda: office.entries("match", double))
    assert set(entry["choices"]) == {"link", "separate", "ignore"}
    office.decide(entry, "separate")
    see(lambda: office.erin.party(f"{name} Filiale"))
    office.in_step("crm", "account", account)
    assert office.custom(office.account(account), "erp_number") == office.party(party)["code"]
