"""The lab's business data: one company's customers and products as its ERP and its CRM know them.

Pure and deterministic: the same size gives the same data on every machine, so tests can say what must come out.
The two systems agree on most customers, differ a little on some, and each has customers of its own; `Account.kind` and
`Account.party` say which case a CRM account is and which ERP party it truly is, which no system knows.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any, Literal

from .dataset_numbers import TaxNumber, tax_number
from .dataset_places import COUNTRIES, PRODUCT_FORMS, PRODUCT_KINDS, PRODUCT_MATERIALS, TRADES, Country

__all__ = ["Account", "Dataset", "Kind", "Party", "Person", "Product", "Size", "generate"]

Size = Literal["full", "small"]

Kind = Literal["identical", "near-name", "other-case", "no-email", "other-phone", "ambiguous", "only-crm"]
"""How a CRM account differs from the ERP party that it is; ``ambiguous``: two accounts fit one party."""

_SEED = 20260701
_CUSTOMERS = {"full": 2100, "small": 40}
_PRODUCTS = {"full": 1000, "small": 25}
_INDUSTRIES = ("MANUFACTURING", "TRANSPORTATION", "ELECTRONICS", "CHEMICAL", "FOOD & BEVERAGE", "ENERGY", "HEALTHCARE")
_TITLES = ("Purchasing", "Managing director", "Accounts", "Plant manager", "Engineering")
_TERMS = ("30 days", "30 days", "30 days", "Immediate", "60 days")
_CREDIT = (None, "5000.00", "10000.00", "25000.00", "50000.00", "100000.00")


@dataclass(frozen=True, slots=True)
class Person:
    """A contact person; in the ERP the named contact mechanisms of the party."""

    first_name: str
    last_name: str
    title: str
    email: str
    phone: str | None


@dataclass(frozen=True, slots=True)
class Party:
    """A customer in the ERP; ``credit_limit`` is in the ERP company's currency, a decimal as text."""

    name: str
    tax: TaxNumber | None
    email: str | None
    phone: str | None
    street: str
    postal_code: str
    city: str
    country: str
    payment_term: str
    credit_limit: str | None
    price_list: str | None
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Account:
    """A customer in the CRM; ``party`` is the name of the ERP party it is, None when the ERP does not have it."""

    name: str
    vat_number: str | None
    email: str | None
    phone: str | None
    website: str | None
    industry: str
    currency: str
    address_line: str
    postcode: str
    city: str
    country: str
    people: tuple[Person, ...]
    kind: Kind
    party: str | None


@dataclass(frozen=True, slots=True)
class Product:
    """A product; prices in EUR and stock in pieces, both as text of a decimal."""

    sku: str
    name: str
    description: str
    list_price: str
    cost_price: str
    stock: str
    in_crm: bool


@dataclass(frozen=True, slots=True)
class Dataset:
    """All of it; ``expect`` counts what a right first link must find."""

    size: Size
    parties: tuple[Party, ...]
    accounts: tuple[Account, ...]
    products: tuple[Product, ...]

    @property
    def expect(self) -> dict[str, int]:
        """Counts: parties, accounts, products, and accounts and parties by kind."""
        kinds = Counter(account.kind for account in self.accounts)
        linked = {account.party for account in self.accounts if account.party}
        return {
            "parties": len(self.parties),
            "accounts": len(self.accounts),
            "products_erp": len(self.products),
            "products_crm": sum(product.in_crm for product in self.products),
            "customers": len(self.parties) + kinds["only-crm"],
            "parties_in_both": len(linked),
            "parties_only_erp": len(self.parties) - len(linked),
            "accounts_only_crm": kinds["only-crm"],
            "accounts_sure": kinds["identical"] + kinds["other-case"] + kinds["no-email"] + kinds["other-phone"],
            "accounts_near_name": kinds["near-name"],
            "accounts_ambiguous": kinds["ambiguous"],
            "people_erp": sum(len(party.people) for party in self.parties),
            "people_crm": sum(len(account.people) for account in self.accounts),
        }

    def as_json(self) -> dict[str, Any]:
        """Plain lists, dicts and texts, for the seed programs that run in the systems' own environments."""
        return {**dataclasses.asdict(self), "expect": self.expect}


