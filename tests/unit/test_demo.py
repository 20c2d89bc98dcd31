"""The demo's end, also an early one."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from isthmus.cli.demo import play


class FakeStage:
    """Is told to end while it sets everything up."""

    ended: int

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder, self.log = folder, folder / "hub.log"
        FakeStage.ended = 0

    def set_up(self, size: str) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    def tear_down(self) -> None:
        FakeStage.ended += 1


@pytest.fixture(autouse=True)
def _handled() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    yield
    signal.signal(signal.SIGTERM, before)


def test_who_ends_a_demo_early_leaves_nothing_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = sys.modules["isthmus.cli.demo.play"]
    monkeypatch.setattr(module, "Stage", FakeStage)
    monkeypatch.setattr(module, "log_to", lambda log: None)
    with pytest.raises(SystemExit):
        play(tmp_path, "small", Console(file=io.StringIO()), stop_after=True)
    assert FakeStage.ended == 1
