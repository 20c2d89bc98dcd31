"""What the hub remembers: items, links, journal entries, inbox entries, feeds."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from isthmus.model.fields import Canonical

__all__ = [
    "Cause",
    "Effect",
    "FarField",
    "FeedState",
    "FieldConflict",
    "FlowVersion",
    "InboxEntry",
    "InboxKind",
    "Intent",
    "Item",
    "JournalEntry",
    "Link",
    "LinkState",
    "NotHeld",
    "Pause",
    "Problem",
    "Provenance",
    "Sighting",
]


class Provenance(msgspec.Struct, frozen=True):
    """Who set a field's present value, and when the hub learnt of it."""

    by: str
    at: datetime


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One canonical thing: the hub record."""

    id: str
    entity: str
    version: int = 0
    fields: Mapping[str, Canonical] = {}
    set_by: Mapping[str, Provenance] = {}
    deleted_at: datetime | None = None
    alias_of: str | None = None
    """The item this one was merged into."""


class LinkState(StrEnum):
    """Where a link stands."""

    NEW = "new"
    """Read, but not yet matched to an item."""
    DOUBTFUL = "doubtful"
    """Several items may be meant (or a far merge is undecided): a person decides."""
    CREATING = "creating"
    """The record is to be created in the system; ``key`` is not known yet."""
    LINKED = "linked"
    GONE = "gone"
    """The record vanished in its system."""
    UNLINKED = "unlinked"
    """Set apart by policy or by a person; never taken up again by itself."""


class FieldConflict(msgspec.Struct, frozen=True):
    """Both sides moved away from base. The field is frozen on this link until somebody decides."""

    base: Canonical
    hub: Canonical
    far: Canonical


class NotHeld(msgspec.Struct, frozen=True):
    """The system was given ``wanted`` and kept ``got``; not written again until either side changes."""

    wanted: Canonical
    got: Canonical
    sure: bool = True
    """False: what it shows is what the hub itself had before, perhaps an earlier write of ours that came in late. Given
    once more before it counts."""
    absent: bool = False
    """The record showed no such place when it was to be emptied, so that nothing was written; ``got`` is what it showed
    there last. Merged anew when the place is shown again."""


class Problem(msgspec.Struct, frozen=True):
    """Why a link is parked or delayed, in words for people."""

    code: str
    message: str
    advice: str = ""
    field: str | None = None
    at: datetime | None = None


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """A create that was decided. ``sent_at`` is set before the call; with it set and no key known the outcome is
    *unsure* and is looked up before anything else happens."""

    token: str
    fields: Mapping[str, Any] = {}
    """Hub values that it carried when it was sent last."""
    first: Mapping[str, Any] = {}
    """Hub values that it carried when it was sent first, where it was not found afterwards and is sent again: what
    turns up may be of either."""
    parents: tuple[tuple[str, str, str], ...] = ()
    """(resource, item, key) of each parent as it was named in what was sent: it may have another record since."""
    sent_at: datetime | None = None


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Item and record belong together."""

    id: str
    flow: str
    system: str
    resource: str
    key: str | None = None
    item: str | None = None
    state: LinkState = LinkState.NEW
    base: Mapping[str, Canonical] = {}
    """Last state both sides agreed on, entity terms. Of a record that has not met its item: what it showed first, in
    the fields in which it shows something else since."""
    far: Mapping[str, Canonical] = {}
    """What the system last showed, entity terms."""
    far_version: str | None = None
    digest: bytes | None = None
    """Of the far fields this flow reads."""
    conflicts: Mapping[str, FieldConflict] = {}
    not_held: Mapping[str, NotHeld] = {}
    unseen: Mapping[str, Canonical] = {}
    """What a save of an older copy may have set back where the record did not show it when it was read: what that copy
    held. Told when the field is shown again."""
    intent: Intent | None = None
    doom: str | None = None
    """``delete`` or ``archive``: what is still to be done to the record; ``unlink``: the record of a create whose
    outcome is unknown is set apart when it turns up."""
    due_at: datetime | None = None
    """When to plan this link; None when there is nothing to do by itself."""
    attempts: int = 0
    problem: Problem | None = None
    waits_for: str | None = None
    """``system/resource/key`` of a parent not linked yet; ``item/system`` of a parent not yet created there;
    ``doubt/link`` of a record without an item that may be the one to be created; ``read``: to be read again."""
    seen_at: datetime | None = None
    """Start of the read that showed ``far``."""
    written_at: datetime | None = None
    """End of our last write."""
    agreed_at: datetime | None = None
    """When both sides were last found in step."""


