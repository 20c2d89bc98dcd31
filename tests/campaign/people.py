"""The people of a crash campaign: they create and edit in both systems, also while these are killed under them."""

from __future__ import annotations

import random
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from isthmus.errors import LabError
from isthmus.lab.people import CrmUser, ErpFault, ErpUser
from tests.campaign.book import OWNERS, Book, Thing, Undone

__all__ = ["CrmPerson", "ErpPerson", "Person"]

MOMENT = 1.5
"""Seconds after which a person looks whether an edit is still there."""


@dataclass(frozen=True)
class _Check:
    """An edit that its author will look at again."""

    at: float
    thing: Thing
    field: str
    value: str
    since: datetime


class Person(ABC):
    """Works in a thread of its own until told to stop. ``share``: (number, of how many); two people of one system never
    edit the same thing, so that there is no doubt about who was last."""

    system: str

    def __init__(self, book: Book, rng: random.Random, share: tuple[int, int], pace: float) -> None:
        self.book, self.rng, self.pace = book, rng, pace
        self._share = share
        self._stop = threading.Event()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name=f"{self.system} {share[0]}", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, seconds: float = 120) -> None:
        """Finish what is begun, with all that is to be looked at again; raises what went wrong."""
        self._stop.set()
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"{self._thread.name} does not come to an end"
        if self.failure is not None:
            raise self.failure

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self._act()
                self._stop.wait(self.rng.uniform(0.3, 1.7) * self.pace)
            while self._look_again():
                time.sleep(0.1)
        except BaseException as error:
            self.failure = error

    @abstractmethod
    def _act(self) -> None:
        """Do one thing."""

    def _look_again(self) -> bool:
        """Look at what was entered a moment ago; whether there is more to look at later."""
        return False

    @abstractmethod
    def _find(self, thing: Thing) -> Any:
        """The thing's key in this system; None as long as it is not there."""

    @abstractmethod
    def _set(self, thing: Thing, field: str, value: str) -> None:
        """Enter a value."""

    # -- what all do ---------------------------------------------------------------------------------------------------

    def insist[T](self, step: Callable[[], T]) -> T:
        """Do it until the system answers. ``step`` looks first whether an earlier try has succeeded unseen."""
        while True:
            try:
                return step()
            except ErpFault as fault:
                if fault.kind in ("UserError", "UserWarning"):
                    raise
            except LabError as error:
                if any(f": {code} " in str(error) for code in (400, 401, 403, 404, 409)):
                    raise
            self.book.repeated_calls += 1
            time.sleep(0.3)

    def edit(self) -> None:
        """Change one field of one thing that is in this system."""
        number, count = self._share
        mine = [
            (thing, field)
            for kind, fields in OWNERS.items()
            for thing in self.book.of(kind)
            if thing.number % count == number
            for field, owner in fields.items()
            if owner == self.system
        ]
        if not mine:
            return
        thing, field = self.rng.choice(mine)
        if self.system not in thing.keys:
            found = self.insist(lambda: self._find(thing))
            if found is None:
                return
            thing.keys[self.system] = found
        self._enter(thing, field, self.book.value(field, self.book.next()))

    def _enter(self, thing: Thing, field: str, value: str) -> None:
        self.insist(lambda: self._set(thing, field, value))
        self.book.entered(thing, field, value)

    def _customer(self) -> Thing | None:
        """Some customer that is in this system."""
        here = [thing for thing in self.book.of("customer") if self.system in thing.keys]
        return self.rng.choice(here) if here else None

    def _new_customer(self) -> Thing:
        number = self.book.next()
        values = {field: self.book.value(field, number) for field in ("email", "phone", "city")}
        return Thing(number, "customer", f"{self.book.word()} {self.book.word()} GmbH", self.system, values)

    def _new_contact(self, customer: Thing) -> Thing:
        number = self.book.next()
        name = f"{self.book.word()} {self.book.word()}"
        return Thing(number, "contact", name, self.system, {"email": self.book.value("email", number)}, customer)

    def _made(self, thing: Thing, key: Any) -> None:
        thing.keys[self.system] = key
        self.book.add(thing)


