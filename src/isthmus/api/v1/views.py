"""What the API takes and gives. Amounts and quantities are decimal numbers in text, times are ISO 8601 in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from isthmus.desk.approval_state import Choice

__all__ = [
    "AnswerAsked",
    "ApprovalAnswerAsked",
    "ApprovalPage",
    "ApprovalShown",
    "DecisionAsked",
    "EditAsked",
    "Explained",
    "InboxPage",
    "ItemPage",
    "ItemShown",
    "LineAsked",
    "Me",
    "Number",
    "OrderAsked",
    "OrderPage",
    "OrderShown",
    "PlacedShown",
    "ProcessPage",
    "ProcessShown",
    "QuestionShown",
    "Shown",
    "SimulationAsked",
    "TraceShown",
    "plain",
    "shown",
]

Id = Annotated[str, Meta(min_length=1, max_length=200, pattern="^[!-~]+$")]
Text = Annotated[str, Meta(min_length=1, max_length=200)]
Quantity = Annotated[str, Meta(pattern=r"^[0-9]{1,9}(\.[0-9]{1,6})?$", description="A decimal number above zero.")]
Number = Annotated[str, Meta(pattern=r"^-?[0-9]+(\.[0-9]+)?$", description="A decimal number.")]
Json = dict[str, Any]


class Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked: nothing that is not known may be in it."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered."""


class LineAsked(Strict, frozen=True, kw_only=True):
    """How much of what."""

    sku: Text
    quantity: Quantity


class SimulationAsked(Strict, frozen=True, kw_only=True):
    """An order that somebody thinks of. ``customer``: number, name, tax id or item."""

    customer: Text
    lines: Annotated[list[LineAsked], Meta(min_length=1, max_length=500)]
    wanted_on: date | None = None
    reference: Text | None = None


class OrderAsked(Strict, frozen=True, kw_only=True):
    """Order what was simulated."""

    simulation: Id


class AnswerAsked(Strict, frozen=True, kw_only=True):
    """Accept what has moved while the order was kept, or withdraw it."""

    accept: bool


class EditAsked(Strict, frozen=True, kw_only=True):
    """Fields of an item and what they are to hold."""

    fields: Annotated[dict[str, Any], Meta(min_length=1, max_length=100)]


class ApprovalAnswerAsked(Strict, frozen=True, kw_only=True):
    """An answer to an approval request, in one's own right or as somebody's deputy."""

    choice: Choice
    comment: Annotated[str, Meta(max_length=2000)] = ""
    on_behalf_of: Annotated[str, Meta(max_length=320)] = ""


class DecisionAsked(Strict, frozen=True, kw_only=True):
    """One of the choices of an inbox entry; ``fields`` for values, ``item`` for which candidate."""

    choice: Text
    fields: Annotated[dict[str, str], Meta(max_length=100)] = {}
    item: Id | None = None


class Me(Shown, frozen=True, kw_only=True):
    """Whom the token acts for, and what it may."""

    login: str
    name: str
    roles: list[str]
    scopes: list[str]


class DifferenceShown(Shown, frozen=True, kw_only=True):
    """Something that is not as it was said."""

    what: str
    before: str
    now: str
    line: int | None
    sku: str | None


class PlacedShown(Shown, frozen=True, kw_only=True):
    """What became of placing: ``ordered``, ``kept`` (it will be confirmed), ``checking`` (somebody decides about it
    first) or ``cancelled`` since."""

    state: str
    order: str | None
    number: str | None
    currency: str | None
    total: Number | None
    discount: Number | None
    reason: str
    simulation: str


class ItemShown(Shown, frozen=True, kw_only=True):
    """One item. ``hidden``: fields that the token may not see. ``records``: where it is, and how each stands."""

    id: str
    entity: str
    version: int
    title: str
    fields: Json
    hidden: list[str]
    deleted: bool
    records: list[RecordShown] = []


class RecordShown(Shown, frozen=True, kw_only=True):
    """A record of a system that belongs to an item."""

    system: str
    resource: str
    key: str | None
    state: str


class ItemPage(Shown, frozen=True, kw_only=True):
    """Items, and where the next page begins."""

    items: list[ItemShown]
    next: str | None


class OrderPage(Shown, frozen=True, kw_only=True):
    """Orders, and where the next page begins."""

    items: list[ItemShown]
    next: str | None


