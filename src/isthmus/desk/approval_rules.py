"""Who must approve what: rules as values, and their evaluation. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec

__all__ = [
    "ApprovalRules",
    "Conditions",
    "Facts",
    "Need",
    "Person",
    "Range",
    "Rule",
    "Seat",
    "Stage",
    "fits",
    "rule_for",
    "staffed",
]


class Need(StrEnum):
    """How the seats of a stage decide together."""

    ALL = "all"
    """Every seat must approve; one refusal refuses."""
    ANY = "any"
    """The first answer decides, either way."""


class Seat(msgspec.Struct, frozen=True):
    """One place at a stage: a person, or a team of which anybody may answer."""

    name: str
    members: tuple[str, ...]
    """Logins: mail addresses in lower case."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One step of an approval. Stages follow one another."""

    name: str
    seats: tuple[Seat, ...]
    need: Need = Need.ANY
    within: float | None = None
    """Seconds until the deadline; None: no deadline."""
    escalate: tuple[Seat, ...] = ()
    """Who decides in place of the seats when the deadline has passed, within the same time again."""


class Range(msgspec.Struct, frozen=True):
    """Numbers from ``at_least`` on, ``below`` another; None: no limit."""

    at_least: Decimal | None = None
    below: Decimal | None = None

    def holds(self, number: Decimal) -> bool:
        """Whether the number is inside."""
        low = self.at_least is None or number >= self.at_least
        return low and (self.below is None or number < self.below)


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule asks of the facts; None or empty: nothing."""

    amount: Range | None = None
    discount: Range | None = None
    margin: Range | None = None
    credit: Range | None = None
    levels: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule. No stages: nobody is asked."""

    name: str
    document: str
    when: Conditions = Conditions()
    stages: tuple[Stage, ...] = ()
    four_eyes: bool = True
    """Whoever requests something never decides about it, also not as somebody's deputy."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a person besides the address."""

    name: str = ""
    language: str = ""
    """en or zh; empty: the hub's own."""


class ApprovalRules(msgspec.Struct, frozen=True, kw_only=True):
    """``approvals.yaml``: rules in the order in which they are tried."""

    currency: str = ""
    """What amounts in conditions are in."""
    rules: tuple[Rule, ...] = ()
    people: Mapping[str, Person] = {}

    def language(self, login: str) -> str:
        """The language of a person; empty when it is not said."""
        person = self.people.get(login)
        return person.language if person else ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the thing to be approved; None or empty: not known."""

    document: str
    """Kind of document, as the rules name it: SalesOrder, MaterialRequest …"""
    amount: Decimal | None = None
    currency: str = ""
    discount: Decimal | None = None
    """As a share: 0.15 for 15 %."""
    margin: Decimal | None = None
    """As a share of the amount; may be negative."""
    credit: Decimal | None = None
    """By how much the customer's credit limit would be exceeded."""
    level: str = ""
    """Level of the organisation that requests: head_office, centre, station."""
    role: str = ""
    """Role of the requester."""


def rule_for(rules: ApprovalRules, facts: Facts) -> Rule | None:
    """The first rule of this kind of document that fits; None when there is none."""
    return next((rule for rule in rules.rules if fits(rule, facts, rules.currency)), None)


def fits(rule: Rule, facts: Facts, currency: str) -> bool:
    """Whether a rule is for these facts. What is not known (amounts in another currency among it) counts against the
    requester: it fits every rule that asks somebody and none that asks nobody."""
    if rule.document != facts.document:
        return False
    unknown = bool(rule.stages)
    when = rule.when
    amount, credit = (facts.amount, facts.credit) if facts.currency == currency else (None, None)
    shares = ((when.discount, facts.discount), (when.margin, facts.margin))
    for wanted, number in ((when.amount, amount), (when.credit, credit), *shares):
        if wanted is not None and not (unknown if number is None else wanted.holds(number)):
            return False
    for words, word in ((when.levels, facts.level), (when.roles, facts.role)):
        if words and not (unknown if not word else word in words):
            return False
    return True


def staffed(rule: Rule, requester: str) -> tuple[Stage, ...] | str:
    """The rule's stages as they are for this requester, or the name of a stage that nobody could decide.

    With four eyes the requester leaves all seats. A stage that becomes impossible by that is its escalation's from the
    beginning.
    """
    stages: list[Stage] = []
    for stage in rule.stages:
        seats, escalate = stage.seats, stage.escalate
        if rule.four_eyes:
            seats, escalate = _without(seats, requester), _without(escalate, requester)
        if not _possible(seats, stage.need):
            seats, escalate = escalate, ()
        if not _possible(escalate, stage.need):
            escalate = ()
        if not _possible(seats, stage.need):
            return stage.name
        stages.append(
            msgspec.structs.replace(stage, seats=_occupied(seats), escalate=_occupied(escalate)),
        )
    return tuple(stages)


def _without(seats: tuple[Seat, ...], login: str) -> tuple[Seat, ...]:
    return tuple(Seat(seat.name, tuple(one for one in seat.members if one != login)) for seat in seats)


def _possible(seats: tuple[Seat, ...], need: Need) -> bool:
    if need is Need.ALL:
        return bool(seats) and all(seat.members for seat in seats)
    return any(seat.members for seat in seats)


def _occupied(seats: tuple[Seat, ...]) -> tuple[Seat, ...]:
    return tuple(seat for seat in seats if seat.members)
