"""What the people of a crash campaign remember: what they made, and the last value they entered in each field."""

from __future__ import annotations

import itertools
import random
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

__all__ = ["OWNERS", "Book", "Thing", "Undone"]

OWNERS: dict[str, dict[str, str]] = {
    "customer": {"website": "crm", "phone": "crm", "email": "erp", "city": "erp", "credit": "erp"},
    "contact": {"phone": "crm", "email": "erp"},
    "product": {"title": "erp", "price": "erp"},
    "deal": {},
}
"""Kind → field → the only system in which people edit it: what is in a field at the end is then beyond dispute."""


@dataclass
class Thing:
    """Something that has to be in both systems once."""

    number: int
    kind: str
    name: str
    """Never edited and never given twice: the judge finds it by this name. A product's is its SKU."""
    born: str
    values: dict[str, str]
    parent: Thing | None = None
    keys: dict[str, Any] = field(default_factory=dict)
    """System → key, as far as its people have met the thing there."""
    lines: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Undone:
    """An edit in the CRM that was not there any more a moment later; its author made it again."""

    thing: Thing
    field: str
    value: str
    since: datetime
    until: datetime
    """It was lost between these two."""


class Book:
    """Shared by all people; names, addresses and numbers in it never come twice."""

    def __init__(self, seed: int) -> None:
        self._lock = threading.Lock()
        self._random = random.Random(f"book {seed}")
        self._count = itertools.count(1)
        # A kept office may have seen the same seed before.
        self._salt = f"{int(datetime.now(UTC).timestamp()) % 1_000_000:06d}"
        self.things: list[Thing] = []
        self.undone: list[Undone] = []
        self.edits = {"crm": 0, "erp": 0}
        self.repeated_calls = 0
        """Calls of people that got no answer and were made again."""

    def next(self) -> int:
        """A number that nobody else has."""
        with self._lock:
            return next(self._count)

    def word(self) -> str:
        """A word that looks like no other, so that nothing is taken for a similar thing."""
        with self._lock:
            pairs = (self._random.choice("bdfgklmnprstvz") + self._random.choice("aeiou") for _ in range(5))
            return "".join(pairs).title()

    def value(self, field: str, number: int) -> str:
        """A value that this field never had anywhere."""
        return {
            "website": f"https://site-{number}.crash.example",
            "phone": f"+4940555{number:04d}",
            "email": f"box{number}.{self._salt}@crash.example",
            "city": f"Town {number}",
            "credit": f"{1_000_000 + number}.50",
            "title": f"Valve {number} {self._salt}",
            "price": f"{10 + number}.25",
        }[field]

    def sku(self, number: int) -> str:
        """A product's number."""
        return f"CRASH-{self._salt}-{number}"

    def add(self, thing: Thing) -> None:
        """From now on others may edit it."""
        with self._lock:
            self.things.append(thing)

    def entered(self, thing: Thing, field: str, value: str) -> None:
        """A person entered this, and the system has said that it is kept."""
        with self._lock:
            thing.values[field] = value
            self.edits[OWNERS[thing.kind][field]] += 1

    def of(self, kind: str) -> list[Thing]:
        """All things of a kind so far."""
        with self._lock:
            return [thing for thing in self.things if thing.kind == kind]
