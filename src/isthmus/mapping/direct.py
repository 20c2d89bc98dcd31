"""Fields that are one place of the far record, taken as it is: most are, so they are read without any detour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from isthmus.mapping.paths import ABSENT
from isthmus.model.fields import FieldType, canonical
from isthmus.model.flow import Expr, Path, Segment

__all__ = ["direct"]


def direct(expr: Expr, kind: FieldType) -> Callable[[Mapping[str, Any], object], Any] | None:
    """Reads the field from a record; the second argument is not looked at. None when it is not that simple."""
    match expr:
        case Path(segments=(Segment(name=name, index=None, where=None),), convert=None):

            def read(record: Mapping[str, Any], _resolve: object) -> Any:
                value = record.get(name, ABSENT)
                if value is ABSENT or value is None or value == "":
                    return ABSENT if value is ABSENT else None
                return canonical(kind, value)

            return read
        case _:
            return None