class Cause(msgspec.Struct, frozen=True):
    """What made a journal entry: a system's record, a person, or the hub."""

    kind: str
    by: str
    key: str = ""


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one item: field -> [old, new]."""

    item: str
    version: int
    changes: Mapping[str, tuple[Canonical, Canonical]]
    cause: Cause
    at: datetime


class InboxKind(StrEnum):
    """Why a person is asked."""

    CONFLICT = "conflict"
    MATCH = "match"
    FAILURE = "failure"
    DELETE = "delete"
    MERGE = "merge"
    BRAKE = "brake"


class InboxEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One question to a person. One open entry per ``subject`` and kind."""

    id: str
    kind: InboxKind
    subject: str
    """Id of the link, or ``flow/system/kind`` for a brake."""
    flow: str
    summary: str
    detail: Mapping[str, Any] = {}
    choices: tuple[str, ...] = ()
    opened_at: datetime
    decided_at: datetime | None = None
    decision: str | None = None
    decided_by: str | None = None


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """One write to a far system and what came of it."""

    link: str
    item: str | None
    flow: str
    system: str
    resource: str
    key: str | None
    kind: str
    """create, update, delete, archive."""
    changes: Mapping[str, tuple[Canonical, Canonical]]
    outcome: str
    """done, or the code of the error."""
    message: str = ""
    at: datetime
    seconds: float = 0.0


class Pause(msgspec.Struct, frozen=True):
    """No process of the hub calls this system (``resource`` empty), or this resource of it."""

    system: str
    resource: str
    paused_by: str
    since: datetime
    reason: str

    @property
    def sentence(self) -> str:
        """For people."""
        what = f"{self.system} {self.resource}".strip()
        why = f": {self.reason}" if self.reason else ""
        return f"{what} is paused by {self.paused_by} since {self.since:%Y-%m-%d %H:%M} UTC{why}."


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """What a system told of a record when it was saved there (see ``Hint.shown``)."""

    system: str
    resource: str
    key: str
    at: datetime
    """When the call came, by the hub's clock."""
    fields: Mapping[str, Any]
    """Far fields, not all of them."""


class FarField(msgspec.Struct, frozen=True, kw_only=True):
    """A field of a far system's resource, as it was last seen there."""

    system: str
    resource: str
    name: str
    """Top-level name, or ``custom_fields.NAME``."""
    type: str
    former_type: str = ""
    """Before it changed; empty when it never did."""
    changed_at: datetime | None = None
    """When it appeared or changed its type; None for what was there from the beginning."""
    gone_at: datetime | None = None
    """Since when it is missing."""


class FlowVersion(msgspec.Struct, frozen=True, kw_only=True):
    """A flow as it was in force, or as it was set aside when somebody went back to an earlier version."""

    flow: str
    number: int
    file: str | None
    """The project's own file, relative to its folder; None for a pack's flow as it comes."""
    content: str | None
    """Text of that file."""
    pack: str | None
    """Text of the pack's flow that was taken in or extended. With no ``content`` either, the flow was taken out."""
    ran_at: datetime | None
    """When a hub first ran it."""
    noted_at: datetime
    by: str
    """Who ran it first, or set it aside."""


class FeedState(msgspec.Struct, frozen=True, kw_only=True):
    """How far the hub has read one resource of one system."""

    system: str
    resource: str
    cursor: str | None = None
    scan_cursor: str | None = None
    scan_started: datetime | None = None
    scan_feed_cursor: str | None = None
    """Feed position taken before the running scan began; becomes the cursor when the scan is complete."""
    scanned_at: datetime | None = None
    scanned_for: str = ""
    """Digest of the flows (with their mappings) that the last complete scan served; another one means: scan again."""
    polled_at: datetime | None = None
    changed_at: datetime | None = None
    failing_since: datetime | None = None
    problem: Problem | None = None
