"""``approvals.yaml``: who must approve what."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from decimal import Decimal, InvalidOperation

from isthmus.desk.approval_rules import ApprovalRules, Conditions, Need, Person, Range, Rule, Seat, Stage
from isthmus.desk.notices import LANGUAGES
from isthmus.project.faults import Faults
from isthmus.project.nodes import Node, elements_of, flag_of, mapping_of, name_of, text_of, word_of

__all__ = [
    "APPROVALS_FILE",
    "APPROVALS_KEYS",
    "CONDITION_KEYS",
    "DOCUMENTS",
    "LEVELS",
    "PERSON_KEYS",
    "RANGE_KEYS",
    "RULE_KEYS",
    "STAGE_KEYS",
    "read_approvals",
]

APPROVALS_FILE = "approvals.yaml"

APPROVALS_KEYS = ("currency", "teams", "people", "rules")
PERSON_KEYS = ("name", "language")
RULE_KEYS = ("rule", "document", "when", "ask", "four_eyes")
CONDITION_KEYS = ("amount", "discount", "margin", "credit", "level", "role")
RANGE_KEYS = ("from", "below")
STAGE_KEYS = ("stage", "who", "need", "within", "escalate")
DOCUMENTS = ("Quote", "SalesOrder", "MaterialRequest", "Return", "RepairRecord", "LabourSettlement", "CreditNote")
"""Kinds of documents that can need approval, besides the project's own entities."""
LEVELS = ("head_office", "centre", "station")
"""Levels of the organisation."""

