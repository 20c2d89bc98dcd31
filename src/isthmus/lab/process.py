"""Programs that outlive the command that started them, and are found and stopped again by a later one.

A process is remembered by its id *and* the moment it started, so that a foreign process which got the same id later is
never signalled.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from isthmus.errors import LabError

__all__ = ["Process", "clean_environment", "find", "log_tail", "start", "wait_until"]

_FOREIGN = ("PYTHON", "DJANGO", "TRYTON", "GUNICORN", "PG", "VIRTUAL_ENV", "LAB_", "ENV_TYPE", "CELERY", "DATABASE_URL")


@dataclass(frozen=True, slots=True)
class Process:
    """A started program, leader of its own session; ``started`` is the system's own mark of when."""

    pid: int
    started: str

    def is_alive(self) -> bool:
        """Whether this very process still runs; a child of ours that ended is reaped on the way."""
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(self.pid, os.WNOHANG)[0] == self.pid:
                return False
        return _start_mark(self.pid) == self.started

    def send(self, number: int) -> None:
        """Send ``number`` to the whole process group; nothing when the process is gone."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def stop(self, seconds: float, first: int = signal.SIGTERM) -> None:
        """Ask with ``first``, wait up to ``seconds``, then SIGKILL the group."""
        self.send(first)
        if not wait_until(lambda: not self.is_alive(), seconds):
            self.kill()

    def kill(self) -> None:
        """SIGKILL the group at once, as a crash would."""
        self.send(signal.SIGKILL)
        wait_until(lambda: not self.is_alive(), 10)


def start(
    command: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str],
    account: tuple[int, int] | None = None,
) -> Process:
    """Start ``command`` in a session of its own, output appended to ``log``; ``account`` is (uid, gid) to run as.

    Raises LabError when there is no such program.
    """
    user, group = account or (None, None)
    try:
        with log.open("ab") as output:
            child = subprocess.Popen(
                [str(part) for part in command],
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=user,
                group=group,
                extra_groups=None if account is None else [],
            )
    except OSError as error:
        raise LabError(f"Cannot start {command[0]}: {error}.") from error
    mark = _start_mark(child.pid)
    # The lab keeps no Popen object: the next command that stops this process will not have one either
    child.returncode = 0
    return Process(child.pid, mark or "ended")


def find(pid: int, word: str) -> Process | None:
    """The process ``pid`` when it runs and ``word`` is in its command line; None when it is some other one."""
    mark = _start_mark(pid)
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace")
    except OSError:
        command = _ps(pid, "command=")
    return Process(pid, mark) if mark and word in command else None


def wait_until(condition: Callable[[], bool], seconds: float, pause: float = 0.03) -> bool:
    """Ask ``condition`` until it holds (True) or ``seconds`` have passed (False)."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True


def clean_environment(**more: str) -> dict[str, str]:
    """Our environment without what would lead another program's Python, database client or server astray."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)} | more


def log_tail(log: Path, lines: int = 25) -> str:
    """The last lines of ``log``, for an error message; a sentence when there is none."""
    with contextlib.suppress(OSError):
        text = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-lines:]
        if text:
            return f"The end of {log}:\n" + "\n".join(f"  {line}" for line in text)
    return f"Nothing was written to {log}."


def _start_mark(pid: int) -> str | None:
    """When process ``pid`` started, in whatever form the system has; None when it is gone or only a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except OSError:
        return None
    else:
        # The name in parentheses may itself hold blanks and parentheses: count from the last one
        fields = text.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    return _start_mark_by_ps(pid)


def _start_mark_by_ps(pid: int) -> str | None:
    """The same where there is no /proc."""
    state, _, started = _ps(pid, "state=,lstart=").partition(" ")
    return started.strip() if started and not state.startswith("Z") else None


def _ps(pid: int, columns: str) -> str:
    command = ["ps", "-o", columns, "-p", str(pid)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except OSError:
        return ""
    return done.stdout.strip()
