"""Evidence: by which exact values an item can be found at first contact. Business keys that people can change are
evidence, never identity."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from isthmus.model.fields import Canonical
from isthmus.model.flow import MatchRule
from isthmus.model.state import Item, Link
from isthmus.sync.ports import Evidence

__all__ = ["block_of", "evidence_of", "field_value", "known_of", "normal_name", "values_of"]

_FOLD = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "æ": "ae", "å": "a", "&": " "})
_BLOCK = 4
"""Letters of the similar field that candidates must share when a rule has no exact part."""


def field_value(fields: Mapping[str, Any], name: str) -> Canonical:
    """A field, or with a dotted name a part of a struct field."""
    value: Any = fields
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def normal(value: Canonical) -> str | None:
    """A value as evidence: case, width and spaces do not matter. None when there is nothing to compare."""
    if value in (None, "", [], {}) or isinstance(value, bool):
        return None
    if isinstance(value, dict):
        return "|".join(f"{k}={v}" for k, v in sorted(value.items())).casefold()
    return " ".join(unicodedata.normalize("NFKC", str(value)).casefold().split())


def normal_name(value: Canonical) -> str | None:
    """A name for similarity: also umlauts, accents and punctuation do not matter."""
    text = normal(value)
    if text is None:
        return None
    text = unicodedata.normalize("NFKD", text.translate(_FOLD))
    return " ".join(re.sub(r"[^\w]+", " ", "".join(c for c in text if not unicodedata.combining(c))).split()) or None


def block_of(rule: MatchRule, fields: Mapping[str, Any]) -> str | None:
    """The value under which candidates for this rule are found: all exact parts, or the first letters of the similar
    part. None when a part is empty: an empty field is no evidence."""
    values = [normal(field_value(fields, name)) for name in rule.exact]
    if any(value is None for value in values):
        return None
    similar = [normal_name(field_value(fields, p.field)) for p in rule.parts if p.similar is not None]
    if any(value is None for value in similar):
        return None
    if not values:
        values = [str(value)[:_BLOCK] for value in similar]
    return "\x1f".join(str(value) for value in values)[:500]


def values_of(fields: Mapping[str, Any], rules: Mapping[str, MatchRule]) -> dict[str, str]:
    """Rule name -> value, for the rules that these fields have evidence for."""
    return {name: value for name, rule in rules.items() if (value := block_of(rule, fields)) is not None}


def known_of(item: Item, links: Iterable[Link]) -> dict[str, Canonical]:
    """Everything known of an item, for matching: the hub's fields, and where it has none what a system shows that may
    not set the field. Such a value is evidence, but not the hub's truth."""
    known: dict[str, Canonical] = {}
    for link in links:
        known.update(link.far)
    return {**known, **item.fields}


def evidence_of(item: Item, links: Iterable[Link], rules: Mapping[str, MatchRule]) -> list[Evidence]:
    """All evidence rows of an item with these links."""
    return [
        Evidence(entity=item.entity, rule=name, value=value, item=item.id)
        for name, value in values_of(known_of(item, links), rules).items()
    ]
