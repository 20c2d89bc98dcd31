"""Quotes: what a customer is offered, for how long, and what came of it."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from isthmus.model.entity import (
    Amount,
    CustomerRef,
    Day,
    Entity,
    Moment,
    Number,
    OpportunityRef,
    OrderRef,
    Part,
    ProductRef,
    Text,
    Whole,
)

__all__ = ["Quote"]


class QuoteLine(Part, kw_only=True, frozen=True):
    """One position of a quote. ``own_price`` is the ERP's own for this customer when it was priced, ``unit_price`` what
    is offered, both for one ``unit``; ``discount`` is against ``list_price``, 0.05 for 5 %. ``available_on`` is the
    first day from which the whole quantity could be delivered."""

    id: Text = UNSET
    product: ProductRef = UNSET
    quantity: Number = UNSET
    unit: Text = UNSET
    list_price: Number = UNSET
    own_price: Number = UNSET
    unit_price: Number = UNSET
    discount: Number = UNSET
    amount: Number = UNSET
    on_hand: Number = UNSET
    available_on: Day = UNSET


class Quote(Entity, kw_only=True, frozen=True):
    """One version of an offer (UBL Quotation, SAP quotation). ``original`` is the number of the first version,
    ``replaces`` and ``replaced_by`` those of its neighbours. ``prospect`` names somebody who asks and is no customer
    yet. ``conceded``: the largest share by which a position is below the ERP's own price.
    ``simulation``: what the ERP said when it was priced; the order is made from it."""

    number: Text = UNSET
    original: Text = UNSET
    version: Whole = UNSET
    replaces: Text = UNSET
    replaced_by: Text = UNSET
    customer: CustomerRef = UNSET
    prospect: Text = UNSET
    email: Text = UNSET
    opportunity: OpportunityRef = UNSET
    requester: Text = UNSET
    requested_at: Moment = UNSET
    salesperson: Text = UNSET
    lines: list[QuoteLine] | None | UnsetType = UNSET
    wanted_on: Day = UNSET
    note: Text = UNSET
    net_total: Amount = UNSET
    discount_total: Amount = UNSET
    tax_total: Amount = UNSET
    total: Amount = UNSET
    conceded: Number = UNSET
    valid_until: Moment = UNSET
    state: Text = UNSET
    reason: Text = UNSET
    process: Text = UNSET
    simulation: Text = UNSET
    sent_at: Moment = UNSET
    answered_by: Text = UNSET
    order: OrderRef = UNSET
