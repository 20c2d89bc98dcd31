"""What is made once is whole or absent, and made by one process only."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest

from isthmus.errors import LabError
from isthmus.lab.environments import cache_folder, digest_of, run
from isthmus.lab.templates import made_once


def _slowly(folder: Path) -> None:
    with (folder.parent / "calls").open("a") as calls:
        calls.write("call\n")
    (folder / "first").write_text("1")
    time.sleep(0.3)
    (folder / "second").write_text("2")


def _make(folder: str) -> None:
    made_once(Path(folder), _slowly)


def test_two_processes_make_it_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_make, args=(str(tmp_path / "made"),)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join(60)
        assert process.exitcode == 0
    assert (tmp_path / "calls").read_text() == "call\n"
    assert (tmp_path / "made" / "second").read_text() == "2"


def test_a_failed_attempt_leaves_nothing_and_the_next_one_succeeds(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_text("x")
        raise LabError("no network")

    with pytest.raises(LabError, match="no network"):
        made_once(tmp_path / "made", fail)
    assert not (tmp_path / "made").exists()
    made_once(tmp_path / "made", _slowly)
    assert not (tmp_path / "made" / "half").exists()


def test_what_a_killed_process_left_is_thrown_away(tmp_path: Path) -> None:
    draft = tmp_path / "made.draft"
    draft.mkdir()
    (draft / "half").write_text("x")
    abandoned: list[Path] = []
    made_once(tmp_path / "made", _slowly, abandoned.append)
    assert abandoned == [draft]
    assert not (tmp_path / "made" / "half").exists()


def test_digest_changes_with_contents_names_and_words(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("a")
    two.write_text("a")
    assert digest_of([one]) == digest_of([one])
    assert len({digest_of([one]), digest_of([two]), digest_of([one], "small"), digest_of([one, two])}) == 4


def test_a_failing_program_is_shown_with_the_end_of_its_output() -> None:
    with pytest.raises(LabError, match=r"(?s)Cannot try it: sh ended with 3.*what it said.*Look there"):
        run(["sh", "-c", "echo what it said; exit 3"], "try it", advice="Look there.")
    with pytest.raises(LabError, match="Cannot try it"):
        run(["/no/such/program"], "try it")


def test_cache_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ISTHMUS_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / "lab"
    monkeypatch.delenv("ISTHMUS_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "isthmus" / "lab"
