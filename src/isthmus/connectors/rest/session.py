"""Calls to the API: address, constant headers and query, proof of who we are, errors in our words."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from isthmus.connector import HttpClient, HttpSettings, Quota, Response
from isthmus.connector.config import Secret, SystemConfig
from isthmus.connectors.rest.definition import Api, Errors
from isthmus.connectors.rest.values import MISSING, at, encode
from isthmus.errors import IsthmusError, Misconfigured, Rejected, Stale, Unauthorized, Unavailable

__all__ = ["RestConfig", "Session", "refusal", "server_time"]

_LONGEST_REASON = 500


class RestConfig(SystemConfig, frozen=True, kw_only=True):
    """Configuration of a system of kind ``rest``: where it is, its secrets, and the definition of its API."""

    url: str
    definition: dict[str, Any]
    token: Secret = ""
    """Bearer token or API key."""
    username: str = ""
    """Also the client id (oauth2)."""
    password: Secret = ""
    """Also the client secret (oauth2)."""
    webhook_secret: Secret = ""
    http: HttpSettings = HttpSettings()


class Session:
    """One client with one identity."""

    def __init__(self, config: RestConfig, api: Api) -> None:
        self._config = config
        self.api = api
        self._client = HttpClient(config.url, settings=config.http, headers=api.headers)
        self._client.wait_header = api.wait_header.lower()
        self._token = ""
        self._login = asyncio.Lock()

    @property
    def base_path(self) -> str:
        """Path part of the configured address, which answers may repeat in their links."""
        return urlsplit(self._config.url).path.rstrip("/")

    def quotas(self) -> Sequence[Quota]:
        """As ``Metered.quotas``."""
        return self._client.quotas()

    async def close(self) -> None:
        await self._client.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """One call with our identity. A token that a login gave and that has run out is renewed once: a call refused
        with 401 had no effect."""
        used = await self._identity()
        try:
            return await self._send(method, path, query or {}, body, headers or {})
        except Unauthorized:
            if self.api.auth.kind not in ("oauth2", "login") or used != self._token:
                raise
            async with self._login:
                if used == self._token:
                    await self._get_token()
            return await self._send(method, path, query or {}, body, headers or {})

    async def _send(
        self, method: str, path: str, query: Mapping[str, Any], body: Any, headers: Mapping[str, str]
    ) -> Response:
        auth, words = self.api.auth, {**self.api.query, **query}
        sent = dict(headers)
        match auth.kind:
            case "bearer":
                sent["Authorization"] = f"Bearer {self._config.token}"
            case "basic":
                pair = f"{self._config.username}:{self._config.password}".encode()
                sent["Authorization"] = "Basic " + base64.b64encode(pair).decode()
            case "header":
                sent[auth.name] = self._config.token
            case "query":
                words[auth.name] = self._config.token
            case "oauth2" | "login":
                sent[auth.header] = auth.value.replace("{token}", self._token)
        if words:
            path += ("&" if "?" in path else "?") + urlencode(
                {name: _word(value) for name, value in words.items()}, doseq=True
            )
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        return await self._client.request(method, path, body=None if body is None else encode(body), headers=sent)

    async def _identity(self) -> str:
        if self.api.auth.kind in ("oauth2", "login") and not self._token:
            async with self._login:
                if not self._token:
                    await self._get_token()
        return self._token

    async def _get_token(self) -> None:
        auth, config = self.api.auth, self._config
        if auth.kind == "oauth2":
            form = {"grant_type": "client_credentials", "client_id": config.username, "client_secret": config.password}
            answer = await self._client.request(
                "POST",
                auth.path,
                body=urlencode({**form, **({"scope": auth.scope} if auth.scope else {})}).encode(),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                safe=True,
            )
        else:
            known = {"{username}": config.username, "{password}": config.password, "{token}": config.token}
            filled = {name: known.get(value, value) for name, value in auth.body.items()}
            answer = await self._client.request("POST", auth.path, json_body=filled, safe=True)
        if answer.status >= 400:
            raise Unauthorized(
                f"The login was refused (status {answer.status}).",
                advice="Renew the secrets that isthmus.toml refers to.",
            )
        token = at(answer.json(), auth.token)
        if not isinstance(token, str) or not token:
            raise Misconfigured(f"The login's answer has no token at '{auth.token}'.")
        self._token = token


def refusal(answer: Response, errors: Errors, *, guard: int | None = None) -> IsthmusError:
    """Our error for an answer with a 4xx status."""
    meaning = errors.status.get(str(answer.status))
    if meaning is None:
        meaning = "stale" if answer.status in (412, guard) else "rejected"
    reason, field = _reason(answer, errors)
    match meaning:
        case "stale":
            return Stale(f"The record was changed since it was read ({reason}).")
        case "unavailable":
            return Unavailable(f"The system cannot do this now ({reason}).")
        case "unauthorized":
            return Unauthorized(f"The system refuses our credentials or rights ({reason}).")
    return Rejected(f"The system refused it: {reason}", field=field)


def _reason(answer: Response, errors: Errors) -> tuple[str, str | None]:
    """What the system says, and the field at fault if it names one."""
    try:
        told = answer.json()
    except Unavailable:
        return f"status {answer.status} without a readable reason", None
    field = at(told, errors.field) if errors.field else MISSING
    name = field if isinstance(field, str) else None
    parts = []
    for path in errors.fields:
        found = at(told, path)
        if isinstance(found, dict) and found:
            name = name or str(next(iter(found)))
            parts += [f"{key}: {_flat(value)}" for key, value in found.items()]
    if not parts:
        messages = (at(told, path) for path in errors.message)
        parts = [message for message in messages if isinstance(message, str) and message][:1]
    text = "; ".join(parts) or _flat(told)
    return (text[:_LONGEST_REASON] or f"status {answer.status}"), name


def _flat(value: Any) -> str:
    """Messages of a nested answer as one text."""
    match value:
        case dict():
            return "; ".join(f"{key}: {_flat(inner)}" for key, inner in value.items())
        case list():
            return ", ".join(_flat(inner) for inner in value)
    return str(value)


def _word(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def server_time(answer: Response) -> datetime:
    """The time by the far system's own clock, from the Date header. Raises ``Misconfigured`` if it sends none."""
    try:
        moment = parsedate_to_datetime(answer.headers["date"])
    except (KeyError, ValueError) as error:
        raise Misconfigured(
            "The system sends no Date header, so 'now' by its clock is not known.",
            advice="Remove 'changed' from the definition: the hub will scan instead.",
        ) from error
    return moment.astimezone(UTC)
