"""The lab: the real systems on this machine, in one folder, from seeded templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from isthmus.errors import LabError

from .bottlecrm import BottleCrm
from .dataset import Size
from .environments import cache_folder, locked
from .login import LoginProvider
from .mail import MailServer
from .system import LabSystem, State, SystemStatus
from .tryton import Tryton

__all__ = ["SYSTEMS", "Lab"]

_KINDS: dict[str, type[LabSystem]] = {"tryton": Tryton, "bottlecrm": BottleCrm, "mail": MailServer}
_ON_REQUEST: dict[str, type[LabSystem]] = {"login": LoginProvider}

SYSTEMS: tuple[str, ...] = tuple(_KINDS)
"""Names of the systems a lab runs when none is named."""


def _say_nothing(message: str) -> None:
    """Who gives no ``report`` wants to hear nothing."""


class Lab:
    """Real systems with their data below ``home``; any later ``Lab`` of the same home finds them again.

    Installed programs and templates are in ``cache`` (``cache_folder()`` by default) and shared by all labs.
    ``report`` is told in one line what takes time.
    """

    def __init__(self, home: Path, *, cache: Path | None = None, report: Callable[[str], None] = _say_nothing) -> None:
        self.home = home.expanduser().absolute()
        self._report = report
        cache = (cache or cache_folder()).expanduser().absolute()
        state = State(self.home / "lab.json")
        self._systems = {name: kind(self.home, cache, state, report) for name, kind in (_KINDS | _ON_REQUEST).items()}

    @property
    def systems(self) -> Mapping[str, LabSystem]:
        """All systems by name, running or not."""
        return self._systems

    @property
    def tryton(self) -> Tryton:
        """The ERP."""
        system = self._systems["tryton"]
        assert isinstance(system, Tryton)
        return system

    @property
    def bottlecrm(self) -> BottleCrm:
        """The CRM."""
        system = self._systems["bottlecrm"]
        assert isinstance(system, BottleCrm)
        return system

    @property
    def mail(self) -> MailServer:
        """The mail server."""
        system = self._systems["mail"]
        assert isinstance(system, MailServer)
        return system

    @property
    def login(self) -> LoginProvider:
        """The OpenID provider; runs only when it is named."""
        system = self._systems["login"]
        assert isinstance(system, LoginProvider)
        return system

    def up(self, systems: Sequence[str] = SYSTEMS, *, size: Size = "full") -> dict[str, LabSystem]:
        """Have ``systems`` installed, seeded and running; those that run are kept as they are.

        A system that has data keeps it; ``size`` is for one that has none. Raises LabError.
        """
        chosen = self._chosen(systems)
        with self._alone():
            self._side_by_side(chosen, lambda system: self._raise(system, size))
        return {system.name: system for system in chosen}

    def down(self) -> None:
        """Stop everything of this home, also what another command started; data and ports are kept."""
        if self.home.exists():
            with self._alone():
                self._side_by_side([system for system in self._systems.values() if system.processes()], _stop)

    def status(self) -> list[SystemStatus]:
        """How each system is; asks them. Of those that run on request only what was ever started."""
        shown = [one for one in self._systems.values() if one.name in SYSTEMS or one.home.exists()]
        return [system.status() for system in shown]

    def seed(self, size: Size = "full", systems: Sequence[str] = SYSTEMS) -> dict[str, LabSystem]:
        """Throw the data of ``systems`` away and start them with the template of ``size``. Raises LabError."""
        chosen = self._chosen(systems)

        def renew(system: LabSystem) -> None:
            template = system.prepare(size)
            system.install(template)
            self._report(f"starting {system.name}")
            system.start()

        with self._alone():
            self._side_by_side(chosen, renew)
        return {system.name: system for system in chosen}

    def _raise(self, system: LabSystem, size: Size) -> None:
        if system.is_up():
            return
        if not (system.home / "manifest.json").exists():
            system.install(system.prepare(size))
        self._report(f"starting {system.name}")
        system.start()

    def _chosen(self, names: Sequence[str]) -> list[LabSystem]:
        for name in names:
            if name not in self._systems:
                raise LabError(f"The lab has no system {name!r}.", advice=f"It has: {', '.join(self._systems)}.")
        return [self._systems[name] for name in dict.fromkeys(names)]

    def _alone(self) -> AbstractContextManager[None]:
        self.home.mkdir(parents=True, exist_ok=True)
        return locked(self.home / "command.lock")

    def _side_by_side(self, systems: Sequence[LabSystem], work: Callable[[LabSystem], None]) -> None:
        """Do ``work`` on all at once; when one fails the others are still brought to their end."""
        if not systems:
            return
        with ThreadPoolExecutor(len(systems)) as pool:
            doing = [pool.submit(work, system) for system in systems]
        for done in doing:
            done.result()


def _stop(system: LabSystem) -> None:
    system.stop()
