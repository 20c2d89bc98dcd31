"""The console's pages over a million items: server time and size of each, beside the time of an empty page."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from httpx import Response
from litestar.testing import AsyncTestClient

from benchmarks.timed_pages import filled_database, timed
from isthmus.app.bootstrap import clock, read_project
from isthmus.app.flow_preview import Samples
from isthmus.connector import FieldInfo, Record
from isthmus.console import Site
from isthmus.model.state import FlowVersion
from isthmus.store import ChangeState, FlowChanges, Job, JobKind, Jobs, PostgresStore, Reads
from isthmus.sync.pauses import PauseBook
from isthmus.sync.world import World
from isthmus.web import Parts, make_app
from tests.app.twin_office import make_project
from tests.console.people import Browser, a_person

EDIT = "/flows/customer/edit"
FILL = """
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
insert into drift (id, kind, flow, system, resource, key, item, link, fields, found_at)
select 'd' || n, (array['missed change', 'conflict', 'edited while paused'])[1 + n % 3], 'customer', 'erp', 'contacts',
    'erp' || n, 'i' || n, 'l' || n || 'erp', '{{"phone": {{"hub": "+49401", "far": "+49402"}}}}', now()
from generate_series(1, 10000) as n;
insert into comparison (flow, began_at, done_at, records) values ('customer', now(), now(), 2000000);
insert into far_field (system, resource, name, type, former_type, changed_at, gone_at)
select side, 'contacts', 'field_' || n, 'text', '', null, null
from generate_series(1, 400) as n, unnest(array['crm', 'erp']) as side;
insert into pause (system, resource, paused_by, since, reason)
values ('crm', 'contacts', 'anna', now(), 'the year is closed');
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
    "/records/i777/fields/phone",
    "/records/i777/undo/1",
    "/records/i777/links",
    "/records/i777/links?q=nordwind",
    "/records/i777/links?q=crm778",
    "/records/i777/links/preview?kind=unlink&link=l777crm",
    "/records/i777/links/preview?kind=merge&other=i778&policy=keep",
    "/inbox",
    "/inbox?kind=failure",
    "/inbox?kind=failure&page=100",
    "/inbox?view=decided",
    "/inbox/q77",
    "/systems",
    "/systems/erp/schema",
    "/systems/erp/schema?resource=contacts&q=field_1",
    "/flows",
    "/flows/customer",
    "/flows/customer?version=3",
    "/flows/customer/plan",
    "/flows/customer/edit",
    f"{EDIT}/records",
    f"{EDIT}/records?q=nordwind",
    f"POST {EDIT}/check",
    f"POST {EDIT}/check with a record",
    "/flows/customer/changes/c1",
    "/compare",
    "/compare?flow=customer",
    "/jobs/j1",
    "/jobs/live?id=j0",
    "/approvals",
    "/trace?q=nothing",
    "/processes",
)


class Shown:
    """A far system that shows one record at once, so that what is measured is the hub."""

    def resources(self) -> dict[str, Shown]:
        return {"contacts": self}

    async def fetch(self, keys: list[str]) -> list[Record]:
        fields = {"vat": "DE000000777", "name": "Falken", "email": "Office@Falken.Example", "phone": "+49401"}
        return [Record(key=key, fields=fields) for key in keys]

    async def fields(self) -> dict[str, FieldInfo]:
        return {f"field_{n}": FieldInfo(type="text", label=f"Field {n}") for n in range(400)}


async def more(site: Site) -> None:
    """Versions, a change that waits, a dry run and a comparison under way."""
    now, flow = clock(), site.project.sources["customer"]
    for number in range(20):
        version = FlowVersion(
            flow="customer", number=0, file=flow.file, content=f"{flow.content}# {number}\n", pack=None,
            ran_at=now - timedelta(hours=20 - number), noted_at=now, by="anna",
        )  # fmt: skip
        await site.store.add_flow_versions([version])
    if await FlowChanges(site.store).one("c1") is None:
        content = (flow.content or "").replace("owner: crm", "owner: erp")
        await FlowChanges(site.store).add(
            id="c1", flow="customer", file=flow.file or "", base=flow.content, content=content, by="anna", now=now,
            state=ChangeState.PROPOSED, note="the ERP names them",
        )  # fmt: skip
    jobs = Jobs(site.store)
    if await jobs.one("j0") is None:
        line = {
            "flow": "customer",
            "system": "erp",
            "resource": "contacts",
            "key": "erp1",
            "name": "Falken",
            "note": "",
        }
        change = {"phone": ["x" * 500, "y" * 500], "name": ["a", "b"]}
        samples = [
            {**line, "kind": kind, "changes": change} for kind in ("create", "update", "refuse") for _ in range(5)
        ]
        digest = {
            "counts": {"erp": {"customer": {"create": 1000, "update": 900_000}}}, "samples": samples,
            "conflicts": 5000, "doubtful": 100, "questions": ["Which phone?"] * 50, "brakes": ["customer/erp/updates"],
            "custom_fields": {}, "problems": {}, "read": 2_000_000,
        }  # fmt: skip
        for id, kind in (("j0", JobKind.PLAN), ("jp", JobKind.PREVIEW)):
            await jobs.ask(Job(id=id, kind=kind, flow="customer", choices=["c1"], asked_by="anna", asked_at=now))
            await jobs.end(id, now, result=digest)
        await jobs.ask(Job(id="j1", kind=JobKind.COMPARE, flow="customer", asked_by="anna", asked_at=now))
        await jobs.begin("j1", now)
        await jobs.tell("j1", 1, {"erp contacts": ("records read", 123_456)})


async def ask(browser: Browser, page: str, text: str) -> Response:
    """One page, or one check of the text that somebody types."""
    if not page.startswith("POST "):
        return await browser.get(page)
    record = {"record": "i777"} if "record" in page else {}
    return await browser.post(f"{EDIT}/check", {"text": text, "edits": "0", **record})


async def measure(url: str) -> list[dict[str, object]]:
    """Milliseconds (median of the tries, and the first) and bytes of each page."""
    with tempfile.TemporaryDirectory() as folder:
        project = read_project(make_project(Path(folder) / "p", "http://127.0.0.1:1"))
        text = project.sources["customer"].content or ""
        async with await PostgresStore.open(url) as store:
            systems = {"crm": Shown(), "erp": Shown()}
            samples = Samples(Reads(store), systems, PauseBook())  # type: ignore[arg-type]
            site = await Site.open(project, store, World(project.flows, project.converters), samples)
            await site.access.people.save(a_person("engineer"))
            await more(site)
            async with AsyncTestClient(make_app(Parts(site=site))) as client:
                browser = Browser(client)
                await browser.sign_in("engineer")
                await browser.get("/me")
                return await timed(PAGES, lambda page: ask(browser, page, text))


def main() -> None:
    """``python -m benchmarks.console [ITEMS]``, on the server of $ISTHMUS_TEST_DATABASE_URL."""
    items = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    asyncio.run(measure(filled_database(f"console_{items}", FILL.format(n=items))))


if __name__ == "__main__":
    main()
