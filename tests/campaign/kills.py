"""Kills: hub, worker, the hub's PostgreSQL and both far systems end by SIGKILL, and are started again."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from isthmus.lab.system import LabSystem
from isthmus.store import EmbeddedServer
from tests.e2e.office import Office

__all__ = ["Killer", "Kills"]

HEALTHY_SECONDS = 60.0
"""A hub that is not killed has to answer within this time, whatever else was killed."""


@dataclass(frozen=True)
class Kills:
    """How often each is killed."""

    hub: int
    postgres: int
    erp: int
    crm: int

    def shuffled(self, rng: random.Random) -> list[str]:
        """One word for each kill, in an order of chance."""
        words = [name for name, count in vars(self).items() for _ in range(count)]
        rng.shuffle(words)
        return words


class Killer:
    """Runs the hub in place of the stage, kills, and starts again what it killed. ``pace``: seconds between kills on
    average. Use as a context: at its end nothing of it runs any more, and both systems do."""

    def __init__(self, office: Office, rng: random.Random, pace: float, say: Callable[[str], None]) -> None:
        self._office, self._rng, self._pace, self._say = office, rng, pace, say
        self._server = EmbeddedServer(office.folder / ".isthmus" / "pg")
        self._systems: dict[str, LabSystem] = {"erp": office.lab.tryton, "crm": office.lab.bottlecrm}
        self._hub: subprocess.Popen[bytes] | None = None
        self._worker: subprocess.Popen[bytes] | None = None
        self._starting: dict[str, Future[None]] = {}
        self._pool = ThreadPoolExecutor(len(self._systems))
        self.done: Counter[str] = Counter()
        self.ended: list[str] = []
        """Processes of the hub that came to an end without being killed, with the end of the log."""

    def __enter__(self) -> Killer:
        self._office.stage.stop_hub()
        self._hub = self._start("run")
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self._hub, self._worker):
            if process is not None:
                process.kill()
                process.wait()
        self.mend()
        self._pool.shutdown()

    def storm(self, kills: Kills) -> None:
        """All the kills, one after the other at moments of chance."""
        words = kills.shuffled(self._rng)
        for number, word in enumerate(words, 1):
            self._keep_running()
            time.sleep(self._rng.uniform(0.1, 1.9) * self._pace)
            if word == "hub":
                self._kill_hub()
            elif word == "postgres":
                self._kill_postgres()
            else:
                self._kill_system(word)
            if number % 10 == 0 or number == len(words):
                self._say(f"{number} of {len(words)} kills: {dict(self.done)}")

    def rest(self) -> None:
        """The last kill; then everything runs, and is left alone."""
        self.mend()
        self._kill_hub()
        self._await_health()

    def mend(self) -> None:
        """Both systems run."""
        for future in self._starting.values():
            future.result()
        for system in self._systems.values():
            system.start()

    # -- each kind of kill ---------------------------------------------------------------------------------------------

    def _kill_hub(self) -> None:
        self._kill(self._hub, "hub")
        if self._worker is not None and self._rng.random() < 0.5:
            self._kill(self._worker, "worker")
            self._worker = None
        if self._rng.random() < 0.3:
            time.sleep(self._rng.uniform(0, 1))  # nobody is there, but for a worker sometimes
        self._hub = self._start("run")

    def _kill_postgres(self) -> None:
        pid = self._postgres()
        os.kill(pid, signal.SIGKILL)
        self.done["postgres"] += 1
        limit = time.monotonic() + HEALTHY_SECONDS
        # Who is left of the hub's processes starts it again; when that one is not up yet itself, its next start does.
        while self._server.pid() in (None, pid):
            self._keep_running()
            assert time.monotonic() < limit, "nobody starts the hub's PostgreSQL again"
            time.sleep(0.05)

    def _postgres(self) -> int:
        limit = time.monotonic() + HEALTHY_SECONDS
        while (pid := self._server.pid()) is None:
            self._keep_running()
            assert time.monotonic() < limit, "the hub's PostgreSQL does not run"
            time.sleep(0.05)
        return pid

    def _kill_system(self, name: str) -> None:
        if name in self._starting:
            self._starting.pop(name).result()
        system, away = self._systems[name], self._rng.uniform(0, 3)
        system.kill()
        self.done[name] += 1

        def back() -> None:
            time.sleep(away)
            system.start()

        self._starting[name] = self._pool.submit(back)

    # -- the hub's processes -------------------------------------------------------------------------------------------

    def _start(self, command: str) -> subprocess.Popen[bytes]:
        with self._office.stage.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "isthmus", command, "-C", str(self._office.folder)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "ISTHMUS_LOG": "INFO"},
            )

    def _kill(self, process: subprocess.Popen[bytes] | None, name: str) -> None:
        assert process is not None
        if process.poll() is None:
            process.kill()
            process.wait()
            self.done[name] += 1
        else:
            self._note_end(process, name)

    def _note_end(self, process: subprocess.Popen[bytes], name: str) -> None:
        self.ended.append(f"{name} ended by itself with code {process.returncode}: {self._office.hub_log()[-600:]}")

    def _keep_running(self) -> None:
        """What ended by itself is started again, as a service manager would, and noted; a worker joins at times."""
        if self._hub is None or self._hub.poll() is not None:
            if self._hub is not None:
                self._note_end(self._hub, "hub")
            self._hub = self._start("run")
        if self._worker is not None and self._worker.poll() is not None:
            self._note_end(self._worker, "worker")
            self._worker = None
        if self._worker is None and self._rng.random() < 0.2:
            self._worker = self._start("worker")
        # Most hubs get as far as to serve, the others die on their way there.
        if self._rng.random() < 0.8:
            self._await_health()

    def _await_health(self) -> None:
        limit = time.monotonic() + HEALTHY_SECONDS
        while not self._healthy():
            if self._hub is None or self._hub.poll() is not None:
                if self._hub is not None:
                    self._note_end(self._hub, "hub")
                self._hub = self._start("run")
            assert time.monotonic() < limit, f"the hub does not come up: {self._office.hub_log()[-2000:]}"
            time.sleep(0.1)

    def _healthy(self) -> bool:
        with contextlib.suppress(OSError):
            url = self._office.stage.hub_url() + "/health"
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        return False
