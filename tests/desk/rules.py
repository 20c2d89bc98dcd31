"""Rules as a company might have them."""

from __future__ import annotations

from decimal import Decimal

from isthmus.desk.approval_rules import (
    ApprovalRules,
    Conditions,
    Facts,
    Need,
    Person,
    Range,
    Rule,
    Seat,
    Stage,
)

ANNA, BEN, CHEN, DORA, LI = (f"{name}@lab.example" for name in ("anna", "ben", "chen", "dora", "li"))
BOSS = "boss@lab.example"


def seat(login: str) -> Seat:
    return Seat(login, (login,))


SALES = Seat("sales", (ANNA, BEN))
FINANCE = Seat("finance", (CHEN, DORA))
HOUR = 3600.0

RULES = ApprovalRules(
    currency="EUR",
    people={CHEN: Person(name="陈", language="zh")},
    rules=(
        Rule(
            name="small",
            document="SalesOrder",
            when=Conditions(amount=Range(below=Decimal(1000)), discount=Range(below=Decimal("0.05"))),
        ),
        Rule(
            name="large",
            document="SalesOrder",
            when=Conditions(amount=Range(at_least=Decimal(10000))),
            stages=(
                Stage(name="lead", seats=(SALES,), within=HOUR, escalate=(seat(BOSS),)),
                Stage(name="both", seats=(FINANCE, seat(BOSS)), need=Need.ALL, within=2 * HOUR),
            ),
        ),
        Rule(
            name="orders",
            document="SalesOrder",
            stages=(Stage(name="lead", seats=(SALES,), within=HOUR, escalate=(seat(BOSS),)),),
        ),
    ),
)


def facts(amount: str | None, *, discount: str | None = "0", currency: str = "EUR") -> Facts:
    return Facts(
        document="SalesOrder",
        amount=None if amount is None else Decimal(amount),
        currency=currency,
        discount=None if discount is None else Decimal(discount),
    )
