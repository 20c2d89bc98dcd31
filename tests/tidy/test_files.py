"""Nothing in the repository depends on one machine or one registry; the lock files are whole."""

import ast
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.tidy.tree import ROOT, relative, tracked_files

# In two parts, so that this file does not name what it looks for.
FOREIGN = (
    "pypi" + ".org",
    "files.python" + "hosted",
    "registry.npm" + "js",
    "/ro" + "ot/",
    "/wo" + "rk/",
)
# Files that must name one of these, and why.
EXCUSED: dict[str, str] = {}

LOCKS = ("run.lock", "dev.lock", "bootstrap.lock")


def test_no_file_names_a_registry_or_a_path_of_one_machine() -> None:
    found: list[str] = []
    for path in tracked_files():
        if relative(path) in EXCUSED:
            continue
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), 1):
            found.extend(f"{relative(path)}:{number}: {text}" for text in FOREIGN if text in line)
    assert not found, "\n  ".join(["these belong to one machine or one registry:", *found[:40]])


def pins(lock: str) -> dict[str, str]:
    """Package → version of a lock file."""
    text = (ROOT / "requirements" / lock).read_text()
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_files_hold_hashes_and_no_address(lock: str) -> None:
    text = (ROOT / "requirements" / lock).read_text()
    assert "://" not in text
    for entry in re.split(r"\n(?=\S)", text.strip()):
        if not entry.startswith("#"):
            assert "--hash=sha256:" in entry, f"{lock}: {entry.splitlines()[0]} has no hash"


def test_the_lock_file_of_node_packages_holds_hashes_and_no_address() -> None:
    found = [path for path in tracked_files() if path.name == "package-lock.json"]
    assert found
    for path in found:
        packages = json.loads(path.read_text())["packages"]
        for name, package in packages.items():
            assert "resolved" not in package, name
            assert not name or package["integrity"].startswith("sha512-"), name


def test_lock_files_agree() -> None:
    run, dev, bootstrap = (pins(lock) for lock in LOCKS)
    assert run.items() <= dev.items(), "make lock: dev.lock and run.lock differ"
    assert bootstrap == {"uv": run["uv"]}, "make lock: bootstrap.lock and run.lock differ"


@pytest.fixture(scope="module")
def bootstrap() -> ModuleType:
    """The set-up script, loaded without running it."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "scripts" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_set_up_reads_as_an_old_python_would() -> None:
    source = (ROOT / "scripts" / "bootstrap.py").read_text()
    ast.parse(source, feature_version=(3, 7))


def test_set_up_passes_by_an_interpreter_that_does_not_run(
    bootstrap: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "shims" / f"python{bootstrap.VERSIONS[0]}"
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    real = tmp_path / "pyenv" / "versions" / f"{bootstrap.VERSIONS[0]}.0" / "bin" / "python3"
    real.parent.mkdir(parents=True)
    real.write_text(f"#!/bin/sh\necho cpython {bootstrap.VERSIONS[0]} 0 {real}\n")
    real.chmod(0o755)
    monkeypatch.setenv("PATH", str(shim.parent))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.delenv("ISTHMUS_PYTHON", raising=False)
    assert bootstrap.find_python() == str(real)


def test_set_up_says_which_wish_it_cannot_grant(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISTHMUS_PYTHON", "/nowhere/python3.12")
    with pytest.raises(bootstrap.SetupFailed, match="ISTHMUS_PYTHON=/nowhere"):
        bootstrap.find_python()
