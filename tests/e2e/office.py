"""The office: a real CRM, a real ERP, the hub as a process of its own, and the people who work in them."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg
from psycopg.rows import dict_row
from stdnum.iso7064 import mod_11_10

from isthmus.cli import main
from isthmus.cli.demo import Stage
from isthmus.lab.people import CrmUser, ErpUser
from isthmus.store import EmbeddedServer

PATIENCE = 90.0
"""Seconds until a probe that sees nothing fails the test. It only bounds waits that end within seconds: most resources
are looked at every 15 s, accounts every 60 s."""
UNSETTLED = (
    "select 1 from hint union all select 1 from link where due_at is not null and problem is null and waits_for is null"
    " or waits_for = 'read'"
)
"""What a hub is about to do by itself at once."""


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its standard output, which has to be one JSON document."""
        return json.loads(self.out)


def isthmus(*words: str | Path) -> Said:
    """Run the command line in this process, as ``isthmus WORDS...`` would; beside an open browser, whose loop runs in
    this thread, in a thread of its own."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _said(*words)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(_said, *words).result()


def _said(*words: str | Path) -> Said:
    out, err = io.StringIO(), io.StringIO()
    code = 0
    argv = mock.patch.object(sys, "argv", ["isthmus", *map(str, words)])
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), argv:
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
    said = Said(code, out.getvalue(), err.getvalue())
    HEARD.append(said.out + said.err)
    return said


HEARD: list[str] = []
"""Everything that commands said in this session; no secret may be in it."""


def see[T](probe: Callable[[], T | None], seconds: float = PATIENCE) -> T:
    """Look until ``probe`` gives something true."""
    limit = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < limit, f"not seen within {seconds:.0f} s; at the end it was {found!r}"
        time.sleep(0.2)
    return found


class Office:
    """Everything of one office. People act on the systems directly; what arrived is looked up there as well."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stage = Stage(folder, lambda text: None)
        self.lab = self.stage.lab
        # Names never come twice, also not in an office that was kept from an earlier run.
        # Eight digits together, the first not zero: so a VAT number wants them.
        self._salt, self._number = f"{10_000 + int(time.time()) % 90_000}", 0

    @property
    def project(self) -> Path:
        """The project's ``isthmus.toml``."""
        return self.folder / "isthmus.toml"

    def secret(self, name: str, value: str) -> None:
        """Keep a secret where the project can refer to it: ``file:secrets/NAME``."""
        (self.folder / "secrets" / name).write_text(value)

    def hub_log(self) -> str:
        """Everything that hubs of this office wrote so far."""
        return (self.folder / ".isthmus" / "hub.log").read_text(errors="replace")

    def told_secrets(self) -> list[str]:
        """Names of the secrets that a command or the hub has printed."""
        told = "\n".join(HEARD) + self.hub_log()
        return [path.name for path in (self.folder / "secrets").iterdir() if path.read_text().strip() in told]

    def open(self) -> None:
        """The people log in."""
        self.carl: CrmUser = self.stage.crm_user()
        self.erin: ErpUser = self.stage.erp_user()

    def new(self, word: str) -> tuple[str, str]:
        """A name and a mailbox that nobody else has."""
        self._number += 1
        return (
            f"{word} {self._salt}{self._number:03d} GmbH",
            f"{word.lower()}{self._salt}{self._number:03d}@e2e.example",
        )

    def product(self, word: str, price: str, stock: float = 0, cost: str | None = None) -> str:
        """A product made in the ERP that has arrived in the CRM: its SKU."""
        self._number += 1
        sku = f"E2E-{word}-{self._salt}{self._number:03d}"
        self.erin.create_product(sku, f"{word.title()} valve", price, cost=cost)
        if stock:
            self.erin.set_stock(sku, stock)
        see(lambda: self.carl.product(sku))
        return sku

    def vat(self) -> str:
        """A German VAT number with a right check digit that nobody else has."""
        self._number += 1
        digits = f"{self._salt}{self._number:03d}"
        return f"DE{digits}{mod_11_10.calc_check_digit(digits)}"

    def sync(self) -> Said:
        """Look everywhere now, beside the running hub: for what is looked at once a minute only."""
        said = self.isthmus("sync", "--json")
        assert said.code in (0, 4), said
        return said

    @contextlib.contextmanager
    def approving(self, rules: str) -> Iterator[None]:
        """These rules of approvals are in force; afterwards those from before are again."""
        path = self.folder / "approvals.yaml"
        before = path.read_text() if path.exists() else None
        self.stage.stop_hub()
        path.write_text(rules)
        self.stage.start_hub()
        try:
            yield
        finally:
            self.stage.stop_hub()
            path.unlink() if before is None else path.write_text(before)
            self.stage.start_hub()

    def settle(self) -> None:
        """Wait until everything that was done so far is taken in, written and noted everywhere. What a system shows its
        hub may not have noted yet; who counts, compares or stops the hub next has to wait for that too. A hub runs."""

        def at_rest() -> bool:
            since, writes = datetime.now(UTC), self.writes()
            self.sync()
            unseen = self.rows("select 1 from feed where polled_at < %s and problem is null", since)
            return not unseen and not self.rows(UNSETTLED) and self.writes() == writes

        see(at_rest)

    def in_step(self, system: str, resource: str, key: object) -> None:
        """Wait until the hub says that a record is in step, with nothing of it under way any more."""
        see(lambda: self.isthmus("explain", system, resource, str(key), "--json").code == 0)

    def isthmus(self, *words: str) -> Said:
        """A command on this office's project."""
        return isthmus(*words, "-C", self.folder)

    # -- what the hub remembers ------------------------------------------------------------------------------------

    def database(self) -> str:
        """Address of the hub's own database."""
        return EmbeddedServer(self.folder / ".isthmus" / "pg").url

    def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Rows of the hub's own tables."""
        with psycopg.connect(self.database(), row_factory=dict_row, options="-c search_path=isthmus") as connection:
            return list(connection.execute(sql, values))  # type: ignore[call-overload]

    def entries(self, kind: str, *keys: object) -> list[dict[str, Any]]:
        """Open inbox entries of a kind about records with one of these keys."""
        wanted = [str(key) for key in keys]
        return self.rows(
            "select inbox.*, link.system, link.resource, link.key from inbox join link on link.id = inbox.subject"
            " where inbox.kind = %s and decided_at is null and link.key = any(%s)",
            kind,
            wanted,
        )

    def open_entries(self) -> set[str]:
        """Ids of all open questions."""
        return {str(row["id"]) for row in self.rows("select id from inbox where decided_at is null")}

    def held(self, system: str, resource: str, key: object, field: str) -> Any:
        """What the hub itself holds for a field of this record's item."""
        sql = (
            "select fields from item join link on link.item = item.id"
            " where (link.system, link.resource, link.key) = (%s, %s, %s)"
        )
        return self.rows(sql, system, resource, str(key))[0]["fields"].get(field)

    def writes(self) -> int:
        """Writes to far systems so far, failed ones too."""
        return int(self.rows("select count(*) as n from effect")[0]["n"])

    def decide(self, entry: Mapping[str, Any], choice: str, *more: str) -> None:
        """A person decides an inbox entry."""
        said = self.isthmus("inbox", "decide", str(entry["id"]), choice, "--by", "erin", *more)
        assert said.code == 0, said

    # -- what the systems show -------------------------------------------------------------------------------------

    def account(self, key: str) -> dict[str, Any]:
        """An account of the CRM that has to be there."""
        found = self.carl.account(key)
        assert found is not None, f"the CRM has no account {key}"
        return found

    def custom(self, record: Mapping[str, Any] | None, name: str) -> str:
        """A custom field of a CRM record, empty when it has none."""
        return str(((record or {}).get("custom_fields") or {}).get(name) or "")

    def deal(self, key: str, name: str) -> str:
        """A custom field of an opportunity."""
        return self.custom(self.carl.opportunity(key), name)

    def crm_invoice(self, number: str) -> dict[str, Any] | None:
        """The CRM's invoice with the ERP's number."""
        found = next((one for one in self.carl.invoices() if one.get("invoice_title") == number), None)
        return found and self.carl.invoice(str(found["id"]))

    def party(self, key: int | str) -> dict[str, Any]:
        """A party of the ERP that has to be there."""
        found = self.erin.party(key)
        assert found is not None, f"the ERP has no party {key}"
        return found

    def mechanism(self, party: int, kind: str, name: str | None = None) -> str:
        """The e-mail, phone ... of the company itself, or of the person with this name."""
        mechanisms = self.party(party)["contact_mechanisms"]
        return next(
            (str(m["value"]).replace(" ", "") for m in mechanisms if m["type"] == kind and (m["name"] or None) == name),
            "",
        )

    def sales(self, party: int) -> list[dict[str, Any]]:
        """The orders of a customer in the ERP."""
        return [self.erin.sale(row["id"]) for row in self.erin.read("sale.sale", [["party", "=", party]], ["number"])]

    # -- what many tests begin with --------------------------------------------------------------------------------

    def customer(self, word: str, **values: Any) -> tuple[str, int]:
        """A customer entered in the CRM that has arrived in the ERP: account and party."""
        return self.customers(word, 1, **values)[0]

    def customers(self, word: str, count: int, **values: Any) -> list[tuple[str, int]]:
        """As many customers, entered at once."""
        values = {"city": "Hamburg", "country": "DE", "currency": "EUR"} | values
        named = [self.new(word) for _ in range(count)]
        accounts = [self.carl.create_account(name, **{"email": email, **values}) for name, email in named]
        parties = [int(see(partial(self.erin.party, name))["id"]) for name, _ in named]
        for account in accounts:
            # BottleCRM saves whole records: an edit in the very moment of the hub's write would be undone there.
            see(lambda: self.custom(self.carl.account(account), "erp_number"))  # noqa: B023
        return list(zip(accounts, parties, strict=True))

    def contact(self, account: str, first: str = "Petra", last: str = "Krause") -> str:
        """A contact person of an account."""
        _, email = self.new("person")
        return self.carl.create_contact(account, first, last, email)

    def order(self, account: str, party: int, items: Sequence[tuple[str, float]]) -> tuple[str, dict[str, Any]]:
        """A deal won in the CRM and its confirmed order in the ERP: opportunity and sale."""
        title, _ = self.new("Deal")
        deal = self.carl.create_opportunity(account, title, [(sku, quantity, None) for sku, quantity in items])
        self.carl.set_stage(deal, "CLOSED_WON")
        return deal, see(lambda: next((sale for sale in self.sales(party) if sale["state"] == "processing"), None))

    def bill(self, word: str, amount: str) -> tuple[str, dict[str, Any], str]:
        """A posted invoice over ``amount`` before tax: deal, invoice in the ERP, key of its mirror in the CRM."""
        sku = self.product(word, amount, 10)
        account, party = self.customer(word.title())
        self.contact(account)  # the CRM makes no invoice for an account without people
        deal, sale = self.order(account, party, [(sku, 1)])
        self.erin.ship(int(sale["id"]))
        (draft,) = self.erin.invoices(int(sale["id"]))
        invoice = self.erin.post_invoice(int(draft["id"]))
        return deal, invoice, str(see(lambda: self.crm_invoice(str(invoice["number"])))["id"])


def money(value: object) -> Decimal:
    """An amount however a system writes it; nothing is zero."""
    return Decimal(str(value or 0))
