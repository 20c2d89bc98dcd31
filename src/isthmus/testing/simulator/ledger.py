"""The judge's own book: who entered what, where, and on top of what. Knows nothing of base, links or items.

Every value that people enter carries the number of its entry, so wherever it shows up it can be told whose it is. An
entry made while the system showed an earlier one supersedes that one; entries of which none saw the other are rivals.
At the end a field must show a value that nothing superseded, and a rival may only have lost by a rule or a decision.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from isthmus.model.flow import FieldRule

__all__ = ["Entry", "Ledger", "number_of", "value_of"]

type Place = tuple[str, str]
"""(tag of the thing, field)"""


def value_of(name: str, number: int) -> Any:
    """What people enter into a field: the hub's form of a value that carries this number."""
    match name:
        case "credit_limit" | "list_price" | "total":
            return {"amount": f"{number}.25", "currency": "EUR"}
        case "address":
            return {"street": f"Street {number}", "city": f"City {number}", "postal_code": f"{number}"}
        case "email":
            return f"mail{number}@people.example"
        case "name":
            return f"Name{number} Lund{number}"
    return f"{name} {number}"


def number_of(value: Any) -> int | None:
    """The number that a hub value carries; None when it is empty."""
    match value:
        case dict():
            return number_of(value["amount"] if "amount" in value else value.get("city"))
        case list():
            return number_of(value[0].get("quantity")) if value else None
        case None:
            return None
    digits = re.findall(r"\d+(?:\.\d+)?", str(value))
    return int(Decimal(digits[-1])) if digits else None


@dataclass(slots=True)
class Entry:
    """One value entered by a person."""

    number: int
    system: str
    blank: bool
    on_top_of: int | None
    value: Any = None
    """As the system shows it since."""


@dataclass(slots=True)
class _Field:
    entries: dict[int, Entry] = field(default_factory=dict)
    superseded: set[int] = field(default_factory=set)
    withdrawn: set[int] = field(default_factory=set)
    """Of records that are no more: they may have gone with them, or have been taken over before."""
    excused: set[int] = field(default_factory=set)
    """Overwritten where nothing can prevent it: gone, unless the hub had read them in that very moment."""
    beaten: set[int] = field(default_factory=set)
    """Rivals of what the hub had read and somebody set back since: they may have lost to it by the field's rule, unless
    they are the owner's own."""
    decided: Any = None
    """What a person chose last."""
    overruled: set[int] = field(default_factory=set)
    """By a person's decision; a later decision may bring it back."""


