"""A new connector from the scaffold keeps the contract and is typed, as it comes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from isthmus.app.scaffold import new_connector
from isthmus.errors import Misconfigured


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work") / "acme"
    new_connector("acme-crm", folder)
    return folder


def _run(package: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(package / "src"), "MYPYPATH": str(package / "src")}
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=package, env=environment, capture_output=True, text=True, check=False
    )


def test_contract_of_the_new_connector_passes_at_once(package: Path) -> None:
    done = _run(package, "pytest", "-q", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed is not None
    assert int(passed[1]) > 35


def test_new_connector_is_strictly_typed_and_tidy(package: Path) -> None:
    done = _run(package, "mypy", "--strict", "--cache-dir", str(package / ".cache"), "src", "tests")
    assert done.returncode == 0, done.stdout
    done = _run(package, "ruff", "check", "--isolated", "--line-length", "120", "--select", "E,F,I,B,UP", ".")
    assert done.returncode == 0, done.stdout
    done = _run(package, "ruff", "format", "--isolated", "--line-length", "120", "--check", ".")
    assert done.returncode == 0, done.stdout


def test_new_connector_is_a_plug_in_for_the_registry(package: Path) -> None:
    project = tomllib.loads((package / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["isthmus.connectors"] == {"acme_crm": "isthmus_acme_crm:connector"}
    # What an installer would write, so that the registry finds it in a process of its own.
    info = package / "src" / "isthmus_acme_crm-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: isthmus-acme-crm\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[isthmus.connectors]\nacme_crm = isthmus_acme_crm:connector\n")
    script = package / "find_it.py"
    script.write_text(
        "from isthmus.connectors import find, kinds\nprint(find('acme_crm').kind, 'acme_crm' in kinds())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(package / "src")}
    done = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.stdout.split() == ["acme_crm", "True"], done.stderr
    script.unlink()


def test_nothing_is_left_of_the_templates(package: Path) -> None:
    written = [
        path for path in package.rglob("*") if path.is_file() and path.suffix in (".py", ".md", ".toml", ".yaml")
    ]
    assert len(written) >= 8
    assert not [path for path in written if "{{" in path.read_text() and "isthmus_" in str(path)]


def test_files_are_never_overwritten(tmp_path: Path) -> None:
    written = new_connector("acme", tmp_path)
    assert all(path.is_file() for path in written)
    (tmp_path / "README.md").write_text("mine")
    before = {path: path.read_bytes() for path in written}
    with pytest.raises(Misconfigured, match="exists already"):
        new_connector("acme", tmp_path)
    assert {path: path.read_bytes() for path in written} == before


@pytest.mark.parametrize("name", ["", "a", "Ünit", "9lives", "two words", "class", "../up", "x" * 41, "end_"])
def test_names_that_cannot_be_kinds_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="cannot be the kind"):
        new_connector(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["tryton", "rest", "memory"])
def test_names_that_are_taken_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="already"):
        new_connector(name, tmp_path)