_AMOUNTS = ("amount", "credit")
"""Conditions on money; the other ranges are of shares."""
_LOGIN = re.compile(r"[^\s@<>,;:\"]+@[^\s@<>,;:\"]+")
_CURRENCY = re.compile(r"[A-Z]{3}")
_SPAN = re.compile(r"([1-9][0-9]{0,3})(m|h|d)")
_UNITS = {"m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 366 * 86400.0


def read_approvals(root: Node, entities: Collection[str], faults: Faults) -> ApprovalRules:
    """The rules of a parsed file; what is wrong is remembered and left out. ``entities`` are the project's own."""
    entries = mapping_of(root, APPROVALS_FILE, APPROVALS_KEYS, faults)
    currency = text_of(entries["currency"], "'currency'", faults) if "currency" in entries else None
    if currency is not None and not _CURRENCY.fullmatch(currency):
        faults.add(entries["currency"].place, "'currency' must be a code of three letters, as in EUR.")
    teams = _teams_of(entries["teams"], faults) if "teams" in entries else {}
    people = _people_of(entries["people"], faults) if "people" in entries else {}
    reader = _Reader(teams, (*DOCUMENTS, *entities), currency, faults)
    rules: list[Rule] = []
    for element in elements_of(entries["rules"], "'rules'", faults) if "rules" in entries else ():
        rule = reader.rule(element)
        if rule is None:
            continue
        if any(rule.name == before.name for before in rules):
            faults.add(element.entries()["rule"].place, f"There are two rules '{rule.name}'.")
        if any(before.document == rule.document and before.when == Conditions() for before in rules):
            faults.add(
                element.place, f"Rule '{rule.name}' is never reached: a rule above it fits every {rule.document}."
            )
        rules.append(rule)
    return ApprovalRules(currency=currency or "", rules=tuple(rules), people=people)


def _teams_of(node: Node, faults: Faults) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, inner in mapping_of(node, "'teams'", None, faults).items():
        logins = [_login_of(element, faults) for element in elements_of(inner, f"team '{name}'", faults)]
        members = tuple(dict.fromkeys(login for login in logins if login is not None))
        if "@" in name:
            faults.add(node.keys[name], f"A team may not be called '{name}': that is an address.")
        elif not members:
            faults.add(node.keys[name], f"Team '{name}' has no members.")
        found[name] = members
    return found


def _people_of(node: Node, faults: Faults) -> dict[str, Person]:
    found: dict[str, Person] = {}
    for name, inner in mapping_of(node, "'people'", None, faults).items():
        login = _login_of(Node(name, node.keys[name]), faults)
        entries = mapping_of(inner, f"'{name}'", PERSON_KEYS, faults)
        shown = text_of(entries["name"], "'name'", faults) if "name" in entries else None
        language = word_of(entries["language"], "language", LANGUAGES, faults) if "language" in entries else None
        if login is not None:
            found[login] = Person(name=shown or "", language=language or "")
    return found


def _login_of(node: Node, faults: Faults) -> str | None:
    text = text_of(node, "A login", faults)
    if text is not None and not _LOGIN.fullmatch(text):
        faults.add(node.place, f"'{text}' is no login.", "Logins are mail addresses.")
        return None
    return None if text is None else text.lower()


class _Reader:
    """Reads rules, which name teams."""

    def __init__(
        self, teams: Mapping[str, tuple[str, ...]], documents: Collection[str], currency: str | None, faults: Faults
    ) -> None:
        self._teams, self._documents, self._currency, self._faults = teams, documents, currency, faults

    def rule(self, node: Node) -> Rule | None:
        """One rule; None, with the fault remembered, when it cannot be read."""
        before = len(self._faults.found)
        entries = mapping_of(node, "a rule", RULE_KEYS, self._faults)
        for key in ("rule", "document", "ask"):
            if node.is_map and key not in entries:
                self._faults.add(node.place, f"The rule has no '{key}'.")
        if len(self._faults.found) > before:
            return None
        name = name_of(entries["rule"], "a rule", self._faults)
        document = word_of(entries["document"], "document", self._documents, self._faults)
        when = self._conditions(entries["when"]) if "when" in entries else Conditions()
        four_eyes = flag_of(entries["four_eyes"], "'four_eyes'", self._faults) if "four_eyes" in entries else True
        stages = self._stages(entries["ask"])
        if len(self._faults.found) > before or name is None or document is None or not node.is_map:
            return None
        return Rule(name=name, document=document, when=when, stages=stages, four_eyes=four_eyes is not False)

    def _conditions(self, node: Node) -> Conditions:
        entries = mapping_of(node, "'when'", CONDITION_KEYS, self._faults)
        for name in _AMOUNTS:
            if name in entries and self._currency is None:
                self._faults.add(node.keys[name], "Amounts need a currency.", "Add a line such as 'currency: EUR'.")
        levels = self._elements(entries.get("level"), "'level'")
        roles = self._elements(entries.get("role"), "'role'")
        level_words = [word_of(one, "level", LEVELS, self._faults) for one in levels]
        role_words = [name_of(one, "a role", self._faults) for one in roles]
        return Conditions(
            amount=self._range(entries.get("amount"), "amount"),
            discount=self._range(entries.get("discount"), "discount"),
            margin=self._range(entries.get("margin"), "margin"),
            credit=self._range(entries.get("credit"), "credit"),
            levels=tuple(word for word in level_words if word),
            roles=tuple(word for word in role_words if word),
        )

    def _elements(self, node: Node | None, what: str) -> Collection[Node]:
        return () if node is None else elements_of(node, what, self._faults)

    def _range(self, node: Node | None, what: str) -> Range | None:
        if node is None:
            return None
        entries = mapping_of(node, f"'{what}'", RANGE_KEYS, self._faults)
        if not entries:
            self._faults.add(node.place, f"'{what}' must say from or below.", f"As in {what}: {{below: 1000}}.")
            return None
        share = what not in _AMOUNTS
        low, high = (self._number(entries.get(key), share) for key in RANGE_KEYS)
        if low is not None and high is not None and low >= high:
            self._faults.add(node.place, f"'{what}' from {low} below {high}: no number is there.")
        return Range(low, high)

    def _number(self, node: Node | None, share: bool) -> Decimal | None:
        if node is None:
            return None
        text = str(node.value)
        percent = share and text.endswith("%")
        try:
            number = Decimal(text.removesuffix("%").strip() if percent else text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite() or isinstance(node.value, bool):
            wanted = "a share such as 15% or 0.15" if share else "a number"
            self._faults.add(node.place, f"'{text}' must be {wanted}.")
            return None
        number = number / 100 if percent else number
        if share and not -1 <= number <= 1:
            self._faults.add(node.place, f"'{text}' is more than all of it.", "Write 15% or 0.15.")
        return number

    def _stages(self, node: Node) -> tuple[Stage, ...]:
        if node.value == "nobody":
            return ()
        stages: list[Stage] = []
        for element in elements_of(node, "'ask'", self._faults):
            if not element.is_map:
                self._faults.add(
                    element.place, "'ask' must be nobody, or stages.", "As in - {stage: lead, who: sales}."
                )
                continue
            stage = self._stage(element)
            if stage is not None:
                stages.append(stage)
        if node.is_list and not node.value:
            self._faults.add(node.place, "'ask' names no stage.", "Write 'ask: nobody' when nobody needs to approve.")
        return tuple(stages)

    def _stage(self, node: Node) -> Stage | None:
        entries = mapping_of(node, "a stage", STAGE_KEYS, self._faults)
        for key in ("stage", "who"):
            if key not in entries:
                self._faults.add(node.place, f"The stage has no '{key}'.")
                return None
        if "escalate" in entries and "within" not in entries:
            self._faults.add(node.keys["escalate"], "'escalate' needs a deadline.", "Add a line such as 'within: 2d'.")
        name = name_of(entries["stage"], "a stage", self._faults)
        need = (
            word_of(entries["need"], "need", [str(need) for need in Need], self._faults) if "need" in entries else "any"
        )
        return Stage(
            name=name or "",
            seats=self._seats(entries["who"], "'who'"),
            need=Need(need or "any"),
            within=self._span(entries["within"]) if "within" in entries else None,
            escalate=self._seats(entries["escalate"], "'escalate'") if "escalate" in entries else (),
        )

    def _seats(self, node: Node, what: str) -> tuple[Seat, ...]:
        seats: dict[str, Seat] = {}
        for element in elements_of(node, what, self._faults):
            text = text_of(element, what, self._faults)
            if text is None:
                continue
            if "@" in text:
                login = _login_of(element, self._faults)
                seat = Seat(login or "", (login or "",))
            elif text in self._teams:
                seat = Seat(text, self._teams[text])
            else:
                self._faults.unknown(element.place, "team", text, self._teams)
                continue
            if seat.name in seats:
                self._faults.add(element.place, f"'{text}' is named twice.")
            seats[seat.name] = seat
        return tuple(seats.values())

    def _span(self, node: Node) -> float | None:
        found = _SPAN.fullmatch(str(node.value))
        seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
        if not 0 < seconds <= _LONGEST:
            self._faults.add(node.place, "'within' must be a time such as 30m, 8h or 2d, at most a year.")
            return None
        return seconds
