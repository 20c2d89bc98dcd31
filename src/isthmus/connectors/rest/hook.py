"""Webhook calls of a described API: signature, age, and where to look."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from isthmus.connector import Hint
from isthmus.connectors.rest.definition import Signature, Subscribe, WebhookDef, duration
from isthmus.connectors.rest.session import RestConfig, Session, refusal
from isthmus.connectors.rest.values import MISSING, at
from isthmus.errors import Misconfigured, Rejected, Unauthorized

__all__ = ["Hook", "signature_headers"]


class Hook:
    """The webhook part of a system."""

    def __init__(self, session: Session, config: RestConfig, definition: WebhookDef, resources: Sequence[str]) -> None:
        if not config.webhook_secret:
            raise Misconfigured("The definition has a webhook, but the system has no webhook_secret.")
        self._session = session
        self._secret = config.webhook_secret
        self._definition = definition
        self._resources = frozenset(resources)

    async def subscribe(self, url: str) -> None:
        """Replace our subscriptions to this address by one."""
        how = self._definition.subscribe
        if how is None:
            return  # entered by hand in the far system
        await self._unsubscribe(how, url)
        known = {"{url}": url, "{secret}": self._secret}
        body = {name: known.get(value, value) if isinstance(value, str) else value for name, value in how.body.items()}
        answer = await self._session.call("POST", how.path, body=body or {how.url: url})
        if answer.status >= 400:
            raise refusal(answer, self._session.api.errors)

    async def _unsubscribe(self, how: Subscribe, url: str) -> None:
        answer = await self._session.call("GET", how.path)
        raws = at(answer.json(), how.records) if answer.status < 400 else []
        for raw in raws if isinstance(raws, list) else []:
            if at(raw, how.url) == url:
                await self._session.call("DELETE", f"{how.path.rstrip('/')}/{at(raw, how.key)}")

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[Hint]:
        """Where to look, if the call is signed and young."""
        self._check(headers, body, now)
        try:
            told: Any = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            raise Rejected("The body of a webhook call is not JSON.") from error
        word, key = at(told, self._definition.resource), at(told, self._definition.key)
        if not isinstance(word, str) or key in (MISSING, None) or isinstance(key, dict | list):
            raise Rejected("A webhook call does not tell the resource and key where the definition says.")
        resource = self._definition.resources.get(word, word)
        # What we do not follow is no fault of the caller: nothing to look at.
        return [Hint(resource=resource, keys=[str(key)])] if resource in self._resources else []

    def _check(self, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
        how = self._definition.signature
        given = headers.get(how.header.lower(), "")
        moment: datetime | None = None
        if "{time}" in how.signed or how.time_header:
            stamp = headers.get(how.time_header.lower(), "") if how.time_header else _part(how.format, given, "time")
            if not re.fullmatch(r"[0-9]{1,13}", stamp):
                raise Unauthorized("A webhook call without a readable time of signature.")
            moment = datetime.fromtimestamp(int(stamp) / (1000 if len(stamp) == 13 else 1), UTC)
            wanted = signature_headers(how, self._secret, body, stamp)[how.header.lower()]
        else:
            wanted = signature_headers(how, self._secret, body, "")[how.header.lower()]
        if not hmac.compare_digest(wanted.encode(), given.encode()):
            raise Unauthorized(
                "A webhook call with a bad signature.", advice="Compare the webhook_secret on both sides."
            )
        if moment is not None and abs(now - moment) > duration(how.max_age):
            raise Unauthorized("A webhook call with an old signature.", advice="Compare the clocks of both systems.")


def signature_headers(how: Signature, secret: str, body: bytes, stamp: str) -> dict[str, str]:
    """Headers (lower case) of a call that is signed as the definition says."""
    if how.kind == "token":
        return {how.header.lower(): how.format.replace("{mac}", secret)}
    signed = how.signed.encode().replace(b"{time}", stamp.encode()).replace(b"{body}", body)
    mac = hmac.new(secret.encode(), signed, getattr(hashlib, how.algorithm)).digest()
    text = mac.hex() if how.encoding == "hex" else base64.b64encode(mac).decode()
    headers = {how.header.lower(): how.format.replace("{time}", stamp).replace("{mac}", text)}
    return headers | ({how.time_header.lower(): stamp} if how.time_header else {})


def _part(form: str, given: str, name: str) -> str:
    """One placeholder's text in a header of this form."""
    pattern = re.escape(form).replace(r"\{time\}", r"(?P<time>[^,;]*)").replace(r"\{mac\}", r"(?P<mac>.*)")
    found = re.fullmatch(pattern, given)
    return found[name] if found and name in found.groupdict() else ""
