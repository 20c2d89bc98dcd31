"""The judge of a crash campaign: looks at the systems themselves and at the book of the people."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tests.campaign.book import Book
from tests.e2e.office import Office

__all__ = ["Before", "Verdict", "await_rest", "histories", "judge"]

REST_SECONDS = 240.0
QUIET_SECONDS = 3.0
"""Without a write of the hub: then it is at rest."""
COUNTED = {
    "crm": {
        "customer": "select count(*) from accounts",
        "contact": "select count(*) from contacts",
        "product": "select count(*) from product",
        "deal": "select count(*) from opportunity",
    },
    "erp": {
        "customer": "select count(*) from party_party",
        "contact": "select count(distinct (party, name)) from party_contact_mechanism where name <> ''",
        "product": "select count(*) from product_product",
        "deal": "select count(*) from sale_sale",
    },
}
"""System → kind → how many rows its own database has."""
Shown = dict[tuple[str, str], list[dict[str, str]]]
"""(kind, name) → what a system shows, once for each record of that name."""
Verdict = dict[str, list[str]]
"""Kind of violation → each one in words."""
UNSETTLED = (
    "select link.id, link.flow, link.system, link.resource, link.key, link.state, link.problem, link.waits_for,"
    " link.due_at, item.fields->>'name' as name from link left join item on item.id = link.item"
    " where due_at is not null or problem is not null or waits_for is not null or state in ('new', 'creating')"
    " or doom is not null or conflicts <> '{}' or state in ('doubtful', 'gone')"
)


class Before:
    """What there was before the storm; only what came since then is judged."""

    def __init__(self, office: Office) -> None:
        self.counts = _counts(office)
        self.unsettled = {row["id"] for row in office.rows(UNSETTLED)}
        self.entries = office.open_entries()
        self.drifts = _drifts(office)
        self.at = datetime.now(UTC)
        self.effects = int(office.rows("select coalesce(max(seq), 0) as n from effect")[0]["n"])


def await_rest(office: Office, before: Before) -> float:
    """Seconds until everything was looked at anew, nothing is to be done, and nothing is written any more. Gives up
    silently after a while: the judge will say what is left."""
    began, since = time.monotonic(), datetime.now(UTC)
    quiet_since, writes = began, -1
    while time.monotonic() < began + REST_SECONDS:
        unseen = office.rows(
            "select 1 from feed where polled_at is null or polled_at < %s or problem is not null", since
        )
        hints = office.rows("select 1 from hint")
        new = [row for row in office.rows(UNSETTLED) if row["id"] not in before.unsettled]
        due = [row for row in new if row["due_at"] is not None or row["waits_for"] is not None]
        if unseen or hints or due or office.writes() != writes:
            quiet_since, writes = time.monotonic(), office.writes()
        elif time.monotonic() - quiet_since > QUIET_SECONDS:
            return quiet_since - began
        time.sleep(0.25)
    return time.monotonic() - began


def judge(office: Office, book: Book, before: Before) -> Verdict:
    """All that is not as it must be; every kind is there, also when it is empty."""
    crm, erp = _crm(office, book), _erp(office, book)
    return {
        "lost": _lost(book, crm, erp),
        "not equal": _unequal(book, crm, erp),
        "duplicate": [*_doubles(book, "crm", crm), *_doubles(book, "erp", erp), *_surplus(office, book, before)],
        "overwritten": _overwritten(office, book),
        "stuck": _stuck(office, before),
        "asked": _asked(office, before),
        "compare": sorted(map(str, _drifts(office) - before.drifts)),
    }


def histories(office: Office, book: Book, verdict: Verdict) -> list[str]:
    """What the hub did to each thing that the judge found something about: the evidence is gone with the office."""
    found = [one for kind in verdict.values() for one in kind]
    names = sorted({thing.name for thing in book.things if any(thing.name in one for one in found)})
    told = []
    for name in names:
        found_by = "select id from item where %s in (fields->>'name', fields->>'sku')"
        items = [row["id"] for row in office.rows(found_by, name)]
        rows = office.rows(
            "select at, 'item ' || (cause->>'kind') || ' ' || (cause->>'by') as who, changes::text as what"
            " from journal where item = any(%s) union all"
            " select at, kind || ' ' || system || ' ' || outcome || ' after ' || round(seconds::numeric, 2),"
            " changes::text from effect where item = any(%s) order by at",
            items, items,
        )  # fmt: skip
        told += [f"{name} {row['at']:%H:%M:%S.%f} {row['who']}: {row['what']}" for row in rows]
    return told


def _lost(book: Book, crm: Shown, erp: Shown) -> list[str]:
    """Things that are not in both systems, and last edits that are not."""
    found = []
    for thing in book.things:
        for system, shown in (("crm", crm), ("erp", erp)):
            rows = shown.get((thing.kind, thing.name))
            if not rows:
                found.append(f"{thing.kind} {thing.name} of {thing.born} is not in {system}")
                continue
            found += [
                f"{thing.kind} {thing.name} {field}: {value!r} was entered last, {system} shows {rows[0].get(field)!r}"
                for field, value in thing.values.items()
                if not _same(rows[0].get(field), value)
            ]
    return found


def _unequal(book: Book, crm: Shown, erp: Shown) -> list[str]:
    """Contents that differ between both, also what nobody has edited."""
    found = []
    for thing in book.things:
        ours, theirs = ((shown.get((thing.kind, thing.name)) or [{}])[0] for shown in (crm, erp))
        found += [
            f"{thing.kind} {thing.name} {field}: crm {ours.get(field)!r}, erp {theirs.get(field)!r}"
            for field in sorted(ours.keys() | theirs.keys())
            if not _same(ours.get(field), theirs.get(field))
        ]
    return found


def _doubles(book: Book, system: str, shown: Shown) -> list[str]:
    """More than one record of a name, and mailboxes, numbers that two records have."""
    found = [f"{len(rows)} times {kind} {name} in {system}" for (kind, name), rows in shown.items() if len(rows) > 1]
    for field in ("number", "email"):
        values = Counter((kind, row[field]) for (kind, _), rows in shown.items() for row in rows if row.get(field))
        found += [f"{count} times {field} {value} in {system}" for (_, value), count in values.items() if count > 1]
    return found


def _surplus(office: Office, book: Book, before: Before) -> list[str]:
    """Rows in the systems' own databases that nobody made: a double would be one, whatever its name."""
    made = Counter(thing.kind for thing in book.things)
    counts = _counts(office)
    return [
        f"{system} has {counts[system][kind] - number} more {kind}s than before, {made[kind]} were made"
        for system, kinds in before.counts.items()
        for kind, number in kinds.items()
        if counts[system][kind] - number != made[kind]
    ]


