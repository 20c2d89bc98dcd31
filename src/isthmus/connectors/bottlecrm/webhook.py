"""Signed webhooks: subscribing, and turning a call into hints where to look."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from isthmus.connector import Hint
from isthmus.connectors.bottlecrm.client import Client
from isthmus.connectors.bottlecrm.deals import Opportunities
from isthmus.connectors.bottlecrm.fields import Field, values_of
from isthmus.connectors.bottlecrm.people import Accounts, Contacts
from isthmus.errors import Misconfigured, Rejected, Unauthorized, Unavailable

__all__ = ["EVENTS", "Webhooks", "hints"]

EVENTS = (
    "account.created",
    "account.updated",
    "account.deleted",
    "contact.created",
    "contact.updated",
    "contact.deleted",
    "deal.created",
    "deal.updated",
    "deal.deleted",
    "ticket.created",
    "ticket.updated",
    "invoice.created",
    "invoice.updated",
    "invoice.paid",
)
"""What the hub asks for. There are no events of products, estimates and payments, and none when a ticket is deleted;
``deal.won`` comes with ``deal.updated``."""

_RESOURCES = {
    "account": "account",
    "contact": "contact",
    "deal": "opportunity",
    "ticket": "case",
    "invoice": "invoice",
}
_SHOWN: Mapping[str, Mapping[str, Field]] = {each.name: each.fields_of for each in (Accounts, Contacts, Opportunities)}
_DESCRIPTION = "Isthmus"
_OLDEST = timedelta(minutes=5)
_AT_ONCE = timedelta(seconds=2)
"""A call made later than this after its event (both by BottleCRM's clock) was repeated or held up."""


class Webhooks:
    """The hub's webhook of one organisation. ``client`` must be a person's session (JWT), not an access token."""

    def __init__(self, client: Client | None, secret: str | None) -> None:
        self._client = client
        self._secret = secret

    async def subscribe(self, url: str) -> None:
        """As ``Webhook.subscribe``. An endpoint with this address is used again; its secret, which BottleCRM tells only
        once, is changed unless it is the configured one. One of ours on the same host and path with another port is
        taken away."""
        if self._client is None:
            if self._secret is None:
                raise Misconfigured(
                    "Webhooks of BottleCRM need admin_token, or webhook_secret of one that was made by hand."
                )
            return
        data = await self._client.read("/api/webhooks/")
        endpoints = (data or {}).get("endpoints")
        if not isinstance(endpoints, list):
            raise Unavailable("BottleCRM's answer has no list of webhooks.")
        same = [endpoint for endpoint in endpoints if endpoint["url"] == url]
        for endpoint in endpoints:
            if endpoint in same[1:] or (endpoint["url"] != url and _ours(endpoint, url)):
                await self._client.send("DELETE", f"/api/webhooks/{endpoint['id']}/")
        if same:
            await self._use(same[0])
        else:
            await self._make(url)

    async def _use(self, endpoint: Mapping[str, Any]) -> None:
        assert self._client is not None
        path = f"/api/webhooks/{endpoint['id']}/"
        if not endpoint.get("is_active") or set(endpoint.get("events") or ()) != set(EVENTS):
            await self._client.send("PATCH", path, {"is_active": True, "events": list(EVENTS)})
        if self._secret is None or endpoint.get("secret_hint") != f"whsec_...{self._secret[-4:]}":
            self._keep(await self._client.send("POST", f"{path}rotate-secret/"))

    async def _make(self, url: str) -> None:
        assert self._client is not None
        body = {"url": url, "events": list(EVENTS), "description": _DESCRIPTION}
        self._keep(await self._client.send("POST", "/api/webhooks/", body))

    def _keep(self, answer: Mapping[str, Any] | None) -> None:
        secret = (answer or {}).get("secret")
        if not isinstance(secret, str) or not secret:
            raise Unavailable("BottleCRM made a webhook without telling its secret.")
        self._secret = secret

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[Hint]:
        """As ``Webhook.verify``: header ``t=<unix seconds>,v1=<HMAC-SHA256 of "t.body">``, at most 5 minutes old."""
        if self._secret is None:
            raise Unauthorized("There is no signing secret for BottleCRM's webhooks yet.")
        given = headers.get("x-bottlecrm-signature", "")
        parts = dict(part.strip().partition("=")[::2] for part in given.split(","))
        sent = parts.get("t", "")
        wanted = hmac.new(self._secret.encode(), sent.encode() + b"." + body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(wanted.encode(), parts.get("v1", "").encode()):
            raise Unauthorized("The signature of this call is not BottleCRM's.")
        if not sent.isdecimal() or abs(now.timestamp() - int(sent)) > _OLDEST.total_seconds():
            raise Unauthorized("This call of BottleCRM is too old, or one of the clocks is wrong.")
        return hints(body, sent=datetime.fromtimestamp(int(sent), UTC))


def _ours(endpoint: Mapping[str, Any], url: str) -> bool:
    old, new = urlsplit(str(endpoint["url"])), urlsplit(url)
    return endpoint.get("description") == _DESCRIPTION and (old.hostname, old.path) == (new.hostname, new.path)


def hints(body: bytes, sent: datetime | None = None) -> Sequence[Hint]:
    """Where to look for what a (verified) call tells, that was made at ``sent``. Raises ``Rejected`` on a body of
    another shape.

    Of the data two things are used: whether there are payments to look for (nothing is lost when that is wrong, since
    scans see them), and what the record showed, when the call was made at once.
    """
    try:
        told = json.loads(body)
        kind, _, action = str(told["event"]).partition(".")
        data = told.get("data") or {}
        key = str(data.get("id") or "")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Rejected("The body of this call is not one of BottleCRM's events.") from error
    resource = _RESOURCES.get(kind)
    if resource is None or action == "comment_added":
        return []
    shown = _shown(resource, action, told, sent) if key else {}
    found = [Hint(resource=resource, keys=[key] if key else [], shown=shown)]
    if resource == "invoice" and (action == "paid" or data.get("status") in ("Paid", "Partially_Paid")):
        found.append(Hint(resource="payment"))
    return found


def _shown(resource: str, action: str, told: Mapping[str, Any], sent: datetime | None) -> dict[str, Any]:
    """The plain fields of a record that was just saved."""
    if sent is None or action != "updated" or resource not in _SHOWN:
        return {}
    try:
        happened = datetime.fromisoformat(str(told.get("created_at")))
        if happened.tzinfo is None or not -_AT_ONCE < sent - happened < _AT_ONCE:
            return {}
        plain = {name: field for name, field in _SHOWN[resource].items() if not field.readonly and field.type != "key"}
        return values_of(told["data"], plain)
    except (ValueError, Unavailable):
        return {}
