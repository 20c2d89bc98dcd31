"""BottleCRM served by gunicorn on a SQLite file of its own."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any, ClassVar

from .. import dataset as data
from ..environments import make_environment, run
from ..process import Process, clean_environment, start
from ..system import LabSystem, ask, gunicorn

__all__ = ["BottleCrm"]

_HERE = Path(__file__).parent
_INSIDE = _HERE / "inside"
_PASSWORDS = {"hub": "hub-bottle-42", "carl": "carl-bottle-42"}


class BottleCrm(LabSystem):
    """The CRM. Credentials: ``hub`` and ``carl``, each with email, password, token (data) and jwt (webhooks)."""

    name: ClassVar[str] = "bottlecrm"

    def _environment(self) -> Path:
        return make_environment("BottleCRM", _HERE / "requirements.txt", self._cache, self._report)

    def _sources(self) -> list[Path]:
        return [*sorted(_INSIDE.rglob("*.py")), *sorted(_HERE.parent.glob("dataset*.py"))]

    def _settings(self, home: Path, **more: str) -> dict[str, str]:
        return clean_environment(
            DJANGO_SETTINGS_MODULE="lab_settings",
            PYTHONPATH=str(_INSIDE),
            PYTHONDONTWRITEBYTECODE="1",
            LAB_HOME=str(home),
            # No secret: it signs the tokens of a system that only this machine can reach
            SECRET_KEY="isthmus-lab-isthmus-lab-isthmus-lab-isthmus-lab",  # noqa: S106
            ENV_TYPE="dev",
            DEBUG="True",
            **more,
        )

    def _build(self, folder: Path, size: data.Size) -> dict[str, Any]:
        dataset = data.generate(size)
        source, secrets, result = folder / "dataset.json", folder / "secrets.json", folder / "result.json"
        source.write_text(json.dumps(dataset.as_json()), encoding="utf-8")
        secrets.write_text(json.dumps(_PASSWORDS), encoding="utf-8")
        run(
            [self._environment() / "bin" / "python", _INSIDE / "build.py", source, secrets, result],
            "set up BottleCRM",
            environment=self._settings(folder, LAB_BUILDING="1"),
        )
        made = json.loads(result.read_text(encoding="utf-8"))
        for scratch in (source, secrets, result):
            scratch.unlink()
        with sqlite3.connect(folder / "crm.sqlite3") as database:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        people = {
            login: {"email": f"{login}@lab.example", "password": password, **made[login]}
            for login, password in _PASSWORDS.items()
        }
        return {
            "version": made["version"],
            "credentials": people,
            "expect": dataset.expect,
            "ids": {"org": made["org"]},
        }

    def _abandon(self, folder: Path) -> None:
        """Nothing: it has no server but the web server, and a second one on the same file does no harm."""

    def _launch(self, port: int) -> dict[str, Process]:
        command = gunicorn(self._environment(), "crm.wsgi:application", port, threads=8)
        return {"web": start(command, log=self.log, cwd=self.home, environment=self._settings(self.home))}

    def _answers(self) -> bool:
        return ask(f"{self.url}/healthz/") == 200
