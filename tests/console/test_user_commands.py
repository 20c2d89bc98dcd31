"""People by the command line: without a password, and unlinked from the provider."""

from __future__ import annotations

from pathlib import Path

from isthmus.store import People, PostgresStore
from tests.app.twin_office import Workers, make_project
from tests.console.provider import pretend_provider
from tests.console.test_provider import ROLES, SETTINGS
from tests.store.examples import NOW


async def test_a_person_without_a_password_is_linked_and_unlinked(
    store: PostgresStore, database_url: str, tmp_path: Path
) -> None:
    hub, people = Workers(make_project(tmp_path / "project", "http://127.0.0.1:1"), database_url), People(store)
    added = await hub.ask("user", "add", "Ann@office.example", "--no-password", "--role", "operator")
    assert (added["login"], added["roles"]) == ("ann@office.example", ["operator"])
    person = await people.person("ann@office.example")
    assert person is not None
    assert person.password is None
    assert await people.add_identity("https://login.example", "7", "ann@office.example", NOW)
    assert (await hub.ask("user", "unlink", "ann@office.example"))["unlinked"] is True
    assert await people.login_of("https://login.example", "7") is None
    assert [one.action for one in await people.audit(2)] == ["account unlinked", "person added"]


async def test_a_live_check_reaches_the_provider_and_says_what_to_register(database_url: str, tmp_path: Path) -> None:
    async with pretend_provider() as provider:
        folder = make_project(tmp_path / "project", "http://127.0.0.1:1")
        (folder / "secret").write_text("hunter2")
        with (folder / "isthmus.toml").open("a") as settings:
            settings.write(SETTINGS.format(issuer=provider.issuer, more=ROLES))
        hub = Workers(folder, database_url)

        async def checked() -> tuple[str, str]:
            (found,) = [one for one in (await hub.ask("check", "--live"))["live"] if one["system"] == "sign_in"]
            return found["problem"], " ".join(found["notes"])

        problem, notes = await checked()
        assert problem == ""
        assert "http://127.0.0.1:0/sign-in/provider/back" in notes
        provider.description = {"issuer": "https://evil.example"}
        problem, _ = await checked()
        assert "calls itself 'https://evil.example'" in problem
