"""The lab's data is the same everywhere, what it says it is, and fit for the systems."""

from __future__ import annotations

from collections import Counter

import pytest
from stdnum import get_cc_module

from isthmus.lab.dataset import Dataset, Size, generate

SIZES: tuple[Size, ...] = ("full", "small")


@pytest.fixture(scope="module", params=SIZES)
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return generate(request.param)


def test_is_the_same_each_time(dataset: Dataset) -> None:
    assert generate(dataset.size) == dataset


def test_is_large_enough_for_first_linking_to_be_work() -> None:
    expect = generate("full").expect
    assert expect["customers"] >= 2000
    assert expect["products_erp"] >= 1000
    assert expect["parties_in_both"] == 1470
    assert expect["parties_only_erp"] == expect["accounts_only_crm"] == 315
    assert min(expect["accounts_near_name"], expect["accounts_ambiguous"]) > 50


def test_names_are_unique_as_the_crm_demands(dataset: Dataset) -> None:
    for names in (
        [account.name for account in dataset.accounts],
        [party.name for party in dataset.parties],
        [person.email for account in dataset.accounts for person in account.people],
        [product.sku for product in dataset.products],
    ):
        counted = Counter(name.casefold() for name in names)
        assert [name for name, count in counted.items() if count > 1] == []


def test_tax_numbers_pass_the_check_of_their_country(dataset: Dataset) -> None:
    for party in dataset.parties:
        assert party.tax is not None
        kind, number = party.tax
        module = get_cc_module(*kind.split("_", 1))
        assert module is not None, kind
        assert module.is_valid(number), party


def test_every_kind_of_account_is_there_and_differs_as_it_says(dataset: Dataset) -> None:
    parties = {party.name: party for party in dataset.parties}
    kinds = Counter(account.kind for account in dataset.accounts)
    assert set(kinds) == {
        "identical", "near-name", "other-case", "no-email", "other-phone", "ambiguous", "only-crm",
    }  # fmt: skip
    for account in dataset.accounts:
        if account.party is None:
            assert account.kind == "only-crm"
            assert account.name not in parties
            continue
        party = parties[account.party]
        match account.kind:
            case "identical":
                assert (account.name, account.email, account.phone) == (party.name, party.email, party.phone)
            case "near-name" | "other-case":
                assert account.name != party.name
            case "no-email":
                assert account.email is None
            case "other-phone":
                assert account.phone != party.phone
    ambiguous = Counter(account.party for account in dataset.accounts if account.kind == "ambiguous")
    assert set(ambiguous.values()) == {2}


def test_phones_and_countries_fit_the_crm(dataset: Dataset) -> None:
    for account in dataset.accounts:
        assert account.phone is not None
        assert 7 <= len(account.phone) <= 25
        assert set(account.phone) <= set("0123456789 -()+.")
        assert len(account.country) == 2


def test_has_names_in_several_scripts(dataset: Dataset) -> None:
    names = " ".join(party.name for party in dataset.parties)
    assert "有限公司" in names
    assert dataset.size == "small" or "株式会社" in names
    assert any(letter in names for letter in "äöüß")
    assert len({party.country for party in dataset.parties}) >= 6
