"""The connector of kind ``rest``: any JSON API, described in YAML, without Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from isthmus.connector import Hint, Quota, Resource, System, SystemInfo
from isthmus.connectors.rest.definition import Api, ResourceDef, load
from isthmus.connectors.rest.hook import Hook
from isthmus.connectors.rest.reading import RestReadable, RestWithFeed, traits_of
from isthmus.connectors.rest.session import RestConfig, Session, refusal
from isthmus.connectors.rest.values import MISSING, at
from isthmus.connectors.rest.writing import RestFindable, RestWritable
from isthmus.errors import Misconfigured

__all__ = ["RestConnector", "RestSystem", "connector"]


class _FeedWritable(RestWithFeed, RestWritable):
    """Feed and writes."""


class _FeedFindable(RestWithFeed, RestFindable):
    """Feed, writes and a place for tokens."""


def _kind(definition: ResourceDef) -> type[RestReadable]:
    """The class that has exactly the protocols which the definition gives."""
    verbs = (definition.create, definition.update, definition.delete, definition.bulk_create)
    feed, writable = definition.changed is not None, any(verb is not None for verb in verbs)
    if not writable:
        return RestWithFeed if feed else RestReadable
    if definition.token is not None:
        return _FeedFindable if feed else RestFindable
    return _FeedWritable if feed else RestWritable


class RestSystem:
    """One open installation of a described API."""

    def __init__(self, config: RestConfig, api: Api) -> None:
        self._session = Session(config, api)
        self._api = api
        made = {
            name: _kind(definition)(self._session, name, definition, traits_of(definition))
            for name, definition in api.resources.items()
        }
        for name, definition in api.resources.items():
            if definition.parent is not None:
                made[name].parent = made[definition.parent.resource]
        self._resources: Mapping[str, Resource] = made

    def resources(self) -> Mapping[str, Resource]:
        return self._resources

    def quotas(self) -> Sequence[Quota]:
        return self._session.quotas()

    async def check(self) -> SystemInfo:
        how = self._api.check
        if how is None:
            first = next(name for name, each in self._api.resources.items() if each.parent is None)
            await self._resources[first].scan(None)
            return SystemInfo(product=self._api.product, version="")
        answer = await self._session.call("GET", how.path)
        if answer.status >= 400:
            raise Misconfigured(f"The check call was refused: {refusal(answer, self._api.errors)}")
        told = answer.json()
        version, user = (at(told, path) if path else "" for path in (how.version, how.user))
        return SystemInfo(
            product=self._api.product,
            version="" if version is MISSING else str(version),
            user="" if user is MISSING else str(user),
        )

    async def close(self) -> None:
        await self._session.close()


class _HookedSystem(RestSystem):
    """A system that calls us."""

    def __init__(self, config: RestConfig, api: Api) -> None:
        super().__init__(config, api)
        assert api.webhook is not None, "only definitions with a webhook make hooked systems"
        self._hook = Hook(self._session, config, api.webhook, list(api.resources))

    async def subscribe(self, url: str) -> None:
        await self._hook.subscribe(url)

    def verify(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[Hint]:
        return self._hook.verify(headers, body, now)


class RestConnector:
    """Opens systems by their definition."""

    kind = "rest"
    config: type[RestConfig] = RestConfig

    async def open(self, config: Any) -> System:
        """Check the definition; the first call is made when it is needed."""
        api = load(config.definition)
        if not any(each.parent is None for each in api.resources.values()):
            raise Misconfigured("The definition of the API has no resource that is not inside another.")
        return (RestSystem if api.webhook is None else _HookedSystem)(config, api)


connector = RestConnector()
