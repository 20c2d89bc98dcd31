"""What a flow is: the facts of one kind that are kept in step, and by which rules. Values only; ``mapping`` gives the
expressions their meaning, ``merge`` the rules, ``project`` reads them from the user's files."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from isthmus.errors import Place
from isthmus.model.entities import EntityType

__all__ = [
    "Brake",
    "Condition",
    "Const",
    "Convert",
    "CreatePolicy",
    "DeletePolicy",
    "Each",
    "Expr",
    "FieldRule",
    "Flow",
    "Join",
    "MatchPart",
    "MatchRule",
    "MergePolicy",
    "Path",
    "Segment",
    "Side",
    "Struct",
    "Use",
]


class Use(StrEnum):
    """In which direction an expression works."""

    BOTH = "both"
    READ = "read"
    """Never written."""
    CREATE = "create"
    """Written when the record is created; later differences are not edits."""
    WRITE = "write"
    """Written, never read back as an edit."""


class Segment(msgspec.Struct, frozen=True):
    """One step of a path: a name, and for lists which element: by position, or by ``key == value``."""

    name: str
    index: int | None = None
    where: tuple[str, str] | None = None


class Convert(msgspec.Struct, frozen=True):
    """A converter by name with its arguments; ``pairs`` for ``choice(far=hub, ...)``."""

    name: str
    args: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()


class Path(msgspec.Struct, frozen=True, tag="path"):
    """One place in the far record."""

    segments: tuple[Segment, ...]
    convert: Convert | None = None
    use: Use = Use.BOTH


class Struct(msgspec.Struct, frozen=True, tag="struct"):
    """A struct value made of parts."""

    parts: Mapping[str, Expr]
    use: Use = Use.BOTH


class Join(msgspec.Struct, frozen=True, tag="join"):
    """Several text places as one text; written back split from the right."""

    paths: tuple[Path, ...]
    by: str = " "
    use: Use = Use.BOTH


class Each(msgspec.Struct, frozen=True, tag="each"):
    """A list of structs at ``path``."""

    path: Path
    parts: Mapping[str, Expr]
    use: Use = Use.BOTH


class Const(msgspec.Struct, frozen=True, tag="const"):
    """Always this value; a different value wanted there cannot be expressed."""

    value: Any
    use: Use = Use.BOTH


type Expr = Path | Struct | Join | Each | Const


class Condition(msgspec.Struct, frozen=True):
    """``field`` is one of ``values``; with ``present`` it only has to be (True) or not to be (False) empty."""

    field: str
    values: tuple[Any, ...] = ()
    present: bool | None = None


class CreatePolicy(StrEnum):
    """Whether missing records are created in a system."""

    ALWAYS = "always"
    NEVER = "never"


class DeletePolicy(StrEnum):
    """What happens to the record in this system when its counterpart elsewhere is gone."""

    PROPAGATE = "propagate"
    ARCHIVE = "archive"
    RESTORE = "restore"
    """Keep it, and make the vanished counterpart again."""
    UNLINK = "unlink"
    HOLD = "hold"
    """Ask in the inbox."""


class MergePolicy(StrEnum):
    """What happens to this system's records of two items that another system merged into one."""

    HOLD = "hold"
    ARCHIVE = "archive"
    """Archive (or delete, when it has no archive) the loser's record."""
    KEEP = "keep"
    """Keep both records, both linked to the surviving item."""


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One system's part in a flow."""

    system: str
    resource: str
    every: float = 30.0
    """Seconds between looks at the feed or scan."""
    create: CreatePolicy = CreatePolicy.NEVER
    create_when: tuple[Condition, ...] = ()
    """Over hub fields; all must hold."""
    adopt: bool = True
    """Take records born in this system into the hub; False: only those linked already."""
    where: tuple[Condition, ...] = ()
    """Over far fields; only records that satisfy all are taken in."""
    delete: DeletePolicy = DeletePolicy.HOLD
    merge: MergePolicy = MergePolicy.HOLD
    archive: Mapping[str, Any] = {}
    """Far fields that archive a record, e.g. ``{"active": False}``."""


class FieldRule(msgspec.Struct, frozen=True, kw_only=True):
    """One field across all systems."""

    name: str
    exprs: Mapping[str, Expr]
    """Per system."""
    owner: str | None = None
    """This system's value wins a conflict and a first contact."""
    writers: tuple[str, ...] = ()
    """Only these systems may change the field; edits elsewhere are written back. Empty: all may, and people and
    processes in the hub too; else they may when ``hub`` is among them."""
    merge: str | None = None
    """Merge rule, see :data:`isthmus.merge.MERGE_RULES`: elements, union, max, min, any."""
    role: str | None = None
    """Only people with this role see the value."""


class MatchPart(msgspec.Struct, frozen=True):
    """One field's part of a match rule: equal, or similar to at least ``similar`` (0..1)."""

    field: str
    similar: float | None = None


class MatchRule(msgspec.Struct, frozen=True):
    """All parts must hold. Rules are tried strongest first."""

    parts: tuple[MatchPart, ...]

    @property
    def exact(self) -> tuple[str, ...]:
        """Fields that must be equal."""
        return tuple(part.field for part in self.parts if part.similar is None)


class Brake(msgspec.Struct, frozen=True, kw_only=True):
    """A plan for one system that would create, change or delete more than this stops and asks."""

    share: float = 0.2
    """Share of the system's linked records (0..1)."""
    at_least: int = 50
    """Never stops below this many."""
    deletes_share: float = 0.02
    deletes_at_least: int = 5


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of thing kept in step."""

    name: str
    entity: EntityType
    sides: Mapping[str, Side]
    fields: Mapping[str, FieldRule]
    match: tuple[MatchRule, ...] = ()
    first: str | None = None
    """System preferred at first contact where both have a value and nothing else decides; None: the inbox."""
    hub: bool | None = None
    """Whether it takes items that were made in the hub. None: when it is the only flow of its entity and no other says
    that it does."""
    unique: bool = True
    """Whether two records of one system that look alike are suspected to be one thing (customers) or are two by nature
    (two equal payments)."""
    brake: Brake = Brake()
    place: Place | None = None
    flow_ids: tuple[str, ...] = ()

    def expr(self, field: str, system: str) -> Expr | None:
        """How ``field`` is held in ``system``; None when it is not."""
        return self.fields[field].exprs.get(system)
