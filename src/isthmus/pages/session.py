"""Cookies: one session and one language for all faces."""

from __future__ import annotations

from typing import Any, Final

from litestar.response import Response

from isthmus.app.access import SESSION_HOURS
from isthmus.pages.texts import LANGUAGE_COOKIE

__all__ = ["COOKIE", "begin_session", "remember_language"]

COOKIE: Final = "isthmus_session"
YEAR = 31_536_000


def begin_session(answer: Response[Any], secret: str, *, secure: bool) -> None:
    """Have the browser keep the secret; scripts never see it, and no other site can send it along with a form."""
    answer.set_cookie(COOKIE, secret, httponly=True, samesite="lax", secure=secure, max_age=SESSION_HOURS * 3600 * 30)


def remember_language(answer: Response[Any], language: str, *, secure: bool) -> None:
    """Have the browser keep the reader's language."""
    answer.set_cookie(LANGUAGE_COOKIE, language, max_age=YEAR, samesite="lax", secure=secure)
