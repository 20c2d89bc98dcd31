"""Programs outlive their starter, are stopped by id, and a foreign process with the same id is left alone."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.errors import LabError
from isthmus.lab.process import Process, clean_environment, find, log_tail, start, wait_until


def _sleeper(tmp_path: Path, code: str = "import time; print('up', flush=True); time.sleep(60)") -> Process:
    log = tmp_path / "log"
    process = start([sys.executable, "-c", code], log=log, cwd=tmp_path, environment=clean_environment())
    assert wait_until(lambda: log.exists() and "up" in log.read_text(), 20)
    return process


def test_stops_in_good_order(tmp_path: Path) -> None:
    process = _sleeper(tmp_path)
    assert process.is_alive()
    process.stop(5)
    assert not process.is_alive()


def test_kills_what_does_not_listen(tmp_path: Path) -> None:
    code = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    process = _sleeper(tmp_path, code)
    process.stop(0.3)
    assert not process.is_alive()


def test_kills_children_too(tmp_path: Path) -> None:
    code = (
        "import subprocess,sys,time; c=subprocess.Popen([sys.executable,'-c','import time; time.sleep(60)']); "
        "print('up', c.pid, flush=True); time.sleep(60)"
    )
    process = _sleeper(tmp_path, code)
    child = int((tmp_path / "log").read_text().split()[1])
    process.kill()
    assert wait_until(lambda: not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text(), 5)


def test_never_touches_a_process_that_only_has_the_same_id(tmp_path: Path) -> None:
    process = _sleeper(tmp_path)
    other = Process(process.pid, "another time")
    assert not other.is_alive()
    other.kill()
    assert process.is_alive()
    process.send(signal.SIGKILL)
    assert wait_until(lambda: not process.is_alive(), 5)


def test_finds_a_process_only_by_what_it_runs(tmp_path: Path) -> None:
    process = _sleeper(tmp_path)
    assert find(process.pid, "time.sleep(60)") == process
    assert find(process.pid, "something else") is None
    process.kill()
    assert find(process.pid, "time.sleep(60)") is None


def test_outlives_the_program_that_started_it(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from isthmus.lab.process import start, clean_environment as e; "
        f"here = Path({str(tmp_path)!r}); "
        "p = start([sys.executable, '-c', 'import time; time.sleep(60)'], log=here/'log', cwd=here, environment=e()); "
        "print(p.pid, p.started)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    pid, started = done.stdout.split()
    process = Process(int(pid), started)
    assert process.is_alive()
    process.kill()
    assert not process.is_alive()


def test_says_what_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no-such-program"):
        start(["/no-such-program"], log=tmp_path / "log", cwd=tmp_path, environment={})


def test_shows_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert "Nothing was written" in log_tail(log)
    log.write_text("\n".join(f"line {number}" for number in range(100)))
    assert "line 99" in log_tail(log)
    assert "line 10\n" not in log_tail(log)


def test_leads_no_other_python_astray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "wrong")
    environment = clean_environment(LAB_HOME="/here")
    assert "PYTHONPATH" not in environment
    assert "DJANGO_SETTINGS_MODULE" not in environment
    assert environment["LAB_HOME"] == "/here"
