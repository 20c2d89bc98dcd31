"""The stage of the demo: the lab's systems, the project, the hub as a process of its own."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection
from pathlib import Path

from isthmus.app.access import Access
from isthmus.app.approving import decide_entry
from isthmus.app.bootstrap import STATE_FOLDER, open_store
from isthmus.app.lab_project import LAB_FOLDER, write_lab_project
from isthmus.errors import LabError
from isthmus.lab import Lab
from isthmus.lab.people import CrmUser, ErpUser
from isthmus.lab.system import free_port
from isthmus.model.state import InboxEntry, InboxKind
from isthmus.store import EmbeddedServer, Reads

__all__ = ["Stage"]

PEOPLE = {
    "viewer": "Vera", "operator": "Olaf", "approver": "Anna", "sales": "Sara", "engineer": "Emil", "admin": "Ada"
}  # fmt: skip
"""Role -> who has it in the demo."""
START_SECONDS = 90.0
STOP_SECONDS = 20.0


class Stage:
    """Everything that runs. ``say`` is told what happens, one line at a time."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder, self._say = folder.absolute(), say
        self.lab = Lab(self.folder / LAB_FOLDER, report=lambda message: say(f"  {message}"))
        self._pid_file = self.folder / STATE_FOLDER / "hub.pid"
        self.log = self.folder / STATE_FOLDER / "hub.log"
        """Where the hub's log goes."""
        self._hub: subprocess.Popen[bytes] | None = None

    def set_up(self, size: str) -> None:
        """Systems installed, seeded afresh and running; a project for them; an empty hub. Raises ``LabError``."""
        self.stop_hub()
        self.lab.down()
        database = self.folder / STATE_FOLDER / "pg"
        EmbeddedServer(database).stop()
        shutil.rmtree(database, ignore_errors=True)
        self.lab.seed("small" if size == "small" else "full")
        write_lab_project(self.folder, self.lab, port=free_port())

    def erp_user(self) -> ErpUser:
        """Erin, who works in the ERP."""
        system = self.lab.tryton
        erin = system.credentials["erin"]
        return ErpUser(system.url, system.credentials["database"], erin["login"], erin["password"])

    def crm_user(self) -> CrmUser:
        """Carl, who works in the CRM."""
        system = self.lab.bottlecrm
        return CrmUser(system.url, system.credentials["carl"]["token"])

    def start_hub(self) -> None:
        """``isthmus run`` as a process of its own, ready to take webhooks. Raises ``LabError`` with its log."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            process = self._hub = subprocess.Popen(
                [sys.executable, "-m", "isthmus", "run", "-C", str(self.folder)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "ISTHMUS_LOG": "INFO"},
            )
        self._pid_file.write_text(str(process.pid))
        url = self.hub_url() + "/health"
        limit = time.monotonic() + START_SECONDS
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > limit:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise LabError(f"The hub did not start. The end of {self.log}:\n{tail}")
            time.sleep(0.1)

    def hub_url(self) -> str:
        """Where the hub listens."""
        for line in (self.folder / "isthmus.toml").read_text().splitlines():
            if line.startswith("public_url"):
                return line.split('"')[1]
        raise LabError("isthmus.toml names no public_url.")

    def hub_pid(self) -> int | None:
        """Process id of the demo's hub, None when it does not run."""
        try:
            pid = int(self._pid_file.read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if b"isthmus" in command else None

    def open_conflict(self, field: str, records: Collection[tuple[str, str, str]]) -> InboxEntry | None:
        """The open inbox entry about a conflict of this field in one of these records (system, resource, key)."""
        entries = asyncio.run(self._conflicts(records))
        return next((entry for entry in entries if field in entry.detail["fields"]), None)

    def decide(self, entry: str, choice: str) -> None:
        """Decide an inbox entry, as ``isthmus inbox decide`` does."""
        asyncio.run(decide_entry(self.folder, entry, choice, by="erin", fields={}, item=None))

    async def _conflicts(self, records: Collection[tuple[str, str, str]]) -> list[InboxEntry]:
        async with open_store(self.folder) as (_, store):
            reads = Reads(store)
            links = [link.id for record in records for link in await reads.links_of_record(*record)]
            return [e for e in await reads.entries_about(links) if e.kind is InboxKind.CONFLICT]

    def people(self) -> dict[str, str]:
        """Somebody of each role for the console: login -> password, made anew each time."""
        return asyncio.run(self._people())

    def buyer(self, customer: str) -> tuple[str, str]:
        """Somebody of a customer, for the shop: login and password, made anew each time."""
        return asyncio.run(self._buyer(customer))

    async def _buyer(self, customer: str) -> tuple[str, str]:
        login, password = "bo@buyer.example", secrets.token_urlsafe(9)
        async with open_store(self.folder) as (_, store):
            access = Access(store)
            if await access.people.person(login) is None:
                item = await access.customer(customer)
                await access.add_person(login, "Bo", ["customer"], password, by="demo", customer=item.id)
            else:
                await access.set_password(login, password, by="demo")
        return login, password

    async def _people(self) -> dict[str, str]:
        made: dict[str, str] = {}
        async with open_store(self.folder) as (_, store):
            access = Access(store)
            for role, name in PEOPLE.items():
                login, password = f"{name.lower()}@demo.example", secrets.token_urlsafe(9)
                roles = [role, "cost"] if role in ("engineer", "approver") else [role]
                if await access.people.person(login) is None:
                    await access.add_person(login, name, roles, password, by="demo")
                else:
                    await access.set_password(login, password, by="demo")
                made[login] = password
        return made

    def stop_hub(self) -> None:
        """Stop the hub that this or an earlier demo left running."""
        pid = self.hub_pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        limit = time.monotonic() + STOP_SECONDS
        while self.hub_pid() is not None:
            if time.monotonic() > limit:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        if self._hub is not None:
            self._hub.wait(STOP_SECONDS)
            self._hub = None
        self._pid_file.unlink(missing_ok=True)

    def tear_down(self) -> None:
        """Stop everything; data stays."""
        self.stop_hub()
        self.lab.down()
        EmbeddedServer(self.folder / STATE_FOLDER / "pg").stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except OSError:
        return False
