"""Products: variants with what they take from their template, prices of price lists, and stock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from isthmus.connector import Create, FieldInfo, Found, Record, Traits, Update
from isthmus.connectors.tryton.changes import Changed, Watch
from isthmus.connectors.tryton.collection import Seen, digest, identify
from isthmus.connectors.tryton.pricing import prices
from isthmus.connectors.tryton.writing import WritableCollection, after_effect
from isthmus.errors import IsthmusError, Rejected

__all__ = ["Products"]

_READ = (
    *("code", "suffix_code", "name", "description", "type", "list_price", "list_price_used", "cost_price"),
    *("active", "template", "_timestamp", "default_uom.name", "default_uom.symbol"),
    *("template.active", "template.code", "template.products", "template._timestamp"),
)
_STOCK = ("quantity", "forecast_quantity")
_TYPES = frozenset({"goods", "assets", "service"})


class Products(WritableCollection):
    """Resource ``product``."""

    name = "product"
    model = "product.product"
    watch: ClassVar[Watch] = {
        "product.product": {},
        "product.template": {},
        "product.cost_price": {"product": "product.product"},
        "product.cost_price.revision": {"product": "product.product", "template": "product.template"},
        "product.price_list": {},
        "product.price_list.line": {"price_list": "product.price_list"},
        "stock.move": {"product": "product.product"},
    }
    known: ClassVar[Mapping[str, FieldInfo]] = {
        "code": FieldInfo(type="text", label="Code"),
        "name": FieldInfo(type="text", label="Name"),
        "description": FieldInfo(type="text", label="Description"),
        "unit": FieldInfo(type="text", label="Default UoM"),
        "unit_symbol": FieldInfo(type="text", readonly=True, label="Symbol"),
        "type": FieldInfo(type="text", label="Type"),
        "list_price": FieldInfo(type="decimal", label="List Price"),
        "cost_price": FieldInfo(type="decimal", label="Cost Price"),
        "currency": FieldInfo(type="text", label="Currency of the company; cannot be another"),
        "prices": FieldInfo(type="list", readonly=True, label="Prices by price list"),
        "quantity": FieldInfo(type="decimal", readonly=True, label="Quantity"),
        "forecast_quantity": FieldInfo(type="decimal", readonly=True, label="Forecast Quantity"),
        "active": FieldInfo(type="boolean", label="Active"),
    }
    writes = Traits(write_batch=50, guarded_writes=True, concurrency=4)
    # 50: on SQLite the uniqueness check of more codes overflows its parser.

    @property
    def row_model(self) -> str:
        """Products are written through their template, so that both change in one transaction."""
        return "product.template"

    async def read(self, domain: Sequence[Any], limit: int | None = None) -> Sequence[Seen]:
        """Products with stock in one call, and one more call per price list and quantity."""
        context: dict[str, Any] = {}
        fields = list(_READ)
        if self.tryton.warehouse is not None:
            fields += _STOCK
            context = {"locations": [self.tryton.warehouse], "with_childs": True}
        rows = await self.rows(fields, domain, limit, context=context)
        by_list = await prices(self.tryton, [int(row["id"]) for row in rows])
        return [self._seen(row, by_list.get(int(row["id"]), [])) for row in rows]

    def _seen(self, row: Mapping[str, Any], priced: list[dict[str, Any]]) -> Seen:
        template, unit = row["template."], row["default_uom."]
        stamps = {
            f"product.product,{row['id']}": row["_timestamp"],
            f"product.template,{template['id']}": template["_timestamp"],
        }
        fields: dict[str, Any] = {
            "code": row["code"],
            "name": row["name"],
            "description": row["description"],
            "unit": unit["name"],
            "unit_symbol": unit["symbol"],
            "type": row["type"],
            "list_price": row["list_price_used"],
            "cost_price": row["cost_price"],
            "currency": self.tryton.currency,
            "active": bool(row["active"]) and bool(template["active"]),
        }
        if self.tryton.config.price_lists:
            fields["prices"] = priced
        if self.tryton.warehouse is not None and row["type"] != "service":
            fields["quantity"] = Decimal(str(row["quantity"] or 0))
            fields["forecast_quantity"] = Decimal(str(row["forecast_quantity"] or 0))
        record = Record(key=str(row["id"]), fields=fields, version=digest(stamps, fields))
        return Seen(record, stamps, {"template": template, "row": row})

    async def touches_all(self, rows: Sequence[Changed]) -> bool:
        """A price list's line may reprice every product."""
        lists = ("product.price_list", "product.price_list.line")
        return bool(self.tryton.config.price_lists) and any(row.model in lists for row in rows)

    async def affected(self, rows: Sequence[Changed]) -> Sequence[int]:
        """Products themselves, variants of changed templates, and what moved in stock."""
        ids = identify(rows, self.model)
        templates = list(dict.fromkeys(identify(rows, "product.template")))
        if templates:
            found = await self.rows(["id"], [["template", "in", templates]])
            ids += [int(row["id"]) for row in found]
        return ids

    async def make(self, creates: Sequence[Create]) -> list[int | IsthmusError]:
        """Make a template with one variant each, in one call."""
        made = await self.make_rows(creates, lambda create: self._new(create.fields))
        templates = [outcome for outcome in made if isinstance(outcome, int)]
        try:
            found = await self.rows(["template"], [["template", "in", templates]]) if templates else []
        except IsthmusError as error:
            lost = after_effect(error)
            return [lost if isinstance(outcome, int) else outcome for outcome in made]
        variants = {int(row["template"]): int(row["id"]) for row in found}
        return [variants[outcome] if isinstance(outcome, int) else outcome for outcome in made]

    async def _new(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        unit = await self._unit(fields.get("unit"))
        template, variant = await self._values({"type": "goods", **fields})
        template |= {"default_uom": unit, "sale_uom": unit, "salable": True}
        if category := self.tryton.config.account_category:
            template["account_category"] = await self.tryton.names.need(
                "product.category",
                "name",
                category,
                ours="account_category",
                what="accounting category",
                domain=[["accounting", "=", True]],
            )
        template["products"] = [["create", [variant]]]
        return template

    async def plan(self, update: Update, seen: Seen) -> tuple[int, dict[str, Any]] | None:
        """Values of the template, with those of the variant inside."""
        row, template = seen.extra["row"], seen.extra["template"]
        single = len(template["products"]) == 1
        shared, own = await self._values(update.fields)
        if "list_price" in shared and row["list_price"] is not None:
            own["list_price"] = shared.pop("list_price")
        if "code" in shared and (not single or row["suffix_code"]):
            own["suffix_code"] = _suffix(shared.pop("code"), template["code"])
        if "active" in shared:
            own["active"] = shared["active"]
            if not single and not (shared["active"] and not template["active"]):
                del shared["active"]
        if own:
            shared["products"] = [["write", [int(seen.record.key)], own]]
        return (int(template["id"]), shared) if shared else None

    def activation(self, seen: Seen) -> tuple[int, dict[str, Any]]:
        """Activate template and variant."""
        commands = [["write", [int(seen.record.key)], {"active": True}]]
        return int(seen.extra["template"]["id"]), {"active": True, "products": commands}

    async def _values(self, fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Values for the template and for the variant."""
        template, variant = dict[str, Any](), dict[str, Any]()
        for field, value in fields.items():
            match field:
                case "name" | "code":
                    template[field] = value or None
                case "description":
                    variant["description"] = value or None
                case "type":
                    if value not in _TYPES:
                        raise Rejected(f"A product's type is one of {', '.join(sorted(_TYPES))}.", field="type")
                    template["type"] = value
                case "list_price":
                    template["list_price"] = None if value is None else Decimal(str(value))
                case "cost_price":
                    variant["cost_price"] = None if value is None else Decimal(str(value))
                case "unit":
                    if value:
                        unit = await self._unit(value)
                        template |= {"default_uom": unit, "sale_uom": unit}
                case "active":
                    template["active"] = bool(value)
                case "currency":
                    self.own_currency(value)
                case _:
                    raise Rejected(f"The field '{field}' of a product cannot be written.", field=field)
        return template, variant

    async def _unit(self, name: str | None) -> int:
        names = self.tryton.names
        found = await names.find("product.uom", "name", name) if name else None
        if found is not None:
            return found
        return await names.need("product.uom", "symbol", name or "u", ours="unit", what="unit")

    async def remove(self, keys: Sequence[int]) -> None:
        """Delete variants, and templates that have no other."""
        seen = await self.seen(keys)
        templates = {key: one.extra["template"] for key, one in seen.items()}
        whole = [int(template["id"]) for template in templates.values() if len(template["products"]) == 1]
        part = [key for key, template in templates.items() if len(template["products"]) > 1]
        if part:
            await self.tryton.rpc.call("model.product.product.delete", part, safe=False)
        if whole:
            await self.tryton.rpc.call("model.product.template.delete", whole, safe=False)

    async def find_created(self, create: Create, since: datetime) -> Sequence[Found]:
        """Products with that code (Tryton keeps codes unique), or of that name, that our user made since then."""
        code = create.fields.get("code")
        same = ["code", "=", code] if code else ["template.name", "=", create.fields.get("name")]
        found = await self.read([same, *self.made_by_us(since)])
        return [Found(record=one.record, certain=False) for one in found]


def _suffix(code: str | None, prefix: str | None) -> str | None:
    """The variant's own part of a code. Raises ``Rejected`` when the code does not begin with the template's."""
    if prefix and not (code or "").startswith(prefix):
        raise Rejected(f"The code of this variant begins with '{prefix}'.", field="code")
    return (code or "")[len(prefix or "") :] or None
