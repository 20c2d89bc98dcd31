"""The twin's rows: transactions, lists of commands, domains, dotted names, time stamps and the outbox."""

from __future__ import annotations

import copy
import datetime as dt
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from isthmus.connectors.tryton.changes import Watch
from isthmus.connectors.tryton.twin_models import DATA, MODELS, Computed, Field

__all__ = ["Refused", "Store"]

_PARENTS: Watch = {
    "party.address": {"party": "party.party"},
    "party.contact_mechanism": {"party": "party.party"},
    "party.identifier": {"party": "party.party"},
    "product.product": {"template": "product.template"},
    "product.price_list.line": {"price_list": "product.price_list"},
    "stock.move": {"product": "product.product", "shipment": ""},
    "sale.line": {"sale": "sale.sale"},
    "account.move.line": {"party": "party.party", "move": "account.move"},
}
_UNWATCHED = ("res.", "ir.", "country.", "currency.", "account.journal", "account.invoice.line")


class Refused(Exception):
    """An error of Tryton: its kind and arguments."""

    def __init__(self, kind: str, *detail: Any) -> None:
        super().__init__(kind, *detail)
        self.wire = [kind, list(detail) if kind in ("UserError", "UserWarning") else detail[0]]


class Store:
    """Rows of all models."""

    def __init__(self, computed: Mapping[tuple[str, str], Computed]) -> None:
        self.computed = computed
        self.rows: dict[str, dict[int, dict[str, Any]]] = {model: {} for model in MODELS}
        self.outbox: list[dict[str, Any]] = []
        self._last: dict[str, int] = dict.fromkeys(MODELS, 0)
        self._now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
        self._stamps: dict[str, str] = {}
        for model, rows in DATA.items():
            for values in rows:
                self.create(model, values)

    @contextmanager
    def transaction(self, stamps: Mapping[str, str]) -> Iterator[None]:
        """All or nothing; rows in ``stamps`` must not have moved when they are written."""
        before = copy.deepcopy(self.rows), len(self.outbox), dict(self._last)
        self._stamps = dict(stamps)
        self._now = max(self._now + dt.timedelta(microseconds=10), dt.datetime.now(dt.UTC))
        try:
            yield
        except BaseException:
            self.rows, self._last = before[0], before[2]
            del self.outbox[before[1] :]
            raise

    def create(self, model: str, values: Mapping[str, Any]) -> int:
        """A new row; its id."""
        self._last[model] += 1
        identity = self._last[model]
        row = {name: field.default for name, field in MODELS[model].items() if field.kind != "many"}
        row |= {"id": identity, "create_uid": 1, "write_uid": None, "create_date": self._now, "stamp": self._stamp()}
        self.rows[model][identity] = row
        self._set(model, row, values)
        self._note(model, row, "create")
        return identity

    def write(self, model: str, ids: Sequence[int], values: Mapping[str, Any]) -> None:
        """Change rows. Inactive ones can only be activated."""
        for identity in ids:
            row = self.row(model, identity)
            self._guard(model, row)
            if row.get("active") is False and set(values) - {"active"}:
                raise Refused("UserError", "You are not allowed to modify the field of an inactive record.", "", None)
            row |= {"stamp": self._stamp(), "write_uid": 1}
            self._set(model, row, values)
            self._note(model, row, "write")

    def delete(self, model: str, ids: Sequence[int]) -> None:
        """Delete rows with what belongs to them."""
        for identity in ids:
            row = self.row(model, identity)
            self._guard(model, row)
            for field in MODELS[model].values():
                if field.kind == "many":
                    self.delete(field.target, self._children(model, row, field))
            self._note(model, row, "delete")
            del self.rows[model][identity]

    def row(self, model: str, identity: int) -> dict[str, Any]:
        """A row that must exist."""
        found = self.rows[model].get(int(identity))
        if found is None:
            text = f'You are trying to read records "{identity}" of "{model}" that don\'t exist.'
            raise Refused("UserError", text, "", None)
        return found

    def value(self, model: str, row: dict[str, Any], name: str, context: Mapping[str, Any]) -> Any:
        """The value of one field."""
        if name == "_timestamp":
            return row["stamp"]
        if name == "last_modified_at":
            return row["modified"]
        if (model, name) in self.computed:
            return self.computed[model, name](self, row, context)
        field = MODELS[model].get(name)
        if field is not None and field.kind == "many":
            return self._children(model, row, field)
        if field is None and name not in row:
            raise Refused(f"'{name}'", "")
        value = row[name]
        return list(value) if isinstance(value, tuple | list) else value

    def read(self, model: str, row: dict[str, Any], names: Sequence[str], context: Mapping[str, Any]) -> dict[str, Any]:
        """Fields of a row, dotted ones too, the way Tryton nests them."""
        result: dict[str, Any] = {"id": row["id"]}
        nested: dict[str, list[str]] = {}
        for name in names:
            head, dot, rest = name.partition(".")
            if dot:
                nested.setdefault(head, []).append(rest)
            else:
                result[name] = self.value(model, row, name, context)
        for head, inner in nested.items():
            target = self._target(model, head)
            value = self.value(model, row, head, context)
            if isinstance(value, list):
                result[f"{head}."] = [self.read(target, self.row(target, one), inner, context) for one in value]
            else:
                result[f"{head}."] = self.read(target, self.row(target, value), inner, context) if value else None
        return result

    def search(self, model: str, domain: Sequence[Any], context: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Rows that match, by id."""
        return [row for _, row in sorted(self.rows[model].items()) if self._matches(model, row, domain, context)]

    def _matches(self, model: str, row: dict[str, Any], domain: Sequence[Any], context: Mapping[str, Any]) -> bool:
        if domain and domain[0] == "OR":
            return any(self._matches(model, row, [clause], context) for clause in domain[1:])
        for clause in domain:
            if isinstance(clause[0], list) or clause[0] == "OR":
                if not self._matches(model, row, clause, context):
                    return False
            elif not self._clause(model, row, clause, context):
                return False
        return True

    def _clause(self, model: str, row: dict[str, Any], clause: Sequence[Any], context: Mapping[str, Any]) -> bool:
        path, operator, wanted = clause
        values = self._path(model, row, path.split("."), context)
        match operator:
            case "=":
                return wanted in values or (wanted is None and not values)
            case "!=":
                return any(value != wanted for value in values)
            case "in":
                return any(value in wanted for value in values)
            case "<":
                return any(value is not None and value < wanted for value in values)
            case ">":
                return any(value is not None and value > wanted for value in values)
            case ">=":
                return any(value is not None and value >= wanted for value in values)
            case "like":
                pattern = ".*".join(re.escape(part) for part in wanted.split("%"))
                return any(re.fullmatch(pattern, str(value or "")) for value in values)
        raise Refused(f"operator {operator}", "")

    def _path(self, model: str, row: dict[str, Any], path: list[str], context: Mapping[str, Any]) -> list[Any]:
        value = self.value(model, row, path[0], context)
        values = value if isinstance(value, list) else [value]
        if len(path) == 1:
            return values
        target = self._target(model, path[0])
        found = [self.row(target, one) for one in values if one is not None]
        return [inner for one in found for inner in self._path(target, one, path[1:], context)]

    def _target(self, model: str, name: str) -> str:
        targets = {"default_uom": "product.uom", "shipments": "stock.shipment.out", "invoices": "account.invoice"}
        targets["shipment_returns"] = "stock.shipment.out.return"
        field = MODELS[model].get(name)
        return field.target if field else targets[name]

    def _children(self, model: str, row: dict[str, Any], field: Field) -> list[int]:
        owners = (row["id"], f"{model},{row['id']}")
        return [one for one, child in self.rows[field.target].items() if child[field.inverse] in owners]

    def _set(self, model: str, row: dict[str, Any], values: Mapping[str, Any]) -> None:
        row["modified"] = self._now
        for name, value in values.items():
            field = MODELS[model].get(name)
            if field is None:
                raise Refused(f"'{name}'", "")
            if field.kind == "many":
                for command in value or ():
                    self._command(model, row, field, command)
            elif field.kind == "list":
                for command in value or ():
                    row[name] = tuple(dict.fromkeys([*row[name], *command[1]]))
            elif field.kind == "float":
                row[name] = None if value is None else float(value)
            else:
                if field.kind == "one" and value is not None:
                    self.row(field.target, value)
                row[name] = value

    def _command(self, model: str, row: dict[str, Any], field: Field, command: Sequence[Any]) -> None:
        match command[0]:
            case "create":
                for values in command[1]:
                    self.create(field.target, {**values, field.inverse: row["id"]})
            case "write":
                self.write(field.target, command[1], command[2])
            case "delete":
                self.delete(field.target, command[1])
            case _:
                raise Refused(f"command {command[0]}", "")

    def _guard(self, model: str, row: Mapping[str, Any]) -> None:
        known = self._stamps.pop(f"{model},{row['id']}", None)
        if known is not None and known != row["stamp"]:
            raise Refused("ConcurrencyException", "Records were modified in the meanwhile")

    def _stamp(self) -> str:
        self._now += dt.timedelta(microseconds=1)
        return str(Decimal(str(self._now.timestamp())))

    def _note(self, model: str, row: Mapping[str, Any], event: str) -> None:
        if model.startswith(_UNWATCHED):
            return
        parents = []
        for name, parent in _PARENTS.get(model, {}).items():
            if row[name] is not None:
                parents.append(row[name] if isinstance(row[name], str) else f"{parent},{row[name]}")
        self.outbox.append(
            {"id": len(self.outbox) + 1, "model": model, "record": row["id"], "event": event, "parents": parents}
        )
