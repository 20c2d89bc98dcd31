"""The console's pages over a million items: server time and size of each, beside the time of an empty page."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psycopg
from litestar.testing import AsyncTestClient

from isthmus.app.bootstrap import read_project
from isthmus.console import Site
from isthmus.store import PostgresStore
from isthmus.store.migrate import migrate
from isthmus.sync.world import World
from isthmus.web import Parts, make_app
from tests.app.twin_office import make_project
from tests.console.people import Browser, a_person

FILL = """
drop index item_search; drop index item_fields;
insert into item (id, entity, version, fields, set_by)
select 'i' || n, 'Customer', 1, jsonb_build_object(
    'name', (array['Falken', 'Nordwind', 'Juniper', '云帆精密', 'Heide', 'Padana'])[1 + n % 6] || ' '
        || substr(md5(n::text), 1, 8) || ' ' || (array['GmbH', 'AG', 'LLC', '有限公司'])[1 + n % 4],
    'email', 'office' || n || '@' || substr(md5(n::text), 9, 10) || '.example',
    'phone', '+4940' || lpad(n::text, 8, '0'), 'tax_id', 'DE' || lpad(n::text, 9, '0')),
    jsonb_build_object('name', jsonb_build_object('by', 'crm', 'at', now()))
from generate_series(1, {n}) as n;
insert into link (id, flow, system, resource, key, item, state, base, far, conflicts, not_held, attempts, seen_at)
select 'l' || n || side, 'customer', side, 'contacts', side || n, 'i' || n, 'linked', '{{}}',
    jsonb_build_object('phone', '+4940' || lpad(n::text, 8, '0')), '{{}}', '{{}}', 0, now()
from generate_series(1, {n}) as n, unnest(array['crm', 'erp']) as side;
insert into journal (at, item, version, changes, cause)
select now() - n * interval '1 second' / 10, 'i' || n, 1, '{{"name": [null, "x"]}}',
    '{{"kind": "system", "by": "crm", "key": "1"}}'
from generate_series(1, {n}) as n;
insert into effect (at, link, item, flow, system, resource, key, kind, changes, outcome, message, seconds)
select now() - n * interval '1 second' / 10, 'l' || n || 'erp', 'i' || n, 'customer', 'erp', 'contacts', 'erp' || n,
    'update', '{{}}', 'done', '', 0.1
from generate_series(1, {n}) as n;
insert into inbox (id, kind, subject, flow, summary, detail, choices, opened_at)
select 'q' || n, 'failure', 'l' || n || 'erp', 'customer', 'refused', jsonb_build_object('system', 'erp', 'message',
    'Record ' || n || ' is refused: no such country.', 'code', 'rejected'), '["retry"]', now()
from generate_series(1, 10000) as n;
create index item_search on item using gin (search_text(fields) public.gin_trgm_ops) where alias_of is null;
create index item_fields on item using gin (fields);
analyze;
"""
PAGES = (
    "/sign-in",
    "/",
    "/records",
    "/records?q=nordwind",
    "/records?q=c4ca4238",
    "/records?q=%E4%BA%91%E5%B8%86",
    "/records?q=crm777",
    "/records?q=DE000765432",
    "/records?q=no%20such%20thing",
    "/records?q=ab",
    "/records/i777",
    "/inbox",
    "/inbox?kind=failure&page=100",
    "/inbox/q77",
    "/systems",
    "/trace?q=nothing",
    "/processes",
)
TRIES = 7


async def measure(url: str) -> list[dict[str, object]]:
    """Milliseconds (median of the tries, and the first) and bytes of each page."""
    with tempfile.TemporaryDirectory() as folder:
        project = read_project(make_project(Path(folder) / "p", "http://127.0.0.1:1"))
        async with await PostgresStore.open(url) as store:
            site = await Site.open(project, store, World(project.flows, project.converters))
            await site.access.people.save(a_person("engineer"))
            rows = []
            async with AsyncTestClient(make_app(Parts(site=site))) as client:
                browser = Browser(client)
                await browser.sign_in("engineer")
                for page in PAGES:
                    times = []
                    for _ in range(TRIES):
                        began = time.perf_counter()
                        answer = await browser.get(page)
                        times.append((time.perf_counter() - began) * 1000)
                        assert answer.status_code in (200, 307, 302), (page, answer.status_code)
                    rows.append(
                        {
                            "page": page,
                            "median_ms": round(statistics.median(times), 1),
                            "first_ms": round(times[0], 1),
                            "bytes": len(answer.content),
                        }
                    )
                    print(json.dumps(rows[-1]), flush=True)
            return rows


def main() -> None:
    """``python -m benchmarks.console [ITEMS]``, on the server of $ISTHMUS_TEST_DATABASE_URL."""
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    server = os.environ["ISTHMUS_TEST_DATABASE_URL"]
    name = f"console_{items}"
    url = server.replace("/isthmus?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        made = connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is None
        if made:
            connection.execute(f"create database {name}".encode())
    if made:
        migrate(url)
        with psycopg.connect(url, autocommit=True, options="-c search_path=isthmus") as connection:
            began = time.perf_counter()
            for statement in FILL.format(n=items).split(";\n"):
                if statement.strip():
                    connection.execute(statement.encode())
            print(f"filled in {time.perf_counter() - began:.0f} s", flush=True)
    asyncio.run(measure(url))


if __name__ == "__main__":
    main()
