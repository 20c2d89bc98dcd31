"""SMTP and IMAP on 127.0.0.1: two small servers over the same Maildir folders."""

from __future__ import annotations

import json
import smtplib
import socket
from pathlib import Path
from typing import Any, ClassVar

from isthmus.errors import LabError

from ..dataset import Size
from ..environments import make_environment, run
from ..process import Process, clean_environment, start
from ..system import LabSystem, kept_port

__all__ = ["MailServer"]

_HERE = Path(__file__).parent
_INSIDE = _HERE / "inside"
# No secret: the lab's mail is for this machine's tests only.
_PASSWORD = "mail-lab-42"  # noqa: S105
_BOUNCES = "bounces@lab.example"


class MailServer(LabSystem):
    """Every address has a mailbox. Credentials: ``bounces`` (address of the hub's mailbox for bounces) and
    ``password``, which opens every mailbox. What some addresses do is said in ``inside/smtp_server.py``."""

    name: ClassVar[str] = "mail"

    @property
    def smtp_port(self) -> int:
        """Where it takes mail, unencrypted, on 127.0.0.1."""
        return int(self.url.rpartition(":")[2])

    @property
    def imap_port(self) -> int:
        """Where mail is read, unencrypted, on 127.0.0.1. Raises LabError before the first start."""
        try:
            return int(self._imap_file.read_text())
        except FileNotFoundError:
            raise LabError(
                f"mail was never started in {self.home.parent}.", advice="Start it: isthmus lab up"
            ) from None

    @property
    def url(self) -> str:
        """Address of SMTP, the same after each restart. Raises LabError before the first start."""
        return super().url.replace("http:", "smtp:")

    @property
    def _imap_file(self) -> Path:
        return self.home / "imap.port"

    def _environment(self) -> Path:
        return make_environment("the mail server", _HERE / "requirements.txt", self._cache, self._report)

    def _sources(self) -> list[Path]:
        return sorted(_INSIDE.glob("*.py"))

    def _build(self, folder: Path, size: Size) -> dict[str, Any]:
        command: list[str | Path] = [self._environment() / "bin" / "python", _INSIDE / "build.py"]
        said = run([*command, folder, _PASSWORD, _BOUNCES], "set up the mail server")
        versions = json.loads(said)
        return {
            "version": versions["aiosmtpd"],
            "versions": versions,
            "credentials": {"bounces": _BOUNCES, "password": _PASSWORD},
            "expect": {},
            "ids": {},
        }

    def _abandon(self, folder: Path) -> None:
        """Nothing: a second server on the same folders does no harm."""

    def _launch(self, port: int) -> dict[str, Process]:
        """SMTP is the one called ``web``: it is asked whether the system answers."""
        known = int(self._imap_file.read_text()) if self._imap_file.exists() else 0
        imap = kept_port(known)
        self._imap_file.write_text(str(imap))
        programs = self._environment() / "bin"
        smtp: list[str | Path] = [programs / "python", _INSIDE / "smtp_server.py", self.home, str(port)]
        reader: list[str | Path] = [programs / "pymap", "--host", "127.0.0.1", "--port", str(imap), "--no-tls"]
        settings = clean_environment(PYTHONDONTWRITEBYTECODE="1")
        return {
            "web": start(smtp, log=self.log, cwd=self.home, environment=settings),
            "imap": start([*reader, "maildir", "mail"], log=self.log, cwd=self.home, environment=settings),
        }

    def _answers(self) -> bool:
        with smtplib.SMTP("127.0.0.1", self.smtp_port, timeout=2) as client:
            answered = client.noop()[0] == 250
        with socket.create_connection(("127.0.0.1", self.imap_port), timeout=2) as connection:
            return answered and connection.recv(16).startswith(b"* OK")
