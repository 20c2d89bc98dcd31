"""An OpenID provider that vouches for people: authorization code flow with PKCE, state and nonce.

``begin`` gives the address that the browser is sent to, and the *attempt*, which only that browser keeps. ``redeem``
takes what the browser came back with. Nothing of an attempt is stored here, so any web process can end what another
began.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

import msgspec
from joserfc.jwk import KeySet

from isthmus.app.bootstrap import clock
from isthmus.app.id_token import key_id, keys_of, verified
from isthmus.connector.http import HttpClient, HttpSettings, Response
from isthmus.errors import Misconfigured, SignInRefused
from isthmus.project import OpenIdSettings, is_safe_address

__all__ = ["BACK", "BEGIN", "SIGNED_OUT", "Attempt", "Identity", "OpenIdProvider"]

BEGIN = "/sign-in/provider"
BACK = "/sign-in/provider/back"
SIGNED_OUT = "/sign-in"
"""Where browsers are sent from, and come back to. The last two are registered at the provider, after the hub's
address."""

KEPT = timedelta(hours=1)
"""How long the provider's description and keys are believed."""
LARGEST_ANSWER = 1024 * 1024
LONGEST_VALUE = 2048


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One sign-in under way; only the browser that began it keeps it."""

    state: str
    nonce: str
    verifier: str
    place: str
    """Where to go on afterwards."""

    def __repr__(self) -> str:
        return "Attempt(…)"


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody as the provider knows them."""

    issuer: str
    subject: str
    name: str
    email: str
    """In lower case; empty when there is none that the provider has verified."""
    groups: frozenset[str]
    id_token: str

    def __repr__(self) -> str:
        return f"Identity(issuer={self.issuer!r}, subject={self.subject!r})"


