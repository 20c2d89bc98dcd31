"""How values, times and amounts are shown to people, in their language."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from babel.dates import format_datetime
from babel.numbers import format_decimal
from markupsafe import Markup, escape

from isthmus.app.flow_view import expression_text
from isthmus.app.record_view import title_of
from isthmus.console.terms import TERMS
from isthmus.console.values import PROCESSES, SPOKEN, WORDS, amount_text, moment_text
from isthmus.model.state import InboxEntry
from isthmus.pages import translations

__all__ = ["LONGEST", "filters", "plain"]

LONGEST = 400
"""Characters of one value on a page; a far system may have sent megabytes."""

LOCALES = {"en": "en", "zh": "zh_Hans_CN"}


def plain(value: Any) -> str:
    """A hub value as text of one line."""
    if value is None or value == "":
        return "–"
    if value is True:
        return "✓"
    if value is False:
        return "✗"
    if isinstance(value, Mapping):
        if set(value) == {"amount", "currency"}:
            return f"{value['amount']} {value['currency']}"
        return ", ".join(plain(part) for part in value.values() if part not in (None, "")) or "–"
    if isinstance(value, list):
        return "; ".join(plain(part) for part in value[:20]) + (" …" if len(value) > 20 else "") or "–"
    return str(value)


def _value(value: Any) -> Markup:
    text = amount_text(value) if _is_money(value) else plain(value)
    if len(text) <= LONGEST:
        return escape(text)
    return escape(text[:LONGEST]) + Markup('<span class="cut">… {}</span>').format(len(text))


def _is_money(value: Any) -> bool:
    return isinstance(value, Mapping) and set(value) == {"amount", "currency"} and value["amount"] is not None


def _brief(value: Any) -> str:
    """For titles and hints."""
    text = plain(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _typed(value: Any) -> str:
    """As a person would type it."""
    return "" if value is None else plain(value)


def _short(key: str) -> str:
    """A long key by its beginning."""
    return key if len(key) <= 16 else key[:8] + "…"


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=1, default=str)
    return text if len(text) <= 20_000 else text[:20_000] + "\n…"


def _words(gettext: Callable[[str], str]) -> dict[str, Callable[..., Any]]:
    """Words of the hub in the reader's language."""

    def term(text: str) -> str:
        """A word of the hub (a state, a kind) in the reader's language."""
        text = str(text)
        return gettext(TERMS.get(text, text))

    def decision(entry: InboxEntry) -> str:
        """What was decided."""
        choice = entry.decision or ""
        known = f"choice:{entry.kind}:{choice}"
        return term(known) if known in TERMS else term(choice)

    def field(name: str) -> str:
        """The name of a field as people read it."""
        known = gettext("field:" + name.replace(" ", "_"))
        return known if not known.startswith("field:") else name.replace("_", " ")

    def held(value: Any, name: str) -> Markup:
        """What a field of this name holds: a word of state in the reader's language, a moment without its fractions."""
        if isinstance(value, str):
            if name in SPOKEN and value in WORDS:
                return escape(gettext(WORDS[value]))
            return escape(moment_text(value) or _value(value))
        return _value(value)

    def process(name: str) -> str:
        """What people call a process."""
        return gettext(PROCESSES[name]) if name in PROCESSES else name

    return {"term": term, "decision": decision, "field": field, "held": held, "process": process}


def filters(language: str) -> dict[str, Callable[..., Any]]:
    """The filters of the templates."""
    texts = translations("isthmus.console", language)
    gettext, ngettext = texts.gettext, texts.ngettext
    locale = LOCALES[language]

    def span(seconds: float | None) -> str:
        """A length of time in a few characters."""
        if seconds is None:
            return gettext("never")
        if seconds < 10:
            return gettext("%(n)s s") % {"n": f"{max(0.0, seconds):.1f}"}
        if seconds < 100:
            return gettext("%(n)s s") % {"n": round(seconds)}
        if seconds < 6000:
            return gettext("%(n)s min") % {"n": round(seconds / 60)}
        if seconds < 172_800:
            return gettext("%(n)s h") % {"n": round(seconds / 3600)}
        return ngettext("%(n)s day", "%(n)s days", round(seconds / 86_400)) % {"n": round(seconds / 86_400)}

    def age(moment: datetime | None, now: datetime) -> str:
        """How long ago."""
        return gettext("never") if moment is None else span((now - moment).total_seconds())

    def when(moment: datetime | None) -> str:
        """Date and time, UTC."""
        return "–" if moment is None else format_datetime(moment, "yyyy-MM-dd HH:mm:ss", locale=locale)

    def clock_time(moment: datetime) -> str:
        return format_datetime(moment, "HH:mm:ss", locale=locale)

    return _words(gettext) | {
        "span": span,
        "age": age,
        "when": when,
        "clock_time": clock_time,
        "number": lambda value: str(format_decimal(value, locale=locale)),
        "value": _value,
        "plain": _brief,
        "typed": _typed,
        "short": _short,
        "title_of": title_of,
        "expression": expression_text,
        "pretty": _json,
    }
