"""Contract tests of writing: round trips, batches, guards, versions, tokens, odd texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from isthmus.connector import Create, Delete, Findable, Gone, Record, Update, Write, WriteAnswer
from isthmus.errors import IsthmusError, Rejected, Stale
from isthmus.testing.case import differences, filled
from isthmus.testing.stage import Stage, scan_all

__all__ = ["WritingTests"]

_ODD_TEXTS = {
    "emoji": "Zoë 👩‍🔧🇪🇺 Ω {tag}",
    "right-to-left": "שלום עולם مرحبا {tag}",
    "Chinese": "北京机械有限公司 {tag}",
    "markup": '<b>O\'Hara & "Söhne"</b> \\ %s {tag}',
    "10,000 characters": "{tag} " + "x" * 9_900 + " end",
}


class WritingTests:
    """What a :class:`~isthmus.connector.Writable` promises, and each write promise of the traits."""

    async def test_created_record_reads_back(self, stage: Stage) -> None:
        sent = await stage.sample()
        answer = await stage.record(stage.writable(), Create(token=stage.tag(), fields=sent))
        await stage.settle()
        _assert_held(stage, sent, answer, "the answer to the create")
        _assert_held(stage, sent, await stage.read(answer.key), "a fetch after the create")

    async def test_answer_is_the_record_as_a_fetch_shows_it(self, stage: Stage) -> None:
        change, _ = stage.need_change()
        made = await stage.create()
        assert made.fields == (await stage.read(made.key)).fields, "the answer to a create is not what a fetch shows"
        after = await stage.record(stage.writable(), Update(before=await stage.read(made.key), fields=change))
        await stage.settle()
        seen = await stage.read(made.key)
        assert after.fields == seen.fields, "the answer to an update is not what a fetch shows"
        assert after.version == seen.version, "the answer to an update has another version than a fetch"

    async def test_update_changes_its_fields_and_no_others(self, stage: Stage) -> None:
        change, _ = stage.need_change()
        before = await stage.read((await stage.create()).key)
        answer = await stage.record(stage.writable(), Update(before=before, fields=change))
        await stage.settle()
        _assert_held(stage, change, answer, "the answer to the update")
        after = await stage.read(before.key)
        _assert_held(stage, change, after, "a fetch after the update")
        kept = {name: value for name, value in (stage.case.create or {}).items() if name not in change}
        lost = {
            name: (before.fields.get(name), after.fields.get(name))
            for name in kept
            if name not in stage.case.readonly_echo and before.fields.get(name) != after.fields.get(name)
        }
        assert not lost, f"fields that the update did not name were changed (before, after): {lost}"

    async def test_list_elements_keep_their_ids(self, stage: Stage) -> None:
        writable = stage.writable()
        made = await stage.create()
        before = await stage.read(made.key)
        lists = {name: _elements(before.fields.get(name)) for name in stage.case.create or {}}
        field = next((name for name, elements in lists.items() if len(elements) > 1), None)
        if field is None or not stage.traits.updates:
            stage.skip("the sample has no list with two elements that have an id")
        kept = lists[field][1:]
        after = await stage.record(writable, Update(before=before, fields={field: kept}))
        now = _elements(after.fields.get(field))
        assert [element["id"] for element in now] == [element["id"] for element in kept], (
            f"taking the first element out of {field} gave {now}, wanted {kept}"
        )

    async def test_delete_answers_gone_also_the_second_time(self, stage: Stage) -> None:
        writable = stage.writable()
        stage.need(stage.traits.deletable, "deletable")
        key = (await stage.create()).key
        for turn in ("first", "second"):
            answer = await stage.one(writable, Delete(key=key))
            assert isinstance(answer, Gone) and answer.key == key, f"the {turn} delete was answered by {answer!r}"
        await stage.settle()
        assert isinstance(await stage.look(key), Gone), "a fetch still shows the deleted record"

    async def test_batch_answers_in_order_and_a_bad_write_stops_no_other(self, stage: Stage) -> None:
        writable = stage.writable()
        samples = [await stage.sample() for _ in range(3)]
        bad = await _invalid(stage)
        samples[1:1] = [bad] if bad else []
        writes = [Create(token=stage.tag(), fields=sample) for sample in samples]
        answers: list[WriteAnswer] = []
        size = stage.traits.write_batch
        for start in range(0, len(writes), size):
            part = await writable.write(writes[start : start + size])
            assert len(part) == len(writes[start : start + size]), "not one answer per write"
            answers += part
        for answer in answers:
            if isinstance(answer, Record):
                stage.note(answer)
        if bad:
            assert isinstance(answers[1], Rejected), f"the bad write was answered by {answers[1]!r}"
        for sample, answer in zip(samples, answers, strict=True):
            if sample is not bad:
                assert isinstance(answer, Record), f"a good write beside a bad one was answered by {answer!r}"
                _assert_held(stage, sample, answer, "the answer at the same place")
        assert await writable.write([]) in ([], ()), "no writes must give no answers"

    async def test_mixed_batch_answers_in_order(self, stage: Stage) -> None:
        writable = stage.writable()
        change, _ = stage.need_change()
        stage.need(stage.traits.write_batch > 1, "write_batch > 1")
        kept = await stage.read((await stage.create()).key)
        writes: list[Write] = [
            Update(before=kept, fields=change),
            Create(token=stage.tag(), fields=await stage.sample()),
        ]
        if stage.traits.deletable:
            writes.insert(1, Delete(key=(await stage.create()).key))
        writes = writes[: stage.traits.write_batch]
        answers = await writable.write(writes)
        assert len(answers) == len(writes), "not one answer per write"
        for write, answer in zip(writes, answers, strict=True):
            wanted = Gone if isinstance(write, Delete) else Record
            assert isinstance(answer, wanted), f"{type(write).__name__} was answered by {answer!r}"
            if isinstance(answer, Record) and isinstance(write, Create):
                stage.note(answer)
            if not isinstance(write, Create) and not isinstance(answer, IsthmusError):
                assert answer.key == write.key, "the answers are not in the order of the writes"

    async def test_refused_create_says_why_and_leaves_nothing(self, stage: Stage) -> None:
        bad = await _invalid(stage)
        if bad is None:
            stage.skip("the case gives no invalid fields")
        answer = await stage.one(stage.writable(), Create(token=stage.tag(), fields=bad))
        assert isinstance(answer, Rejected), f"an invalid record was answered by {answer!r}"
        assert len(answer.message) > 10, f"the reason is too short to help: {answer.message!r}"

    async def test_refused_update_changes_nothing(self, stage: Stage) -> None:
        if not stage.case.invalid or stage.case.change is None:
            stage.skip("the case gives no invalid fields")
        stage.need(stage.traits.updates, "updates")
        before = await stage.read((await stage.create()).key)
        invalid = filled(stage.case.invalid, stage.tag())
        answer = await stage.one(stage.writable(), Update(before=before, fields=invalid))
        assert isinstance(answer, Rejected), f"an invalid update was answered by {answer!r}"
        assert (await stage.read(before.key)).fields == before.fields, "a refused update changed the record"

    async def test_update_of_a_deleted_record_is_told(self, stage: Stage) -> None:
        change, _ = stage.need_change()
        stage.need(stage.traits.deletable, "deletable")
        before = await stage.read((await stage.create()).key)
        await stage.far_delete(before.key)
        answer = await stage.one(stage.writable(), Update(before=before, fields=change))
        assert isinstance(answer, Gone | Stale | Rejected), f"updating a deleted record was answered by {answer!r}"

    async def test_guarded_update_of_an_old_record_is_stale(self, stage: Stage) -> None:
        stage.need(stage.traits.guarded_writes, "guarded_writes")
        change, second = stage.need_change()
        before = await stage.read((await stage.create()).key)
        await stage.far_edit(before.key, second)
        edited = await stage.read(before.key)
        answer = await stage.one(stage.writable(), Update(before=before, fields=change))
        assert isinstance(answer, Stale), f"a guarded write over somebody's edit was answered by {answer!r}"
        assert (await stage.read(before.key)).fields == edited.fields, "a stale write changed the record"

    async def test_version_changes_with_every_change(self, stage: Stage) -> None:
        stage.need(stage.traits.versioned, "versioned")
        change, second = stage.need_change()
        record = await stage.create()
        versions = [record.version]
        for fields in (change, second, change):
            before = await stage.read(record.key)
            assert before.version == versions[-1], "a version changed although nothing was written"
            versions.append((await stage.record(stage.writable(), Update(before=before, fields=fields))).version)
            await stage.settle()
        assert None not in versions, "a record has no version"
        assert len(set(versions)) == len(versions), f"a change left the version as it was: {versions}"
        if stage.traits.ordered_versions:
            assert versions == sorted(versions, key=str), f"versions do not ascend: {versions}"

    async def test_same_token_twice_makes_one_record(self, stage: Stage) -> None:
        stage.need(stage.traits.idempotent_create, "idempotent_create")
        create = Create(token=stage.tag(), fields=await stage.sample())
        first = await stage.record(stage.writable(), create)
        again = await stage.record(stage.writable(), create)
        assert first.key == again.key, f"the same token made two records: {first.key} and {again.key}"
        _, writable = await stage.hands()
        third = await stage.record(writable, create)
        assert first.key == third.key, "another process made a second record with the same token"

    async def test_created_record_is_found_by_its_token(self, stage: Stage) -> None:
        resource = stage.resource
        if not isinstance(resource, Findable):
            stage.skip("not promised: Findable")
        sample = await stage.sample()
        since = datetime.now(UTC) - timedelta(minutes=1)
        create = Create(token=stage.tag(), fields=sample)
        record = await stage.record(stage.writable(), create)
        await stage.settle()
        found = await resource.find_created(create, since)
        assert record.key in [candidate.record.key for candidate in found], "the outcome was not found"
        certain = [candidate.record.key for candidate in found if candidate.certain]
        assert certain in ([], [record.key]), f"other records are called certain: {certain}"
        foreign = Create(token=stage.tag(), fields=await stage.sample())
        found = await resource.find_created(foreign, since)
        assert not found, f"a create that never happened was 'found': {[each.record.key for each in found]}"

    async def test_odd_texts_are_kept_or_refused(self, stage: Stage) -> None:
        field = stage.case.text
        if field is None:
            stage.skip("the case names no text field")
        for kind, text in _ODD_TEXTS.items():
            sent = await stage.sample(**{field: text})
            answer = await stage.one(stage.writable(), Create(token=stage.tag(), fields=sent))
            if isinstance(answer, Rejected):
                continue
            assert isinstance(answer, Record), f"{kind}: answered by {answer!r}"
            got = (await stage.read(answer.key)).fields.get(field)
            assert got == sent[field], f"{kind}: the text was changed silently into {_short(got)}"

    async def test_writes_leave_other_records_alone(self, stage: Stage) -> None:
        change, _ = stage.need_change()
        bystander = await stage.read((await stage.create()).key)
        target = await stage.create()
        await stage.record(stage.writable(), Update(before=target, fields=change))
        await stage.settle()
        assert (await stage.read(bystander.key)).fields == bystander.fields, "another record was changed too"
        assert bystander.key in {record.key for record in await scan_all(stage.resource)}


async def _invalid(stage: Stage) -> dict[str, Any] | None:
    if not stage.case.invalid:
        return None
    return {**await stage.sample(), **filled(stage.case.invalid, stage.tag())}


def _assert_held(stage: Stage, sent: Mapping[str, Any], record: Record, where: str) -> None:
    wrong = {name: both for name, both in differences(sent, record).items() if name not in stage.case.readonly_echo}
    assert not wrong, f"{stage.case.name}: {where} differs from what was sent (sent, got): {wrong}"


def _elements(value: Any) -> Sequence[Mapping[str, Any]]:
    """A list of sub-records with ids, else nothing."""
    if isinstance(value, list) and all(isinstance(each, dict) and "id" in each for each in value):
        return value
    return ()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 120 else f"{text[:110]}… ({len(text)} characters)"