class _Description(msgspec.Struct, frozen=True, kw_only=True):
    """``/.well-known/openid-configuration``."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    end_session_endpoint: str = ""
    token_endpoint_auth_methods_supported: Sequence[str] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False


class OpenIdProvider:
    """The provider of one hub. ``now`` is the clock."""

    def __init__(self, settings: OpenIdSettings, *, now: Callable[[], datetime] = clock) -> None:
        self.settings = settings
        self._now = now
        self._described: tuple[_Description, datetime] | None = None
        self._keys: tuple[KeySet, datetime] | None = None
        self._lock = asyncio.Lock()

    async def begin(self, redirect: str, place: str) -> tuple[str, Attempt]:
        """Where to send the browser, and what it must keep. Raises ``Retryable`` or ``Misconfigured`` when the provider
        does not say where that is."""
        description = await self._description()
        attempt = Attempt(
            state=secrets.token_urlsafe(24),
            nonce=secrets.token_urlsafe(24),
            verifier=secrets.token_urlsafe(48),
            place=place,
        )
        challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect,
            "scope": " ".join(self.settings.scopes),
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return _with(description.authorization_endpoint, asked), attempt

    async def check(self) -> None:
        """Whether it describes itself well and shows a key. Raises as :meth:`begin`, and ``SignInRefused``."""
        await self._key_set(await self._description(), None)

    async def redeem(self, attempt: Attempt | None, answer: Mapping[str, str], redirect: str) -> Identity:
        """Who came back. Raises ``SignInRefused`` for anything that is not the provider's answer to this attempt,
        ``Retryable`` and ``Misconfigured``."""
        if attempt is None or not hmac.compare_digest(attempt.state.encode(), answer.get("state", "").encode()):
            raise SignInRefused("expired", "The answer belongs to no attempt of this browser.")
        description = await self._description()
        said = answer.get("iss")
        if said != self.settings.issuer and (
            said is not None or description.authorization_response_iss_parameter_supported
        ):
            raise SignInRefused("unclear", "The answer comes from another issuer.")
        if "error" in answer:
            told = answer["error"][:100]
            raise SignInRefused("declined" if told == "access_denied" else "provider", f"The provider says: {told!r}.")
        code = answer.get("code", "")
        if not 0 < len(code) <= LONGEST_VALUE:
            raise SignInRefused("unclear", "The answer holds no code.")
        tokens = await self._exchanged(description, attempt, code, redirect)
        claims = await self._verified(str(tokens.get("id_token", "")), attempt.nonce, description)
        more = await self._more(description, claims, str(tokens.get("access_token", "")))
        return self._identity({**more, **claims}, str(tokens["id_token"]))

    async def sign_out_address(self, id_token: str, back: str) -> str | None:
        """Where somebody ends their session at the provider too; None when it has no such place."""
        description = await self._description()
        if not description.end_session_endpoint:
            return None
        asked = {"id_token_hint": id_token, "client_id": self.settings.client_id, "post_logout_redirect_uri": back}
        return _with(description.end_session_endpoint, asked)

    def _identity(self, claims: Mapping[str, Any], id_token: str) -> Identity:
        email, name = claims.get("email"), claims.get("name") or claims.get("preferred_username")
        good = isinstance(email, str) and email.isprintable() and claims.get("email_verified") is True
        return Identity(
            issuer=self.settings.issuer,
            subject=claims["sub"],
            name=name[:200] if isinstance(name, str) and name.isprintable() else "",
            email=str(email).strip().lower() if good else "",
            groups=_words(_claim(claims, self.settings.roles_claim)),
            id_token=id_token,
        )

    async def _exchanged(
        self, description: _Description, attempt: Attempt, code: str, redirect: str
    ) -> Mapping[str, Any]:
        """The tokens that the code is worth."""
        settings = self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "code_verifier": attempt.verifier,
        }
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        methods = description.token_endpoint_auth_methods_supported
        if settings.client_secret and ("client_secret_basic" in methods or "client_secret_post" not in methods):
            # Both are form-encoded before they are joined (RFC 6749, 2.3.1).
            pair = f"{quote(settings.client_id, safe='')}:{quote(settings.client_secret, safe='')}"
            headers["authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = settings.client_id
            if settings.client_secret:
                form["client_secret"] = settings.client_secret
        answer = await self._asked("POST", description.token_endpoint, headers, urlencode(form).encode())
        found = _object(answer)
        if answer.status == 200 and isinstance(found.get("id_token"), str):
            return found
        told = str(found.get("error", answer.status))[:100]
        if told in ("invalid_client", "unauthorized_client") or answer.status == 401:
            raise Misconfigured(f"The provider does not take this hub's client_id or client_secret ({told}).")
        raise SignInRefused("unclear", f"The provider gives no ID token for the code ({told}).")

    async def _verified(self, token: str, nonce: str, description: _Description) -> Mapping[str, Any]:
        keys = await self._key_set(description, key_id(token))
        return verified(
            token, keys, issuer=self.settings.issuer, client_id=self.settings.client_id, nonce=nonce, now=self._now()
        )

    async def _more(self, description: _Description, claims: Mapping[str, Any], access: str) -> Mapping[str, Any]:
        """What the provider tells only when it is asked; nothing when the token says all."""
        enough = "email" in claims and (
            not self.settings.roles or _claim(claims, self.settings.roles_claim) is not None
        )
        if enough or not description.userinfo_endpoint or not access:
            return {}
        headers = {"authorization": f"Bearer {access}", "accept": "application/json"}
        answer = await self._asked("GET", description.userinfo_endpoint, headers)
        found = _object(answer)
        if answer.status != 200 or found.get("sub") != claims["sub"]:
            raise SignInRefused("unclear", "The provider's user info is refused, or about somebody else.")
        return found

    async def _description(self) -> _Description:
        async with self._lock:
            if self._described is None or self._now() - self._described[1] > KEPT:
                self._described = (await self._read_description(), self._now())
            return self._described[0]

    async def _read_description(self) -> _Description:
        issuer = self.settings.issuer
        answer = await self._asked("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration", {})
        try:
            found = msgspec.convert(_object(answer), _Description)
        except msgspec.ValidationError as error:
            raise Misconfigured(f"{issuer} does not describe an OpenID provider: {error}.") from error
        if found.issuer != issuer:
            raise Misconfigured(f"The provider at {issuer} calls itself {found.issuer!r}.", advice="Write it just so.")
        places = (found.authorization_endpoint, found.token_endpoint, found.jwks_uri)
        more = (place for place in (found.userinfo_endpoint, found.end_session_endpoint) if place)
        if not all(is_safe_address(place) for place in (*places, *more)):
            raise Misconfigured(f"The provider at {issuer} wants secrets to be sent unencrypted.")
        return found

    async def _key_set(self, description: _Description, wanted: str | None) -> KeySet:
        """The provider's keys; looked at again for one that is not among them, as providers change their keys. Nobody
        but the provider can make us look: the token came from it, not from the browser."""
        async with self._lock:
            now = self._now()
            if self._keys is not None:
                keys, read_at = self._keys
                known = wanted is None or any(key.kid == wanted for key in keys.keys)
                if known and now - read_at < KEPT:
                    return keys
            self._keys = (keys_of(_object(await self._asked("GET", description.jwks_uri, {}))), now)
            return self._keys[0]

    async def _asked(
        self, method: str, address: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Response:
        parts = urlsplit(address)
        settings = HttpSettings(read_timeout=10.0, max_response=LARGEST_ANSWER, ca_file=self.settings.ca_file)
        path = urlunsplit(("", "", parts.path, parts.query, ""))
        async with HttpClient(f"{parts.scheme}://{parts.netloc}", settings=settings) as client:
            return await client.request(method, path, headers=headers, body=body, expect=(400, 401, 403))


def _with(address: str, asked: Mapping[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(asked, quote_via=quote)}"


def _object(answer: Response) -> dict[str, Any]:
    found = answer.json()
    return found if isinstance(found, dict) else {}


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of this name; else what the path of names with dots leads to."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _words(value: Any) -> frozenset[str]:
    """Groups, however a provider writes them: a list of texts, or one text."""
    if isinstance(value, str):
        return frozenset({value})
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()
