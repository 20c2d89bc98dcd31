"""Material requests as a planner thinks of them: may it be approved, how is it supplied, and what came of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

__all__ = [
    "Check",
    "Credit",
    "Outcome",
    "Sent",
    "SentState",
    "Supply",
    "Wanted",
    "check_request",
    "outcome",
    "supplies",
]

ZERO = Decimal(0)


class Supply(StrEnum):
    """How a station gets what it asks for."""

    SALES_ORDER = "sales_order"
    """It buys the goods."""
    FILL_UP = "fill_up"
    """They go to its consignment stock and stay the company's until they are used (铺货)."""
    TRANSFER = "transfer"
    """They are moved to its own place in the company's stock."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A position of a request; ``available``: what could be delivered at once, None for what is not kept in stock."""

    id: str
    product: str
    quantity: Decimal
    amount: Decimal
    available: Decimal | None = None


class Credit(msgspec.Struct, frozen=True, kw_only=True):
    """``limit`` None: there is none. ``used`` is what is owed, ordered and asked for already."""

    limit: Decimal | None
    used: Decimal


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """What the check of a request found. It may go on when ``refused`` is empty; ``short`` are positions of which not
    everything is there: whoever approves it should know."""

    total: Decimal
    refused: tuple[str, ...]
    short: tuple[str, ...]


class SentState(StrEnum):
    """Where goods of a delivery are."""

    PLANNED = "planned"
    IN_TRANSIT = "in_transit"
    DONE = "done"
    CANCELLED = "cancelled"


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery of the ERP: product -> quantity, planned or moved."""

    id: str
    state: SentState
    quantities: Mapping[str, Decimal]

    @property
    def left(self) -> bool:
        """Whether its goods have left."""
        return self.state in (SentState.IN_TRANSIT, SentState.DONE)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a request so far. ``shipped`` and ``left`` by position; ``over``: what was shipped beyond what was
    wanted, by product. ``rest_is_delivery``: what is left has a delivery of its own. ``children`` are the deliveries
    that take what earlier ones left."""

    shipped: Mapping[str, Decimal]
    left: Mapping[str, Decimal]
    over: Mapping[str, Decimal]
    children: tuple[str, ...]
    rest_is_delivery: bool
    whole: bool
    """Everything left at once, in one delivery."""
    complete: bool
    """Everything that will arrive has arrived."""
    undecided: bool
    """Something is left, no delivery is for it, and nobody has said yet what becomes of it."""


def supplies(*, customer: bool, place: bool, consignment_place: bool) -> tuple[Supply, ...]:
    """How a station with these can be supplied, the usual way first."""
    ways = ((Supply.FILL_UP, consignment_place), (Supply.TRANSFER, place), (Supply.SALES_ORDER, customer))
    return tuple(way for way, possible in ways if possible)


def check_request(lines: Sequence[Wanted], credit: Credit) -> Check:
    """Look at a request before anybody approves it. Over its credit a station gets nothing, whoever approves; goods
    that are not there are no reason to refuse, they may come."""
    total = sum((line.amount for line in lines), ZERO)
    refused = []
    if not lines:
        refused.append("Nothing is asked for.")
    refused += [f"Position {line.id}: nothing is asked for." for line in lines if line.quantity <= 0]
    if credit.limit is not None and credit.used + total > credit.limit:
        over = credit.used + total - credit.limit
        refused.append(f"It would be {over} over the credit limit of {credit.limit}: {credit.used} are used.")
    return Check(total=total, refused=tuple(refused), short=tuple(_short(lines)))


def _short(lines: Sequence[Wanted]) -> list[str]:
    """Positions that stock does not cover; earlier ones take from the same stock."""
    taken: dict[str, Decimal] = {}
    found = []
    for line in lines:
        if line.available is None:
            continue
        before = taken.get(line.product, ZERO)
        taken[line.product] = before + line.quantity
        if taken[line.product] > line.available:
            found.append(line.id)
    return found


def outcome(lines: Sequence[Wanted], sent: Sequence[Sent], *, closed: bool = False) -> Outcome:
    """What the deliveries, in the order they were made, come to. ``closed``: nobody expects more, whatever is left."""
    going = [delivery for delivery in sent if delivery.state is not SentState.CANCELLED]
    gone = _sums(delivery for delivery in going if delivery.left)
    planned = _sums(delivery for delivery in going if not delivery.left)
    shipped = _shared(lines, gone)
    left = {line.id: line.quantity - shipped[line.id] for line in lines}
    by_product: dict[str, Decimal] = {}
    for line in lines:
        by_product[line.product] = by_product.get(line.product, ZERO) + line.quantity
    over = {
        product: amount - by_product.get(product, ZERO)
        for product, amount in gone.items()
        if amount > by_product.get(product, ZERO)
    }
    missing = {
        product: wanted - gone.get(product, ZERO)
        for product, wanted in by_product.items()
        if wanted > gone.get(product, ZERO)
    }
    covered = all(planned.get(product, ZERO) >= amount for product, amount in missing.items())
    first = next((delivery for delivery in going if delivery.left), None)
    nothing_left = not missing
    return Outcome(
        shipped=shipped,
        left=left,
        over=over,
        children=tuple(delivery.id for delivery in going[1:]),
        rest_is_delivery=bool(missing) and covered and bool(gone),
        whole=nothing_left and first is not None and sum(delivery.left for delivery in going) == 1,
        complete=(nothing_left or closed)
        and (bool(gone) or closed)
        and not any(delivery.state is SentState.IN_TRANSIT for delivery in going),
        undecided=bool(missing) and not covered and not closed,
    )


def _sums(deliveries: Iterable[Sent]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for delivery in deliveries:
        for product, amount in delivery.quantities.items():
            found[product] = found.get(product, ZERO) + amount
    return found


def _shared(lines: Sequence[Wanted], gone: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """What was shipped, given to the positions of each product in their order."""
    rest = dict(gone)
    shipped = {}
    for line in lines:
        shipped[line.id] = min(line.quantity, rest.get(line.product, ZERO))
        rest[line.product] = rest.get(line.product, ZERO) - shipped[line.id]
    return shipped
