"""Versions of a flow: remembered when they run, previewed before, and gone back to, with real PostgreSQL (CH-5)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from isthmus.app.flow_history import flow_history, preview_flow, roll_back
from isthmus.errors import Misconfigured
from isthmus.model.state import FlowVersion
from isthmus.project import ProjectErrors
from isthmus.store import PostgresStore, Reads, WriteCount
from tests.app.twin_office import FLOW, Twin, Workers, make_project, served

WITH_PHONE = FLOW
WITHOUT_PHONE = FLOW.replace("  phone: {crm: phone, erp: phone}\n", "")
RECORDS = 5


@pytest.mark.flow("CH-5")
@pytest.mark.timeout(240)
async def test_a_flow_is_previewed_remembered_and_rolled_back_with_the_writes_it_caused(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm, erp = Twin("crm", 0.0), Twin("erp", 0.0)
    for number in range(RECORDS):
        crm.save(None, {"vat": f"V{number}", "name": f"Name {number}", "phone": f"+4930{number}"})
    async with served(crm, erp) as url:
        project = make_project(tmp_path / "project", url)
        file = project / "flows" / "customer.yaml"
        hub = Workers(project, database_url)
        monkeypatch.setenv("ISTHMUS_DATABASE_URL", database_url)

        file.write_text(WITHOUT_PHONE)
        await hub.ask("sync", "--yes")
        (first,) = await hub.ask("flow", "history")
        assert (first["version"]["number"], first["version"]["content"]) == (1, WITHOUT_PHONE)
        assert first["version"]["ran_at"] is not None
        assert first["version"]["by"]
        assert (first["present"], first["until"]) == (True, None)
        assert first["counts"] == [{"system": "erp", "kind": "create", "outcome": "done", "writes": RECORDS}]

        # A change is previewed before it runs, and nothing is written or remembered for that.
        file.write_text(WITH_PHONE)
        preview = await hub.ask("flow", "preview", "customer")
        assert preview["counts"] == {"erp": {"customer": {"update": RECORDS}}}
        assert {tuple(line["changes"]) for line in preview["lines"]} == {("phone",)}
        assert {row.get("phone") for row in erp.rows.values()} == {None}
        assert len(await flow_history(project)) == 1

        await hub.ask("sync", "--yes")
        one, two = await flow_history(project, "customer")
        assert one.until == two.version.ran_at
        assert two.counts == [WriteCount("erp", "update", "done", RECORDS)]
        shown = await hub.ask("flow", "show", "customer", "2", "--limit", "3")
        assert len(shown["writes"]) == 3
        assert set(shown["writes"][0]["changes"]) == {"phone"}

        # What is in the file when somebody goes back has never run, and is kept all the same.
        file.write_text(WITH_PHONE + "# an idea\n")
        file.chmod(0o640)
        ahead = await preview_flow(project, "customer", 1)
        assert (ahead.lines, ahead.problems) == ([], {})
        back = await hub.ask("flow", "rollback", "customer", "1", "--by", "anna")
        assert (back["file"], back["version"], back["pack_changed"]) == ("flows/customer.yaml", 1, False)
        assert back["counts"] == [{"system": "erp", "kind": "update", "outcome": "done", "writes": RECORDS}]
        assert len(back["writes"]) == RECORDS
        assert file.read_text() == WITHOUT_PHONE
        assert file.stat().st_mode & 0o777 == 0o640
        assert [path.name for path in file.parent.iterdir()] == ["customer.yaml"]
        third = (await flow_history(project, "customer"))[2].version
        assert (third.content, third.ran_at, third.by) == (WITH_PHONE + "# an idea\n", None, "anna")

        # In force again, it is the newest version; a phone is left alone from now on.
        writes = erp.writes
        crm.save(min(crm.rows), {"phone": "+49301"})
        await hub.ask("sync", "--yes")
        assert erp.writes == writes
        versions = [view.version for view in await flow_history(project, "customer")]
        assert [version.number for version in versions] == [1, 2, 3, 4]
        assert [version.content == WITHOUT_PHONE for version in versions] == [True, False, False, True]

        with pytest.raises(Misconfigured, match="no version 9"):
            await roll_back(project, "customer", 9, by="anna", limit=1)
        with pytest.raises(Misconfigured, match="Nothing is known"):
            await roll_back(project, "nobody", 1, by="anna", limit=1)
        assert (await roll_back(project, "customer", 4, by="anna", limit=1)).file is None

        # A version that the project cannot have any more changes nothing.
        settings = (project / "isthmus.toml").read_text()
        (project / "isthmus.toml").write_text(settings.replace("[systems.erp]", "[systems.books]"))
        file.write_text(WITHOUT_PHONE.replace("erp:", "books:"))
        with pytest.raises(ProjectErrors):
            await roll_back(project, "customer", 2, by="anna", limit=1)
        assert "books:" in file.read_text()


@pytest.mark.flow("CH-5")
async def test_versions_are_numbered_by_flow_and_noted_once(database_url: str) -> None:
    def version(content: str | None, *, ran: bool = True, flow: str = "customer") -> FlowVersion:
        at = datetime(2031, 5, 6, tzinfo=UTC)
        return FlowVersion(
            flow=flow,
            number=0,
            file="flows/customer.yaml" if content else None,
            content=content,
            pack=None,
            ran_at=at if ran else None,
            noted_at=at,
            by="anna",
        )

    async with await PostgresStore.open(database_url) as store:
        for versions in (
            [version("a"), version("x", flow="order")],
            [version("a")],
            [version("b", ran=False)],
            [version("b")],
            [version(None)],
            [version(None)],
            [version("a")],
            [version(None, flow="never there")],
        ):
            await store.add_flow_versions(versions)
        known = await Reads(store).flow_versions()
        assert [(v.flow, v.number, v.content, v.ran_at is not None) for v in known] == [
            ("customer", 1, "a", True),
            ("customer", 2, "b", True),
            ("customer", 3, None, True),
            ("customer", 4, "a", True),
            ("order", 1, "x", True),
        ]
