"""Planted violations: each breaks one promise of the in-memory system and names the tests that must notice."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from isthmus.connector import Create, Delete, Gone, Hint, Page, Record, Update
from isthmus.errors import Rejected, Stale, Unauthorized, Unavailable, UnknownOutcome

type Plant = Callable[[Any, Any], None]
VIOLATIONS: dict[str, tuple[Plant, set[str]]] = {}


def breaks(*tests: str) -> Callable[[Plant], Plant]:
    """The tests that must fail when this is planted (into the resource and its system)."""

    def keep(plant: Plant) -> Plant:
        VIOLATIONS[plant.__name__] = (plant, set(tests))
        return plant

    return keep


def _records(resource: Any, change: Callable[[Record], Record], calls: str = "fetch scan changes write") -> None:
    """Show every record changed, in these calls."""

    def shown(item: Any) -> Any:
        return change(item) if isinstance(item, Record) else item

    for name in calls.split():
        honest = getattr(resource, name)

        async def call(argument: Any, honest: Any = honest) -> Any:
            answer = await honest(argument)
            if isinstance(answer, Page):
                return msgspec.structs.replace(answer, items=[shown(item) for item in answer.items])
            return [shown(item) for item in answer]

        setattr(resource, name, call)


def _with(record: Record, **fields: Any) -> Record:
    return msgspec.structs.replace(record, fields={**record.fields, **fields})


def _writes(resource: Any, handle: Callable[[Any], Any]) -> None:
    """Let ``handle`` answer a write; None leaves it to the honest one. A changed write is performed in its place."""
    honest = resource.write

    async def write(writes: Any) -> Any:
        answers = []
        for each in writes:
            told = handle(each)
            performed = told if isinstance(told, Create | Update | Delete) else each
            answers.append((await honest([performed]))[0] if told is None or told is performed else told)
        return answers

    resource.write = write


@breaks("test_scan_is_complete_and_resumes_in_another_process", "test_scan_and_fetch_show_the_same_record")
def skips_the_last_row_of_a_scan(resource: Any, system: Any) -> None:
    honest = resource.scan

    async def scan(after: Any) -> Page:
        page = await honest(after)
        return page if page.more else msgspec.structs.replace(page, items=page.items[:-1])

    resource.scan = scan


@breaks("test_scan_keeps_records_while_others_are_deleted")
def scans_by_page_number(resource: Any, system: Any) -> None:
    async def scan(after: Any) -> Page:
        keys = sorted(resource._table.rows, key=lambda key: (len(key), key))
        start = int(after or 0)
        part = keys[start : start + 3]
        resource._world.faults.next("scan", resource.name)
        items = [resource._world.record(resource.name, key) for key in part]
        return Page(items=items, cursor=str(start + 3), more=start + 3 < len(keys))

    resource.scan = scan


@breaks("test_scan_is_complete_and_resumes_in_another_process")
def keeps_the_place_of_a_scan_in_memory(resource: Any, system: Any) -> None:
    honest, places = resource.scan, {}

    async def scan(after: Any) -> Page:
        page = await honest(places.get(after) if after else None)
        token = str(uuid.uuid4())
        places[token] = page.cursor
        return msgspec.structs.replace(page, cursor=token)

    resource.scan = scan


@breaks("test_values_have_allowed_types_only", "test_decimals_survive_exactly")
def shows_floats(resource: Any, system: Any) -> None:
    _records(resource, lambda record: _with(record, limit=float(record.fields["limit"] or 0)))


@breaks("test_values_have_allowed_types_only")
def shows_datetimes(resource: Any, system: Any) -> None:
    _records(resource, lambda record: _with(record, tags=[datetime(2026, 1, 1, tzinfo=UTC)]), "scan")


@breaks("test_scan_and_fetch_show_the_same_record")
def scan_lacks_a_field(resource: Any, system: Any) -> None:
    def less(record: Record) -> Record:
        fields = {name: value for name, value in record.fields.items() if name != "note"}
        return msgspec.structs.replace(record, fields=fields)

    _records(resource, less, "scan")


@breaks("test_fetch_answers_every_key_in_order_and_gone_for_unknown_ones")
def fetch_leaves_out_unknown_keys(resource: Any, system: Any) -> None:
    honest = resource.fetch

    async def fetch(keys: Any) -> Any:
        return [item for item in await honest(keys) if isinstance(item, Record)]

    resource.fetch = fetch


@breaks("test_guarded_update_of_an_old_record_is_stale")
def ignores_the_guard(resource: Any, system: Any) -> None:
    def handle(write: Any) -> Any:
        if isinstance(write, Update):
            now = resource._world.record(resource.name, write.key)
            return msgspec.structs.replace(write, before=now) if isinstance(now, Record) else None
        return None

    _writes(resource, handle)


@breaks("test_guarded_update_of_an_old_record_is_stale")
def says_stale_but_writes(resource: Any, system: Any) -> None:
    def handle(write: Any) -> Any:
        now = resource._world.record(resource.name, write.key) if isinstance(write, Update) else None
        if isinstance(now, Record) and now.version != write.before.version:
            resource._world.update(resource.name, write.key, write.fields)
            return Stale("Moved.")
        return None

    _writes(resource, handle)


@breaks("test_same_token_twice_makes_one_record")
def duplicates_on_the_same_token(resource: Any, system: Any) -> None:
    def handle(write: Any) -> Any:
        if isinstance(write, Create):
            return msgspec.structs.replace(write, token=str(uuid.uuid4()))
        return None

    _writes(resource, handle)


@breaks("test_created_record_is_found_by_its_token", "test_create_whose_answer_is_lost_has_an_unknown_outcome")
def finds_nothing(resource: Any, system: Any) -> None:
    async def find_created(create: Any, since: Any) -> Any:
        return []

    resource.find_created = find_created


@breaks("test_created_record_is_found_by_its_token")
def finds_strangers(resource: Any, system: Any) -> None:
    honest, found = resource.find_created, []

    async def find_created(create: Any, since: Any) -> Any:
        found.extend(await honest(create, since))
        return found

    resource.find_created = find_created


@breaks("test_odd_texts_are_kept_or_refused")
def mangles_unicode(resource: Any, system: Any) -> None:
    def ascii_only(record: Record) -> Record:
        return _with(record, note=(record.fields["note"] or "").encode("ascii", "replace").decode() or None)

    _records(resource, ascii_only)


@breaks("test_odd_texts_are_kept_or_refused")
def cuts_long_texts(resource: Any, system: Any) -> None:
    _records(resource, lambda record: _with(record, note=(record.fields["note"] or "")[:255] or None))


@breaks("test_update_changes_its_fields_and_no_others", "test_answer_is_the_record_as_a_fetch_shows_it")
def update_blanks_what_it_does_not_name(resource: Any, system: Any) -> None:
    def handle(write: Any) -> Any:
        if isinstance(write, Update) and "tags" not in write.fields:
            resource._world.update(resource.name, write.key, {"tags": []})
            now = resource._world.record(resource.name, write.key)
            return msgspec.structs.replace(write, before=now)
        return None

    _writes(resource, handle)
    honest = resource.write

    async def write(writes: Any) -> Any:
        answers = await honest(writes)
        return [_with(each, tags=["a", "b"]) if isinstance(each, Record) else each for each in answers]

    resource.write = write


@breaks("test_batch_answers_in_order_and_a_bad_write_stops_no_other")
def one_bad_write_spoils_the_batch(resource: Any, system: Any) -> None:
    honest = resource.write

    async def write(writes: Any) -> Any:
        for each in writes:
            if isinstance(each, Create) and not each.fields.get("name"):
                return [Rejected("One of the records has no name.", field="name") for _ in writes]
        return await honest(writes)

    resource.write = write


@breaks("test_batch_answers_in_order_and_a_bad_write_stops_no_other", "test_mixed_batch_answers_in_order")
def answers_in_another_order(resource: Any, system: Any) -> None:
    honest = resource.write

    async def write(writes: Any) -> Any:
        return list(reversed(await honest(writes)))

    resource.write = write


@breaks("test_version_changes_with_every_change")
def version_is_always_the_same(resource: Any, system: Any) -> None:
    _records(resource, lambda record: msgspec.structs.replace(record, version="1"))


@breaks("test_version_changes_with_every_change")
def versions_do_not_ascend(resource: Any, system: Any) -> None:
    def reversed_version(record: Record) -> Record:
        return msgspec.structs.replace(record, version=f"{10**12 - int(record.version or 0):013d}")

    def handle(write: Any) -> Any:
        if isinstance(write, Update):
            true = f"{10**12 - int(write.before.version or 0):012d}"
            return msgspec.structs.replace(write, before=msgspec.structs.replace(write.before, version=true))
        return None

    _writes(resource, handle)
    _records(resource, reversed_version)


@breaks("test_delete_answers_gone_also_the_second_time")
def deleting_twice_is_refused(resource: Any, system: Any) -> None:
    def handle(write: Any) -> Any:
        gone = isinstance(write, Delete) and write.key not in resource._table.rows
        return Rejected("There is no such record any more.") if gone else None

    _writes(resource, handle)


@breaks("test_list_elements_keep_their_ids")
def lists_get_new_ids(resource: Any, system: Any) -> None:
    def handle(write: Any) -> Any:
        if isinstance(write, Update) and "lines" in write.fields:
            lines = [{"text": line["text"]} for line in write.fields["lines"]]
            return msgspec.structs.replace(write, fields={**write.fields, "lines": lines})
        return None

    _writes(resource, handle)


@breaks("test_feed_tells_creates_and_edits", "test_feed_skips_nothing_under_concurrent_writers")
def feed_skips_every_third_entry(resource: Any, system: Any) -> None:
    honest = resource.changes

    async def changes(since: Any) -> Page:
        page = await honest(since)
        kept = [item for item in page.items if int(getattr(item, "version", None) or 0) % 3]
        kept = [item for item in kept if not isinstance(item, Record) or int(item.key) % 3]
        return msgspec.structs.replace(page, items=kept)

    resource.changes = changes


@breaks("test_feed_skips_nothing_under_concurrent_writers")
def feed_looks_at_a_place_ahead_of_its_records(resource: Any, system: Any) -> None:
    """The classic fault: the cursor is taken after the rows were read, so what came between is never told."""
    import asyncio

    honest = resource.changes

    async def changes(since: Any) -> Page:
        page = await honest(since)
        await asyncio.sleep(0.002)
        newest = resource._table.log[-1][0] if resource._table.log else 0
        return page if page.more else msgspec.structs.replace(page, cursor=str(newest))

    resource.changes = changes


@breaks("test_feed_tells_deletes_when_it_says_so")
def feed_keeps_quiet_about_deletes(resource: Any, system: Any) -> None:
    honest = resource.changes

    async def changes(since: Any) -> Page:
        page = await honest(since)
        return msgspec.structs.replace(page, items=[item for item in page.items if not isinstance(item, Gone)])

    resource.changes = changes


@breaks("test_feed_from_none_is_empty_and_means_now")
def feed_from_none_tells_everything(resource: Any, system: Any) -> None:
    honest = resource.changes

    async def changes(since: Any) -> Page:
        return await honest(since or "0")

    resource.changes = changes


@breaks("test_webhook_with_a_bad_signature_is_unauthorized", "test_webhook_with_an_old_signature_is_unauthorized")
def accepts_unsigned_webhooks(resource: Any, system: Any) -> None:
    def verify(headers: Any, body: bytes, now: Any) -> Any:
        try:
            told = json.loads(body)
            return [Hint(resource=told["resource"], keys=[told["key"]])]
        except (ValueError, KeyError, TypeError) as error:
            raise Rejected("Cannot be read.") from error

    system.verify = verify


@breaks("test_webhook_with_an_old_signature_is_unauthorized")
def accepts_old_webhooks(resource: Any, system: Any) -> None:
    def verify(headers: Any, body: bytes, now: Any) -> Any:
        moment = headers.get("x-memory-signature", "").partition("t=")[2].partition(",")[0]
        if not moment.isdigit():
            raise Unauthorized("No time.")
        at = datetime.fromtimestamp(int(moment), UTC)
        return type(system).verify(system, headers, body, at)

    system.verify = verify


@breaks("test_prepare_makes_what_is_missing_once")
def prepare_makes_nothing(resource: Any, system: Any) -> None:
    system.prepare = system.missing


@breaks("test_create_whose_answer_is_lost_has_an_unknown_outcome")
def calls_a_lost_create_unavailable(resource: Any, system: Any) -> None:
    honest = resource.write

    async def write(writes: Any) -> Any:
        answers = await honest(writes)
        return [Unavailable("Lost.") if isinstance(each, UnknownOutcome) else each for each in answers]

    resource.write = write


@breaks("test_create_whose_answer_is_lost_has_an_unknown_outcome")
def raises_unknown_outcomes(resource: Any, system: Any) -> None:
    honest = resource.write

    async def write(writes: Any) -> Any:
        answers = await honest(writes)
        for each in answers:
            if isinstance(each, UnknownOutcome):
                raise each
        return answers

    resource.write = write


@breaks("test_failing_reads_are_told_as_they_are")
def lets_library_errors_through(resource: Any, system: Any) -> None:
    honest = resource.fetch

    async def fetch(keys: Any) -> Any:
        try:
            return await honest(keys)
        except Unavailable as error:
            raise ConnectionResetError("peer") from error

    resource.fetch = fetch


@breaks("test_failing_reads_are_told_as_they_are")
def tells_the_token_in_errors(resource: Any, system: Any) -> None:
    honest = resource.fetch

    async def fetch(keys: Any) -> Any:
        try:
            return await honest(keys)
        except Unavailable as error:
            raise Unavailable(f"Failed with token {resource._world.token}.", wait=error.wait) from error

    resource.fetch = fetch
