"""Pages of the shop, in the reader's language."""

from __future__ import annotations

import io
from datetime import datetime
from decimal import Decimal
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from typing import Any

from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal, format_percent
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar.response import Response
from litestar.utils.scope.state import ScopeState

from isthmus.app.access import LANGUAGES, Permission
from isthmus.portal.site import Call, shop_of

__all__ = ["catalogue", "language_of", "render"]

LOCALES = {"en": "en", "zh": "zh_Hans_CN"}


def catalogue(language: str) -> bytes:
    """The ``.po`` file of a language."""
    return (files("isthmus.portal") / "locales" / language / "messages.po").read_bytes()


@cache
def _translations(language: str) -> NullTranslations:
    if language == "en":
        return NullTranslations()
    packed = io.BytesIO()
    write_mo(packed, read_po(io.BytesIO(catalogue(language)), locale=language))
    packed.seek(0)
    return GNUTranslations(packed)


@cache
def _environment(language: str) -> Environment:
    env = Environment(
        loader=PackageLoader("isthmus.portal"),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.install_gettext_translations(_translations(language), newstyle=True)  # type: ignore[attr-defined]
    locale = LOCALES[language]

    def money(amount: Any, currency: str | None) -> str:
        """An amount in its currency."""
        if amount in (None, ""):
            return "–"
        number = Decimal(str(amount))
        return format_currency(number, currency, locale=locale) if currency else number_of(number)

    def price(found: Any) -> str:
        """A money value of the hub."""
        return money(found["amount"], found["currency"]) if found else "–"

    def number_of(value: Any) -> str:
        """A quantity."""
        return "–" if value is None else format_decimal(Decimal(str(value)), locale=locale)

    def day(value: Any) -> str:
        """A day."""
        return format_date(datetime.fromisoformat(value).date(), "medium", locale=locale) if value else "–"

    env.filters |= {"price": price, "number": number_of, "day": day}
    env.globals |= {
        "money": money,
        "percent": lambda rate: format_percent(rate, "#,##0.##%", locale=locale),
        "moment": lambda at: format_datetime(at, "short", locale=locale) + " UTC",
    }
    return env


def language_of(request: Call) -> str:
    """The person's language; before anybody is signed in what was chosen here last, or what the browser prefers."""
    me = getattr(request.state, "me", None)
    if me is not None:
        return str(me.language)
    chosen = request.cookies.get("isthmus_language")
    if chosen in LANGUAGES:
        return chosen
    first = request.headers.get("accept-language", "").split(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"


def render(request: Call, template: str, *, status: int = 200, **values: Any) -> Response[str]:
    """The page. Never kept by browsers or proxies: it is made for one person at one moment."""
    me, buyer = getattr(request.state, "me", None), getattr(request.state, "buyer", None)
    language = language_of(request)
    staff = me is not None and me.may(Permission.ORDER)
    made = (
        _environment(language)
        .get_template(template)
        .render(
            me=me,
            buyer=buyer,
            staff=staff,
            whom=f"?for={buyer.id}" if staff and buyer is not None else "",
            language=language,
            theme=me.theme if me is not None else "auto",
            shop=shop_of(request),
            path=request.url.path,
            csrf=ScopeState.from_scope(request.scope).csrf_token or "",
            **values,
        )
    )
    headers = {"cache-control": "no-store"}
    return Response(made, status_code=status, media_type="text/html; charset=utf-8", headers=headers)
