"""Merge rules: what both sides' changes to one field come to. Each is symmetric in hub and far, and merging equal
values gives that value (tested by property)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from isthmus.model.fields import Canonical

__all__ = ["MERGE_RULES", "merge_values"]


def _identity(value: Canonical) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _elements(base: Canonical, hub: Canonical, far: Canonical) -> Canonical:
    """Three-way merge of a list by element: what either side removed is gone, what either side added is there. Order
    is the hub's, then the additions of the far side; to stay symmetric additions are sorted."""
    was = {_identity(e): e for e in base or []}
    ours = {_identity(e): e for e in hub or []}
    theirs = {_identity(e): e for e in far or []}
    kept = [element for name, element in was.items() if name in ours and name in theirs]
    added = {n: e for n, e in {**ours, **theirs}.items() if n not in was}
    return kept + [added[name] for name in sorted(added)]


def _union(base: Canonical, hub: Canonical, far: Canonical) -> Canonical:
    """Everything either side has; nothing is ever removed by merging."""
    everything = {_identity(e): e for e in [*(hub or []), *(far or [])]}
    return [everything[name] for name in sorted(everything)]


def _order(value: Canonical) -> tuple[int, Decimal, str]:
    """Numbers by value, money by amount, everything else as text (ISO dates sort as text)."""
    plain = value.get("amount") if isinstance(value, dict) else value
    try:
        return (1, Decimal(str(plain)), "")
    except InvalidOperation:
        return (0, Decimal(0), str(plain))


def _max(base: Canonical, hub: Canonical, far: Canonical) -> Canonical:
    return max((v for v in (hub, far) if v is not None), key=_order, default=None)


def _min(base: Canonical, hub: Canonical, far: Canonical) -> Canonical:
    return min((v for v in (hub, far) if v is not None), key=_order, default=None)


def _any(base: Canonical, hub: Canonical, far: Canonical) -> Canonical:
    return bool(hub) or bool(far)


MERGE_RULES: Mapping[str, Callable[[Any, Any, Any], Any]] = {
    "elements": _elements,
    "union": _union,
    "max": _max,
    "min": _min,
    "any": _any,
}
"""By the name used in flows."""


def merge_values(rule: str, base: Canonical, hub: Canonical, far: Canonical) -> Canonical:
    """Apply a rule; ``base`` may be None when nothing was ever agreed."""
    return MERGE_RULES[rule](base, hub, far)
