"""Contact persons: contact mechanisms of a party that bear the same name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from isthmus.connector import Change, Create, Cursor, FieldInfo, Found, Gone, Key, Page, Record, Traits, Update
from isthmus.connectors.tryton.changes import Changed, Watch
from isthmus.connectors.tryton.collection import Seen, digest, identify, needed, number
from isthmus.connectors.tryton.writing import WritableCollection, as_row
from isthmus.errors import IsthmusError, Rejected

__all__ = ["Contacts"]

_READ = ("party", "type", "value", "name", "active", "sequence", "_timestamp")
_NAMED = (["name", "!=", None], ["name", "!=", ""])
_PAGE = 500
_KINDS = {"email": ("email",), "phone": ("phone", "mobile")}


class Contacts(WritableCollection):
    """Resource ``contact``; its key is the lowest id among the mechanisms of that name in that party."""

    name = "contact"
    model = "party.contact_mechanism"
    watch: ClassVar[Watch] = {"party.contact_mechanism": {"party": "party.party"}, "party.party": {}}
    known: ClassVar[Mapping[str, FieldInfo]] = {
        "party": FieldInfo(type="key", target="party", label="Party"),
        "name": FieldInfo(type="text", label="Name"),
        "email": FieldInfo(type="text", label="E-Mail"),
        "phone": FieldInfo(type="text", label="Phone"),
        "active": FieldInfo(type="boolean", label="Active"),
    }
    writes = Traits(write_batch=100, guarded_writes=True, concurrency=4)

    @property
    def row_model(self) -> str:
        """Mechanisms are written through their party, all of one person in one call."""
        return "party.party"

    async def _people(self, parties: Sequence[int]) -> list[Seen]:
        """All contact persons of these parties, by key."""
        if not parties:
            return []
        groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
        for row in await self.rows(_READ, [["party", "in", list(parties)], *_NAMED]):
            groups.setdefault((int(row["party"]), row["name"].strip()), []).append(row)
        people = [_person(party, name, rows) for (party, name), rows in groups.items() if name]
        return sorted(people, key=lambda one: int(one.record.key))

    async def _parties(self, ids: Sequence[int]) -> dict[int, int]:
        """Party of each named mechanism."""
        if not ids:
            return {}
        found = await self.rows(["party"], [["id", "in", list(ids)], *_NAMED])
        return {int(row["id"]): int(row["party"]) for row in found}

    async def seen(self, ids: Sequence[int]) -> dict[int, Seen]:
        """The persons with these keys."""
        parties = await self._parties(ids)
        wanted = set(ids)
        people = await self._people(sorted(set(parties.values())))
        return {key: one for one in people if (key := int(one.record.key)) in wanted}

    async def fetch(self, keys: Sequence[Key]) -> Sequence[Change]:
        """One person or ``Gone`` per key; a mechanism that now is a part of another person was merged into it."""
        ids = [identity for key in keys if (identity := number(key)) is not None]
        people = await self._people(sorted(set((await self._parties(ids)).values())))
        answers: dict[str, Change] = {}
        for one in people:
            for part in one.extra["rows"]:
                answers[str(part["id"])] = Gone(key=str(part["id"]), merged_into=one.record.key)
            answers[one.record.key] = one.record
        return [answers.get(str(number(key)), Gone(key=key)) for key in keys]

    async def scan(self, after: Cursor | None) -> Page:
        """Persons whose key is among the next mechanisms."""
        rows = await self.rows(["party"], [["id", ">", int(after or 0)], *_NAMED], _PAGE)
        if not rows:
            return Page(items=[], cursor=after)
        ids = {int(row["id"]) for row in rows}
        people = await self._people(sorted({int(row["party"]) for row in rows}))
        items = [one.record for one in people if int(one.record.key) in ids]
        return Page(items=items, cursor=str(rows[-1]["id"]), more=len(rows) == _PAGE)

    async def affected(self, rows: Sequence[Changed]) -> Sequence[int]:
        """Changed mechanisms (gone when they are nobody's key), and all persons of the parties they belong to."""
        people = await self._people(sorted(set(identify(rows, "party.party"))))
        return [*identify(rows, self.model), *(int(one.record.key) for one in people)]

    async def make(self, creates: Sequence[Create]) -> list[int | IsthmusError]:
        """Make each person's mechanisms in one call per person; a person that is there already is answered."""
        return [await self._one(create) for create in creates]

    async def _one(self, create: Create) -> int | IsthmusError:
        planned = await as_row(self._new(create.fields))
        if isinstance(planned, IsthmusError):
            return planned
        if "key" in planned:
            return int(planned["key"])
        try:
            made = await self.tryton.rpc.call("model.party.contact_mechanism.create", planned["rows"], safe=False)
        except IsthmusError as error:
            return error
        return int(min(made))

    async def _new(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        party = needed(fields.get("party"), "party", "party")
        name = str(fields.get("name") or "").strip()
        if not name:
            raise Rejected("A contact person needs a name.", field="name")
        same = [one for one in await self._people([party]) if one.record.fields["name"] == name]
        if same and all(same[0].record.fields[kind] == (fields.get(kind) or None) for kind in _KINDS):
            return {"key": same[0].record.key}
        if same:
            raise Rejected(f"The party has a contact person '{name}' already.", field="name")
        rows = [{"type": kind, "value": fields[kind]} for kind in _KINDS if fields.get(kind)]
        active = bool(fields.get("active", True))
        rows = rows or [{"type": "other", "value": name}]
        return {"rows": [{**row, "party": party, "name": name, "active": active} for row in rows]}

    async def plan(self, update: Update, seen: Seen) -> tuple[int, dict[str, Any]] | None:
        """Commands on the party's mechanisms."""
        if strange := [field for field in update.fields if field not in self.known or field == "party"]:
            raise Rejected(f"The field '{strange[0]}' of a contact person cannot be changed.", field=strange[0])
        rows, fields = seen.extra["rows"], {**seen.record.fields, **update.fields}
        name = str(fields["name"] or "").strip()
        if not name:
            raise Rejected("A contact person needs a name.", field="name")
        party = int(fields["party"])
        if not fields["active"]:
            shut = [int(row["id"]) for row in rows if row["active"]]
            return (party, {"contact_mechanisms": [["write", shut, {"active": False}]]}) if shut else None
        edit = _Edit(seen)
        for kind in _KINDS:
            if kind in update.fields:
                edit.put(kind, fields[kind] or None)
        if name != seen.record.fields["name"]:
            edit.rename(name)
        commands = edit.commands(name)
        return (party, {"contact_mechanisms": commands}) if commands else None

    def activation(self, seen: Seen) -> tuple[int, dict[str, Any]]:
        """Activate the mechanisms."""
        ids = [int(row["id"]) for row in seen.extra["rows"]]
        return int(seen.record.fields["party"]), {"contact_mechanisms": [["write", ids, {"active": True}]]}

    async def remove(self, keys: Sequence[int]) -> None:
        """Delete all mechanisms of the persons."""
        ids = [int(row["id"]) for one in (await self.seen(keys)).values() for row in one.extra["rows"]]
        await self.tryton.rpc.call(f"model.{self.model}.delete", ids, safe=False)

    async def find_created(self, create: Create, since: datetime) -> Sequence[Found]:
        """The person of that name in that party: names are what tells persons of a party apart."""
        party = number(str(create.fields.get("party")))
        people = await self._people([party] if party is not None else [])
        name = str(create.fields.get("name") or "").strip()
        return [Found(record=one.record, certain=False) for one in people if one.record.fields["name"] == name]


class _Edit:
    """What happens to the mechanisms of one person.

    The mechanism that is the key is never deleted: without a value of its own it becomes a placeholder that says the
    person's name, and is used again.
    """

    def __init__(self, seen: Seen) -> None:
        self._key, self._name = int(seen.record.key), seen.record.fields["name"]
        self._rows: Sequence[Mapping[str, Any]] = seen.extra["rows"]
        self._written: dict[int, dict[str, Any]] = {}
        self._created: list[dict[str, Any]] = []
        self._deleted: list[int] = []

    def put(self, kind: str, value: str | None) -> None:
        """Give the person this e-mail or phone, or none."""
        active = [row for row in self._rows if row["active"]]
        own = [int(row["id"]) for row in active if row["type"] in _KINDS[kind]]
        spare = [int(row["id"]) for row in active if row["type"] == "other" and row["value"] == self._name]
        if value is None:
            self._deleted += [one for one in own if one != self._key]
            if self._key in own:
                self._written[self._key] = {"type": "other", "value": self._name}
        elif own:
            self._written[own[0]] = {"value": value}
        elif spare and spare[0] not in self._written:
            self._written[spare[0]] = {"type": kind, "value": value}
        else:
            self._created.append({"type": kind, "value": value})

    def rename(self, name: str) -> None:
        """Give all mechanisms the new name. Inactive ones cannot have it and would stay behind as another person."""
        for row in self._rows:
            identity = int(row["id"])
            if row["active"]:
                self._written[identity] = {"name": name} | self._written.get(identity, {})
            elif identity != self._key:
                self._deleted.append(identity)

    def commands(self, name: str) -> list[list[Any]]:
        """Commands for the party's list of mechanisms."""
        gone = set(self._deleted)
        result: list[list[Any]] = [["delete", sorted(gone)]] if gone else []
        result += [["write", [one], values] for one, values in self._written.items() if one not in gone]
        if self._created:
            result.append(["create", [{**row, "name": name} for row in self._created]])
        return result


def _person(party: int, name: str, rows: Sequence[Mapping[str, Any]]) -> Seen:
    stamps = {f"party.contact_mechanism,{row['id']}": row["_timestamp"] for row in rows}
    active = any(row["active"] for row in rows)
    shown = [row for row in rows if row["active"]] if active else list(rows)
    fields: dict[str, Any] = {"party": str(party), "name": name, "active": active}
    for kind, types in _KINDS.items():
        fields[kind] = next((row["value"] for row in shown if row["type"] in types), None)
    key = str(min(int(row["id"]) for row in rows))
    return Seen(Record(key=key, fields=fields, version=digest(stamps, fields)), stamps, {"rows": rows})
