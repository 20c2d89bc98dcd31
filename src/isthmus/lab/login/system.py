"""panva's oidc-provider on 127.0.0.1, with some people of an office and the clients that were registered."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path
from typing import Any, ClassVar

from isthmus.errors import LabError

from ..dataset import Size
from ..environments import digest_of, locked, run
from ..process import Process, clean_environment, start
from ..system import LabSystem, ask

__all__ = ["LoginProvider"]

_INSIDE = Path(__file__).parent / "inside"
_OLDEST_NODE = 20
# No secret: these people exist in this machine's tests only.
_PASSWORD = "login-lab-42"  # noqa: S105
_PEOPLE: dict[str, dict[str, Any]] = {
    "ann": {"name": "Ann Engels", "groups": ["office", "hub-engineers", "hub-admins"]},
    "sam": {"name": "Sam Sales 销售", "groups": ["office", "sales"]},
    "gus": {"name": "Gus Guest", "groups": ["visitors"]},
    "uma": {"name": "Uma Unverified", "groups": ["office", "sales"], "email_verified": False},
}


class LoginProvider(LabSystem):
    """Not among the systems that ``lab up`` starts by itself: it needs node. Credentials: ``client_id``,
    ``client_secret`` of the hub's client, and ``password``, which everybody has; ``people`` are their login names."""

    name: ClassVar[str] = "login"

    def register(self, hub: str, *back: str) -> None:
        """Let browsers come back to these paths of the hub at address ``hub``, and to ``/sign-in`` after signing out;
        restarts it when it runs."""
        client = {
            "client_id": self.credentials["client_id"],
            "client_secret": self.credentials["client_secret"],
            "redirect_uris": [hub + path for path in back],
            "post_logout_redirect_uris": [f"{hub}/sign-in"],
            "response_types": ["code"],
            "grant_types": ["authorization_code"],
        }
        _write(self.home / "clients.json", [client])
        self._again()

    def change(self, login: str, **claims: Any) -> None:
        """What the provider says of somebody from now on."""
        accounts = json.loads((self.home / "accounts.json").read_text(encoding="utf-8"))
        for one in accounts.values():
            if one["login"] == login:
                one["claims"] |= claims
        _write(self.home / "accounts.json", accounts)

    def change_keys(self) -> None:
        """Sign with a new key, as providers do now and then; restarts it when it runs."""
        (self.home / "keys.json").unlink(missing_ok=True)
        self._again()

    def _again(self) -> None:
        if self.processes():
            self.stop()
            self.start()

    def _environment(self) -> Path:
        """Its folder ``node_modules``, as the lock file says, without any script of a package being run."""
        node, npm = _program("node"), _program("npm")
        version = run([node, "--version"], "ask node for its version").strip()
        if int(version.lstrip("v").partition(".")[0]) < _OLDEST_NODE:
            raise LabError(f"node {version} is too old for the login provider.", advice=f"It needs {_OLDEST_NODE}.")
        # node looks for packages beside the program.
        inside = [_INSIDE / name for name in ("package.json", "package-lock.json", "server.mjs")]
        folder = self._cache / "environments" / f"login-{digest_of(inside, version)}"
        with locked(folder.with_name(folder.name + ".lock")):
            if not (folder / "isthmus-complete").exists():
                self._report("installing the login provider (some seconds the first time)")
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
                for file in inside:
                    shutil.copy(file, folder)
                run(
                    [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", folder],
                    "install the login provider",
                    advice="The download needs a network; proxies and mirrors are set as for npm (.npmrc).",
                )
                (folder / "isthmus-complete").touch()
        return folder

    def _sources(self) -> list[Path]:
        return [_INSIDE / "server.mjs", Path(__file__)]

    def _build(self, folder: Path, size: Size) -> dict[str, Any]:
        installed = self._environment() / "node_modules" / "oidc-provider" / "package.json"
        accounts = {
            f"subject-{number:03}": {
                "login": login,
                "password": _PASSWORD,
                "claims": {"email": f"{login}@lab.example", "email_verified": True, **claims},
            }
            for number, (login, claims) in enumerate(_PEOPLE.items(), 1)
        }
        _write(folder / "accounts.json", accounts)
        _write(folder / "clients.json", [])
        _write(folder / "secrets.json", {"cookies": secrets.token_urlsafe(24)})
        return {
            "version": json.loads(installed.read_text(encoding="utf-8"))["version"],
            "credentials": {
                "client_id": "isthmus",
                "client_secret": secrets.token_urlsafe(24),
                "password": _PASSWORD,
                "people": list(_PEOPLE),
            },
            "expect": {},
            "ids": {},
        }

    def _abandon(self, folder: Path) -> None:
        """Nothing: a second server on the same folder does no harm."""

    def _launch(self, port: int) -> dict[str, Process]:
        command: list[str | Path] = [_program("node"), self._environment() / "server.mjs", self.home, str(port)]
        settings = {name: value for name, value in clean_environment().items() if not name.startswith("NODE_")}
        return {"web": start(command, log=self.log, cwd=self.home, environment=settings)}

    def _answers(self) -> bool:
        return ask(f"{self.url}/.well-known/openid-configuration") == 200


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise LabError(f"There is no {name} on this machine.", advice="Debian and Ubuntu: apt-get install nodejs npm")
    return found


def _write(path: Path, value: Any) -> None:
    """Whole or not at all: the server may be reading it."""
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
    draft.replace(path)
