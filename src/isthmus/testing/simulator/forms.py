"""People who open a form, and save it a while later: in a system that saves whole records, with all the rest of it as
it was when the form was opened (SPEC I3, decision 54). The book must know what such a save has set back, and who can
have noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from isthmus.connector import Update
from isthmus.errors import Rejected
from isthmus.mapping import Refs
from isthmus.model.state import Effect, Link
from isthmus.sync.undone import MEMORY
from isthmus.testing.memory import copied
from isthmus.testing.simulator.ledger import number_of
from isthmus.testing.simulator.people import NONSENSE
from isthmus.testing.simulator.script import Action

if TYPE_CHECKING:
    from isthmus.testing.simulator.simulation import Simulation

__all__ = ["Forms"]


@dataclass(frozen=True, slots=True)
class _Form:
    """As somebody has opened it."""

    entity: str
    system: str
    resource: str
    key: str
    far: Mapping[str, Any]
    """Every field of the record, as the system knows it."""
    shown: Mapping[str, Any]
    """The same in entity terms."""
    at: datetime


@dataclass(frozen=True, slots=True)
class _SetBack:
    """A field in which a save has undone what the hub had written."""

    form: _Form
    tag: str
    field: str
    value: Any
    old: Any
    at: datetime


@dataclass(frozen=True, slots=True)
class _Written:
    """A write of the hub to one field."""

    at: datetime
    before: Any
    """What the field had shown, as far as the hub knew."""
    after: Any


class Forms:
    """All forms of one run."""

    def __init__(self, run: Simulation) -> None:
        self._whole, self._facts = run.setting.whole, run.facts
        self._worlds, self._people, self._ledger, self._database = run.worlds, run.people, run.ledger, run.database
        self._back: dict[tuple[str, str, str], list[_SetBack]] = {}
        """(system, key, field) -> what was set back there, oldest first."""
        self._over: list[tuple[_SetBack, list[_SetBack]]] = []
        """What another value was entered over by somebody who was shown what had been before it, and what the same save
        has set back, by which it can be told."""
        self._hidden: list[_SetBack] = []
        """What was edited before the hub can have read it."""
        self._written: dict[tuple[str, str, str], list[_Written]] = {}
        """(system, key, field) -> the hub's writes to it, oldest first."""
        run.people.watcher = self._edited

    async def fill_in(self, action: Action) -> None:
        """Open a form, change one field in it, save it ``times`` seconds later. A system refuses to save what is no
        more."""
        form = self._opened(action)
        if form is None:
            return
        names = self._people.editable(form.entity, form.system)
        name = names[int(action.other * len(names))]
        await asyncio.sleep(action.times)
        table = self._worlds[form.system].tables[form.resource]
        if form.key not in table.rows or not self._people.places(form.entity, form.system, name) <= table.fields.keys():
            return
        try:
            self._save(form, name, action)
        except Rejected:
            return

    def _opened(self, action: Action) -> _Form | None:
        key = self._people.picked(action, action.pick)
        if key is None:
            return None
        resource = self._people.resource(action.entity, action.system)
        table = self._worlds[action.system].tables[resource]
        far = {name: copied(table.rows[key].fields.get(name)) for name in table.fields}
        shown = self._people.shown(action.entity, action.system, key)
        return _Form(action.entity, action.system, resource, key, far, shown, self._database.now())

    def _save(self, form: _Form, name: str, action: Action) -> None:
        people, table = self._people, self._worlds[form.system].tables[form.resource]
        value = people.value(form.entity, form.system, name, action.number, action.pick)
        filled = {**form.far, **people.put(form.entity, form.system, {name: value}, form.far)}
        before = people.shown(form.entity, form.system, form.key)
        nonsense = {place for place, typed in table.rows[form.key].fields.items() if typed == NONSENSE}
        known = {place: typed for place, typed in filled.items() if place in table.fields}
        self._facts["forms"] += 1
        self._worlds[form.system].people.edit(form.resource, form.key, known)
        after = people.shown(form.entity, form.system, form.key)
        for place, typed in table.rows[form.key].fields.items():
            if typed == NONSENSE and place not in nonsense:
                people.typos.append((form.system, form.resource, form.key, place))
        self._book(form, name, before, after, action.number)

    # -- the book ------------------------------------------------------------------------------------------------

    def _book(self, form: _Form, name: str, before: Mapping[str, Any], after: Mapping[str, Any], number: int) -> None:
        tag, at = self._people.tag(form.entity, form.system, form.key), self._database.now()
        fields = sorted(self._people.lens(form.entity, form.system).readable)
        moved = [field for field in fields if before.get(field) != after.get(field)]
        for field in moved:
            self._edited(form.entity, form.system, form.key, field)
        told = all(self._seen(form, field) or self._differs(form, field, before, after) for field in fields)
        back = [_SetBack(form, tag, field, before.get(field), after.get(field), at) for field in moved if field != name]
        back = [each for each in back if self._set_back(each, told)]
        over = before.get(name)
        if over != form.shown.get(name):
            if back and self._ledger.entered_in(tag, name, over) != form.system:
                self._over.append((_SetBack(form, tag, name, over, form.shown.get(name), at), back))
            else:
                # Nobody can tell that the new value was not made on top of this.
                self._ledger.excuse(tag, name, over)
        if after.get(name) != form.shown.get(name):
            shown = form.shown.get(name)
            self._people.note(form.entity, form.system, tag, name, number, shown, after.get(name))

    def _set_back(self, back: _SetBack, told: bool) -> bool:
        """A field shows again what it had shown when the form was opened; whether the hub can tell."""
        form, entered = back.form, self._ledger.entered_in(back.tag, back.field, back.value)
        if entered is None:
            return False
        if entered != form.system:
            self._facts["set back"] += 1
            self._back.setdefault((form.system, form.key, back.field), []).append(back)
        if entered == form.system or not told or not self._seen(form, back.field) or self._again(back):
            # By somebody there, whose work only the system itself could have kept; or a second time: it stays so.
            self._gone(back)
            return False
        return True

    def _seen(self, form: _Form, field: str) -> bool:
        """Whether what the form showed in a field is what the hub's next write went over, or the one before had made of
        it, as far as the hub knew."""
        writes = self._written.get((form.system, form.key, field), [])
        later = next((w for w in writes if w.at >= form.at), None)
        earlier = next((w for w in reversed(writes) if w.at < form.at), None)
        if later is None:
            return True
        known = [later.before] + ([earlier.after] if earlier is not None else [])
        return any(_same(value, form.shown.get(field)) for value in known)

    def _differs(self, form: _Form, field: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
        """Whether a save has changed a field, and it does not show what the hub has written there since the form was
        opened. It looks like a copy from after that write then; and like one that the hub has never seen where nothing
        has changed, as what the hub has written over there was entered later."""
        writes = self._written.get((form.system, form.key, field), [])
        left = any(w.at >= form.at and _same(w.after, after.get(field)) for w in writes)
        return before.get(field) != after.get(field) and not left

    def _again(self, back: _SetBack) -> bool:
        """Whether the hub had written this very value over that one twice lately."""
        since, until = back.at - MEMORY, back.at
        effects = [e for e in self._effects(back.form) if e.at > since and e.at - timedelta(seconds=e.seconds) < until]
        pairs = [e.changes[back.field] for e in effects if e.outcome == "done" and back.field in e.changes]
        return sum(_same(old, back.old) and _same(new, back.value) for old, new in pairs) > 1

    def _effects(self, form: _Form) -> list[Effect]:
        return [e for e in self._database.effects if (e.flow, e.system, e.key) == (form.entity, form.system, form.key)]

    def _gone(self, back: _SetBack, read: bool | None = None) -> None:
        """Nobody can tell that this was set back."""
        link = self._link(back.form.entity, back.form.system, back.form.key)
        if read is None:
            read = link is not None and not _same(link.far.get(back.field), back.old)
        self._ledger.put_back(back.tag, back.field, back.old, back.form.system, back.value, read=read)

    def _edited(self, entity: str, system: str, key: str, field: str) -> None:
        """A field is edited on top of what it shows. Where that had been set back, and the hub has not read it yet, the
        edit looks like one of what was there before."""
        link = self._link(entity, system, key)
        for back in self._back.get((system, key, field), ()):
            if link is None or _same(link.far.get(field), back.value):
                self._ledger.excuse(back.tag, field, back.value)
                self._hidden.append(back)

    def written(self, system: str, resource: str, write: Update) -> None:
        """The hub is about to write, knowing what the record has shown."""
        entity = next((e for e, s in self._whole if (s, self._people.resource(e, s)) == (system, resource)), None)
        if entity is None:
            return
        lens, both = self._people.lens(entity, system), (write.before.fields, {**write.before.fields, **write.fields})
        refs = Refs(items={ref: ref[1] for fields in both for ref in lens.refs_in(write.key, fields)})
        before, after = (lens.get(write.key, fields, refs).fields for fields in both)
        for field in before:
            if self._people.places(entity, system, field) & set(write.fields):
                made = _Written(self._database.now(), before[field], after.get(field))
                self._written.setdefault((system, write.key, field), []).append(made)

    def settle(self) -> None:
        """At the end it can be told which writes the hub never noted, as it was killed before: whoever was shown the
        record from before them sets back what the hub knows nothing of. And which it has noted later."""
        for back in (back for found in self._back.values() for back in found):
            if not self._noted(back) or self._again(back):
                self._gone(back, read=True)
        for over, proofs in self._over:
            if not self._noted(over) or all(back in self._hidden for back in proofs):
                self._ledger.excuse(over.tag, over.field, over.value)

    def _noted(self, back: _SetBack) -> bool:
        noted = [(e.at - timedelta(seconds=e.seconds), e.at) for e in self._effects(back.form)]
        since = [
            written.at
            for (system, key, _), found in self._written.items()
            for written in found
            if (system, key) == (back.form.system, back.form.key) and back.form.at <= written.at <= back.at
        ]
        return all(any(began <= at <= ended for began, ended in noted) for at in since)

    def _link(self, entity: str, system: str, key: str) -> Link | None:
        links = self._database.links.values()
        return next((x for x in links if (x.flow, x.system, x.key) == (entity, system, key)), None)


def _same(one: Any, other: Any) -> bool:
    return number_of(one) == number_of(other)
