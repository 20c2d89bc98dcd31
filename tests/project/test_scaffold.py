"""The folder that ``isthmus init`` makes."""

from pathlib import Path

import pytest

from isthmus.desk.approval_rules import ApprovalRules
from isthmus.errors import Misconfigured
from isthmus.project import Answers, ConnectorInfo, SystemAnswer, load_project, new_project
from tests.project.folder import CrmConfig

ANSWERS = Answers(
    name='a "name"\n\\ with \x7f all',
    public_url="",
    systems={
        "sales": SystemAnswer(kind="somecrm", values={"url": "http://é"}, secrets={"token": "SALES_TOKEN"}),
    },
)


def test_a_new_project_can_be_loaded(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "project"
    paths = new_project(folder, ANSWERS)
    assert {path.relative_to(folder).as_posix() for path in paths} == {
        "isthmus.toml",
        ".gitignore",
        ".env.example",
        "flows/README.md",
        "approvals.yaml",
    }
    assert "SALES_TOKEN=\n" in (folder / ".env.example").read_text()
    assert ".env\n" in (folder / ".gitignore").read_text()
    project = load_project(folder, {"SALES_TOKEN": "x"}, lambda _: ConnectorInfo(config=CrmConfig))
    assert project.hub.name == ANSWERS.name
    assert (project.hub.host, project.hub.port, project.hub.public_url) == ("127.0.0.1", 8420, "")
    assert project.systems["sales"].config.url == "http://é"
    assert project.systems["sales"].config.token == "x"
    assert not project.flows
    assert project.approvals == ApprovalRules(currency="EUR")
    lines = (
        (folder / "approvals.yaml").read_text().replace("teams: {}\n#", "teams:\n").replace("rules: []\n#", "rules:\n")
    )
    (folder / "approvals.yaml").write_text(lines.replace("\n#  ", "\n  "))
    project = load_project(folder, {"SALES_TOKEN": "x"}, lambda _: ConnectorInfo(config=CrmConfig))
    assert project.approvals is not None
    assert [rule.name for rule in project.approvals.rules] == ["small_orders", "orders"], "the example holds"


@pytest.mark.parametrize("name", ["isthmus.toml", ".gitignore", ".env.example", "flows/README.md", "approvals.yaml"])
def test_nothing_is_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    with pytest.raises(Misconfigured, match="exists already"):
        new_project(tmp_path, ANSWERS)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]
    assert (tmp_path / name).read_text() == "mine"
