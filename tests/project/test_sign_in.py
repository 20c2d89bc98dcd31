"""[sign_in] of isthmus.toml: what it becomes, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.app.access import ROLES
from isthmus.project import OpenIdSettings, SignInSettings, is_safe_address
from isthmus.project.sign_in import STAFF_ROLES
from tests.project.folder import SETTINGS, faults, load

GOOD = """
[sign_in]
issuer = "https://login.example"
client_id = "hub"
client_secret = "env:LOGIN_SECRET"
link_by_email = true
"""
ENVIRON = {"CRM_TOKEN": "hunter2", "LOGIN_SECRET": "hunter2-login"}


def wrong(folder: Path, text: str, settings: str = SETTINGS) -> list[str]:
    """The faults, without their places."""
    return [one.partition(": ")[2] for one in faults(folder, {"isthmus.toml": settings + text}, ENVIRON)]


def test_a_provider_is_read_with_its_defaults(tmp_path: Path) -> None:
    project = load(tmp_path, {"isthmus.toml": SETTINGS + GOOD}, ENVIRON)
    assert project.sign_in == SignInSettings(
        provider=OpenIdSettings(
            issuer="https://login.example",
            client_id="hub",
            client_secret="hunter2-login",
            name="login.example",
            link_by_email=True,
        )
    )
    assert "hunter2" not in repr(project.sign_in)


def test_groups_have_one_role_or_several_and_openid_is_always_asked_for(tmp_path: Path) -> None:
    more = GOOD + 'scopes = ["groups"]\n[sign_in.roles]\n"CN=Hub, OU=x" = "admin"\nsales = ["sales", "viewer"]\n'
    provider = load(tmp_path, {"isthmus.toml": SETTINGS + more}, ENVIRON).sign_in.provider
    assert provider is not None
    assert provider.roles == {"CN=Hub, OU=x": ("admin",), "sales": ("sales", "viewer")}
    assert provider.scopes == ("openid", "groups")


def test_without_the_table_people_have_passwords(tmp_path: Path) -> None:
    assert load(tmp_path, {"isthmus.toml": SETTINGS}).sign_in == SignInSettings()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (GOOD.replace("env:LOGIN_SECRET", "hunter2"), "'client_secret' holds a secret."),
        (GOOD.replace("https:", "http:"), "'issuer' must start with https://"),
        (GOOD.replace("link_by_email = true\n", ""), "[sign_in] gives nobody a role."),
        (GOOD.replace('client_id = "hub"\n', ""), "[sign_in] has no 'client_id'."),
        (GOOD + "pasword = false\n", "Unknown key of [sign_in] 'pasword'. Did you mean 'passwords'?"),
        (GOOD + 'passwords = "no"\n', "'passwords' must be true or false"),
        (GOOD + '[sign_in.roles]\nx = "adnim"\n', "Unknown role 'adnim'. Did you mean 'admin'?"),
        (GOOD + '[sign_in.roles]\nx = "customer"\n', "Unknown role 'customer'."),
        ("[sign_in]\npasswords = false\n", "Without passwords and without a provider nobody could sign in."),
        ('[sign_in]\nclient_id = "hub"\n', "[sign_in] has 'client_id' but no 'issuer'."),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, fault: str) -> None:
    (told,) = wrong(tmp_path, text)
    assert told.startswith(fault)


def folder(above: Path, number: int) -> Path:
    (above / str(number)).mkdir()
    return above / str(number)


def test_codes_are_never_sent_unencrypted(tmp_path: Path) -> None:
    for number, line in enumerate(('listen = "0.0.0.0:80"', 'public_url = "http://hub.example"')):
        (told,) = wrong(folder(tmp_path, number), GOOD, SETTINGS.replace("[hub]\n", f"[hub]\n{line}\n"))
        assert told.startswith("People who come back from the provider would send their codes unencrypted."), line
    good = ('listen = "0.0.0.0:80"\npublic_url = "https://hub.example"', 'public_url = "http://[::1]:8420"')
    for number, line in enumerate(good, 2):
        load(
            folder(tmp_path, number), {"isthmus.toml": SETTINGS.replace("[hub]\n", f"[hub]\n{line}\n") + GOOD}, ENVIRON
        )


@pytest.mark.parametrize(
    ("address", "safe"),
    [
        ("https://login.example/x", True),
        ("http://127.0.0.1:9/x", True),
        ("http://localhost", True),
        ("http://127.0.0.1.evil.example", False),
        ("http://login.example", False),
        ("https://user:secret@login.example", False),
        ("https://", False),
        ("javascript:alert(1)", False),
        ("http://[::1", False),
    ],
)
def test_only_this_machine_is_spoken_to_without_encryption(address: str, safe: bool) -> None:
    assert is_safe_address(address) is safe


def test_a_provider_may_give_every_role_of_staff() -> None:
    assert {*STAFF_ROLES, "customer"} == set(ROLES)