class CrmPerson(Person):
    """Sales: customers, people, won deals; websites and phones.

    BottleCRM saves whole records, so that an edit in the very moment of another's write to the same record may be
    undone inside BottleCRM (docs/decisions/0021). As careful people do, these look again a moment later.
    """

    system = "crm"

    def __init__(self, crm: CrmUser, book: Book, rng: random.Random, share: tuple[int, int], pace: float) -> None:
        self._crm = crm
        self._checks: list[_Check] = []
        super().__init__(book, rng, share, pace)

    def _act(self) -> None:
        self._look_again()
        dice = self.rng.random()
        if dice < 0.14:
            self._create_customer()
        elif dice < 0.24:
            self._create_contact()
        elif dice < 0.34:
            self._win_deal()
        else:
            self.edit()

    def _create_customer(self) -> None:
        thing = self._new_customer()
        values = {**thing.values, "country": "DE", "currency": "EUR"}
        self._made(thing, self.insist(lambda: self._find(thing) or self._crm.create_account(thing.name, **values)))

    def _create_contact(self) -> None:
        if (customer := self._customer()) is None:
            return
        thing = self._new_contact(customer)
        account, (first, last) = customer.keys["crm"], thing.name.split()
        email = thing.values["email"]
        self._made(
            thing, self.insist(lambda: self._find(thing) or self._crm.create_contact(account, first, last, email))
        )

    def _win_deal(self) -> None:
        """Each step is looked for before it is done again: a kill may come in between."""
        customer = self._customer()
        known = [thing for thing in self.book.of("product") if self._here(thing)]
        if customer is None or not known:
            return
        number = self.book.next()
        thing = Thing(number, "deal", f"Deal {number} {self.book.word()}", "crm", {}, customer)
        chosen = self.rng.sample(known, k=min(len(known), self.rng.choice((1, 1, 2))))
        thing.lines = {product.name: float(self.rng.randint(1, 9)) for product in chosen}
        account = customer.keys["crm"]
        deal = self.insist(lambda: self._find(thing) or self._crm.create_opportunity(account, thing.name))
        for at, (sku, quantity) in enumerate(thing.lines.items()):
            self.insist(lambda: self._line(deal, at, sku, quantity))  # noqa: B023
        self.insist(lambda: self._crm.set_stage(deal, "CLOSED_WON"))
        self._made(thing, deal)

    def _line(self, deal: str, at: int, sku: str, quantity: float) -> None:
        found = self._crm.opportunity(deal)
        assert found is not None, deal
        if len(found["line_items"]) == at:
            self._crm.add_line(deal, sku, quantity)

    def _here(self, product: Thing) -> bool:
        if "crm" not in product.keys and (found := self.insist(lambda: self._find(product))) is not None:
            product.keys["crm"] = found
        return "crm" in product.keys

    def _find(self, thing: Thing) -> Any:
        match thing.kind:
            case "customer":
                found = self._crm.account(thing.name)
            case "contact":
                rows = self._crm.contacts(search=thing.name.split()[1])
                found = next((row for row in rows if f"{row['first_name']} {row['last_name']}" == thing.name), None)
            case "product":
                found = self._crm.product(thing.name)
            case _:
                rows = self._crm.call("GET", "/opportunities/", name=thing.name)["opportunities"]
                found = next((row for row in rows if row["name"] == thing.name), None)
        return found and str(found["id"])

    def _set(self, thing: Thing, field: str, value: str) -> None:
        patch = self._crm.patch_account if thing.kind == "customer" else self._crm.patch_contact
        patch(thing.keys["crm"], **{field: value})

    def _enter(self, thing: Thing, field: str, value: str) -> None:
        since = datetime.now(UTC)
        super()._enter(thing, field, value)
        self._checks.append(_Check(time.monotonic() + MOMENT, thing, field, value, since))

    def _look_again(self) -> bool:
        """Where the CRM has lost an edit its author makes it again, and it is counted."""
        now = time.monotonic()
        due, self._checks = [c for c in self._checks if c.at <= now], [c for c in self._checks if c.at > now]
        for check in due:
            if check.thing.values[check.field] != check.value:
                continue  # edited anew since then
            if self.insist(lambda: self._shown(check.thing, check.field)) != check.value:  # noqa: B023
                self.book.undone.append(Undone(check.thing, check.field, check.value, check.since, datetime.now(UTC)))
                self._enter(check.thing, check.field, check.value)
        return bool(self._checks)

    def _shown(self, thing: Thing, field: str) -> str:
        if thing.kind == "customer":
            record = self._crm.account(thing.keys["crm"]) or {}
        else:
            record = self._crm.call("GET", f"/contacts/{thing.keys['crm']}/")["contact_obj"]
        return str(record.get(field) or "").replace(" ", "")


class ErpPerson(Person):
    """Accounting and purchasing: customers, people, products; mailboxes, towns, credit limits, names and prices."""

    system = "erp"

    def __init__(self, erp: ErpUser, book: Book, rng: random.Random, share: tuple[int, int], pace: float) -> None:
        self._erp = erp
        super().__init__(book, rng, share, pace)

    def _act(self) -> None:
        dice = self.rng.random()
        if dice < 0.12:
            self._create_customer()
        elif dice < 0.20:
            self._create_contact()
        elif dice < 0.28 or not self.book.of("product"):
            self._create_product()
        else:
            self.edit()

    def _create_customer(self) -> None:
        thing = self._new_customer()
        values = {**thing.values, "country": "DE"}
        self._made(thing, self.insist(lambda: self._find(thing) or self._erp.create_customer(thing.name, **values)))

    def _create_contact(self) -> None:
        if (customer := self._customer()) is None:
            return
        thing = self._new_contact(customer)
        row = {"party": customer.keys["erp"], "type": "email", "value": thing.values["email"], "name": thing.name}

        def create() -> int:
            if found := self._find(thing):
                return int(found)
            return int(self._erp.call("model.party.contact_mechanism.create", [row])[0])

        self._made(thing, self.insist(create))

    def _create_product(self) -> None:
        number = self.book.next()
        values = {field: self.book.value(field, number) for field in ("title", "price")}
        thing = Thing(number, "product", self.book.sku(number), "erp", values)
        create = self._erp.create_product
        self._made(
            thing, self.insist(lambda: self._find(thing) or create(thing.name, values["title"], values["price"]))
        )

    def _find(self, thing: Thing) -> Any:
        match thing.kind:
            case "customer":
                rows = self._erp.read("party.party", [["name", "=", thing.name]], ["id"])
            case "contact":
                domain = [["name", "=", thing.name], ["type", "=", "email"]]
                rows = self._erp.read("party.contact_mechanism", domain, ["id"])
            case _:
                rows = self._erp.read("product.product", [["code", "=", thing.name]], ["id"])
        return rows[0]["id"] if rows else None

    def _set(self, thing: Thing, field: str, value: str) -> None:
        key = thing.keys["erp"]
        match field:
            case "email" if thing.kind == "contact":
                self._erp.call("model.party.contact_mechanism.write", [key], {"value": value})
            case "email":
                self._erp.set_contact(key, "email", value)
            case "city":
                self._erp.patch_address(key, city=value)
            case "credit":
                self._erp.patch_party(key, credit_limit_amount=Decimal(value))
            case "title":
                self._erp.patch_product(thing.name, name=value)
            case "price":
                self._erp.change_list_price(thing.name, value)
