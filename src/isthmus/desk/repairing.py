"""What a repair is worth: its level by rules, and the fee of the level. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import msgspec

__all__ = ["Accounts", "LevelRule", "RepairRules", "fee_of", "level_of"]


class LevelRule(msgspec.Struct, frozen=True, kw_only=True):
    """A repair is of this level when all that is said fits; nothing said fits every repair."""

    level: str
    methods: frozenset[str] = frozenset()
    """Ways of repairing, one of which it was."""
    parts: frozenset[str] = frozenset()
    """Numbers of parts, one of which it used."""
    pieces: Decimal | None = None
    """It used at least this many pieces of any parts."""


class Accounts(msgspec.Struct, frozen=True, kw_only=True):
    """Codes in the ERP's books."""

    expense: str
    payable: str
    journal: str | None = None


class RepairRules(msgspec.Struct, frozen=True, kw_only=True):
    """``repairs.yaml``: rules in the order in which they are tried, fees, and how months are settled."""

    time_zone: str
    """Whose midnight ends a month (IANA name)."""
    due_day: int
    """Day of the next month by which a month is to be reported."""
    accounts: Accounts
    fees: Mapping[str, Mapping[str, Decimal]]
    """Level -> currency -> fee of one repair."""
    rules: tuple[LevelRule, ...]


def level_of(rules: RepairRules, method: str, parts: Mapping[str, Decimal]) -> str | None:
    """The level of the first rule that fits; None when none does."""
    pieces = sum(parts.values(), Decimal(0))
    for rule in rules.rules:
        if rule.methods and method not in rule.methods:
            continue
        if rule.parts and not any(part in rule.parts for part, amount in parts.items() if amount > 0):
            continue
        if rule.pieces is not None and pieces < rule.pieces:
            continue
        return rule.level
    return None


def fee_of(rules: RepairRules, level: str, currency: str) -> Decimal | None:
    """What a repair of this level is paid; None when there is no fee in this currency."""
    return rules.fees.get(level, {}).get(currency)
