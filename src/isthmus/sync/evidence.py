"""Evidence: by which exact values an item can be found at first contact. Business keys that people can change are
evidence, never identity."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from isthmus.model.fields import Canonical
from isthmus.model.flow import MatchRule
from isthmus.model.state import Item, Link
from isthmus.sync.ports import Evidence

__all__ = ["blocks_of", "evidence_of", "field_value", "known_of", "normal_name", "told_apart", "values_of"]

_FOLD = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o", "æ": "ae", "å": "a", "&": " "})
_LETTERS = 5
"""Letters at the beginning of a word that similar names must share in one word."""
_WORDS = 8
_NUMBER = re.compile(r"\d+")
_LEGAL_FORMS = frozenset(
    "ab ag as bv co company corp corporation gmbh inc incorporated kg kgaa limited llc llp ltd nv oy plc pte pty sa "
    "sarl sas se sl snc sp spa sprl srl und and et the".split()
)


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


@lru_cache(maxsize=100_000)
def _folded(text: str) -> str | None:
    text = unicodedata.normalize("NFKD", text.translate(_FOLD))
    return " ".join(re.sub(r"[^\w]+", " ", "".join(c for c in text if not unicodedata.combining(c))).split()) or None


def normal_name(value: Canonical) -> str | None:
    """A name for similarity: also umlauts, accents and punctuation do not matter."""
    text = normal(value)
    return None if text is None else _folded(text)


def told_apart(one: str, other: str) -> bool:
    """Whether two names bear different numbers: "Branch 1" and "Branch 2" are alike in all but what matters. A name
    with a number and one without may still be the same."""
    ours, theirs = (sorted(_NUMBER.findall(name)) for name in (one, other))
    return bool(ours and theirs) and ours != theirs


def blocks_of(rule: MatchRule, fields: Mapping[str, Any]) -> list[str]:
    """The values under which candidates for this rule are found: all exact parts, and of a similar part each word that
    tells something (two similar names share at least one). None when a part is empty: an empty field is no evidence."""
    exact = [normal(field_value(fields, name)) for name in rule.exact]
    similar = [normal_name(field_value(fields, p.field)) for p in rule.parts if p.similar is not None]
    if any(value is None for value in [*exact, *similar]):
        return []
    joined = "\x1f".join(str(value) for value in exact)[:500]
    if not similar:
        return [joined]
    words = dict.fromkeys(word for name in similar for word in _telling(str(name)))
    return [f"{joined}\x1f~{word}" for word in list(words)[:_WORDS]]


def _telling(name: str) -> list[str]:
    """What of a name candidates are looked up by: the beginnings of its words without legal forms; of scripts without
    spaces between words, pairs of signs."""
    found: list[str] = []
    for word in name.split():
        if word.isascii():
            found += [word[:_LETTERS]] if word not in _LEGAL_FORMS else []
        else:
            found += [word[at : at + 2] for at in range(max(1, min(len(word), _WORDS) - 1))]
    return found or [name[:_LETTERS]]


def values_of(fields: Mapping[str, Any], rules: Mapping[str, MatchRule]) -> list[tuple[str, str]]:
    """(rule name, value), for the rules that these fields have evidence for."""
    return [(name, value) for name, rule in rules.items() for value in blocks_of(rule, fields)]


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
        for name, value in values_of(known_of(item, links), rules)
    ]