def generate(size: Size) -> Dataset:
    """The data of ``size``: ``full`` has 2,100 customers and 1,000 products, ``small`` 40 and 25."""
    rng = Random(_SEED)  # noqa: S311 - no secret is made of it
    total = _CUSTOMERS[size]
    both, only_crm = total * 70 // 100, total * 15 // 100
    taken: set[str] = set()
    customers = [_customer(number, rng, taken) for number in range(total)]
    kinds = _kinds(both, rng)
    accounts: list[Account] = []
    for party, kind in zip(customers[:both], kinds, strict=True):
        accounts += _accounts(party, kind, rng, taken)
    accounts += [_account(party, "only-crm", rng) for party in customers[both : both + only_crm]]
    parties = customers[:both] + customers[both + only_crm :]
    rng.shuffle(parties)
    rng.shuffle(accounts)
    return Dataset(size, tuple(parties), tuple(accounts), _products(_PRODUCTS[size], rng))


def _kinds(count: int, rng: Random) -> list[Kind]:
    shares: tuple[tuple[Kind, int], ...] = (
        ("near-name", 8),
        ("other-case", 6),
        ("no-email", 5),
        ("other-phone", 5),
        ("ambiguous", 2),
    )
    kinds: list[Kind] = [kind for kind, percent in shares for _ in range(max(1, count * percent // 100))]
    kinds += ["identical"] * (count - len(kinds))
    rng.shuffle(kinds)
    return kinds


def _customer(number: int, rng: Random, taken: set[str]) -> Party:
    (country,) = rng.choices(COUNTRIES, [country.share for country in COUNTRIES])
    postal_code, city = rng.choice(country.cities)
    name = _company_name(country, city, number, rng, taken)
    label = country.code.lower() if country.code in {"CN", "JP"} else _slug(name)
    domain = f"{label}-{number:04d}.{country.domain}.example"
    street, house = rng.choice(country.streets), rng.randint(1, 180)
    if country.code in {"CN", "JP"}:
        line = f"{street}{house}号" if country.code == "CN" else f"{street}{house}"
    else:
        line = f"{house} {street}" if country.number_first else f"{street} {house}"
    return Party(
        name=name,
        tax=tax_number(country.code, rng),
        email=f"info@{domain}",
        phone=_phone(country, rng),
        street=line,
        postal_code=postal_code,
        city=city,
        country=country.code,
        payment_term=rng.choice(_TERMS),
        credit_limit=rng.choice(_CREDIT),
        price_list=rng.choices(("Retail", "Dealer", None), (50, 25, 25))[0],
        people=_people(country, domain, rng),
    )


def _company_name(country: Country, city: str, number: int, rng: Random, taken: set[str]) -> str:
    for _ in range(50):
        name = rng.choice(country.company).format(stem=rng.choice(country.stems), trade=rng.choice(TRADES), city=city)
        if name.casefold() not in taken:
            break
    else:  # a small stock of names: number them as chains do
        name = f"{name} {number}"
    taken.add(name.casefold())
    return name


def _people(country: Country, domain: str, rng: Random) -> tuple[Person, ...]:
    people: dict[tuple[str, str], Person] = {}
    for place in range(rng.choices((1, 2, 3), (60, 30, 10))[0]):
        first, last = rng.choice(country.first_names), rng.choice(country.last_names)
        box = f"{_slug(first)}.{_slug(last)}" if _slug(first) and _slug(last) else f"contact{place + 1}"
        phone = _phone(country, rng) if rng.random() < 0.5 else None
        people[first, last] = Person(first, last, rng.choice(_TITLES), f"{box}@{domain}", phone)
    return tuple(people.values())


def _accounts(party: Party, kind: Kind, rng: Random, taken: set[str]) -> list[Account]:
    account = _account(party, kind, rng)
    if kind == "near-name":
        # The number is missing, and for every second one the mailbox is another one too: name and city must do
        name = _near(party.name)
        email = account.email if rng.random() < 0.5 else f"office@{(party.email or '').partition('@')[2]}"
        return [dataclasses.replace(account, name=name, vat_number=None, email=email)]
    if kind == "other-case":
        # A script without cases has its wide and narrow forms instead
        name = party.name.upper() if party.name.upper() != party.name else f"{party.name}（{party.city}）"
        return [dataclasses.replace(account, name=name)]
    if kind == "no-email":
        return [dataclasses.replace(account, email=None)]
    if kind == "other-phone":
        return [dataclasses.replace(account, phone=_local_phone(party.phone or ""))]
    if kind == "ambiguous":
        branch = f"{party.name} ({party.city})"
        taken.add(branch.casefold())
        return [account, dataclasses.replace(account, name=branch, people=())]
    return [account]


def _account(party: Party, kind: Kind, rng: Random) -> Account:
    currency = next(country.currency for country in COUNTRIES if country.code == party.country)
    domain = (party.email or "").partition("@")[2]
    return Account(
        name=party.name,
        vat_number=party.tax[1] if party.tax else None,
        email=party.email,
        phone=party.phone,
        website=f"https://www.{domain}",
        industry=rng.choice(_INDUSTRIES),
        currency=currency,
        address_line=party.street,
        postcode=party.postal_code,
        city=party.city,
        country=party.country,
        people=party.people,
        kind=kind,
        party=None if kind == "only-crm" else party.name,
    )


_SPELLINGS = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "é": "e", "É": "E", "è": "e"}
)
_FORMS = (
    (" GmbH & Co. KG", " GmbH & Co KG"), (" GmbH", " GmbH & Co KG"), (" KG", " KG (GmbH & Co.)"),
    (" AG", " Aktiengesellschaft"),
    (" SARL", " S.A.R.L."), (" SAS", " S.A.S."), (" SA", " S.A."), (" S.r.l.", " SRL"), (" S.p.A.", " SpA"),
    (" S.n.c.", " SNC"), (" Inc.", ", Incorporated"), (" LLC", ", L.L.C."), (" Corp.", " Corporation"),
    (" Ltd", " Limited"),
    (" plc", " PLC"), ("有限公司", "有限责任公司"), ("商事株式会社", "商事(株)"), ("株式会社", "(株)"),
)  # fmt: skip


def _near(name: str) -> str:
    """The same company as somebody else would have typed it."""
    for form, other in _FORMS:
        if form in name:
            return name.translate(_SPELLINGS).replace(form.translate(_SPELLINGS), other, 1)
    return f"{name.translate(_SPELLINGS)} Group"


def _phone(country: Country, rng: Random) -> str:
    filled = "".join(str(rng.randint(2, 9)) if sign == "#" else sign for sign in country.phone)
    return f"{country.dial} {filled}"


def _local_phone(phone: str) -> str:
    """As written inside the country: trunk zero, other separators."""
    _, _, rest = phone.partition(" ")
    area, _, number = rest.partition(" ") if " " in rest else rest.partition("-")
    area = area if area.startswith("0") else f"0{area}"
    return f"({area}) {number.replace(' ', '').replace('-', '')}"


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.translate(_SPELLINGS)).encode("ascii", "ignore").decode().lower()
    words = "".join(sign if sign.isalnum() else " " for sign in plain).split()
    return "-".join(words[:2])


def _products(count: int, rng: Random) -> tuple[Product, ...]:
    products = []
    for number in range(count):
        short, kind, base = PRODUCT_KINDS[number % len(PRODUCT_KINDS)]
        material, form = rng.choice(PRODUCT_MATERIALS), rng.choice(PRODUCT_FORMS)
        cents = max(50, round(base * 100 * rng.uniform(0.6, 2.4)))
        cost = round(cents * rng.uniform(0.45, 0.7))
        products.append(
            Product(
                sku=f"{short}-{number + 1:04d}",
                name=f"{kind} {material} {form} {number + 1}",
                description=f"{kind}, {material}, {form}. Model {number + 1} of the {short} series.",
                list_price=f"{cents / 100:.2f}",
                cost_price=f"{cost / 100:.2f}",
                stock=str(rng.choice((0, 5, 20, 50, 100, 100, 250, 1000))),
                in_crm=number % 5 != 4,
            )
        )
    return tuple(products)
