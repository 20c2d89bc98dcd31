"""What the API takes and gives of documents of the hub: quotes, requests, returns, repairs, settlements."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from msgspec import Meta

from isthmus.api.v1.views import DifferenceShown, Id, ItemShown, LineAsked, PlacedShown, Quantity, Shown, Strict, Text
from isthmus.desk.requesting import Supply
from isthmus.desk.returning import Responsible

__all__ = [
    "AcceptAsked",
    "AcceptedShown",
    "CloseAsked",
    "CountAsked",
    "DocumentPage",
    "DocumentShown",
    "DocumentsMade",
    "MaterialRequestAsked",
    "MaterialRequestCorrected",
    "QuoteAsked",
    "QuoteLineAsked",
    "QuoteRequestAsked",
    "QuoteRevised",
    "ReasonAsked",
    "RepairAsked",
    "RestAsked",
    "ReturnAsked",
    "SendAsked",
    "SettleAsked",
    "WaitShown",
]

Lines = Annotated[list[LineAsked], Meta(min_length=1, max_length=500)]
Share = Annotated[str, Meta(pattern=r"^0(\.[0-9]{1,6})?$", description="A share: 0.05 for 5 %.")]
Note = Annotated[str, Meta(max_length=2000)]
Mail = Annotated[str, Meta(max_length=320)]
Month = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}$", description="A month: 2026-10.")]
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]


class QuoteLineAsked(Strict, frozen=True, kw_only=True):
    """How much of what. ``unit_price`` left out: the ERP's own price."""

    sku: Text
    quantity: Quantity
    unit_price: Quantity | None = None


QuoteLines = Annotated[tuple[QuoteLineAsked, ...], Meta(max_length=500)]
MaybeLines = Annotated[tuple[LineAsked, ...], Meta(max_length=500)]


class QuoteRequestAsked(Strict, frozen=True, kw_only=True):
    """Somebody wants a quote: a ``customer`` (number, name, tax id or item), or a ``prospect`` with an ``email``."""

    lines: Lines
    customer: Text | None = None
    prospect: Annotated[str, Meta(max_length=200)] = ""
    email: Mail = ""
    note: Note = ""
    wanted_on: date | None = None


class QuoteAsked(Strict, frozen=True, kw_only=True):
    """A quote of the token's person. ``opportunity`` (the CRM's key, name or item) and ``request`` (number) give
    customer and lines where none are given. ``discount``: below the ERP's own prices, where a line names none."""

    lines: QuoteLines = ()
    customer: Text | None = None
    opportunity: Text | None = None
    request: Text | None = None
    discount: Share = "0"
    valid_until: date | None = None
    wanted_on: date | None = None
    note: Note = ""
    email: Mail = ""


class QuoteRevised(Strict, frozen=True, kw_only=True):
    """The next version. What is left out stays as it was, priced anew."""

    lines: QuoteLines = ()
    discount: Share | None = None
    valid_until: date | None = None
    note: Note | None = None


class AcceptAsked(Strict, frozen=True, kw_only=True):
    """``seen``: the simulation that showed what has moved."""

    seen: Id | None = None


class AcceptedShown(PlacedShown, frozen=True, kw_only=True):
    """What became of accepting. ``held``: own prices of the ERP that have moved while the quote's are kept."""

    quote: str
    held: list[DifferenceShown]


class ReasonAsked(Strict, frozen=True, kw_only=True):
    """Why."""

    reason: Note = ""


class MaterialRequestAsked(Strict, frozen=True, kw_only=True):
    """What a station (number or name) asks for; the token's person is the requester."""

    station: Text
    lines: Lines
    supply: Supply | None = None


class MaterialRequestCorrected(Strict, frozen=True, kw_only=True):
    """What a refused request is handed in with again."""

    lines: Lines
    supply: Supply | None = None


class RestAsked(Strict, frozen=True, kw_only=True):
    """What becomes of what was left."""

    decision: Literal["deliver", "close"]


class ReturnAsked(Strict, frozen=True, kw_only=True):
    """Goods that a station (number or name) will send back. ``credited``: their price is given back."""

    station: Text
    lines: Lines
    reason: Note = ""
    credited: bool = False


class SendAsked(Strict, frozen=True, kw_only=True):
    """What was sent; what was announced, when ``lines`` is empty."""

    lines: MaybeLines = ()
    tracking: Annotated[str, Meta(max_length=200)] = ""


class CountAsked(Strict, frozen=True, kw_only=True):
    """What has arrived; what is not named has not."""

    lines: MaybeLines


class BlameAsked(Strict, frozen=True, kw_only=True):
    """Who is responsible for the difference of one product, and what shows it."""

    sku: Text
    responsible: Responsible
    evidence: Annotated[str, Meta(min_length=1, max_length=2000)]


class SettleAsked(Strict, frozen=True, kw_only=True):
    """Who is responsible for each difference."""

    differences: Annotated[list[BlameAsked], Meta(min_length=1, max_length=500)]


class RepairAsked(Strict, frozen=True, kw_only=True):
    """A repair of a station (number or name). ``corrects``: number of the one that it puts right; ``withdrawn``: that
    was none."""

    station: Text
    method: Text
    repaired_on: date
    parts: MaybeLines = ()
    currency: Currency | None = None
    corrects: Text | None = None
    withdrawn: bool = False
    serial_number: Text | None = None


class CloseAsked(Strict, frozen=True, kw_only=True):
    """The month to be closed (the previous one) for one centre, by number or name (all)."""

    centre: Text | None = None
    period: Month | None = None


class WaitShown(Shown, frozen=True, kw_only=True):
    """Where the document's process stands, whom it waits for and since when."""

    process: str
    state: str
    question: str
    who: str
    since: datetime
    problem: str | None


class DocumentShown(Shown, frozen=True, kw_only=True):
    """A document. ``skus``: product of a line -> part number. ``versions``: of a quote, the first one first."""

    document: ItemShown
    skus: dict[str, str]
    versions: list[str]
    waits: WaitShown | None


class DocumentPage(Shown, frozen=True, kw_only=True):
    """Documents, and where the next page begins."""

    items: list[ItemShown]
    next: str | None


class DocumentsMade(Shown, frozen=True, kw_only=True):
    """Settlements of a closed month, those that were there already among them."""

    items: list[ItemShown]
