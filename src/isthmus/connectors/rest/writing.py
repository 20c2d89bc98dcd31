"""Writes of a described API: one call each, or one for many creates; each answer is the record read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from isthmus.connector import Create, Delete, Found, Gone, Key, Record, Response, Update, Write, WriteAnswer
from isthmus.connectors.rest.definition import BulkCreate, Verb
from isthmus.connectors.rest.reading import RestReadable
from isthmus.connectors.rest.session import refusal
from isthmus.connectors.rest.values import MISSING, at, phrase, put
from isthmus.errors import IsthmusError, Rejected, Stale, Unavailable, UnknownOutcome

__all__ = ["RestFindable", "RestWritable"]

_GONE = frozenset({404, 410})


class RestWritable(RestReadable):
    """A collection that accepts writes."""

    async def write(self, writes: Sequence[Write]) -> Sequence[WriteAnswer]:
        bulk = self._definition.bulk_create
        creates = [write for write in writes if isinstance(write, Create)]
        if bulk is not None and len(creates) == len(writes) and len(writes) > 1:
            together = await self._create_all(bulk, creates)
            if together is not None:
                return together
        answers: list[WriteAnswer] = []
        for write in writes:
            try:
                answers.append(await self._perform(write))
            except IsthmusError as error:
                answers.append(error)
        return answers

    async def _perform(self, write: Write) -> WriteAnswer:
        match write:
            case Create():
                return await self._create(write)
            case Update():
                return await self._update(write)
            case Delete():
                return await self._delete(write)

    async def _create(self, create: Create) -> WriteAnswer:
        verb, bulk = self._definition.create, self._definition.bulk_create
        if verb is None and bulk is not None:
            answers = await self._create_all(bulk, [create])
            return answers[0] if answers is not None else Rejected("The system refused it without a reason.")
        if verb is None:
            return Rejected(f"The definition of {self.name} has no way to create.")
        parent = self._parent_of(create)
        headers = dict(self._definition.headers)
        if self._definition.idempotency_header:
            headers[self._definition.idempotency_header] = create.token
        path = (verb.path or self._definition.path).replace("{parent}", parent or "")
        answer = await self._send(verb.method or "POST", verb, path, self._body_of(create), headers)
        if answer.status >= 400:
            return refusal(answer, self._session.api.errors)
        return await self._after(answer, verb, parent)

    def _parent_of(self, create: Create) -> Key | None:
        nested = self._definition.parent
        if nested is None:
            return None
        parent = create.fields.get(nested.field)
        if not parent:
            raise Rejected(f"A record of {self.name} needs its {nested.field}.", field=nested.field)
        return str(parent)

    def _body_of(self, create: Create) -> dict[str, Any]:
        body = self.shape.body(create.fields)
        if self._definition.token is not None:
            put(body, self._definition.token.field, create.token)
        return body

    async def _update(self, update: Update) -> WriteAnswer:
        verb, guard = self._definition.update, self._definition.guard
        if verb is None:
            return Rejected(f"The definition of {self.name} has no way to update.")
        fields = self.shape.whole(update.before.fields, update.fields) if verb.whole else update.fields
        body, headers = self.shape.body(fields), dict(self._definition.headers)
        if guard is not None:
            if update.before.version is None:
                return Stale(f"{self.name} {update.key}: the version it was planned from is not known.")
            if guard.header:
                headers[guard.header] = update.before.version
            else:
                put(body, guard.field, update.before.version)
        answer = await self._send(verb.method or "PATCH", verb, self.path(self._own(verb), update.key), body, headers)
        if answer.status in _GONE:
            return Gone(key=update.key)
        if answer.status >= 400:
            return refusal(answer, self._session.api.errors, guard=guard.status if guard else None)
        return await self._after(answer, verb, self.split(update.key)[0], update.key)

    async def _delete(self, delete: Delete) -> WriteAnswer:
        verb = self._definition.delete
        if verb is None:
            return Rejected(f"The definition of {self.name} has no way to delete.")
        answer = await self._session.call(
            verb.method or "DELETE",
            self.path(self._own(verb), delete.key),
            query=self._words,
            body=dict(verb.constant) or None,
            headers=self._definition.headers,
        )
        if answer.status < 400 or answer.status in _GONE:
            return Gone(key=delete.key)
        return refusal(answer, self._session.api.errors)

    def _own(self, verb: Verb) -> str:
        return verb.path or self._definition.get.path or self._definition.path.rstrip("/") + "/{key}"

    async def _send(
        self, method: str, verb: Verb, path: str, fields: Mapping[str, Any], headers: Mapping[str, str]
    ) -> Response:
        body: dict[str, Any] = dict(verb.constant)
        if verb.body:
            put(
                body,
                verb.body,
                {**(at(body, verb.body) or {}), **fields} if at(body, verb.body) is not MISSING else fields,
            )
        else:
            body.update(fields)
        return await self._session.call(method, path, query=self._words, body=body, headers=headers)

    async def _after(self, answer: Response, verb: Verb, parent: Key | None, key: Key | None = None) -> WriteAnswer:
        """The record after a write that was accepted. From here on nothing may claim that nothing happened."""
        try:
            if verb.record is not None:
                raw = at(answer.json(), verb.record)
                if raw is MISSING:
                    raise Unavailable(f"The answer has no record at '{verb.record}'.")
                return self._change(raw, parent, answer)
            if key is None:
                key = self._new_key(answer, verb)
                key = f"{parent}/{key}" if parent is not None else key
            elif answer.body:
                answer.json()  # a page of something else in between means that we do not know what happened
            return await self.one(key)
        except IsthmusError as error:
            raise UnknownOutcome(
                f"The write was accepted, but its result could not be read ({error.message})"
            ) from error

    def _new_key(self, answer: Response, verb: Verb) -> Key:
        if verb.location:
            found: Any = answer.headers.get("location", "").rstrip("/").rpartition("/")[2]
        else:
            found = at(answer.json(), verb.key or self._definition.key)
        if found in (MISSING, None, "") or isinstance(found, dict | list):
            raise Unavailable("The answer to the create does not tell the key of the new record.")
        return str(found)

    async def _create_all(self, bulk: BulkCreate, creates: Sequence[Create]) -> Sequence[WriteAnswer] | None:
        """All at once; None if the system refused the whole, then each is tried by itself."""
        try:
            bodies = [self._body_of(create) for create in creates]
        except Rejected as error:
            return None if len(creates) > 1 else [error]
        body: Any = bodies
        if bulk.body:
            body = {}
            put(body, bulk.body, bodies)
        try:
            answer = await self._session.call(
                "POST", bulk.path, query=self._words, body=body, headers=self._definition.headers
            )
        except IsthmusError as error:
            return [error for _ in creates]
        if answer.status >= 400:
            return None if len(creates) > 1 else [refusal(answer, self._session.api.errors)]
        try:
            told = at(answer.json(), bulk.keys)
            if not isinstance(told, list) or len(told) != len(creates):
                raise Unavailable(f"There are not {len(creates)} keys at '{bulk.keys}' in the answer.")
            keys = [self.shape.key(each) if isinstance(each, dict) else str(each) for each in told]
            records: list[WriteAnswer] = []
            for start in range(0, len(keys), self.traits.fetch_batch):
                records += await self.fetch(keys[start : start + self.traits.fetch_batch])
        except IsthmusError as error:
            return [UnknownOutcome(f"The result of a bulk create could not be read ({error.message})") for _ in creates]
        return records


class RestFindable(RestWritable):
    """A collection in which the token of a create can be looked for."""

    async def find_created(self, create: Create, since: datetime) -> Sequence[Found]:
        token = self._definition.token
        assert token is not None, "only definitions with `token` make records findable"
        parent = self._parent_of(create)
        words: dict[str, Any] = {
            query: create.fields[field] for query, field in token.narrow.items() if create.fields.get(field)
        }
        if not token.narrow:
            words[token.query or token.field] = phrase(token.template, token.encoding, token=create.token)
        place = None
        found: dict[Key, Found] = {}
        while True:
            listing = await self._listing(parent, place, words)
            # A system that ignores the parameter lists everything: only what carries the token counts.
            hits = [raw for raw in listing.raws if str(at(raw, token.field)) == create.token]
            for raw in hits:
                key = self.shape.key(raw)
                record = await self.one(f"{parent}/{key}" if parent is not None else key)
                if isinstance(record, Record):
                    found[record.key] = Found(record=record, certain=True)
            place = listing.next
            if place is None:
                return list(found.values())
