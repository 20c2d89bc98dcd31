"""Entities of service stations: the organisation, what stations ask for, send back and are paid for."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from isthmus.model.entity import (
    Amount,
    CustomerRef,
    Day,
    Entity,
    Flag,
    Moment,
    Number,
    OrderRef,
    Part,
    ProductRef,
    RepairRef,
    Text,
    UnitRef,
)

__all__ = ["LabourSettlement", "MaterialRequest", "OrganisationUnit", "RepairRecord", "Return", "StockLevel"]


class OrganisationUnit(Entity, kw_only=True, frozen=True):
    """A place of the company or of a partner (SAP plant or sales office). ``kind``: ``head_office``, ``centre`` or
    ``station``, each below its ``parent``. ``customer``: who pays for what a station buys. ``place``: the ERP's code of
    where its own stock lies; ``consignment_place``: of where goods lie that stay the company's until they are used."""

    number: Text = UNSET
    name: Text = UNSET
    kind: Text = UNSET
    parent: UnitRef = UNSET
    customer: CustomerRef = UNSET
    place: Text = UNSET
    consignment_place: Text = UNSET
    credit_limit: Amount = UNSET
    email: Text = UNSET
    active: Flag = UNSET


class StockLevel(Entity, kw_only=True, frozen=True):
    """Stock of a product at a place of a station, in the product's unit: there, and on the way there."""

    station: UnitRef = UNSET
    place: Text = UNSET
    product: ProductRef = UNSET
    on_hand: Number = UNSET
    in_transit: Number = UNSET


class RequestLine(Part, kw_only=True, frozen=True):
    """One position of a material request. ``available`` is what the ERP could deliver when it was checked; ``shipped``
    and ``left`` follow the deliveries."""

    id: Text = UNSET
    product: ProductRef = UNSET
    quantity: Number = UNSET
    unit: Text = UNSET
    unit_price: Number = UNSET
    amount: Number = UNSET
    available: Number = UNSET
    shipped: Number = UNSET
    left: Number = UNSET


class MovedLine(Part, kw_only=True, frozen=True):
    """What a delivery takes of a product."""

    product: ProductRef = UNSET
    quantity: Number = UNSET
    unit: Text = UNSET


class RequestDelivery(Part, kw_only=True, frozen=True):
    """A delivery for a material request, as the ERP has it; ``id`` is its key there. A ``child`` takes what an earlier
    one left. It disappears when the ERP deletes it."""

    id: Text = UNSET
    number: Text = UNSET
    child: Flag = UNSET
    state: Text = UNSET
    left_on: Day = UNSET
    arrived_on: Day = UNSET
    lines: list[MovedLine] | None | UnsetType = UNSET


class MaterialRequest(Entity, kw_only=True, frozen=True):
    """What a station asks for (SAP purchase requisition). ``supply``: ``sales_order``, ``fill_up`` (of consignment
    stock) or ``transfer``. ``transfers``: references of the ERP's transfers; ``whole``: it was shipped at once."""

    number: Text = UNSET
    station: UnitRef = UNSET
    requester: Text = UNSET
    requested_at: Moment = UNSET
    supply: Text = UNSET
    lines: list[RequestLine] | None | UnsetType = UNSET
    total: Amount = UNSET
    credit_limit: Amount = UNSET
    credit_used: Amount = UNSET
    process: Text = UNSET
    state: Text = UNSET
    reason: Text = UNSET
    order: OrderRef = UNSET
    transfers: list[str] | None | UnsetType = UNSET
    deliveries: list[RequestDelivery] | None | UnsetType = UNSET
    whole: Flag = UNSET
    complete: Flag = UNSET


class ReturnLine(Part, kw_only=True, frozen=True):
    """One position of a return: announced, sent and counted by people, then ``settled`` (what counts) and ``received``
    by the ERP. ``responsible`` for a difference: ``station`` (whoever sent it), ``carrier``, ``centre`` or ``nobody``.
    ``unit_price``: what was paid for one ``unit``; None: the ERP's own price counts."""

    id: Text = UNSET
    product: ProductRef = UNSET
    unit: Text = UNSET
    unit_price: Number = UNSET
    announced: Number = UNSET
    sent: Number = UNSET
    counted: Number = UNSET
    settled: Number = UNSET
    received: Number = UNSET
    responsible: Text = UNSET
    evidence: Text = UNSET


class Return(Entity, kw_only=True, frozen=True):
    """Goods that a station, or a ``customer`` from what an ``order`` brought, sends back (SAP returns order).
    ``credited``: their price is given back."""

    number: Text = UNSET
    station: UnitRef = UNSET
    customer: CustomerRef = UNSET
    order: OrderRef = UNSET
    requester: Text = UNSET
    reason: Text = UNSET
    credited: Flag = UNSET
    lines: list[ReturnLine] | None | UnsetType = UNSET
    process: Text = UNSET
    state: Text = UNSET
    tracking: Text = UNSET
    sent_on: Day = UNSET
    counted_on: Day = UNSET
    counted_by: Text = UNSET
    settled_by: Text = UNSET
    reference: Text = UNSET
    erp_state: Text = UNSET
    received_on: Day = UNSET
    credit_note: Text = UNSET
    credit_state: Text = UNSET
    credit_total: Amount = UNSET


class RepairPart(Part, kw_only=True, frozen=True):
    """A part that a repair used."""

    product: ProductRef = UNSET
    quantity: Number = UNSET


class RepairRecord(Entity, kw_only=True, frozen=True):
    """A repair that a station did (SAP service confirmation). ``level`` follows from ``method`` and ``parts``, ``fee``
    from the level. ``corrects`` names an earlier record that this one puts right, ``period`` the month (``2026-10``) in
    whose settlement it stands."""

    number: Text = UNSET
    station: UnitRef = UNSET
    customer: CustomerRef = UNSET
    product: ProductRef = UNSET
    serial_number: Text = UNSET
    method: Text = UNSET
    parts: list[RepairPart] | None | UnsetType = UNSET
    repaired_on: Day = UNSET
    reported_at: Moment = UNSET
    level: Text = UNSET
    fee: Amount = UNSET
    corrects: RepairRef = UNSET
    withdrawn: Flag = UNSET
    period: Text = UNSET
    settlement: Text = UNSET


class SettlementLine(Part, kw_only=True, frozen=True):
    """A repair in a settlement; a correction bears the number of the record that it puts right, and the difference."""

    id: Text = UNSET
    repair: RepairRef = UNSET
    station: UnitRef = UNSET
    number: Text = UNSET
    level: Text = UNSET
    amount: Number = UNSET
    corrects: Text = UNSET


class LabourSettlement(Entity, kw_only=True, frozen=True):
    """What a centre owes its stations for the repairs of one month, in one currency. ``entry`` is the number of the
    ERP's journal entry, ``entry_state`` its state there."""

    number: Text = UNSET
    centre: UnitRef = UNSET
    period: Text = UNSET
    currency: Text = UNSET
    cut_off_on: Day = UNSET
    due_on: Day = UNSET
    lines: list[SettlementLine] | None | UnsetType = UNSET
    total: Amount = UNSET
    process: Text = UNSET
    state: Text = UNSET
    reason: Text = UNSET
    reported_on: Day = UNSET
    late: Flag = UNSET
    reported_by: Text = UNSET
    entry: Text = UNSET
    entry_state: Text = UNSET
    entry_cancelled_by: Text = UNSET