class LedgerLineShown(Shown, frozen=True, kw_only=True):
    """One line from ordered to paid; quantities in the order's unit, ``billed``, ``paid`` and ``due`` in money."""

    product: str | None
    name: str
    ordered: Number
    confirmed: Number
    allocated: Number
    shipped: Number
    delivered: Number
    returned: Number
    kept: Number
    over_returned: Number
    open: Number
    cancelled: Number
    over: Number
    invoiced: Number
    credited: Number
    charged: Number
    over_credited: Number
    to_bill: Number
    billed: Number
    paid: Number
    due: Number


class LedgerShown(Shown, frozen=True, kw_only=True):
    """The whole order."""

    currency: str | None
    lines: list[LedgerLineShown]
    billed: Number
    paid: Number
    reported_due: Number
    unexplained: Number
    beside: list[str]


class OrderShown(Shown, frozen=True, kw_only=True):
    """An order with its ledger, where the ERP's is not what was placed, and its documents."""

    order: ItemShown
    ledger: LedgerShown
    deviations: list[DifferenceShown]
    problems: list[str]
    documents: list[ItemShown]


class TraceNodeShown(Shown, frozen=True, kw_only=True):
    """One document and what belongs to it. ``kind`` is what people call it: its entity, a credit note, or goods that
    came back."""

    item: str
    entity: str
    kind: str
    name: str
    fields: Json
    records: list[str]
    children: list[TraceNodeShown]


class TraceEventShown(Shown, frozen=True, kw_only=True):
    """Something that happened to one of the documents."""

    at: datetime
    entity: str
    kind: str
    document: str
    what: str
    by: str


class TraceShown(Shown, frozen=True, kw_only=True):
    """Documents as a tree, and their joint history. ``roots`` is empty when nothing is found."""

    roots: list[TraceNodeShown]
    events: list[TraceEventShown]


class ExplainedPart(Shown, frozen=True, kw_only=True):
    """The answer for one counterpart."""

    flow: str
    system: str
    resource: str
    key: str | None
    state: str
    sentence: str
    advice: str
    fields: Json
    inbox: str | None


class Explained(Shown, frozen=True, kw_only=True):
    """Whether a record is in step, and if not, why and what can be done."""

    in_step: bool
    sentence: str
    advice: str
    item: str | None
    parts: list[ExplainedPart]


class ApprovalShown(Shown, frozen=True, kw_only=True):
    """An approval request. ``deciders``: who may answer now."""

    id: str
    document: str
    key: str
    title: str
    amount: str
    requester: str
    state: str
    stage: int
    deciders: list[str]
    due_at: datetime | None
    requested_at: datetime
    ended_at: datetime | None


class ApprovalPage(Shown, frozen=True, kw_only=True):
    """Approval requests, the oldest first."""

    items: list[ApprovalShown]


class ProcessShown(Shown, frozen=True, kw_only=True):
    """One process: where it stands, whom it waits for, since when."""

    id: str
    name: str
    state: str
    step: str
    question: str
    who: str
    since: datetime
    wake_at: datetime | None
    attempts: int
    problem: str | None
    started_at: datetime


class ProcessPage(Shown, frozen=True, kw_only=True):
    """Processes, the newest first, and where the next page begins."""

    items: list[ProcessShown]
    next: str | None


class QuestionShown(Shown, frozen=True, kw_only=True):
    """One open question of the inbox."""

    id: str
    kind: str
    flow: str
    summary: str
    choices: list[str]
    opened_at: datetime
    decided_at: datetime | None
    decision: str | None
    decided_by: str | None


class InboxPage(Shown, frozen=True, kw_only=True):
    """Open questions, the oldest first, and where the next page begins."""

    items: list[QuestionShown]
    next: str | None


def plain(value: Any) -> Any:
    """The value as JSON can hold it: decimals as plain digits, structs as objects."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in value]
    if isinstance(value, msgspec.Struct):
        return plain(msgspec.structs.asdict(value))
    return value


def shown[S: msgspec.Struct](kind: type[S], value: Any, **more: Any) -> S:
    """A value of the hub as the API gives it: the fields of ``kind`` that it has, and ``more``."""
    return msgspec.convert({**plain(value), **plain(more)}, kind, strict=False)
