"""What pages of every face have in common: the reader's language, templates, sessions. Knows no face."""

from isthmus.pages.door import BACK, BEGIN, SIGNED_OUT, ProviderDoor
from isthmus.pages.session import COOKIE, begin_session, remember_language
from isthmus.pages.texts import (
    catalogue,
    in_address,
    load_all,
    own_address,
    templates,
    translations,
    wanted_language,
)

__all__ = [
    "BACK",
    "BEGIN",
    "COOKIE",
    "SIGNED_OUT",
    "ProviderDoor",
    "begin_session",
    "catalogue",
    "in_address",
    "load_all",
    "own_address",
    "remember_language",
    "templates",
    "translations",
    "wanted_language",
]
