"""Pages of the shop, in the reader's language."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal, format_percent
from jinja2 import Environment
from litestar.response import Response
from litestar.utils.scope.state import ScopeState

from isthmus.app.access import LANGUAGES, Permission
from isthmus.pages import load_all, own_address, templates, wanted_language
from isthmus.portal.site import Call, shop_of

__all__ = ["load_pages", "render"]

REMEMBERED = 4096
LOCALES = {"en": "en", "zh": "zh_Hans_CN"}


@cache
def _environment(language: str) -> Environment:
    env = templates("isthmus.portal", language)
    locale = Locale.parse(LOCALES[language])

    # A long list says the same prices, days and quantities again and again, and each takes a while to write.
    in_currency = lru_cache(REMEMBERED)(lambda text, currency: format_currency(Decimal(text), currency, locale=locale))
    as_number = lru_cache(REMEMBERED)(lambda text: format_decimal(Decimal(text), locale=locale))
    as_day = lru_cache(REMEMBERED)(
        lambda text: format_date(datetime.fromisoformat(text).date(), "medium", locale=locale)
    )

    def money(amount: Any, currency: str | None) -> str:
        """An amount in its currency."""
        if amount in (None, ""):
            return "–"
        return str(in_currency(str(amount), currency) if currency else as_number(str(amount)))

    def price(found: Any) -> str:
        """A money value of the hub."""
        return money(found["amount"], found["currency"]) if found else "–"

    def number_of(value: Any) -> str:
        """A quantity."""
        return "–" if value is None else str(as_number(str(value)))

    def day(value: Any) -> str:
        """A day."""
        return str(as_day(value)) if value else "–"

    def moment(at: datetime) -> str:
        """A day with its time."""
        hour = format_datetime(at, "HH:mm", locale=locale)
        return f"{format_date(at.date(), 'medium', locale=locale)} {hour} UTC"

    def moment_of(text: str) -> str:
        """A moment as a system writes it."""
        return moment(datetime.fromisoformat(text))

    env.filters |= {"price": price, "number": number_of, "day": day, "decimal": lambda text: Decimal(str(text))}
    env.filters["moment_of"] = moment_of
    env.globals |= {
        "money": money,
        "percent": lambda rate: format_percent(rate, "#,##0.##%", locale=locale),
        "moment": moment,
    }
    return env


def load_pages() -> None:
    """Make the pages of every language ready."""
    for language in LANGUAGES:
        load_all(_environment(language))


def render(request: Call, template: str, *, status: int = 200, **values: Any) -> Response[str]:
    """The page. Never kept by browsers or proxies: it is made for one person at one moment."""
    me, buyer = getattr(request.state, "me", None), getattr(request.state, "buyer", None)
    language = wanted_language(request, me)
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
            stations=getattr(request.state, "stations", ()),
            path=own_address(request),
            csrf=ScopeState.from_scope(request.scope).csrf_token or "",
            **values,
        )
    )
    headers = {"cache-control": "no-store"}
    return Response(made, status_code=status, media_type="text/html; charset=utf-8", headers=headers)
