"""Bad weather: an office whose hub reaches both systems only through proxies that spoil what passes."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isthmus.lab.json_client import send
from isthmus.testing import FaultyProxy, Request
from tests.e2e.office import Office

__all__ = ["PATIENCE", "Weather", "bad_weather", "says"]

PATIENCE = 8.0
"""Seconds that the hub waits for an answer here; well above what the systems need on a busy machine."""
SYSTEMS = ("crm", "erp")


class Weather:
    """The two proxies; faults are added to them directly (``weather.erp.fail(...)``)."""

    def __init__(self, office: Office, crm: FaultyProxy, erp: FaultyProxy, loop: asyncio.AbstractEventLoop) -> None:
        self.office, self.crm, self.erp = office, crm, erp
        self.sound = office.project.read_text()
        """``isthmus.toml`` as it is in good weather."""
        self._loop = loop
        self._started = 0
        self.hook_secret = ""
        """What the CRM signs its webhooks with."""
        self.hint_secret = (office.folder / "secrets" / "erp-hint-secret").read_text()
        """What the ERP signs its hints with."""

    def proxy(self, system: str) -> FaultyProxy:
        """What stands before this system."""
        return self.crm if system == "crm" else self.erp

    def down(self, system: str) -> None:
        """The system refuses connections from now on."""
        self._do(self.proxy(system).stop())

    def heal(self) -> None:
        """All is well again."""
        for system in SYSTEMS:
            self._do(self.proxy(system).heal())

    def log(self) -> str:
        """What the hub logged since the weather began."""
        return self.office.hub_log()[self._started :]

    @contextmanager
    def encrypted(self, system: str, tls: Path) -> Iterator[str]:
        """Address at which the system speaks HTTPS, with the certificate in this folder: it signed itself, is good for
        a hundred years, and its key opens nothing else."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls / "certificate.pem", tls / "key.pem")
        proxy = FaultyProxy(self.proxy(system).url, tls=context)
        self._do(proxy.heal())
        yield proxy.url
        self._do(proxy.stop())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def project(self) -> str:
        """``isthmus.toml`` with the proxies' addresses, little patience, and a secret of the CRM's webhook that the
        hub is told instead of making one."""
        self.hook_secret = _rotated_secret(self.office)
        self.office.secret("crm-webhook-secret", self.hook_secret)
        self._started = len(self.office.hub_log())
        text = self.sound
        for system, real in (("crm", self.office.lab.bottlecrm.url), ("erp", self.office.lab.tryton.url)):
            assert f'url = "{real}"' in text
            lines = f'url = "{self.proxy(system).url}"\nhttp = {{read_timeout = {PATIENCE}}}'
            text = text.replace(f'url = "{real}"', lines)
        return text.replace("admin_token =", 'webhook_secret = "file:secrets/crm-webhook-secret"\nadmin_token =')


def says(*words: str) -> Callable[[Request], bool]:
    """Requests in whose address or body all these words stand."""
    wanted = [word.encode() for word in words]
    return lambda request: all(word in request.path.encode() + b" " + request.body for word in wanted)


@contextmanager
def bad_weather(office: Office) -> Iterator[Weather]:
    """The hub is stopped, and its project leads through proxies; afterwards everything is as before, the hub runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="weather", daemon=True)
    thread.start()
    weather = Weather(office, FaultyProxy(office.lab.bottlecrm.url), FaultyProxy(office.lab.tryton.url), loop)
    weather.heal()
    office.stage.stop_hub()
    try:
        office.project.write_text(weather.project())
        yield weather
    finally:
        office.stage.stop_hub()
        office.project.write_text(weather.sound)
        office.stage.start_hub()
        for system in SYSTEMS:
            weather.down(system)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def _rotated_secret(office: Office) -> str:
    """A new signing secret of the hub's webhook in the CRM, which tells it only once."""
    headers = {"Authorization": f"Bearer {office.lab.bottlecrm.credentials['hub']['jwt']}"}
    hooks = f"{office.lab.bottlecrm.url}/api/webhooks/"
    ours = [
        hook
        for hook in send("GET", hooks, None, headers=headers, encode=str)["endpoints"]
        if hook["url"] == f"{office.stage.hub_url()}/hooks/crm"
    ]
    made = send("POST", f"{hooks}{ours[0]['id']}/rotate-secret/", {}, headers=headers, encode=str)
    return str(made["secret"])
