"""What a comparison needs of a store: a place for keys and digests of both sides, and one join of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

import msgspec

from isthmus.model.state import FeedState, InboxKind, Item, Link
from isthmus.reconcile.drift import Drift
from isthmus.sync.ports import FarKey, Store

__all__ = ["CompareStore", "FarRow", "Known", "Questions", "Suspect", "Workspace"]


class FarRow(msgspec.Struct, frozen=True):
    """One record as a page of the system's scan showed it."""

    key: str
    digest: bytes
    wanted: bool
    """Whether the flow takes it in when it is not linked."""


class Suspect(msgspec.Struct, frozen=True):
    """Something that may differ. The join looks at digests only, and the two sides were not read at one moment."""

    n: int
    key: str | None
    link: str | None
    item: str | None
    """Set for an item without any link in the system."""
    seen: bool
    """Whether the system shows what the hub saw last, so that the hub's own memory tells whether it differs."""
    lost: bool
    """Whether the hub knows that the record is gone, while its item lives on in another system and not in this one."""


class Known(msgspec.Struct, frozen=True):
    """What the hub knows of some suspects at one moment."""

    links: Mapping[str, Link]
    """By id."""
    by_key: Mapping[str, Link]
    """Links of this flow by key of the record."""
    items: Mapping[str, Item]


class Questions(msgspec.Struct, frozen=True):
    """What people are asked, as far as it concerns some links."""

    about: Mapping[str, frozenset[InboxKind]]
    """By id of the link."""
    deletes: frozenset[str]
    """Items of which it is asked whether a deletion goes elsewhere as well."""
    awaited: frozenset[str]
    """What some of the links wait for, as they name it, and a person is asked about."""
    held: frozenset[str]
    """Kinds of writes that the brake holds: creates, updates, deletes."""


class Workspace(Protocol):
    """Room for the comparison of one side of one flow after the other; gone when it is closed. Nothing of the hub's
    memory is locked."""

    async def begin(self, flow: str, system: str, resource: str) -> None:
        """Forget the side before, but not what was found."""

    async def add_far(self, rows: Sequence[FarRow]) -> None:
        """More records of the system; one may come twice."""

    async def join(self, *, creates: bool) -> int:
        """Hold both sides against each other; how many suspects there are. ``creates``: items of the flow without any
        record in the system are suspects too."""

    async def suspects(self, after: int, limit: int) -> list[Suspect]:
        """Those with a higher number, in order."""

    async def know(self, suspects: Sequence[Suspect]) -> Known:
        """Links and items of these suspects, at one moment."""

    async def questions(self, links: Collection[Link]) -> Questions:
        """What people are asked now that concerns these links of this side."""

    async def resolve(self, keys: Collection[FarKey]) -> dict[FarKey, str]:
        """Item of each linked record; keys not linked are left out."""

    async def feed(self, system: str, resource: str) -> FeedState | None:
        """How far the hub has read this resource."""

    async def found(self, suspects: Collection[int]) -> dict[int, list[Drift]]:
        """What was found of these suspects."""

    async def note(self, found: Mapping[int, Sequence[Drift]], open_still: Collection[int]) -> None:
        """What was found of these suspects now, instead of what was before; those not in ``open_still`` are suspects no
        longer."""

    async def missed(self) -> int:
        """How many missed changes were found on this side."""

    async def excuse(self, keys: Collection[str] | None) -> None:
        """Missed changes of these records (None: all of this side) were only not looked at yet."""

    async def publish(self, flow: str, began: datetime, records: int) -> None:
        """What was found of this flow takes the place of what the last comparison found; when this one began, and how
        many records it read."""


class CompareStore(Store, Protocol):
    """A store on which comparisons run."""

    def comparing(self) -> AbstractAsyncContextManager[Workspace]:
        """Room for a comparison."""
