"""Tryton served by gunicorn on a PostgreSQL of its own, with the outbox module of Isthmus."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from .. import dataset as data
from ..dataset_places import COUNTRIES
from ..environments import digest_of, make_environment, modules_folder, run
from ..postgres import LAYOUT, Postgres
from ..process import Process, clean_environment, start
from ..system import LabSystem, ask, gunicorn
from ..templates import made_once

__all__ = ["DATABASE", "Tryton"]

DATABASE = "erp"
_HERE = Path(__file__).parent
_INSIDE = _HERE / "inside"
_PASSWORDS = {"admin": "admin-tryton-42", "hub": "hub-tryton-42", "erin": "erin-tryton-42"}


class Tryton(LabSystem):
    """The ERP. Credentials: ``database``; ``admin``, ``hub``, ``erin``: each login and password; hub also key."""

    name: ClassVar[str] = "tryton"

    @property
    def database(self) -> str:
        """Name of its database."""
        return DATABASE

    def postgres(self, home: Path | None = None) -> Postgres:
        """Its PostgreSQL server, of which tests may ask what no interface tells."""
        home = home or self.home
        return Postgres(home / "pg", self._environment(), home / "postgres.log")

    def _environment(self) -> Path:
        modules = (modules_folder(), "trytond/modules/isthmus_outbox")
        return make_environment("Tryton", _HERE / "requirements.txt", self._cache, self._report, modules)

    def _sources(self) -> list[Path]:
        lab = _HERE.parent
        return [
            *sorted(_INSIDE.rglob("*.py")),
            *sorted(lab.glob("dataset*.py")),
            _HERE / "system.py",
            lab / "postgres.py",
        ]

    def _configure(self, home: Path, more: str = "") -> Path:
        path = home / "server.conf"
        uri = self.postgres(home).uri
        path.write_text(
            f"[database]\nuri = {uri}\nlanguage = en\npath = {home / 'files'}\n"
            "[session]\nmax_age = 31536000\ntimeout = 31536000\nmax_attempt = 100000\nmax_attempt_ip_network = 100000\n"
            f"{more}",
            encoding="utf-8",
        )
        return path

    def _build(self, folder: Path, size: data.Size) -> dict[str, Any]:
        dataset = data.generate(size)
        shutil.copytree(self._activated() / "pg", folder / "pg")
        with self._serving(folder) as (postgres, config):
            made = self._seed(folder, config, dataset)
            postgres.execute("VACUUM ANALYZE", DATABASE)
        people: dict[str, Any] = {login: {"login": login, "password": word} for login, word in _PASSWORDS.items()}
        people["hub"]["key"] = made["users"].pop("key")
        return {
            "version": made.pop("version"),
            "credentials": {"database": DATABASE, **people},
            "expect": dataset.expect,
            "ids": made,
        }

    def _activated(self) -> Path:
        """A template without data: activating the modules takes longest and is the same for every size."""
        script = _INSIDE / "activate.py"
        environment = self._environment()
        key = digest_of([script], environment.name, LAYOUT, _PASSWORDS["admin"])

        def make(draft: Path) -> None:
            self._report("activating the modules of Tryton (about a minute, the first time only)")
            self.postgres(draft).create()
            password = draft / "password"
            password.write_text(_PASSWORDS["admin"], encoding="utf-8")
            with self._serving(draft) as (postgres, config):
                postgres.execute(f"CREATE DATABASE {DATABASE}")
                run(
                    [environment / "bin" / "python", script, config, DATABASE],
                    "activate the modules of Tryton",
                    environment=clean_environment(TRYTONPASSFILE=str(password)),
                )
            password.unlink()

        return made_once(self._cache / "templates" / f"tryton-modules-{key}", make, self._abandon)

    def _abandon(self, folder: Path) -> None:
        self.postgres(folder).stop_stray()

    @contextlib.contextmanager
    def _serving(self, folder: Path) -> Iterator[tuple[Postgres, Path]]:
        """PostgreSQL on the data of ``folder`` while a template is made, and a configuration of Tryton for it."""
        postgres = self.postgres(folder)
        # Nothing is recorded meanwhile: what a template holds is the start, not changes
        config = self._configure(folder, "[isthmus]\nmodels = none\n")
        server = postgres.start(fast=True)
        try:
            yield postgres, config
        finally:
            postgres.stop(server)
        shutil.rmtree(postgres.socket_folder, ignore_errors=True)
        config.unlink()

    def _seed(self, folder: Path, config: Path, dataset: data.Dataset) -> dict[str, Any]:
        source, secrets, result = folder / "dataset.json", folder / "secrets.json", folder / "result.json"
        countries = [dataclasses.asdict(country) for country in COUNTRIES]
        source.write_text(json.dumps({**dataset.as_json(), "countries": countries}), encoding="utf-8")
        secrets.write_text(json.dumps(_PASSWORDS), encoding="utf-8")
        run(
            [self._environment() / "bin" / "python", _INSIDE / "seed.py", config, DATABASE, source, secrets, result],
            "seed Tryton",
        )
        made: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
        for scratch in (source, secrets, result):
            scratch.unlink()
        return made

    def _launch(self, port: int) -> dict[str, Process]:
        (self.home / "files").mkdir(exist_ok=True)
        config = self._configure(self.home)
        server = self.processes().get("postgres") or self.postgres().start()
        environment = clean_environment(
            TRYTOND_CONFIG=str(config), TRYTOND_LOGGING_LEVEL="30", LAB_DATABASE=DATABASE, PYTHONPATH=str(_INSIDE)
        )
        command = gunicorn(self._environment(), "serve:app", port, threads=8)
        try:
            web = start(command, log=self.log, cwd=self.home, environment=environment)
        except BaseException:
            self.postgres().stop(server)
            raise
        return {"web": web, "postgres": server}

    def _shut_down(self, processes: dict[str, Process]) -> None:
        if web := processes.get("web"):
            web.stop(10)
        if server := processes.get("postgres"):
            self.postgres().stop(server)

    def _answers(self) -> bool:
        body = json.dumps({"id": 1, "method": "common.server.version", "params": []}).encode()
        return ask(f"{self.url}/rpc/", body) == 200
