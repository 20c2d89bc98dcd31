"""The languages of the pages: English as it stands in the templates, Chinese from a gettext catalogue."""

from __future__ import annotations

import io
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

__all__ = ["catalogue", "mark", "translations"]


def mark(text: str) -> str:
    """Mark a text of the code for translation; it is translated where it is shown."""
    return text


def catalogue(language: str) -> bytes:
    """The ``.po`` file of a language."""
    return (files("isthmus.console") / "locales" / language / "messages.po").read_bytes()


@cache
def translations(language: str) -> NullTranslations:
    """The texts of a language; compiled here, so that there is nothing to forget after a change."""
    if language == "en":
        return NullTranslations()
    packed = io.BytesIO()
    write_mo(packed, read_po(io.BytesIO(catalogue(language)), locale=language))
    packed.seek(0)
    return GNUTranslations(packed)
