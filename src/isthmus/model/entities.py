"""The built-in business entities, named after UBL and SAP documents.

Each is a struct whose fields all default to UNSET: *absent* (nothing known), ``None`` (known to be empty) and a value
are three things. :func:`entity_type` turns a struct, or fields that a project adds, into what the engine works with.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType, inspect

from isthmus.model.fields import FieldType, Kind

__all__ = ["BUILT_IN", "Entity", "EntityType", "entity_type"]


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
type OrderRef = Annotated[str | None | UnsetType, _ref("SalesOrder")]
type InvoiceRef = Annotated[str | None | UnsetType, _ref("Invoice")]


class Customer(Entity, kw_only=True, frozen=True):
    """An organisation or person that buys (UBL AccountingCustomerParty, SAP customer master)."""

    number: Text = UNSET
    name: Text = UNSET
    tax_id: Text = UNSET
    email: Text = UNSET
    phone: Text = UNSET
    website: Text = UNSET
    industry: Text = UNSET
    currency: Text = UNSET
    language: Text = UNSET
    payment_terms: Text = UNSET
    credit_limit: Amount = UNSET
    credit_used: Amount = UNSET
    address: Address | None | UnsetType = UNSET
    active: Flag = UNSET


class Contact(Entity, kw_only=True, frozen=True):
    """A person at a customer (UBL Contact)."""

    customer: CustomerRef = UNSET
    name: Text = UNSET
    email: Text = UNSET
    phone: Text = UNSET
    role: Text = UNSET
    active: Flag = UNSET


class ListPrice(Part, kw_only=True, frozen=True):
    """The price of a product on one price list from a quantity on."""

    list: Text = UNSET
    min_quantity: Number = UNSET
    price: Amount = UNSET


class Product(Entity, kw_only=True, frozen=True):
    """A material or service (UBL Item, SAP material master). Stock is in the product's unit."""

    sku: Text = UNSET
    name: Text = UNSET
    description: Text = UNSET
    unit: Text = UNSET
    kind: Text = UNSET
    list_price: Amount = UNSET
    prices: list[ListPrice] | None | UnsetType = UNSET
    cost: Amount = UNSET
    stock_on_hand: Number = UNSET
    stock_available: Number = UNSET
    active: Flag = UNSET


class Opportunity(Entity, kw_only=True, frozen=True):
    """A sale that may come."""

    number: Text = UNSET
    name: Text = UNSET
    customer: CustomerRef = UNSET
    stage: Text = UNSET
    amount: Amount = UNSET
    probability: Number = UNSET
    closes_on: Day = UNSET


class OrderLine(Part, kw_only=True, frozen=True):
    """One position of a sales order. Quantities are in ``unit``; shipped, invoiced and open are sums of the documents
    below it, never edited."""

    product: ProductRef = UNSET
    description: Text = UNSET
    quantity: Number = UNSET
    unit: Text = UNSET
    unit_price: Number = UNSET
    discount: Number = UNSET
    amount: Number = UNSET
    shipped: Number = UNSET
    invoiced: Number = UNSET
    open: Number = UNSET


class SalesOrder(Entity, kw_only=True, frozen=True):
    """A customer's order (UBL Order, SAP sales order). ``deal`` is the CRM's opportunity it came from; ``ordered`` are
    the positions as sold, ``lines`` the positions as the ERP keeps them."""

    number: Text = UNSET
    deal: Text = UNSET
    reference: Text = UNSET
    customer: CustomerRef = UNSET
    ordered_on: Day = UNSET
    currency: Text = UNSET
    confirmed: Flag = UNSET
    ordered: list[OrderLine] | None | UnsetType = UNSET
    lines: list[OrderLine] | None | UnsetType = UNSET
    net_total: Amount = UNSET
    discount_total: Amount = UNSET
    tax_total: Amount = UNSET
    total: Amount = UNSET
    state: Text = UNSET
    shipment_state: Text = UNSET
    invoice_state: Text = UNSET


class DeliveryLine(Part, kw_only=True, frozen=True):
    """One position of a delivery."""

    product: ProductRef = UNSET
    quantity: Number = UNSET
    unit: Text = UNSET


class Delivery(Entity, kw_only=True, frozen=True):
    """Goods leaving for a customer (UBL DespatchAdvice, SAP outbound delivery)."""

    number: Text = UNSET
    order: OrderRef = UNSET
    customer: CustomerRef = UNSET
    state: Text = UNSET
    planned_on: Day = UNSET
    shipped_on: Day = UNSET
    backorder: Flag = UNSET
    lines: list[DeliveryLine] | None | UnsetType = UNSET


class InvoiceLine(Part, kw_only=True, frozen=True):
    """One position of an invoice."""

    product: ProductRef = UNSET
    description: Text = UNSET
    quantity: Number = UNSET
    unit_price: Number = UNSET
    amount: Number = UNSET


class Invoice(Entity, kw_only=True, frozen=True):
    """A claim on a customer (UBL Invoice)."""

    number: Text = UNSET
    order: OrderRef = UNSET
    customer: CustomerRef = UNSET
    state: Text = UNSET
    issued_on: Day = UNSET
    due_on: Day = UNSET
    currency: Text = UNSET
    lines: list[InvoiceLine] | None | UnsetType = UNSET
    net_total: Amount = UNSET
    tax_total: Amount = UNSET
    total: Amount = UNSET
    open_amount: Amount = UNSET


class Payment(Entity, kw_only=True, frozen=True):
    """Money received against an invoice (UBL PaymentReceipt)."""

    invoice: InvoiceRef = UNSET
    amount: Amount = UNSET
    paid_on: Day = UNSET
    method: Text = UNSET
    reference: Text = UNSET


class ServiceCase(Entity, kw_only=True, frozen=True):
    """A question or complaint of a customer."""

    number: Text = UNSET
    customer: CustomerRef = UNSET
    contact: ContactRef = UNSET
    subject: Text = UNSET
    description: Text = UNSET
    status: Text = UNSET
    priority: Text = UNSET


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


BUILT_IN: Mapping[str, EntityType] = {
    struct.__name__: entity_type(struct)
    for struct in (
        Customer,
        Contact,
        Product,
        Opportunity,
        SalesOrder,
        Delivery,
        Invoice,
        Payment,
        ServiceCase,
    )
}
"""All built-in entities by name."""
