"""Languages and templates: English as it stands in the templates, Chinese from a face's gettext catalogue."""

from __future__ import annotations

import io
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request

from isthmus.app.access import LANGUAGES, Principal

__all__ = [
    "LANGUAGE_COOKIE",
    "catalogue",
    "in_address",
    "load_all",
    "own_address",
    "templates",
    "translations",
    "wanted_language",
]

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
    # Jinja's own lets slashes stand, and an id that has one would be two parts of an address.
    env.filters["urlencode"] = in_address
    return env


def in_address(text: object) -> str:
    """A text as one part of an address, or as a value of its query: slashes too are written as ``%2F``."""
    return quote(str(text), safe="")


def own_address(request: Request[Any, Any, Any]) -> str:
    """The path of the page that is asked for, as it was written: an id in it keeps its ``%2F``."""
    raw: bytes = request.scope.get("raw_path") or b""
    return raw.split(b"?", 1)[0].decode("ascii", "replace") or request.url.path


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
