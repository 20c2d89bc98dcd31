"""Contract tests of reading: fetch, scan, value types, the system itself."""

from __future__ import annotations

import itertools
from decimal import Decimal

from isthmus.connector import Change, Delete, FieldInfo, Gone, Record, System, SystemInfo, Writable
from isthmus.testing.case import forbidden
from isthmus.testing.stage import Stage, scan_all

__all__ = ["ReadingTests"]

_TYPES = frozenset({"text", "integer", "decimal", "boolean", "date", "datetime", "list", "object", "key", "any"})


class ReadingTests:
    """What every resource promises by being a :class:`~isthmus.connector.Resource`."""

    async def test_check_proves_the_credentials_and_names_the_product(self, system: System) -> None:
        info = await system.check()
        assert isinstance(info, SystemInfo)
        assert info.product, "SystemInfo.product is empty"

    async def test_resources_are_constant_and_know_their_names(self, system: System) -> None:
        resources = system.resources()
        assert resources, "the system has no resources"
        assert list(resources) == list(system.resources()), "resources() changes while the system is open"
        for name, resource in resources.items():
            assert resource.name == name, f"resources()[{name!r}].name is {resource.name!r}"

    async def test_traits_are_consistent(self, stage: Stage) -> None:
        traits = stage.traits
        assert traits == stage.resource.traits, "traits change while the system is open"
        assert min(traits.write_batch, traits.fetch_batch, traits.concurrency) >= 1, "a limit below 1"
        assert traits.versioned or not traits.guarded_writes, "guarded_writes needs versioned"
        assert traits.versioned or not traits.ordered_versions, "ordered_versions needs versioned"
        writable = isinstance(stage.resource, Writable)
        promised = traits.guarded_writes or traits.idempotent_create
        assert writable or not promised, "promises about writes, but the resource is not Writable"

    async def test_fields_are_described(self, stage: Stage) -> None:
        known = await stage.resource.fields()
        assert known, "fields() is empty"
        assert all(isinstance(info, FieldInfo) for info in known.values())
        odd = {name: info.type for name, info in known.items() if info.type not in _TYPES}
        assert not odd, f"unknown field types: {odd}"
        sampled = {*(stage.case.create or {}), *(stage.case.change or {})}
        assert not sampled - set(known), f"fields() does not know {sorted(sampled - set(known))}"

    async def test_fetch_answers_every_key_in_order_and_gone_for_unknown_ones(self, stage: Stage) -> None:
        first, second = await stage.some(), await stage.some()
        wanted = [second.key, stage.case.unknown_key, first.key]
        answers: list[Change] = []
        for start in range(0, len(wanted), stage.traits.fetch_batch):
            answers += await stage.resource.fetch(wanted[start : start + stage.traits.fetch_batch])
        assert [answer.key for answer in answers] == wanted, "not one answer per key in the order asked"
        assert isinstance(answers[0], Record) and isinstance(answers[2], Record)
        assert isinstance(answers[1], Gone), f"the unknown key was answered by {answers[1]!r}"
        assert await stage.resource.fetch([]) in ([], ()), "no keys must give no answers"

    async def test_scan_is_complete_and_resumes_in_another_process(self, stage: Stage) -> None:
        wanted = {(await stage.some()).key for _ in range(5)}
        page, pages = await stage.resource.scan(None), 1
        seen = {item.key for item in page.items}
        while page.more:
            assert page.cursor is not None, "a page that is not the last has no cursor"
            assert pages < 10_000, "the scan does not end"
            system = await stage.other() if pages % 2 else stage.system
            page, pages = await system.resources()[stage.case.name].scan(page.cursor), pages + 1
            seen |= {item.key for item in page.items}
        assert not wanted - seen, f"the scan skipped {sorted(wanted - seen)}"

    async def test_scan_keeps_records_while_others_are_deleted(self, stage: Stage) -> None:
        writable = stage.writable()
        stage.need(stage.traits.deletable, "deletable")
        victims, staying_ones = itertools.batched(await stage.create_all(6), 3)
        staying = {record.key for record in staying_ones}
        before = {record.key for record in await scan_all(stage.resource)}
        page = await stage.resource.scan(None)
        if not page.more:
            stage.skip("all records fit on one page, nothing can shift between pages")
        first = [item.key for item in page.items if item.key in {victim.key for victim in victims}]
        for key in first or [victim.key for victim in victims]:
            assert isinstance(await stage.one(writable, Delete(key=key)), Gone)
        seen = {item.key for item in page.items}
        while page.more:
            page = await stage.resource.scan(page.cursor)
            seen |= {item.key for item in page.items}
        missing = [
            key
            for key in sorted((before | staying) - seen - {victim.key for victim in victims})
            if isinstance(await stage.look(key), Record)  # else somebody else removed it meanwhile
        ]
        assert not missing, f"deleting {first} between pages made the scan skip {missing}"

    async def test_scan_and_fetch_show_the_same_record(self, stage: Stage) -> None:
        record = await stage.some()
        scanned = {item.key: item for item in await scan_all(stage.resource)}.get(record.key)
        assert scanned is not None, f"the scan skipped {record.key}"
        fetched = await stage.read(record.key)
        assert set(scanned.fields) == set(fetched.fields), (
            f"only one of scan and fetch has {sorted(set(scanned.fields) ^ set(fetched.fields))}"
        )
        unequal = {
            name: (value, fetched.fields[name])
            for name, value in scanned.fields.items()
            if value != fetched.fields[name]
        }
        assert not unequal, f"scan and fetch differ (scan, fetch): {unequal}"
        assert scanned.version == fetched.version, "scan and fetch give different versions"

    async def test_values_have_allowed_types_only(self, stage: Stage) -> None:
        await stage.some()
        for record in (await stage.resource.scan(None)).items:
            assert type(record.key) is str and record.key, f"key {record.key!r} is not a text"
            if isinstance(record, Record):
                wrong = forbidden(dict(record.fields))
                assert not wrong, f"record {record.key} has values of forbidden types: {wrong}"
                version: object = record.version
                assert version is None or type(version) is str, "version is not a text"

    async def test_decimals_survive_exactly(self, stage: Stage) -> None:
        decimals = {name: value for name, value in (stage.case.create or {}).items() if isinstance(value, Decimal)}
        if not decimals:
            stage.skip("the sample has no top-level decimal")
        record = await stage.create()
        got = {name: record.fields.get(name) for name in decimals}
        assert all(isinstance(value, Decimal | int) for value in got.values()), f"not decimals: {got}"
        assert got == decimals, f"sent {decimals}, got {got}"
