"""What the pages are made from: the project, the store, and the use cases over them."""

from __future__ import annotations

import secrets

from isthmus.app.access import Access
from isthmus.app.openid import OpenIdProvider
from isthmus.app.pulse import Pulse
from isthmus.pages import ProviderDoor
from isthmus.project import Project
from isthmus.store import PostgresStore, Reads
from isthmus.sync.world import World

__all__ = ["Site"]


class Site:
    """One console. Made by :meth:`open`."""

    def __init__(self, project: Project, store: PostgresStore, world: World, secret: str) -> None:
        self.project, self.store, self.world = project, store, world
        self.reads = Reads(store)
        self.access = Access(store, passwords=project.sign_in.passwords)
        self.pulse = Pulse(self.reads, world, {name: system.kind for name, system in project.systems.items()})
        self.secret = secret
        """Signs forms; the same in every process of this hub."""
        self.name = project.hub.name
        self.secure = project.hub.public_url.startswith("https:")
        """Whether browsers may send our cookies over TLS only."""
        self.door = self._door()
        """Of the OpenID provider; None: the project has none."""

    def _door(self) -> ProviderDoor | None:
        settings = self.project.sign_in.provider
        if settings is None:
            return None
        return ProviderDoor(
            OpenIdProvider(settings), self.access, secret=self.secret, own_address=self.project.hub.own_address,
            secure=self.secure,
        )  # fmt: skip

    @classmethod
    async def open(cls, project: Project, store: PostgresStore, world: World) -> Site:
        """With the secret of this hub, which is made when it has none."""
        secret = await store.recall("web secret")
        if secret is None:
            secret = secrets.token_urlsafe(32)
            await store.remember("web secret", secret)
        return cls(project, store, world, secret)
