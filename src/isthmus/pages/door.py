"""The door of the OpenID provider: sends browsers there, and lets in who comes back."""

from __future__ import annotations

import contextlib
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from itsdangerous import BadData, URLSafeTimedSerializer
from litestar import Request
from litestar.response import Redirect, Response

from isthmus.app.access import Access
from isthmus.app.identities import enter
from isthmus.app.openid import BACK, BEGIN, SIGNED_OUT, Attempt, Identity, OpenIdProvider
from isthmus.errors import IsthmusError, SignInRefused
from isthmus.pages.texts import wanted_language

__all__ = ["BACK", "BEGIN", "SIGNED_OUT", "ProviderDoor"]

ATTEMPT_COOKIE: Final = "isthmus_attempt"
ATTEMPT_SECONDS: Final = 600
LONGEST_PLACE: Final = 500


class ProviderDoor:
    """The same in all faces. ``secret`` signs attempts; ``own_address`` is where browsers reach the hub."""

    def __init__(
        self, provider: OpenIdProvider, access: Access, *, secret: str, own_address: str, secure: bool
    ) -> None:
        self._provider, self._access, self._secure = provider, access, secure
        self._own_address = own_address
        self._signer = URLSafeTimedSerializer(secret, salt="attempt to sign in")

    @property
    def name(self) -> str:
        """On the button."""
        return self._provider.settings.name

    @staticmethod
    def address(place: str) -> str:
        """What the button leads to."""
        return f"{BEGIN}?{urlencode({'place': place})}"

    async def send(self, place: str) -> Response[Any]:
        """To the provider. Raises as :meth:`OpenIdProvider.begin`."""
        address, attempt = await self._provider.begin(self._own_address + BACK, place[:LONGEST_PLACE])
        answer = Redirect(address)
        answer.set_cookie(
            ATTEMPT_COOKIE,
            str(self._signer.dumps(msgspec.to_builtins(attempt))),
            httponly=True,
            # The provider leads back here from another site.
            samesite="lax",
            secure=self._secure,
            max_age=ATTEMPT_SECONDS,
            path=BEGIN,
        )
        answer.headers["cache-control"] = "no-store"
        return answer

    async def let_in(self, request: Request[Any, Any, Any]) -> tuple[str, str]:
        """Secret of the new session, and where to go on. Who is refused is noted. Raises ``SignInRefused``,
        ``Retryable`` and ``Misconfigured``."""
        attempt = self._attempt(request)
        address = request.client.host if request.client is not None else ""
        who: Identity | None = None
        try:
            who = await self._provider.redeem(attempt, request.query_params, self._own_address + BACK)
            secret = await enter(
                self._access, self._provider.settings, who, address=address,
                agent=request.headers.get("user-agent", ""), language=wanted_language(request, None),
            )  # fmt: skip
        except SignInRefused as refused:
            await self._refused(address, refused, who)
            raise
        assert attempt is not None
        return secret, attempt.place

    def close(self, answer: Response[Any]) -> None:
        """Have the browser forget the attempt: it counts once."""
        answer.delete_cookie(ATTEMPT_COOKIE, path=BEGIN)

    async def leave(self, id_token: str | None, place: str) -> str | None:
        """Where somebody who has signed out here signs out of the provider too; they come back to ``place``. None when
        there is no such place, or the provider does not answer."""
        if id_token is not None:
            with contextlib.suppress(IsthmusError):
                return await self._provider.sign_out_address(id_token, self._own_address + place)
        return None

    def _attempt(self, request: Request[Any, Any, Any]) -> Attempt | None:
        try:
            found = self._signer.loads(request.cookies.get(ATTEMPT_COOKIE, ""), max_age=ATTEMPT_SECONDS)
            return msgspec.convert(found, Attempt)
        except (BadData, msgspec.ValidationError):
            return None

    async def _refused(self, address: str, refused: SignInRefused, who: Identity | None) -> None:
        login, told = "", {"address": address, "by": "provider", "reason": refused.reason, "why": refused.message}
        if who is not None:
            login = await self._access.people.login_of(who.issuer, who.subject) or ""
            told |= {"issuer": who.issuer, "subject": who.subject}
        await self._access.note(login, "sign-in refused", "", told)
