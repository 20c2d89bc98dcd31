"""A flow's expressions for one system, compiled: ``get`` reads a far record as entity fields, ``put`` says which far
fields must change so that it would read as wanted.

Laws (tested for every mapping of the packs): ``get(put(v)) == view(v)``; ``put`` of what ``get`` shows changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import msgspec
import xxhash

from isthmus.errors import Unmappable
from isthmus.mapping.converters import Converter, converted, converter_for, default_put
from isthmus.mapping.direct import direct
from isthmus.mapping.joins import joined, put_join
from isthmus.mapping.paths import ABSENT, all_records, read, write
from isthmus.mapping.shape import KEY_FIELD, has_ref, holds, places, plain_parts, tops
from isthmus.model.fields import Canonical, FieldType, canonical
from isthmus.model.flow import Const, Each, Expr, Flow, Join, Path, Struct, Use

__all__ = ["ABSENT", "Got", "Lens", "PutResult", "Refs", "compile_lens", "holds"]


class Refs(msgspec.Struct, frozen=True):
    """Known cross-references: (resource, key) -> item for reading, (resource, item) -> key for writing."""

    items: Mapping[tuple[str, str], str] = {}
    keys: Mapping[tuple[str, str], str] = {}
    never: Collection[tuple[str, str]] = ()
    """(resource, item) that the system will not have: what refers to them is left as it is there."""


class Got(msgspec.Struct, frozen=True):
    """A far record in entity terms. Fields that could not be read are left out (absent) and named."""

    fields: Mapping[str, Canonical]
    missing: Collection[tuple[str, str]] = ()
    """(resource, key) of parents that are not linked yet."""
    problems: Mapping[str, Unmappable] = {}


class PutResult(msgspec.Struct, frozen=True):
    """Far fields to write (top level, whole new values)."""

    fields: Mapping[str, Any]
    missing: Collection[tuple[str, str]] = ()
    """(resource, item) of parents that have no record in this system yet."""
    problems: Mapping[str, Unmappable] = {}


_DIGESTED = msgspec.json.Encoder(order="deterministic", enc_hook=str)


class _MissingRefError(Exception):
    def __init__(self, resource: str, key: str) -> None:
        self.ref = (resource, key)


class Lens:
    """One system's side of a flow. Build it with :func:`compile_lens`."""

    def __init__(self, flow: Flow, system: str, resources: Mapping[str, str], own: Mapping[str, Converter]) -> None:
        self.flow, self.system = flow, system
        self._resources, self._own = resources, own
        self._converters: dict[Any, Converter] = {}
        self.exprs: dict[str, Expr] = {
            name: expr for name, rule in flow.fields.items() if (expr := rule.exprs.get(system)) is not None
        }
        self._types = flow.entity.fields
        self.only_created = frozenset(n for n, e in self.exprs.items() if e.use is Use.CREATE)
        self.only_written = frozenset(n for n, e in self.exprs.items() if e.use is Use.WRITE)
        self.lose(())
        self.tops = {name: frozenset(tops(expr)) for name, expr in self.exprs.items()}
        """Far fields that each field is read from or written to."""
        asked = {condition.field.split(".")[0] for condition in flow.sides[system].where}
        self.far_fields = frozenset(asked.union(*(self.tops[name] for name in self.readable)))
        self._as_is = {n: parts for n, expr in self.exprs.items() if (parts := plain_parts(expr)) is not None}
        self.plain = frozenset(self._as_is)
        """Fields of which the system shows just what the hub holds, or parts of it: of two equal values it has the same
        view, and each is its own."""
        self._digested = tuple(sorted(self.far_fields))
        self._seed = xxhash.xxh3_64_intdigest(msgspec.json.encode(self.exprs, order="deterministic"))
        self.has_refs = any(has_ref(expr) for expr in self.exprs.values())

    def lose(self, gone: Collection[str]) -> None:
        """These far places are missing in the system (again: only these): fields that need one of them are neither
        read nor written. A place that is not there says nothing; in particular it does not say that it is empty."""
        self.lost = frozenset(name for name, expr in self.exprs.items() if places(expr) & set(gone))
        self.readable = frozenset(n for n, e in self.exprs.items() if e.use is not Use.WRITE) - self.lost
        self._readers = [
            (name, direct(expr, self._types[name]) or partial(self._get, expr, self._types[name]))
            for name, expr in self.exprs.items()
            if name in self.readable
        ]
        self.writable = frozenset(n for n, e in self.exprs.items() if e.use is not Use.READ) - self.lost
        self.updated = self.writable - self.only_created
        """What is written to a record that exists."""

    # -- reading -------------------------------------------------------------------------------------------------

    def selects(self, fields: Mapping[str, Any]) -> bool:
        """Whether the far record belongs to this flow (its ``where``)."""
        return all(holds(condition, fields) for condition in self.flow.sides[self.system].where)

    def digest(self, fields: Mapping[str, Any]) -> bytes:
        """Fingerprint of the far fields that this flow reads, and of how it reads them."""
        part = {name: fields[name] for name in self._digested if name in fields}
        try:
            data = _DIGESTED.encode(part)
        except UnicodeEncodeError:
            # Half a surrogate pair in some text: the field is set aside when it is read.
            data = repr(part).encode("utf-8", "backslashreplace")
        return xxhash.xxh3_128_digest(data, seed=self._seed)

    def refs_in(self, key: str, fields: Mapping[str, Any]) -> set[tuple[str, str]]:
        """(resource, key) of all parents the record refers to."""
        found: set[tuple[str, str]] = set()
        if self.has_refs:

            def collect(resource: str, far: str) -> str:
                found.add((resource, far))
                return "?"

            self._get_all(key, fields, collect)
        return found

    def get(self, key: str, fields: Mapping[str, Any], refs: Refs, *, created: bool = True) -> Got:
        """The record in entity terms. ``created`` False (first contact) also reads fields that are written only at
        creation, so that two existing records can be compared by them."""
        missing: set[tuple[str, str]] = set()

        def resolve(resource: str, far: str) -> str:
            item = refs.items.get((resource, far))
            if item is None:
                missing.add((resource, far))
                raise _MissingRefError(resource, far)
            return item

        got, problems = self._get_all(key, fields, resolve)
        if created:
            got = {name: value for name, value in got.items() if name not in self.only_created}
        return Got(got, missing, problems)

    def _get_all(
        self, key: str, fields: Mapping[str, Any], resolve: Callable[[str, str], str]
    ) -> tuple[dict[str, Canonical], dict[str, Unmappable]]:
        record = {**fields, KEY_FIELD: key}
        got: dict[str, Canonical] = {}
        problems: dict[str, Unmappable] = {}
        for name, reader in self._readers:
            try:
                value = reader(record, resolve)
            except Unmappable as problem:
                problems[name] = Unmappable(problem.message, field=name, advice=problem.advice)
                continue
            except _MissingRefError:
                continue
            if value is not ABSENT:
                got[name] = value
        return got, problems

    def _get(self, expr: Expr, kind: FieldType, record: Mapping[str, Any], resolve: Callable[[str, str], str]) -> Any:
        match expr:
            case Const():
                return canonical(kind, expr.value)
            case Path():
                return self._get_path(expr, kind, record, resolve)
            case Join():
                parts = [read(record, path.segments) for path in expr.paths]
                if all(part is ABSENT for part in parts):
                    return ABSENT
                return canonical(kind, joined(expr, parts))
            case Struct():
                found = {name: self._get(part, kind.fields[name], record, resolve) for name, part in expr.parts.items()}
                if all(value is ABSENT for n, value in found.items() if not isinstance(expr.parts[n], Const)):
                    return ABSENT
                return canonical(kind, {name: value for name, value in found.items() if value is not ABSENT})
            case Each():
                elements = read(record, expr.path.segments)
                if elements is ABSENT:
                    return ABSENT
                assert kind.of is not None
                if elements is not None and not all_records(elements):
                    raise Unmappable(f"'{expr.path.segments[0].name}' is not a list of records.")
                inner = Struct(expr.parts)
                shown = [self._get(inner, kind.of, element, resolve) for element in elements or []]
                return canonical(kind, [value for value in shown if value is not ABSENT])

    def _get_path(
        self, expr: Path, kind: FieldType, record: Mapping[str, Any], resolve: Callable[[str, str], str]
    ) -> Any:
        value = read(record, expr.segments)
        if value is ABSENT or value is None or value == "":
            return ABSENT if value is ABSENT else None
        convert = expr.convert
        if convert is None:
            return canonical(kind, value)
        if convert.name == "ref":
            return resolve(self._resources[convert.args[0]], str(value))
        return canonical(kind, converted(self._converter(convert).get, value))

    # -- writing -------------------------------------------------------------------------------------------------

    def view(self, field: str, value: Canonical) -> Canonical:
        """What this system could show of a hub value: the parts it holds, through its converter. A value equal in
        view is the same fact for this system."""
        expr, parts = self.exprs.get(field), self._as_is.get(field)
        if expr is None or value is None:
            return value
        if parts is not None and (not isinstance(value, dict) or parts.issuperset(value)):
            return value
        try:
            return self._view(expr, self._types[field], value)
        except Unmappable:
            return value

    def _view(self, expr: Expr, kind: FieldType, value: Canonical) -> Canonical:
        if value is None:
            return None
        match expr:
            case Path(convert=convert) if convert is not None and convert.name not in ("ref", "summary"):
                converter = self._converter(convert)
                return canonical(kind, converted(converter.get, converted(converter.put, value)))
            case Join():
                return self._get(expr, kind, put_join(expr, value, {}), _no_refs)
            case Struct():
                parts = {n: self._view(p, kind.fields[n], value.get(n)) for n, p in expr.parts.items() if n in value}
                return canonical(kind, parts)
            case Each():
                assert kind.of is not None
                return canonical(kind, [self._view(Struct(expr.parts), kind.of, element) for element in value])
            case _:
                return value

    def overlay(self, field: str, hub: Canonical, far: Canonical) -> Canonical:
        """The hub value after this system's edit: parts that the system does not hold are kept."""
        expr = self.exprs[field]
        if isinstance(expr, Struct) and isinstance(hub, dict):
            shown = dict.fromkeys(expr.parts) if far is None else far
            return canonical(self._types[field], {**{n: v for n, v in hub.items() if n not in shown}, **shown})
        return far

    def refs_out(self, values: Mapping[str, Canonical]) -> set[tuple[str, str]]:
        """(resource, item) of all parents that writing these values needs."""
        found: set[tuple[str, str]] = set()

        def collect(resource: str, item: str) -> str:
            found.add((resource, item))
            return "?"

        if self.has_refs:
            for name, value in values.items():
                if name in self.writable and value is not None and has_ref(self.exprs[name]):
                    self._collect(self.exprs[name], value, collect)
        return found

    def _collect(self, expr: Expr, value: Any, collect: Callable[[str, str], str]) -> None:
        match expr:
            case Path(convert=convert) if convert is not None and convert.name == "ref" and value is not None:
                collect(self._resources[convert.args[0]], value)
            case Struct() if value is not None:
                for name, part in expr.parts.items():
                    self._collect(part, value.get(name), collect)
            case Each():
                for element in value or []:
                    self._collect(Struct(expr.parts), element, collect)
            case _:
                pass

    def put(self, values: Mapping[str, Canonical], before: Mapping[str, Any], refs: Refs) -> PutResult:
        """Which top-level far fields must change so that the record reads as ``values``. ``before`` is the record as
        it is now (empty for a new one). Only places that differ are touched (SPEC 1)."""
        after: dict[str, Any] = dict(before)
        missing: set[tuple[str, str]] = set()
        problems: dict[str, Unmappable] = {}

        def resolve(resource: str, item: str) -> str:
            key = refs.keys.get((resource, item))
            if key is None:
                raise _MissingRefError(resource, item)
            return key

        for name, value in values.items():
            if name not in self.writable:
                continue
            try:
                after = self._put(self.exprs[name], self._types[name], value, after, resolve)
            except _MissingRefError as absent:
                if absent.ref not in refs.never:
                    missing.add(absent.ref)
            except Unmappable as problem:
                problems[name] = Unmappable(problem.message, field=name, advice=problem.advice)
        changed = {k: v for k, v in after.items() if k not in before or before[k] != v}
        return PutResult(changed, missing, problems)

    def _put(
        self,
        expr: Expr,
        kind: FieldType,
        value: Canonical,
        record: dict[str, Any],
        resolve: Callable[[str, str], str],
    ) -> dict[str, Any]:
        match expr:
            case Const():
                if value is not None and canonical(kind, expr.value) != value:
                    raise Unmappable(f"Only {expr.value!r} is possible here, but {value!r} is wanted.")
                return record
            case Path():
                return self._put_path(expr, kind, value, record, resolve)
            case Join():
                return put_join(expr, value, record)
            case Struct():
                for name, part in expr.parts.items():
                    if value is None or name in value:
                        wanted = None if value is None else value[name]
                        record = self._put(part, kind.fields[name], wanted, record, resolve)
                return record
            case Each():
                return self._put_each(expr, kind, value, record, resolve)

    def _put_path(
        self, expr: Path, kind: FieldType, value: Canonical, record: dict[str, Any], resolve: Callable[[str, str], str]
    ) -> dict[str, Any]:
        here = read(record, expr.segments)
        convert = expr.convert
        if expr.use is Use.READ:
            # A part that the system decides itself, such as the currency of a document.
            if value is not None and here not in (None, "", ABSENT) and not self._reads_as(expr, kind, here, value):
                raise Unmappable(f"This system has {here!r} here and cannot take {value!r}.")
            return record
        if value is None:
            empty = here in (None, "", ABSENT) or (isinstance(here, str) and not here.strip())
            return record if empty else write(record, expr.segments, None)
        if convert is not None and convert.name == "ref":
            far: Any = resolve(self._resources[convert.args[0]], value)
            return record if str(here) == far else write(record, expr.segments, far)
        if here not in (None, "", ABSENT) and expr.use is not Use.WRITE and self._reads_as(expr, kind, here, value):
            return record
        far = converted(self._converter(convert).put, value) if convert is not None else default_put(kind, value)
        return record if here == far else write(record, expr.segments, far)

    def _reads_as(self, expr: Path, kind: FieldType, here: Any, value: Canonical) -> bool:
        try:
            raw = converted(self._converter(expr.convert).get, here) if expr.convert is not None else here
            return bool(canonical(kind, raw) == value)
        except Unmappable:
            return False

    def _put_each(
        self, expr: Each, kind: FieldType, value: Canonical, record: dict[str, Any], resolve: Callable[[str, str], str]
    ) -> dict[str, Any]:
        """Elements that already read as wanted keep their identity; the rest are new or gone. Those that say nothing
        of what is mapped are not ours: they stay."""
        assert kind.of is not None
        inner = Struct(expr.parts)
        before = read(record, expr.path.segments) or []
        elements = before if isinstance(before, list) else []
        silent = [element for element in elements if self._says_nothing(inner, kind.of, element)]
        shown = [element for element in elements if element not in silent]
        old = [element for element in shown if isinstance(element, Mapping)]
        kept: list[Any] = []
        for element in value or []:
            wanted = {**dict.fromkeys(expr.parts), **element}
            match = next((o for o in old if self._put(inner, kind.of, wanted, dict(o), resolve) == o), None)
            if match is not None:
                old.remove(match)
            kept.append(match if match is not None else self._put(inner, kind.of, wanted, {}, resolve))
        if kept == shown and elements == before:
            return record
        return write(record, expr.path.segments, kept + silent)

    def _says_nothing(self, inner: Struct, kind: FieldType, element: Any) -> bool:
        try:
            return isinstance(element, Mapping) and self._get(inner, kind, element, _no_refs) is ABSENT
        except (Unmappable, _MissingRefError):
            return False

    def _converter(self, convert: Any) -> Converter:
        found = self._converters.get(convert)
        if found is None:
            found = self._converters[convert] = converter_for(convert, self._own)
        return found


def _no_refs(resource: str, key: str) -> str:
    raise _MissingRefError(resource, key)


def compile_lens(
    flow: Flow, system: str, flows: Mapping[str, Flow], own: Mapping[str, Converter] | None = None
) -> Lens:
    """The lens of ``system`` in ``flow``. ``flows`` tells which resource ``ref(FLOW)`` means in this system."""
    resources = {name: other.sides[system].resource for name, other in flows.items() if system in other.sides}
    return Lens(flow, system, resources, own or {})
