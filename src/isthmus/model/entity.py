"""What an entity is: a struct whose fields are absent, null or a value, and the engine's view of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType, inspect

from isthmus.model.fields import FieldType, Kind

__all__ = [
    "Address",
    "Amount",
    "ContactRef",
    "CustomerRef",
    "Day",
    "Entity",
    "EntityType",
    "Flag",
    "InvoiceRef",
    "Moment",
    "Money",
    "Number",
    "OpportunityRef",
    "OrderRef",
    "Part",
    "ProductRef",
    "RepairRef",
    "Text",
    "UnitRef",
    "Whole",
    "entity_type",
]


class EntityType(msgspec.Struct, frozen=True, kw_only=True):
    """Name and fields of an entity, as flows use it."""

    name: str
    fields: Mapping[str, FieldType]
    doc: str = ""


class Entity(msgspec.Struct, kw_only=True, frozen=True):
    """Base of all entities."""


class Part(msgspec.Struct, kw_only=True, frozen=True):
    """Base of struct values inside entities."""


type Text = str | None | UnsetType
type Whole = int | None | UnsetType
type Number = Decimal | None | UnsetType
type Flag = bool | None | UnsetType
type Day = date | None | UnsetType
type Moment = datetime | None | UnsetType


def _ref(entity: str) -> Any:
    return Meta(extra={"entity": entity})


class Money(Part, kw_only=True, frozen=True):
    """An amount in a currency (ISO 4217); never one without the other."""

    amount: Decimal
    currency: str


class Address(Part, kw_only=True, frozen=True):
    """A postal address; merged as one unit, so that no mixture of two addresses can arise."""

    street: Text = UNSET
    city: Text = UNSET
    postal_code: Text = UNSET
    region: Text = UNSET
    country: Text = UNSET


type Amount = Money | None | UnsetType
type CustomerRef = Annotated[str | None | UnsetType, _ref("Customer")]
type ContactRef = Annotated[str | None | UnsetType, _ref("Contact")]
type ProductRef = Annotated[str | None | UnsetType, _ref("Product")]
type OpportunityRef = Annotated[str | None | UnsetType, _ref("Opportunity")]
type OrderRef = Annotated[str | None | UnsetType, _ref("SalesOrder")]
type InvoiceRef = Annotated[str | None | UnsetType, _ref("Invoice")]
type UnitRef = Annotated[str | None | UnsetType, _ref("OrganisationUnit")]
type RepairRef = Annotated[str | None | UnsetType, _ref("RepairRecord")]


_KINDS: dict[type, Kind] = {
    inspect.StrType: Kind.TEXT,
    inspect.IntType: Kind.INTEGER,
    inspect.DecimalType: Kind.DECIMAL,
    inspect.BoolType: Kind.BOOLEAN,
    inspect.DateType: Kind.DATE,
    inspect.DateTimeType: Kind.INSTANT,
}


def _field_type(found: inspect.Type) -> FieldType:
    if isinstance(found, inspect.Metadata):
        inner = _field_type(found.type)
        return msgspec.structs.replace(inner, kind=Kind.REF, entity=(found.extra or {})["entity"])
    if isinstance(found, inspect.UnionType):
        known = [t for t in found.types if not isinstance(t, inspect.NoneType) and type(t).__name__ != "CustomType"]
        return _field_type(known[0])
    if isinstance(found, inspect.ListType):
        return FieldType(kind=Kind.LIST, of=_field_type(found.item_type))
    if isinstance(found, inspect.StructType):
        required = tuple(f.name for f in found.fields if f.required) if found.cls is Money else ()
        return FieldType(
            kind=Kind.STRUCT,
            fields={f.name: _field_type(f.type) for f in found.fields},
            required=("currency",) if required else (),
        )
    return FieldType(kind=_KINDS[type(found)])


def entity_type(struct: type[Entity]) -> EntityType:
    """The engine's view of an entity struct."""
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return EntityType(
        name=struct.__name__,
        fields={field.name: _field_type(field.type) for field in info.fields},
        doc=(struct.__doc__ or "").strip(),
    )
