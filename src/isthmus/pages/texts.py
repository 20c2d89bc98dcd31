"""Languages and templates: English as it stands in the templates, Chinese from a face's gettext catalogue."""

from __future__ import annotations

import io
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from typing import Any, Final

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request

from isthmus.app.access import LANGUAGES, Principal

__all__ = ["LANGUAGE_COOKIE", "catalogue", "load_all", "templates", "translations", "wanted_language"]

LANGUAGE_COOKIE: Final = "isthmus_language"


def catalogue(package: str, language: str) -> bytes:
    """The ``.po`` file of a face's package in a language."""
    return (files(package) / "locales" / language / "messages.po").read_bytes()


@cache
def translations(package: str, language: str) -> NullTranslations:
    """The texts of a language; compiled here, so that there is nothing to forget after a change."""
    if language == "en":
        return NullTranslations()
    packed = io.BytesIO()
    write_mo(packed, read_po(io.BytesIO(catalogue(package, language)), locale=language))
    packed.seek(0)
    return GNUTranslations(packed)


def templates(package: str, language: str, *extensions: str) -> Environment:
    """A face's templates in a language: everything is escaped, and a name that is not there is a fault."""
    env = Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n", *extensions],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.install_gettext_translations(translations(package, language), newstyle=True)  # type: ignore[attr-defined]
    return env


def load_all(env: Environment) -> None:
    """Compile every template, so that no reader has to wait for it."""
    for name in env.list_templates(extensions=["html"]):
        env.get_template(name)


def wanted_language(request: Request[Any, Any, Any], person: Principal | None) -> str:
    """The person's language; before anybody is signed in what was chosen here last, or what the browser prefers."""
    if person is not None:
        return person.language
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    if chosen in LANGUAGES:
        return chosen
    first = request.headers.get("accept-language", "").split(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"