def _overwritten(office: Office, book: Book) -> list[str]:
    """Edits that their author did not find again, and to which the hub did something: those the CRM did not lose."""
    found = []
    for undone in book.undone:
        wrote = office.rows(
            "select changes->%s->>1 as value from effect where system = 'crm' and key = %s and changes ? %s"
            " and at between %s and %s",
            undone.field, undone.thing.keys["crm"], undone.field, undone.since, undone.until,
        )  # fmt: skip
        found += [
            f"{undone.thing.name} {undone.field}: the hub wrote {row['value']!r} over {undone.value!r}"
            for row in wrote
            if not _same(row["value"], undone.value)
        ]
    return found


def _stuck(office: Office, before: Before) -> list[str]:
    return [
        f"{row['flow']}/{row['system']} {row['key']} ({row['name']}): {row['state']}, due {row['due_at']}, "
        f"waits for {row['waits_for']}, problem {row['problem']}"
        for row in _unsettled(office, before)
    ]


def _unsettled(office: Office, before: Before) -> list[dict[str, Any]]:
    return [row for row in office.rows(UNSETTLED) if row["id"] not in before.unsettled]


def _asked(office: Office, before: Before) -> list[str]:
    sql = "select id, kind, flow, summary, detail from inbox where decided_at is null"
    return [
        f"{row['kind']} {row['flow']}: {row['summary']} {row['detail']}"
        for row in office.rows(sql)
        if str(row["id"]) not in before.entries
    ]


# -- what the systems show -------------------------------------------------------------------------------------------


