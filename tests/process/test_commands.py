"""Processes started and told things from the command line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from isthmus.app.bootstrap import clock, read_project
from isthmus.cli.root import app
from isthmus.errors import Misconfigured, NeedsPerson
from isthmus.process.turn import take_turn
from isthmus.store import PostgresStore
from tests.process.workers import far_rows, make_project


def test_a_process_is_started_and_told_from_the_command_line(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_project(tmp_path / "project", database_url)
    monkeypatch.setenv("ISTHMUS_DATABASE_URL", database_url)
    monkeypatch.setenv("FAR_URL", database_url)
    monkeypatch.chdir(folder)

    def ask(*words: str) -> Any:
        said = CliRunner().invoke(app, ["process", *words, "--json"], catch_exceptions=False)
        assert said.exit_code == 0, said.output
        return json.loads(said.output)

    def turn(id: str) -> None:
        async def take() -> None:
            async with await PostgresStore.open(database_url, migrated=True) as store:
                await take_turn(store, read_project(folder).processes, id, clock=clock, jitter=lambda: 0.0)

        asyncio.run(take())

    given = '{"amount": 5, "patience": 600}'
    assert ask("start", "approval", "--input", given, "--id", "p1") == {"process": "p1", "started": True}
    assert ask("start", "approval", "--input", given, "--id", "p1") == {"process": "p1", "started": False}
    assert ask("start", "approval", "--input", given)["process"] != "p1"
    turn("p1")
    assert ask("show", "p1")["process"]["state"] == "waiting"
    told = ("signal", "p1", "decision", "--value", '"yes"', "--by", "anna", "--id", "click")
    assert ask(*told) == {"process": "p1", "told": True}
    assert ask(*told) == {"process": "p1", "told": False}
    turn("p1")
    assert ("p1/order", "yes by anna") in far_rows(database_url, "far_effect")

    with pytest.raises(Misconfigured, match="There is no process 'nothing'"):
        ask("start", "nothing")
    with pytest.raises(NeedsPerson, match="There is no process nobody"):
        ask("signal", "nobody", "decision")
    wrong = CliRunner().invoke(app, ["process", "start", "approval", "--input", "{"])
    assert (wrong.exit_code, "no JSON" in wrong.output) == (2, True)
