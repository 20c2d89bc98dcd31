"""Start, stop, kill, find again, throw away: with the real systems."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.errors import LabError
from isthmus.lab import SYSTEMS, Lab
from isthmus.lab.people import CrmUser, ErpUser

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def test_all_answer_and_say_who_they_are(lab_small: Lab) -> None:
    status = {line.name: line for line in lab_small.status()}
    assert set(status) == set(SYSTEMS) == {"tryton", "bottlecrm", "mail"}
    assert {line.state for line in status.values()} == {"up"}
    assert {line.size for line in status.values()} == {"small"}
    assert lab_small.tryton.version.startswith("8.2.")
    assert lab_small.bottlecrm.version == "1.35.0"


def test_hold_the_data_they_were_seeded_with(lab_small: Lab, erin: ErpUser, carl: CrmUser) -> None:
    expect = lab_small.tryton.expect
    assert expect == lab_small.bottlecrm.expect
    # Other tests of the session add to it
    assert len(erin.parties()) >= expect["parties"]
    assert len(carl.accounts()) >= expect["accounts"]
    assert len(carl.products()) >= expect["products_crm"]


def test_a_second_lab_of_the_same_home_finds_the_first_ones_systems(lab_small: Lab) -> None:
    again = Lab(lab_small.home)
    processes = again.tryton.processes()
    up = again.up(size="small")
    assert up["tryton"].is_up()
    assert again.tryton.processes() == processes == lab_small.tryton.processes()


def test_unknown_systems_are_named(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="no system 'sap'"):
        Lab(tmp_path).up(["sap"])


def test_before_the_first_start_it_says_how_to_start(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "nowhere")
    lab.down()
    assert [line.state for line in lab.status()] == ["stopped", "stopped", "stopped"]
    with pytest.raises(LabError, match="isthmus lab up"):
        _ = lab.tryton.url
    with pytest.raises(LabError, match="isthmus lab up"):
        _ = lab.tryton.credentials


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("a-home-whose-path-is-too-long-for-a-socket" * 3, numbered=True))


def test_life_of_a_lab(own: Lab) -> None:
    """One story, because each start costs seconds: start, change, crash, come back, stop from elsewhere, start anew."""
    try:
        up = own.up(size="small")
        urls = {name: system.url for name, system in up.items()}
        token = own.bottlecrm.credentials["carl"]["token"]
        login = own.tryton.credentials["erin"]
        account = CrmUser(urls["bottlecrm"], token).create_account("Made before the crash")
        erin = ErpUser(urls["tryton"], own.tryton.database, login["login"], login["password"])
        party = erin.create_customer("Made before the crash")

        for system in up.values():
            system.kill()
            assert not system.is_up()
            system.start()
        assert {name: system.url for name, system in up.items()} == urls
        found = CrmUser(urls["bottlecrm"], token).account(account)
        assert found is not None
        erin = ErpUser(urls["tryton"], own.tryton.database, login["login"], login["password"])
        assert erin.party(party) is not None

        code = f"from pathlib import Path; from isthmus.lab import Lab; Lab(Path({str(own.home)!r})).down()"
        subprocess.run([sys.executable, "-c", code], check=True)
        assert [line.state for line in own.status()] == ["stopped", "stopped", "stopped"]
        assert not any(system.processes() for system in own.systems.values())

        own.seed("small", ["bottlecrm"])
        assert own.bottlecrm.is_up()
        assert not own.tryton.is_up()
        assert CrmUser(own.bottlecrm.url, token).account(account) is None
    finally:
        own.down()


def test_a_system_that_cannot_start_shows_its_log(tmp_path: Path, lab_small: Lab) -> None:
    lab = Lab(tmp_path)
    lab.tryton.install(lab.tryton.prepare("small"))
    (lab.tryton.home / "pg" / "PG_VERSION").unlink()
    try:
        with pytest.raises(LabError, match="not a valid data directory"):
            lab.tryton.start()
        assert lab.tryton.processes() == {}
    finally:
        lab.down()
