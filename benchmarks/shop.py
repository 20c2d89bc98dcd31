"""The shop's pages over a million items: server time and size of each, for the largest customer of the house and for
the call centre. The ERP answers at once, so that what is measured is the hub."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import tempfile
import uuid
from collections.abc import Iterable
from pathlib import Path

from httpx import Response
from litestar import Litestar
from litestar.testing import AsyncTestClient

from benchmarks.timed_pages import filled_database, timed
from isthmus.app.bootstrap import read_project
from isthmus.app.shopping import FEATURES
from isthmus.console import Site, address_of
from isthmus.portal import Shop
from isthmus.project import ShopSettings
from isthmus.store import PostgresStore
from isthmus.sync.world import World
from isthmus.web import Parts, make_app
from tests.api.office import PretendBusiness
from tests.app.twin_office import make_project
from tests.console.people import PASSWORD, Browser, a_person

FILL = """
create function id_of(kind text, n bigint) returns text language sql immutable
return md5(kind || n)::uuid::text;
create function euro(amount numeric) returns jsonb language sql immutable
return jsonb_build_object('amount', amount::text, 'currency', 'EUR');
create function fill(entity text, kind text, count bigint, made text) returns void language plpgsql as $fill$
begin
    execute format('insert into item (id, entity, version, fields, set_by)
        select id_of(%L, n), %L, 1, %s,
            jsonb_build_object(''number'', jsonb_build_object(''by'', ''erp'', ''at'', now()))
        from (select n, id_of(''customer'', case when n %% 50 = 0 then 1 else 1 + n %% ({n} / 5) end) as customer
            from generate_series(1, %s) as n) as given', kind, entity, made, count);
end
$fill$;
select fill('Customer', 'customer', {n} / 5, $$jsonb_build_object('number', 'C' || n, 'currency', 'EUR', 'name',
    (array['Falken', 'Nordwind', 'Juniper', '云帆精密', 'Heide', 'Padana'])[1 + n % 6] || ' '
    || substr(md5(n::text), 1, 8) || ' ' || (array['GmbH', 'AG', 'LLC', '有限公司'])[1 + n % 4],
    'email', 'office' || n || '@' || substr(md5(n::text), 9, 10) || '.example',
    'phone', '+4940' || lpad(n::text, 8, '0'), 'tax_id', 'DE' || lpad(n::text, 9, '0'))$$);
select fill('Product', 'product', {n} / 10, $$jsonb_build_object('sku', 'BRG-' || lpad(n::text, 7, '0'), 'name',
    (array['Deep groove bearing', 'Roller', '深沟球轴承', 'Housing'])[1 + n % 4] || ' ' || n,
    'active', true, 'unit', 'Unit',
    'description', repeat('Sealed on both sides, greased for life. ', 5), 'list_price', euro(n % 90 + 10))$$);
select fill('SalesOrder', 'order', {n} / 4, $$jsonb_build_object('number', 'SO-' || n, 'customer', customer,
    'state', (array['done', 'processing'])[1 + n % 2], 'ordered_on', (date '2024-01-01' + (n % 700)::int)::text,
    'reference', 'PO ' || n, 'currency', 'EUR', 'total', euro(n % 900), 'confirmed', true,
    'lines', jsonb_build_array(jsonb_build_object('product', id_of('product', 1 + n % 1000), 'quantity', '5',
    'unit', 'Unit', 'unit_price', '80', 'amount', '400')))$$);
select fill('Delivery', 'delivery', {n} / 10, $$jsonb_build_object('number', 'CUS-' || n, 'customer', customer,
    'order', id_of('order', n), 'state', 'done', 'shipped_on', '2025-01-01', 'lines', jsonb_build_array(
    jsonb_build_object('product', id_of('product', 1 + n % 1000), 'quantity', '3', 'unit', 'Unit')))$$);
select fill('Invoice', 'invoice', {n} / 5, $$jsonb_build_object('number', 'INV-' || n, 'customer', customer,
    'order', id_of('order', n), 'state', (array['open', 'paid', 'partially_paid'])[1 + n % 3],
    'issued_on', (date '2024-01-01' + (n % 700)::int)::text, 'due_on', (date '2024-02-01' + (n % 700)::int)::text,
    'currency', 'EUR', 'total', euro(n % 900), 'open_amount', euro(case n % 3 when 1 then 0 else n % 900 end),
    'lines', jsonb_build_array(jsonb_build_object('product', id_of('product', 1 + n % 1000), 'quantity', '3',
    'unit_price', '80', 'amount', '240')))$$);
select fill('Payment', 'payment', {n} / 20, $$jsonb_build_object('invoice', id_of('invoice', n), 'amount', euro(n % 90),
    'paid_on', '2025-02-01', 'reference', 'BANK ' || n)$$);
select fill('Quote', 'quote', {n} * 3 / 100, $$jsonb_build_object('number', 'QU-' || n, 'original', 'QU-' || n,
    'version', 1, 'customer', customer, 'state', 'sent', 'sent_at', '2025-01-01T10:00:00+00:00',
    'requester', 'x@y.example',
    'valid_until', '2030-01-01T10:00:00+00:00', 'currency', 'EUR', 'total', euro(n % 900),
    'lines', jsonb_build_array(jsonb_build_object('id', '1', 'product', id_of('product', 1 + n % 1000), 'quantity', '3',
    'unit_price', '80', 'own_price', '80', 'amount', '240')))$$);
select fill('Contact', 'contact', {n} / 100, $$jsonb_build_object('customer', customer, 'name', 'Ada Byron ' || n,
    'phone', '+4930' || lpad(n::text, 8, '0'), 'email', 'ada' || n || '@buyer.example')$$);
select fill('ServiceCase', 'case', {n} / 100, $$jsonb_build_object('number', 'SQ-' || n, 'customer', customer,
    'requester', 'ada@buyer.example', 'subject', 'SQ-' || n || ' When?', 'description',
    'x:' || E'\\n\\n' || repeat('Where? ', 40),
    'order', id_of('order', n), 'status', 'New')$$);
select fill('OrganisationUnit', 'station', {n} / 1000, $$jsonb_build_object('number', 'S' || n, 'name', 'Station ' || n,
    'kind', 'station', 'customer', customer, 'active', true, 'place', 'P' || n, 'consignment_place', 'K' || n)$$);
select fill('MaterialRequest', 'request', {n} / 50, $$jsonb_build_object('number', 'MR-' || n, 'state', 'shipped',
    'station', id_of('station', case when n % 5 = 0 then 50 else 1 + n % ({n} / 1000) end), 'supply', 'sales_order',
    'lines', jsonb_build_array(jsonb_build_object(
        'id', '1', 'product', id_of('product', 1 + n % 1000), 'quantity', '2')))$$);
select fill('Return', 'return', {n} / 50, $$jsonb_build_object('number', 'RT-' || n, 'state', 'announced',
    'reason', 'Too many', 'lines', jsonb_build_array(jsonb_build_object(
        'id', '1', 'product', id_of('product', 1 + n % 1000), 'announced', '1')))
    || case n % 2 when 0 then jsonb_build_object('customer', customer, 'order', id_of('order', n))
    else jsonb_build_object('station',
        id_of('station', case when n % 5 = 0 then 50 else 1 + n % ({n} / 1000) end)) end$$);
select fill('RepairRecord', 'repair', {n} * 3 / 100, $$jsonb_build_object('number', 'RR-' || n, 'method', 'overhaul',
    'station', id_of('station', case when n % 5 = 0 then 50 else 1 + n % ({n} / 1000) end), 'fee', euro(80),
    'serial_number', 'SN' || lpad(n::text, 8, '0'), 'repaired_on', '2025-03-01')$$);
select fill('LabourSettlement', 'settlement', 60, $$jsonb_build_object('number', 'LS-' || n, 'period', '2025-' || n,
    'currency', 'EUR', 'state', 'booked', 'lines', (select jsonb_agg(jsonb_build_object('id', m,
    'repair', id_of('repair', m), 'amount', '80',
    'station', id_of('station', case when m % 5 = 0 then 50 else 1 + m % 100 end)))
    from generate_series(1, 1000) as m))$$);
insert into link (id, flow, system, resource, key, item, state, base, far, conflicts, not_held, attempts, seen_at)
select 'l' || id, lower(entity), 'erp', lower(entity), substr(id, 1, 13), id, 'linked',
    '{{}}', '{{}}', '{{}}', '{{}}', 0, now()
from item;
"""
SEARCHES = (
    "+4940 0000 0777", "040 12345", "Nordwind", "Falken c4ca4238", "云帆", "GmbH", "SO-50", "SN00000777", "BRG",
    "no such thing", "example",
)  # fmt: skip
KINDS = ("order", "invoice", "quote", "return", "case", "station", "request")


def id_of(kind: str, number: int) -> str:
    """As in FILL."""
    return str(uuid.UUID(hashlib.md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest()))


def buyers_pages(ids: dict[str, str], cart: str) -> Iterable[str]:
    """Every page of the shop, with something on it."""
    yield from ("", "?q=groove", "?q=BRG-0000777", "?q=深沟", "?q=no%20such", "?after=BRG-0050000", "/quick")
    yield "POST /quick"
    yield from ("/orders", f"/orders/{ids['order']}", f"/orders/{ids['order']}/return", f"/cart/{cart}")
    yield from ("/invoices", "/invoices?show=open", "/invoices?from=3900", f"/invoices/{ids['invoice']}")
    yield from ("/quotes", "/quotes/new", f"/quotes/{ids['quote']}", "/returns", f"/returns/{ids['return']}")
    yield from ("/questions", "/questions/new", f"/questions/{ids['case']}", "/station")
    yield from (f"/station/{ids['station']}/{what}" for what in ("request", "return", "repair"))
    yield f"/requests/{ids['request']}"


async def asked(browser: Browser, page: str) -> Response:
    """A page, or a list of 200 part numbers that is typed in."""
    if not page.startswith("POST "):
        return await browser.get(f"/shop{page}")
    text = "\n".join(f"BRG-{n:07}; 2" for n in range(1, 201))
    form = {"_csrf_token": browser.token, "text": text}
    return await browser.client.post("/shop/quick", data=form, files={"file": ("", b"")}, follow_redirects=False)


async def sign_in(app: Litestar, client: AsyncTestClient[Litestar], login: str, home: str) -> Browser:
    """Somebody's browser."""
    browser = Browser(client)
    await browser.get("/shop/sign-in")
    await browser.post("/shop/sign-in", {"login": login, "password": PASSWORD})
    await browser.get(home)
    return browser


async def measure(url: str) -> None:
    """Print the figures of each page."""
    with tempfile.TemporaryDirectory() as folder:
        project = read_project(make_project(Path(folder) / "p", "http://127.0.0.1:1"))
        async with await PostgresStore.open(url) as store:
            names = {kind: id_of(kind, 50) for kind in KINDS}
            buyer = id_of("customer", 1)
            world = World(project.flows, project.converters, project.entities)
            site = await Site.open(project, store, world)
            await site.access.people.save(a_person("customer", login="ada@buyer.example", customer=buyer))
            await site.access.people.save(a_person("sales"))
            shop = Shop(
                store, PretendBusiness(project, store, world), name="shop", stylesheet=address_of("console.css"),
                secure=False, features=FEATURES, visiting=ShopSettings(visitors=True),
            )  # fmt: skip
            app = make_app(Parts(site=site, shop=shop))
            async with AsyncTestClient(app) as client:
                browser = Browser(client)
                await timed(("/sign-in", "", "?q=groove", "/enquiry"), lambda page: asked(browser, page))
                browser = await sign_in(app, client, "ada@buyer.example", "/shop/quick")
                cart = (await asked(browser, "POST /quick")).headers["location"].rpartition("/")[2]
                await timed(buyers_pages(names, cart), lambda page: asked(browser, page), (200, 303))
            async with AsyncTestClient(app) as client:
                browser = await sign_in(app, client, "sales@office.example", "/shop/desk")
                desk = ("/desk", *(f"/desk?q={text.replace('+', '%2B')}" for text in SEARCHES))
                await timed(desk, lambda page: asked(browser, page))


def main() -> None:
    """``python -m benchmarks.shop [ITEMS]``, on the server of $ISTHMUS_TEST_DATABASE_URL."""
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    asyncio.run(measure(filled_database(f"shop_{items}", FILL.format(n=items))))


if __name__ == "__main__":
    main()
