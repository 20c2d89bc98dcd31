"""Orders that would exceed their customer's credit limit: whether the project's rules decide about them, and having it
decided. The customer hears that the order is being checked and what came of it, not how."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from isthmus.desk.approval_rules import ApprovalRules
from isthmus.desk.approval_state import Choice, RequestState
from isthmus.desk.costing import margin_in
from isthmus.desk.documents import approved
from isthmus.desk.ordering import Truth
from isthmus.desk.ports import DeskTransaction
from isthmus.desk.quoting import conceded
from isthmus.process import Run

__all__ = ["CHECKING", "ENTITY", "CreditCase", "case_of", "decided_by_rules", "has_released", "why_declined"]

ENTITY: Final = "SalesOrder"
CHECKING: Final = "checking"
"""State of an order about whose credit somebody must decide; the ERP does not have it, or not confirmed."""
LATE = "Nobody decided in time."


class CreditCase(msgspec.Struct, frozen=True, kw_only=True):
    """By how much an order would exceed the limit, and what is weighed with that."""

    over: Decimal
    limit: Decimal
    after: Decimal
    total: Decimal
    currency: str
    discount: Decimal


def decided_by_rules(rules: ApprovalRules | None) -> bool:
    """Whether the project says who lets an order exceed the limit; where it does not, such an order is refused."""
    return rules is not None and any(rule.document == ENTITY for rule in rules.rules)


def case_of(truth: Truth) -> CreditCase | None:
    """None: the order is within the limit, or there is none."""
    credit = truth.credit
    if credit is None or credit.limit is None or not credit.exceeded:
        return None
    return CreditCase(
        over=credit.after - credit.limit,
        limit=credit.limit,
        after=credit.after,
        total=truth.total,
        currency=truth.currency,
        discount=conceded(truth),
    )


async def has_released(
    run: Run, case: CreditCase, *, id: str, simulation: str, reference: str, customer: str, by: str, role: str
) -> RequestState:
    """In a process: have the project's rules decide, and wait. Whoever placed the order decides nowhere."""
    shown = f"{case.over} {case.currency}"
    return await approved(
        run,
        document=ENTITY,
        id=id,
        number=reference,
        title=f"Order {reference} of {customer} over {case.total} {case.currency}, {shown} over the credit limit",
        amount=case.total,
        currency=case.currency,
        discount=case.discount,
        credit=case.over,
        level="",
        role=role,
        requester=by,
        details=_details(case, customer),
        weigh=margin_in(simulation),
    )


def _details(case: CreditCase, customer: str) -> Mapping[str, Any]:
    return {
        "customer": customer,
        "credit limit": f"{case.limit} {case.currency}",
        "credit used with this order": f"{case.after} {case.currency}",
        "note": "The customer is told what you write when you refuse.",
    }


async def why_declined(tx: DeskTransaction, id: str, state: RequestState) -> str:
    """What the customer is told: the words of whoever refused, without who that was."""
    if state is RequestState.EXPIRED:
        return LATE
    answers = await tx.approvals.answers(id)
    return " ".join(one.comment for one in answers if one.choice is Choice.REFUSE and one.comment)