class Ledger:
    """All entries of one run."""

    def __init__(self) -> None:
        self._fields: dict[Place, _Field] = {}
        self.deleted: dict[tuple[str, str, str], int] = {}
        """(system, resource, tag) that people deleted while the hub held it, with the action's number."""
        self.tainted: set[str] = set()
        """Tags of things that were merged, set apart or otherwise have no single truth."""
        self.made: dict[tuple[str, str, str], int] = {}
        """(system, resource, tag): how many records people entered."""

    def enter(
        self, tag: str, name: str, number: int, system: str, shown: Any, value: Any, *, blank: bool = False
    ) -> None:
        """A person entered a value (or emptied the field) in a system that may set it, while it showed ``shown``;
        since then it shows ``value``."""
        book = self._fields.setdefault((tag, name), _Field())
        below = number_of(shown)
        if below is None:
            below = max((e.number for e in book.entries.values() if e.blank), default=None)
        book.entries[number] = Entry(number, system, blank, below, value)
        if below is not None:
            self._supersede(book, below, number)

    def _supersede(self, book: _Field, number: int | None, by: int) -> None:
        while number is not None and number != by and number not in book.superseded:
            book.superseded.add(number)
            entry = book.entries.get(number)
            number = entry.on_top_of if entry is not None else None

    def overrule(self, tag: str, name: str, winner: Any, loser: Any) -> None:
        """A person decided between two values."""
        book = self._fields.setdefault((tag, name), _Field())
        blanks = [e.number for e in book.entries.values() if e.blank and e.number not in book.superseded]
        won = {number_of(winner)} if winner is not None else set(blanks)
        lost = {number_of(loser)} if loser is not None else set(blanks)
        book.decided = winner
        book.overruled |= {number for number in lost - won if number is not None}
        book.overruled -= {number for number in won if number is not None}

    def withdraw(self, tag: str, system: str) -> None:
        """The record in this system is no more: what was entered there may have gone with it."""
        for (name, _), book in self._fields.items():
            if name == tag:
                book.withdrawn |= {entry.number for entry in book.entries.values() if entry.system == system}

    def excuse(self, tag: str, name: str, shown: Any) -> None:
        """What the system showed was overwritten in a way that nobody can prevent there. It may be gone; it need not
        be, as the hub may have read it in that very moment: where it shows up again it is an entry like any other, and
        wins over its rivals only as one."""
        book = self._fields.setdefault((tag, name), _Field())
        numbers = [number_of(shown)]
        if shown is None:
            numbers = [e.number for e in book.entries.values() if e.blank]
        book.excused |= {number for number in numbers if number is not None}

    def entered_in(self, tag: str, name: str, shown: Any) -> str | None:
        """The system in which this value was entered; None when it is nobody's entry."""
        entry = self._entry(tag, name, shown)
        return entry.system if entry is not None else None

    def put_back(self, tag: str, name: str, shown: Any, system: str, over: Any, *, read: bool) -> None:
        """An older value was saved in a system once more ``over`` another, by somebody who did not mean it, and nobody
        can tell. The other may be gone, and the older one may stay, as an edit where the hub has ``read`` the other,
        or one between; else as if that had never been."""
        self.excuse(tag, name, over)
        book, entry, gone = self._fields[(tag, name)], self._entry(tag, name, shown), self._entry(tag, name, over)
        if gone is not None and read:
            rivals = (e for e in book.entries.values() if e is not gone and not _rests_on(book, e, {gone.number}))
            book.beaten |= {e.number for e in rivals}
        if entry is not None and read:
            if gone is not None:
                _put_above(book, entry, gone)
            entry.system, entry.value = system, shown
            self._may_show(book, entry.number)
        below = {entry.number if entry is not None else None, gone.on_top_of if gone is not None else None}
        for number in below - {None}:
            if {e.number for e in book.entries.values() if e.on_top_of == number} <= book.excused:
                self._may_show(book, number)

    def _may_show(self, book: _Field, number: int | None) -> None:
        if number is not None:
            book.superseded.discard(number)
            book.excused.add(number)

    def _entry(self, tag: str, name: str, shown: Any) -> Entry | None:
        book = self._fields.get((tag, name), _Field())
        if shown is None:
            return max((e for e in book.entries.values() if e.blank), key=lambda e: e.number, default=None)
        return book.entries.get(number_of(shown) or 0)

    def faults(
        self, tag: str, name: str, rule: FieldRule, shown: Any, kept: Sequence[Any], unread: Collection[str] = ()
    ) -> Iterable[str]:
        """What is wrong with the value that a field shows in the end; ``kept``: what systems show of it that could not
        hold what they were given; ``unread``: systems whose record cannot be read as a whole yet."""
        book = self._fields.get((tag, name))
        if book is None:
            return
        number = number_of(shown)
        back = {e.number for e in book.entries.values() if (e.blank if number is None else e.number == number)}
        known = (
            book.superseded
            | book.overruled
            | book.withdrawn
            | (book.excused - back)
            | {n for n in map(number_of, kept) if n != number}
        )
        heads = [e for e in book.entries.values() if e.number not in known]
        heads = [e for e in heads if e.system not in unread or e.number == number]
        if rule.owner is not None or rule.merge is not None:
            heads = [e for e in heads if e.number in back or e.system == rule.owner or e.number not in book.beaten]
        unheard = [e for e in heads if e.on_top_of in back and rule.owner not in (None, e.system)]
        if number is not None:
            # At first contact the empty side is filled, also where it was emptied before.
            heads = [e for e in heads if not e.blank]
        if not heads or number in book.withdrawn:
            return
        others = [e for e in heads if e not in unheard]
        if unheard and not any(e.number in back or _rests_on(book, e, back) for e in others):
            # Made on top of a write whose answer the hub never got: it cannot know, takes both for rivals, and the
            # owner's rule decides. What shows must have won over all others by the rules.
            below = {e.on_top_of for e in unheard}
            heads = [*(e for e in book.entries.values() if e.number in below), *others]
        won = [e for e in heads if e.number in back]
        told = ", ".join(f"#{e.number} in {e.system}{' (emptied)' if e.blank else ''}" for e in heads)
        if not won and any(e.on_top_of == number for e in book.entries.values() if e.system in unread):
            # It has given way to an entry that cannot be read yet.
            return
        if not won:
            yield f"{name} of {tag} shows {number and f'#{number}'}, but the last entries are {told}"
        elif isinstance(shown, dict) and "amount" in shown and shown not in (won[0].value, book.decided):
            yield f"{name} of {tag} shows {shown}, but {won[0].value} was entered in {won[0].system}"
        elif rule.owner is not None and rule.owner not in {e.system for e in won}:
            if rule.owner in {e.system for e in heads}:
                yield f"{name} of {tag} shows #{won[0].number} of {won[0].system}; its owner entered another: {told}"
        elif rule.owner is None and rule.merge is None and len(heads) > 1 and not all(e.blank for e in heads):
            yield f"{name} of {tag}: nobody was asked about {told}"


def _put_above(book: _Field, entry: Entry, gone: Entry) -> None:
    """An entry counts as made anew, on top of another one: what is made on that has not seen it."""
    for above in book.entries.values():
        if above.on_top_of == entry.number and (above is gone or _rests_on(book, gone, {above.number})):
            above.on_top_of = entry.on_top_of


def _rests_on(book: _Field, entry: Entry, numbers: Collection[int]) -> bool:
    """Whether an entry was made on top of one of these, or of what was made on top of it."""
    below = entry.on_top_of
    while below is not None and below not in numbers:
        under = book.entries.get(below)
        below = under.on_top_of if under is not None else None
    return below is not None
