"""``repairs.yaml``: what repairs are worth, and how months of them are settled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from isthmus.desk.repairing import Accounts, LevelRule, RepairRules
from isthmus.project.faults import Faults
from isthmus.project.nodes import Node, elements_of, mapping_of, name_of, text_of, whole_of

__all__ = ["ACCOUNT_KEYS", "LEVEL_RULE_KEYS", "REPAIRS_FILE", "REPAIRS_KEYS", "read_repairs"]

REPAIRS_FILE = "repairs.yaml"

REPAIRS_KEYS = ("time_zone", "due_day", "accounts", "levels", "rules")
ACCOUNT_KEYS = ("expense", "payable", "journal")
LEVEL_RULE_KEYS = ("level", "method", "parts", "pieces")

_CURRENCY = re.compile(r"[A-Z]{3}")
_FEE_MAX = Decimal(10) ** 9
_CENT = Decimal("0.0001")


def read_repairs(root: Node, faults: Faults) -> RepairRules | None:
    """The rules of a parsed file; None, with what is wrong remembered, when a part that is needed is missing."""
    entries = mapping_of(root, REPAIRS_FILE, REPAIRS_KEYS, faults)
    for key in ("accounts", "levels", "rules"):
        if key not in entries:
            faults.add(root.place, f"{REPAIRS_FILE} needs '{key}'.")
    fees = _fees_of(entries["levels"], faults) if "levels" in entries else {}
    accounts = _accounts_of(entries["accounts"], faults) if "accounts" in entries else None
    rules = _rules_of(entries["rules"], fees, faults) if "rules" in entries else ()
    zone = _zone_of(entries["time_zone"], faults) if "time_zone" in entries else "UTC"
    day = whole_of(entries["due_day"], "'due_day'", faults) if "due_day" in entries else 10
    if day is not None and not 1 <= day <= 31:
        faults.add(entries["due_day"].place, "'due_day' is a day of a month, from 1 to 31.")
    if accounts is None or zone is None or day is None:
        return None
    return RepairRules(time_zone=zone, due_day=day, accounts=accounts, fees=fees, rules=rules)


def _zone_of(node: Node, faults: Faults) -> str | None:
    name = text_of(node, "'time_zone'", faults)
    try:
        return None if name is None else ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError):
        faults.add(node.place, f"There is no time zone '{name}'.", "Use a name such as Europe/Berlin or Asia/Shanghai.")
        return None


def _accounts_of(node: Node, faults: Faults) -> Accounts | None:
    entries = mapping_of(node, "'accounts'", ACCOUNT_KEYS, faults)
    found = {}
    for key in ACCOUNT_KEYS:
        if key in entries:
            found[key] = _code_of(entries[key], f"'{key}'", faults)
        elif key != "journal":
            faults.add(node.place, f"'accounts' needs '{key}': the code of an account in the ERP's books.")
    if not found.get("expense") or not found.get("payable"):
        return None
    return Accounts(expense=found["expense"] or "", payable=found["payable"] or "", journal=found.get("journal"))


def _code_of(node: Node, what: str, faults: Faults) -> str | None:
    """A code, which may look like a number."""
    if isinstance(node.value, int | Decimal) and not isinstance(node.value, bool):
        return str(node.value)
    return text_of(node, what, faults)


def _fees_of(node: Node, faults: Faults) -> dict[str, Mapping[str, Decimal]]:
    found: dict[str, Mapping[str, Decimal]] = {}
    for name, inner in mapping_of(node, "'levels'", None, faults).items():
        if name_of(Node(name, node.keys[name]), "a level", faults) is None:
            continue
        fees: dict[str, Decimal] = {}
        for currency, amount in mapping_of(inner, f"level '{name}'", None, faults).items():
            if not _CURRENCY.fullmatch(currency):
                faults.add(inner.keys[currency], f"'{currency}' is no currency.", "Use three letters, as in EUR.")
                continue
            fee = _fee_of(amount, faults)
            if fee is not None:
                fees[currency] = fee
        if not fees:
            faults.add(node.keys[name], f"Level '{name}' has no fee.", "Write one, as in {EUR: 35}.")
        found[name] = fees
    if not found:
        faults.add(node.place, "'levels' names no level.")
    return found


def _fee_of(node: Node, faults: Faults) -> Decimal | None:
    try:
        fee = Decimal(str(node.value))
    except InvalidOperation:
        fee = Decimal("NaN")
    if isinstance(node.value, bool) or not fee.is_finite() or not 0 <= fee < _FEE_MAX or fee != fee.quantize(_CENT):
        faults.add(node.place, "A fee is an amount from 0 on, as in 35 or 80.50.")
        return None
    return fee


def _rules_of(node: Node, fees: Mapping[str, object], faults: Faults) -> tuple[LevelRule, ...]:
    found: list[LevelRule] = []
    for element in elements_of(node, "'rules'", faults):
        entries = mapping_of(element, "a rule", LEVEL_RULE_KEYS, faults)
        if "level" not in entries:
            faults.add(element.place, "A rule needs 'level'.")
            continue
        level = text_of(entries["level"], "'level'", faults)
        if level is None:
            continue
        if fees and level not in fees:
            faults.unknown(entries["level"].place, "level", level, fees)
            continue
        pieces = whole_of(entries["pieces"], "'pieces'", faults) if "pieces" in entries else None
        if "pieces" in entries and pieces is None:
            continue
        rule = LevelRule(
            level=level,
            methods=_words_of(entries.get("method"), "'method'", faults),
            parts=_words_of(entries.get("parts"), "'parts'", faults),
            pieces=None if pieces is None else Decimal(pieces),
        )
        if any(not before.methods and not before.parts and before.pieces is None for before in found):
            faults.add(element.place, "This rule is never reached: a rule above it fits every repair.")
        found.append(rule)
    return tuple(found)


def _words_of(node: Node | None, what: str, faults: Faults) -> frozenset[str]:
    if node is None:
        return frozenset()
    words = [_code_of(element, what, faults) for element in elements_of(node, what, faults)]
    return frozenset(word for word in words if word)
