"""The built-in business entities, named after UBL and SAP documents.

Each is a struct whose fields all default to UNSET: *absent* (nothing known), ``None`` (known to be empty) and a value
are three things. :func:`entity_type` turns a struct, or fields that a project adds, into what the engine works with.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import UNSET, UnsetType

from isthmus.model.entity import (
    Address,
    Amount,
    ContactRef,
    CustomerRef,
    Day,
    Entity,
    EntityType,
    Flag,
    InvoiceRef,
    Moment,
    Number,
    OrderRef,
    Part,
    ProductRef,
    Text,
    entity_type,
)
from isthmus.model.quote import Quote
from isthmus.model.station import (
    LabourSettlement,
    MaterialRequest,
    OrganisationUnit,
    RepairRecord,
    Return,
    StockLevel,
)

__all__ = ["BUILT_IN", "Entity", "EntityType", "entity_type"]


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


class OpportunityLine(Part, kw_only=True, frozen=True):
    """What may be sold."""

    product: ProductRef = UNSET
    quantity: Number = UNSET


class Opportunity(Entity, kw_only=True, frozen=True):
    """A sale that may come. ``quote`` and what begins with it: the newest version of what was offered for it."""

    number: Text = UNSET
    name: Text = UNSET
    customer: CustomerRef = UNSET
    stage: Text = UNSET
    amount: Amount = UNSET
    probability: Number = UNSET
    closes_on: Day = UNSET
    lines: list[OpportunityLine] | None | UnsetType = UNSET
    quote: Text = UNSET
    quote_state: Text = UNSET
    quote_total: Amount = UNSET
    quote_until: Text = UNSET


class OrderLine(Part, kw_only=True, frozen=True):
    """One position of a sales order. Quantities are in ``unit``; shipped, returned, invoiced, credited and open are
    sums of the documents below it, never edited. ``agreed_price`` was promised in a quote: the ERP is to keep it."""

    product: ProductRef = UNSET
    description: Text = UNSET
    quantity: Number = UNSET
    unit: Text = UNSET
    agreed_price: Number = UNSET
    unit_price: Number = UNSET
    discount: Number = UNSET
    amount: Number = UNSET
    shipped: Number = UNSET
    returned: Number = UNSET
    invoiced: Number = UNSET
    credited: Number = UNSET
    open: Number = UNSET


class SalesOrder(Entity, kw_only=True, frozen=True):
    """A customer's order (UBL Order, SAP sales order). ``deal`` is the CRM's opportunity it came from; ``ordered`` are
    the positions as sold, ``lines`` the positions as the ERP keeps them. ``wanted_on``: the goods should not leave
    before this day. ``credit_approved``: somebody lets it exceed the customer's credit limit; ``cancelled``: it is not
    to be carried out, or is cancelled already; ``reason``: why it was refused."""

    number: Text = UNSET
    deal: Text = UNSET
    reference: Text = UNSET
    customer: CustomerRef = UNSET
    ordered_on: Day = UNSET
    wanted_on: Day = UNSET
    currency: Text = UNSET
    confirmed: Flag = UNSET
    credit_approved: Flag = UNSET
    cancelled: Flag = UNSET
    ordered: list[OrderLine] | None | UnsetType = UNSET
    lines: list[OrderLine] | None | UnsetType = UNSET
    net_total: Amount = UNSET
    discount_total: Amount = UNSET
    tax_total: Amount = UNSET
    total: Amount = UNSET
    state: Text = UNSET
    reason: Text = UNSET
    shipment_state: Text = UNSET
    invoice_state: Text = UNSET


class DeliveryLine(Part, kw_only=True, frozen=True):
    """One position of a delivery."""

    product: ProductRef = UNSET
    quantity: Number = UNSET
    unit: Text = UNSET


class Delivery(Entity, kw_only=True, frozen=True):
    """Goods leaving for a customer (UBL DespatchAdvice, SAP outbound delivery), or coming back from it, with quantities
    below zero (UBL ReceiptAdvice of a return, SAP returns delivery). ``reference``: what the customer or the hub calls
    it, such as the number of a return."""

    number: Text = UNSET
    reference: Text = UNSET
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
    """A claim on a customer (UBL Invoice), or, with amounts below zero, a ``credit_note`` (empty for a plain invoice).
    ``credits``: numbers of the invoices that it credits. ``credit_notes`` against it come to ``credited``, with tax and
    above zero."""

    number: Text = UNSET
    order: OrderRef = UNSET
    customer: CustomerRef = UNSET
    state: Text = UNSET
    issued_on: Day = UNSET
    due_on: Day = UNSET
    credit_note: Flag = UNSET
    credits: Text = UNSET
    credit_notes: Text = UNSET
    credited: Amount = UNSET
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
    """A question or complaint of a customer, about an ``order``, ``invoice`` or ``product`` where one is named.
    ``requester`` asked it in the shop."""

    number: Text = UNSET
    customer: CustomerRef = UNSET
    contact: ContactRef = UNSET
    requester: Text = UNSET
    requested_at: Moment = UNSET
    order: OrderRef = UNSET
    invoice: InvoiceRef = UNSET
    product: ProductRef = UNSET
    subject: Text = UNSET
    description: Text = UNSET
    status: Text = UNSET
    priority: Text = UNSET


BUILT_IN: Mapping[str, EntityType] = {
    struct.__name__: entity_type(struct)
    for struct in (
        Customer,
        Contact,
        Product,
        Opportunity,
        Quote,
        SalesOrder,
        Delivery,
        Invoice,
        Payment,
        ServiceCase,
        OrganisationUnit,
        MaterialRequest,
        Return,
        RepairRecord,
        LabourSettlement,
        StockLevel,
    )
}
"""All built-in entities by name."""
