"""Which rule is for what, and who then sits where: examples, and laws over any rules and facts."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from isthmus.desk.approval_rules import (
    ApprovalRules,
    Conditions,
    Facts,
    Need,
    Range,
    Rule,
    Seat,
    Stage,
    fits,
    rule_for,
    staffed,
)
from tests.desk.rules import ANNA, BEN, BOSS, RULES, facts, seat


@pytest.mark.parametrize(
    ("given_facts", "rule"),
    [
        (facts("999.99"), "small"),
        (facts("1000"), "orders"),
        (facts("999.99", discount="0.05"), "orders"),
        (facts("10000"), "large"),
        (facts(None), "large"),
        (facts("5", currency="CNY"), "large"),
        (facts("5", discount=None), "orders"),
    ],
)
def test_the_first_rule_that_fits_counts(given_facts: Facts, rule: str) -> None:
    found = rule_for(RULES, given_facts)
    assert found is not None
    assert found.name == rule


def test_no_rule_is_no_permission() -> None:
    assert rule_for(RULES, Facts(document="Return")) is None


def test_levels_and_roles_are_asked_for() -> None:
    rule = Rule(name="r", document="D", when=Conditions(levels=("station",), roles=("clerk", "lead")))
    assert fits(rule, Facts(document="D", level="station", role="lead"), "EUR")
    assert not fits(rule, Facts(document="D", level="centre", role="lead"), "EUR")
    assert not fits(rule, Facts(document="D", level="station"), "EUR"), "an unknown role needs somebody's look"


def test_a_requester_who_is_the_only_one_hands_over_to_the_escalation() -> None:
    rule = Rule(name="r", document="D", stages=(Stage(name="lead", seats=(seat(ANNA),), escalate=(seat(BOSS),)),))
    stages = staffed(rule, ANNA)
    assert not isinstance(stages, str)
    assert stages[0].seats == (seat(BOSS),)
    assert stages[0].escalate == ()
    assert staffed(rule, BOSS) == (Stage(name="lead", seats=(seat(ANNA),)),)


def test_a_stage_that_nobody_could_decide_is_named() -> None:
    rule = Rule(name="r", document="D", stages=(Stage(name="lead", seats=(seat(ANNA), seat(BEN)), need=Need.ALL),))
    assert staffed(rule, ANNA) == "lead"
    assert staffed(rule, BOSS) == rule.stages


LOGINS = st.sampled_from(["a@x", "b@x", "c@x", "d@x"])
NUMBERS = st.none() | st.decimals(-10, 10, places=1)
RANGES = st.none() | st.builds(Range, NUMBERS, NUMBERS)
WORDS = st.lists(st.sampled_from(["station", "centre"]), max_size=2).map(tuple)
SEATS = st.lists(LOGINS, min_size=1, max_size=3, unique=True).map(lambda who: Seat("+".join(who), tuple(who)))
STAGES = st.builds(
    Stage,
    name=st.sampled_from(["one", "two"]),
    seats=st.lists(SEATS, min_size=1, max_size=3, unique=True).map(tuple),
    need=st.sampled_from(Need),
    escalate=st.lists(SEATS, max_size=2, unique=True).map(tuple),
)
RULE = st.builds(
    Rule,
    name=st.just("r"),
    document=st.sampled_from(["D", "E"]),
    when=st.builds(Conditions, amount=RANGES, discount=RANGES, margin=RANGES, levels=WORDS, roles=WORDS),
    stages=st.lists(STAGES, max_size=3).map(tuple),
    four_eyes=st.booleans(),
)
WORD = st.sampled_from(["", "station", "centre", "other"])
FACTS = st.builds(
    Facts,
    document=st.sampled_from(["D", "E"]),
    amount=NUMBERS,
    currency=st.sampled_from(["EUR", "CNY", ""]),
    discount=NUMBERS,
    margin=NUMBERS,
    level=WORD,
    role=WORD,
)


@given(st.lists(RULE, max_size=5), FACTS)
def test_no_rule_before_the_chosen_one_fits(rules: list[Rule], given_facts: Facts) -> None:
    chosen = rule_for(ApprovalRules(currency="EUR", rules=tuple(rules)), given_facts)
    fitting = [rule for rule in rules if fits(rule, given_facts, "EUR")]
    assert chosen == (fitting[0] if fitting else None)
    assert chosen is None or chosen.document == given_facts.document


@given(RULE, FACTS, st.sampled_from(["amount", "discount", "margin", "level", "role", "currency"]))
def test_knowing_less_never_spares_anybody_an_approval(rule: Rule, known: Facts, forgotten: str) -> None:
    blank = "" if forgotten in ("level", "role", "currency") else None
    less = Facts(**{**{name: getattr(known, name) for name in known.__struct_fields__}, forgotten: blank})
    if rule.stages:
        assert fits(rule, less, "EUR") or not fits(rule, known, "EUR")
    else:
        assert fits(rule, known, "EUR") or not fits(rule, less, "EUR")


@given(RULE, LOGINS)
def test_with_four_eyes_nobody_decides_about_his_own_request(rule: Rule, requester: str) -> None:
    stages = staffed(rule, requester)
    assume(not isinstance(stages, str))
    seats = [seat for stage in stages for seat in (*stage.seats, *stage.escalate)]  # type: ignore[union-attr]
    assert all(seat.members for seat in seats)
    if rule.four_eyes:
        assert not any(requester in seat.members for seat in seats)


@given(RULE, LOGINS)
def test_every_stage_can_be_decided_or_the_request_is_refused(rule: Rule, requester: str) -> None:
    stages = staffed(rule, requester)
    if isinstance(stages, str):
        assert stages in {stage.name for stage in rule.stages}
        return
    assert [stage.name for stage in stages] == [stage.name for stage in rule.stages]
    assert all(stage.seats for stage in stages)
    allowed = {login for stage in rule.stages for seat in (*stage.seats, *stage.escalate) for login in seat.members}
    assert {login for stage in stages for seat in stage.seats for login in seat.members} <= allowed


@given(RANGES, st.decimals(-10, 10, places=1))
def test_a_range_is_half_open(limits: Range | None, number: Decimal) -> None:
    assume(limits is not None)
    assert limits is not None
    inside = (limits.at_least is None or limits.at_least <= number) and (limits.below is None or number < limits.below)
    assert limits.holds(number) is inside