def _crm(office: Office, book: Book) -> Shown:
    carl, shown = office.carl, _empty(book)
    accounts: dict[str, str] = {}
    for row in carl.accounts():
        fields = {name: _plain(row.get(name)) for name in ("email", "phone", "website", "city", "country")}
        accounts[str(row["id"])] = row["name"]
        fields |= {"number": office.custom(row, "erp_number"), "credit": office.custom(row, "erp_credit_limit")}
        _note(shown, "customer", row["name"], fields)
    contacts: list[dict[str, Any]] = []
    while page := carl.call("GET", "/contacts/", limit=200, offset=len(contacts))["results"]:
        contacts += page
    for row in contacts:
        account = row.get("account")
        key = str(account["id"] if isinstance(account, dict) else account)
        fields = {name: _plain(row.get(name)) for name in ("email", "phone")}
        _note(shown, "contact", f"{row['first_name']} {row['last_name']}", {**fields, "at": accounts.get(key, key)})
    for row in carl.products():
        _note(shown, "product", row["sku"], {"title": row["name"], "price": _plain(row["price"])})
    for thing in book.of("deal"):
        rows = carl.call("GET", "/opportunities/", name=thing.name)["opportunities"]
        for row in rows:
            deal = carl.opportunity(str(row["id"])) or {}
            fields = {"number": office.custom(deal, "erp_order_number"), "total": office.custom(deal, "erp_total")}
            _note(shown, "deal", row["name"], fields)
    return shown


def _erp(office: Office, book: Book) -> Shown:
    erin, shown = office.erin, _empty(book)
    for row in erin.parties([["name", "in", [thing.name for thing in book.of("customer")]]]):
        address = (row["addresses"] or [{}])[0]
        company = {m["type"]: m["value"] for m in row["contact_mechanisms"] if not m["name"]}
        fields = {name: _plain(company.get(name)) for name in ("email", "phone", "website")}
        fields |= {"city": _plain(address.get("city")), "country": _plain(address.get("country.code"))}
        fields |= {"number": row["code"], "credit": _plain(row["credit_limit_amount"])}
        _note(shown, "customer", row["name"], fields)
    people: dict[tuple[str, str], dict[str, str]] = {}
    for row in erin.read("party.contact_mechanism", [["name", "!=", None]], ["party.name", "name", "type", "value"]):
        kinds = people.setdefault((row["party.name"], row["name"]), {"email": "", "phone": "", "at": row["party.name"]})
        # Two mailboxes of one person would be a double as well.
        kinds[row["type"]] = ", ".join(filter(None, (kinds.get(row["type"]), _plain(row["value"]))))
    for (_, name), kinds in people.items():
        _note(shown, "contact", name, kinds)
    for row in erin.read("product.product", [["code", "like", "CRASH-%"]], ["code", "name", "list_price_used"]):
        _note(shown, "product", row["code"], {"title": row["name"], "price": _plain(row["list_price_used"])})
    for thing in book.of("deal"):
        for sale in erin.sales(thing.keys["crm"]):
            lines = {line["product.code"]: float(line["quantity"]) for line in sale["lines"]}
            fields = {"number": sale["number"], "total": _plain(sale["total_amount"])}
            if sale["state"] not in ("confirmed", "processing"):
                fields["state"] = f"{sale['state']}, although the deal is won"
            if lines != thing.lines:
                fields["lines"] = f"{lines} instead of {thing.lines}"
            _note(shown, "deal", thing.name, fields)
    return shown


def _empty(book: Book) -> Shown:
    return {(thing.kind, thing.name): [] for thing in book.things}


def _note(shown: Shown, kind: str, name: str, fields: dict[str, str]) -> None:
    if (kind, name) in shown:
        shown[(kind, name)].append(fields)


def _plain(value: Any) -> str:
    return "" if value is None else str(value).replace(" ", "") if str(value).startswith("+") else str(value)


def _same(one: Any, other: Any) -> bool:
    """The same text, or the same number however it is written."""
    try:
        return Decimal(str(one or "")) == Decimal(str(other or ""))
    except InvalidOperation:
        return str(one or "") == str(other or "")


def _counts(office: Office) -> Mapping[str, Mapping[str, int]]:
    tryton = office.lab.tryton
    erp = {kind: int(tryton.postgres().execute(sql, tryton.database)) for kind, sql in COUNTED["erp"].items()}
    path = office.lab.bottlecrm.home / "crm.sqlite3"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        crm = {kind: int(database.execute(sql).fetchone()[0]) for kind, sql in COUNTED["crm"].items()}
    return {"crm": crm, "erp": erp}


def _drifts(office: Office) -> set[tuple[str, ...]]:
    said = office.isthmus("compare", "--json")
    assert said.code in (0, 1), said
    return {
        (one["kind"], one["flow"], one["system"], str(one["key"]), str(one["item"]), str(sorted(one["fields"].items())))
        for one in said.json["drifts"]
    }
