"""What the pages are made from: the project, the store, and the use cases over them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from isthmus.app.access import Access
from isthmus.app.flow_history import KeptCounts
from isthmus.app.flow_preview import Samples
from isthmus.app.job_news import JobNews
from isthmus.app.openid import OpenIdProvider
from isthmus.app.pulse import Pulse
from isthmus.errors import IsthmusError
from isthmus.pages import ProviderDoor
from isthmus.project import Project
from isthmus.store import PostgresStore, Reads
from isthmus.sync.world import World

__all__ = ["Site"]


class Site:
    """One console. Made by :meth:`open`."""

    def __init__(
        self, project: Project, store: PostgresStore, world: World, secret: str, samples: Samples | None,
        down: Mapping[str, IsthmusError],
    ) -> None:  # fmt: skip
        self.store, self.samples = store, samples
        self.down = down
        """Systems that this process cannot reach, and why; asked anew each time."""
        self.reads = Reads(store)
        self.access = Access(store, passwords=project.sign_in.passwords)
        self.counts = KeptCounts(self.reads)
        self.pulse = Pulse(self.reads, world)
        self.job_news = JobNews(store)
        self.renew(project, world)
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

    def renew(self, project: Project, world: World) -> None:
        """Show these flows from now on."""
        self.project, self.world = project, world
        self.pulse.renew(world, {name: system.kind for name, system in project.systems.items()})

    @classmethod
    async def open(
        cls, project: Project, store: PostgresStore, world: World, samples: Samples | None = None, *,
        down: Mapping[str, IsthmusError] = {},
    ) -> Site:  # fmt: skip
        """With the secret of this hub, which is made when it has none. ``samples``: None where no system is open."""
        secret = await store.recall("web secret")
        if secret is None:
            secret = secrets.token_urlsafe(32)
            await store.remember("web secret", secret)
        return cls(project, store, world, secret, samples, down)
