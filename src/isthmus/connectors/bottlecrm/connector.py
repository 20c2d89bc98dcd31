"""BottleCRM (django-crm) over its REST API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from isthmus.connector import FieldInfo, Hint, HttpClient, HttpSettings, Quota, Resource, SystemInfo
from isthmus.connector.config import Secret, SystemConfig
from isthmus.connector.services import Operation
from isthmus.connector.support import CASE_REPLIES
from isthmus.connectors.bottlecrm.cases import Cases, replies_of
from isthmus.connectors.bottlecrm.client import Client
from isthmus.connectors.bottlecrm.custom_fields import CustomFields
from isthmus.connectors.bottlecrm.deals import Opportunities
from isthmus.connectors.bottlecrm.documents import Estimates, Invoices
from isthmus.connectors.bottlecrm.payments import Payments
from isthmus.connectors.bottlecrm.people import Accounts, Contacts
from isthmus.connectors.bottlecrm.products import Products
from isthmus.connectors.bottlecrm.resource import CrmResource
from isthmus.connectors.bottlecrm.webhook import Webhooks
from isthmus.errors import Misconfigured, Unavailable

__all__ = ["BottleCrm", "Config", "connector"]


class Config(SystemConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One organisation in one installation of BottleCRM."""

    url: str
    """Address of the API, e.g. https://crm.example.com (without /api)."""
    token: Secret
    """Personal access token (bcrm_pat_...) of an administrator: he alone may change products and custom fields."""
    admin_token: Secret | None = None
    """Access token (JWT) of an administrator's session, to subscribe to webhooks; BottleCRM refuses personal access
    tokens there."""
    webhook_secret: Secret | None = None
    """Signing secret (whsec_...) of a webhook that was made by hand; else the hub makes one and keeps its secret."""
    send_documents: bool = False
    """Whether setting an invoice to Sent may e-mail it to the customer, as BottleCRM does on sending."""
    http: HttpSettings = HttpSettings()


class BottleCrm:
    """One open organisation."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._http = HttpClient(config.url, settings=config.http, headers={"Authorization": f"Bearer {config.token}"})
        self.client = Client(self._http)
        self.custom = CustomFields(self.client)
        self._admin: HttpClient | None = None
        if config.admin_token:
            headers = {"Authorization": f"Bearer {config.admin_token}"}
            self._admin = HttpClient(config.url, settings=config.http, headers=headers)
        self._webhooks = Webhooks(Client(self._admin) if self._admin else None, config.webhook_secret)
        made: list[CrmResource] = [
            kind(self.client, self.custom) for kind in (Accounts, Contacts, Products, Opportunities, Payments, Cases)
        ]
        made += [kind(self.client, self.custom, config.send_documents) for kind in (Estimates, Invoices)]
        self._resources: dict[str, Resource] = {resource.name: resource for resource in made}

    def resources(self) -> Mapping[str, Resource]:
        """As ``System.resources``."""
        return self._resources

    def quotas(self) -> Sequence[Quota]:
        """As ``Metered.quotas``."""
        return self._http.quotas()

    def operations(self) -> Mapping[str, Operation]:
        """As ``Services.operations``."""
        return {CASE_REPLIES.name: CASE_REPLIES}

    async def call(self, operation: str, given: Any, *, token: str = "") -> Any:
        """As ``Services.call``; nothing is changed, so no token is needed."""
        if operation != CASE_REPLIES.name:
            raise LookupError(operation)
        return await replies_of(self.client, given)

    async def check(self) -> SystemInfo:
        """As ``System.check``: who we are, and whether he may do what the hub needs."""
        data = await self.client.read("/api/profile/")
        profile = (data or {}).get("user_obj")
        if not isinstance(profile, Mapping):
            raise Unavailable("There is no BottleCRM at this address.", advice="The url is the one without /api.")
        user = (profile.get("user_details") or {}).get("email", "")
        warnings = []
        if profile.get("role") != "ADMIN":
            warnings.append(
                f"{user} is no administrator: products and custom fields cannot be changed, and records of "
                "others may stay unseen."
            )
        if self._config.admin_token is None and self._config.webhook_secret is None:
            warnings.append("Without admin_token there are no webhooks; changes are seen by scans only.")
        return SystemInfo(product="BottleCRM (django-crm)", version=await self._version(), user=user, warnings=warnings)

    async def _version(self) -> str:
        """Of the published schema; BottleCRM tells no version of its own."""
        data = await self.client.read("/schema/", {"format": "json"})
        return str((data or {}).get("info", {}).get("version", "")) or "unknown"

    async def missing(self, wanted: Mapping[str, Mapping[str, FieldInfo]]) -> Sequence[str]:
        """As ``Preparable.missing``."""
        return await self.custom.missing(wanted)

    async def prepare(self, wanted: Mapping[str, Mapping[str, FieldInfo]]) -> Sequence[str]:
        """As ``Preparable.prepare``."""
        return await self.custom.prepare(wanted)

    async def subscribe(self, url: str) -> None:
        """As ``Webhook.subscribe``."""
        await self._webhooks.subscribe(url)

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[Hint]:
        """As ``Webhook.verify``."""
        return self._webhooks.verify(headers, body, now)

    async def close(self) -> None:
        """As ``System.close``."""
        await self._http.close()
        if self._admin is not None:
            await self._admin.close()


class _Connector:
    kind = "bottlecrm"
    config = Config

    async def open(self, config: Config) -> BottleCrm:
        """Open one organisation; proves nothing yet (see ``check``)."""
        if not config.token:
            raise Misconfigured("BottleCRM needs a token.", advice="Make a personal access token in its settings.")
        return BottleCrm(config)


connector = _Connector()
"""The connector."""
