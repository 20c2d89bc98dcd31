"""What all systems of the lab have in common: a folder, a port that stays, start, stop, kill, an answer."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import shutil
import socket
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from isthmus.errors import LabError

from .dataset import Size
from .environments import Report, digest_of
from .process import Process, log_tail, wait_until
from .templates import made_once

__all__ = ["LabSystem", "State", "SystemStatus", "free_port", "kept_port"]

GIVEN_BACK = 5.0
"""Seconds for which the last worker may hold a port after a kill."""
_PORTS = range(20_000, 32_000)
"""Below what Linux (32768) and others (49152) give to outgoing connections."""

_START_SECONDS = 60.0
_STOP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """One line of ``isthmus lab status``; ``state`` is up, stopped, or silent (processes run, but nothing answers)."""

    name: str
    state: str
    url: str | None
    version: str | None
    size: Size | None
    log: Path


class State:
    """What a lab remembers between commands, in one JSON file: ports, process ids, what was seeded."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str) -> dict[str, Any]:
        """What is known of system ``name``; empty when nothing is."""
        return dict(self._all().get(name, {}))

    def write(self, name: str, facts: dict[str, Any] | None) -> None:
        """Remember ``facts`` of system ``name``, or forget it (None); safe beside another process that does so."""
        with self._path.with_suffix(".lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            everything = self._all()
            if facts is None:
                everything.pop(name, None)
            else:
                everything[name] = facts
            draft = self._path.with_suffix(".new")
            draft.write_text(json.dumps(everything, indent=1), encoding="utf-8")
            draft.replace(self._path)

    def _all(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise LabError(f"{self._path} is damaged: {error}.", advice="Delete the lab's folder.") from error
        return found


class LabSystem(ABC):
    """One real system on this machine; made by ``Lab``.

    ``url`` has no slash at its end. What ``credentials`` hold says each system's class.
    """

    name: ClassVar[str]

    def __init__(self, home: Path, cache: Path, state: State, report: Report) -> None:
        self.home = home / self.name
        self._cache = cache
        self._state = state
        self._report = report

    # what a system has to say

    @abstractmethod
    def _environment(self) -> Path:
        """Its virtual environment, built when there is none."""

    @abstractmethod
    def _sources(self) -> list[Path]:
        """The files that decide what a template holds."""

    @abstractmethod
    def _build(self, folder: Path, size: Size) -> dict[str, Any]:
        """Make a seeded template in ``folder``; its manifest: version, credentials, ids."""

    @abstractmethod
    def _launch(self, port: int) -> dict[str, Process]:
        """Start its processes; they need not answer yet. The one called ``web`` is the web server."""

    @abstractmethod
    def _answers(self) -> bool:
        """Ask it something small. Raises OSError when there is no answer."""

    @abstractmethod
    def _abandon(self, folder: Path) -> None:
        """Stop what runs on ``folder`` and is remembered nowhere, because a command was killed."""

    def _shut_down(self, processes: dict[str, Process]) -> None:
        """Stop ``processes`` in good order."""
        for process in processes.values():
            process.stop(_STOP_SECONDS)

    # what everyone may ask

    @property
    def url(self) -> str:
        """Address, the same after each restart. Raises LabError before the first start."""
        port = self._state.read(self.name).get("port")
        if port is None:
            raise LabError(f"{self.name} was never started in {self.home.parent}.", advice="Start it: isthmus lab up")
        return f"http://127.0.0.1:{port}"

    @property
    def manifest(self) -> dict[str, Any]:
        """What the template says of itself: size, version, credentials, expect (counts), ids."""
        path = self.home / "manifest.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise LabError(f"{self.name} has no data in {self.home}.", advice="Start it: isthmus lab up") from None
        return found

    @property
    def credentials(self) -> dict[str, Any]:
        """Logins, passwords and tokens of the hub and of the people."""
        found: dict[str, Any] = self.manifest["credentials"]
        return found

    @property
    def version(self) -> str:
        """Version of the installed product."""
        return str(self.manifest["version"])

    @property
    def expect(self) -> dict[str, int]:
        """Counts that a right first link finds; see ``Dataset.expect``."""
        found: dict[str, int] = self.manifest["expect"]
        return found

    @property
    def log(self) -> Path:
        """What its web server said."""
        return self.home / "server.log"

    @property
    def environment(self) -> Path:
        """Its virtual environment."""
        return self._environment()

    def processes(self) -> dict[str, Process]:
        """Its processes that run now, by role."""
        known = self._state.read(self.name).get("processes", {})
        found = {role: Process(int(pid), str(started)) for role, (pid, started) in known.items()}
        return {role: process for role, process in found.items() if process.is_alive()}

    def is_up(self) -> bool:
        """Whether it answers now; False also when it hangs for two seconds."""
        if "web" not in self.processes():
            return False
        with contextlib.suppress(OSError):
            return self._answers()
        return False

    def status(self) -> SystemStatus:
        """How it is."""
        facts, seeded = self._state.read(self.name), (self.home / "manifest.json").exists()
        state = "up" if self.is_up() else "silent" if self.processes() else "stopped"
        port = facts.get("port")
        manifest = self.manifest if seeded else {}
        return SystemStatus(
            self.name,
            state,
            self.url if port else None,
            manifest.get("version"),
            manifest.get("size"),
            self.log,
        )

    def start(self) -> None:
        """Start it on the port it had, and wait until it answers; nothing when it is up.

        Raises LabError with the end of its log.
        """
        if self.is_up():
            return
        self.stop()
        port = self._port()
        processes = self._launch(port)
        self._remember(port, processes)
        web = processes["web"]
        wait_until(lambda: self.is_up() or not web.is_alive(), _START_SECONDS, 0.05)
        if not self.is_up():
            self.stop()
            raise LabError(f"{self.name} did not start. {log_tail(self.log)}")

    def stop(self) -> None:
        """Stop it in good order; nothing when it does not run."""
        if processes := self.processes():
            self._shut_down(processes)

    def kill(self) -> None:
        """SIGKILL all of it at once, as a power cut would."""
        for process in self.processes().values():
            process.kill()

    def prepare(self, size: Size) -> Path:
        """Install it and have a seeded template of ``size`` in the cache; the template's folder. Raises LabError."""
        environment = self._environment()
        key = digest_of(self._sources(), size, environment.name)
        folder = self._cache / "templates" / f"{self.name}-{size}-{key}"

        def make(draft: Path) -> None:
            self._report(f"setting up and seeding {self.name} ({size})")
            manifest = {"size": size, "template": folder.name, **self._build(draft, size)}
            (draft / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False), encoding="utf-8")

        return made_once(folder, make, self._abandon)

    def install(self, template: Path) -> None:
        """Make its folder a fresh copy of ``template``; what was there is thrown away. It must not run."""
        self.stop()
        self._abandon(self.home)
        shutil.rmtree(self.home, ignore_errors=True)
        shutil.copytree(template, self.home, symlinks=True, ignore=shutil.ignore_patterns(".complete"))

    def _remember(self, port: int, processes: dict[str, Process]) -> None:
        known = {role: [process.pid, process.started] for role, process in processes.items()}
        self._state.write(self.name, {"port": port, "processes": known})

    def _port(self) -> int:
        """The port it had, so that nobody has to learn a new address; a free one when another program has it."""
        return kept_port(int(self._state.read(self.name).get("port") or 0))


def kept_port(known: int) -> int:
    """The port that a server had (0: none yet); a free one when another program has it. Raises LabError."""
    return known if known and wait_until(lambda: _is_free(known), GIVEN_BACK) else free_port()


def free_port() -> int:
    """A port that can be listened on. Raises LabError when there is none.

    Not one of those that the machine gives to outgoing connections: while its server is down, any could take it.
    """
    for port in random.sample(_PORTS, 200):
        if _is_free(port):
            return port
    raise LabError("No free port on this machine.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe, contextlib.suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        return True
    return False


def ask(url: str, body: bytes | None = None, *, seconds: float = 2.0) -> int:
    """HTTP status of a GET, or of a POST of a JSON ``body``. Raises OSError when there is no answer."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - our own server
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=seconds) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


def gunicorn(environment: Path, application: str, port: int, *, threads: int) -> list[str | Path]:
    """The command that serves a WSGI ``application`` on a loopback port by one process with ``threads`` threads."""
    return [
        environment / "bin" / "python", "-m", "gunicorn", application, "--bind", f"127.0.0.1:{port}", "--workers", "1",
        "--worker-class", "gthread", "--threads", str(threads), "--timeout", "120", "--graceful-timeout", "3",
        "--keep-alive", "30", "--no-control-socket", "--log-level", "warning",
        "--worker-tmp-dir", "/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp",  # noqa: S108
    ]  # fmt: skip
