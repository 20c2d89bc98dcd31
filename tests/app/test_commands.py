"""Commands that need no system: exit codes and JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.office import isthmus


def test_init_makes_a_project_that_lacks_only_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "acme"
    said = isthmus("init", folder, "--crm-url", "https://crm.acme.example", "--erp-login", "isthmus", "--json")
    assert said.code == 0
    assert all(Path(name).is_relative_to(folder) or (folder / name).exists() for name in said.json["files"])
    assert "https://crm.acme.example" in (folder / "isthmus.toml").read_text()
    monkeypatch.delenv("CRM_TOKEN", raising=False)
    monkeypatch.delenv("ERP_PASSWORD", raising=False)
    lacking = isthmus("check", "--json", "-C", folder)
    assert lacking.code == 2
    assert {"CRM_TOKEN", "ERP_PASSWORD"} <= set(
        lacking.out.replace('"', " ").replace("'", " ").replace(".", " ").split()
    )
    monkeypatch.setenv("CRM_TOKEN", "a-token-of-the-test")
    monkeypatch.setenv("ERP_PASSWORD", "a-password-of-the-test")
    sound = isthmus("check", "--json", "-C", folder)
    assert sound.code == 0, sound
    assert set(sound.json["systems"]) == {"crm", "erp"}
    assert "of-the-test" not in sound.out + sound.err


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "isthmus.toml").write_text("# mine")
    said = isthmus("init", tmp_path, "--json")
    assert said.code == 2
    assert (tmp_path / "isthmus.toml").read_text() == "# mine"


def test_a_folder_without_a_project_is_a_wrong_command(tmp_path: Path) -> None:
    for words in (("check",), ("plan",), ("sync",), ("status",), ("inbox", "list"), ("retry",), ("trace", "1")):
        said = isthmus(*words, "-C", tmp_path, "--json")
        assert said.code == 2, words
        assert "isthmus.toml" in said.out + said.err


def test_an_unknown_command_or_option_is_a_wrong_command(tmp_path: Path) -> None:
    assert isthmus("syncc").code == 2
    assert isthmus("plan", "--for-ever").code == 2
    assert isthmus("lab", "up", "--size", "huge", "-C", tmp_path).code == 2


def test_version_and_help_are_answered() -> None:
    assert isthmus("--version").out.startswith("isthmus ")
    for words in ((), ("inbox",), ("lab",), ("new",)):
        assert "Usage" in isthmus(*words, "--help").out


def test_lab_status_of_a_folder_without_a_lab(tmp_path: Path) -> None:
    said = isthmus("lab", "status", "-C", tmp_path, "--json")
    assert said.code == 1
    assert {one["name"]: one["state"] for one in said.json} == dict.fromkeys(("tryton", "bottlecrm", "mail"), "stopped")


def test_new_connector_says_what_it_made_and_refuses_bad_names(tmp_path: Path) -> None:
    said = isthmus("new", "connector", "acme", "--folder", tmp_path / "acme", "--json")
    assert said.code == 0
    assert all(Path(name).is_file() for name in said.json["files"])
    bad = isthmus("new", "connector", "9 lives", "--folder", tmp_path / "bad", "--json")
    assert bad.code == 2
    assert not (tmp_path / "bad").exists()
