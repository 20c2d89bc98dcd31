"""isthmus.toml, and the configuration that connectors get from it."""

from pathlib import Path

import pytest

from isthmus.errors import Misconfigured
from isthmus.project import ConfiguredSystem, ConnectorInfo, ProjectErrors, load_project, parse_months
from tests.project.folder import SETTINGS, CrmConfig, ErpConfig, Retry, faults, load


def no_kind(kind: str) -> ConnectorInfo:
    raise LookupError(kind)


def settings(folder: Path, text: str, **environ: str) -> list[str]:
    return faults(folder, {"isthmus.toml": text}, {"CRM_TOKEN": "hunter2", **environ})


def test_systems_get_what_their_connectors_ask_for(tmp_path: Path) -> None:
    text = SETTINGS.replace(
        'url = "http://crm.example"',
        'url = "env:CRM_URL"\nretry = {most = 5, wait = 2}\nheaders = {"X-Key" = "file:secrets/key"}',
    )
    files = {"isthmus.toml": text, "secrets/key": "hunter2-key\n"}
    project = load(tmp_path, files, {"CRM_TOKEN": "hunter2", "CRM_URL": "http://x"})
    assert project.systems["crm"].config == CrmConfig(
        url="http://x", token="hunter2", retry=Retry(most=5, wait=2.0), headers={"X-Key": "hunter2-key"}
    )
    assert project.systems["erp"].config == ErpConfig(url="http://erp.example")
    assert (project.systems["crm"].kind, project.systems["crm"].place.line) == ("somecrm", 4)
    assert (project.hub.name, project.hub.host, project.hub.port) == ("test", "127.0.0.1", 8420)
    assert project.hub.database_url is None


def test_a_table_may_stand_in_a_file_of_its_own(tmp_path: Path) -> None:
    text = SETTINGS.replace('kind = "someerp"', 'kind = "someerp"\nrules = "apis/erp.yaml"')
    files = {"isthmus.toml": text, "apis/erp.yaml": "wait: 1.5\npaths: [a, 1]\nkey: env:CRM_TOKEN\n"}
    config = load(tmp_path, files).systems["erp"].config
    assert config.rules == {"wait": 1.5, "paths": ["a", 1], "key": "hunter2-crm-token"}


@pytest.mark.parametrize(
    ("retry", "file", "message"),
    [
        ('"retry.yaml"', "most: 3\nmst: 4\n", "retry.yaml:2:1: Unknown key of 'retry' 'mst'. Did you mean 'most'?"),
        ('"retry.yaml"', "most: x\n", "retry.yaml:1:7: 'retry.most': Expected 'int', got 'str'."),
        ('"retry.yaml"', "- 1\n", "retry.yaml:1:1: The file must hold a mapping."),
        ('"other.yaml"', "", "isthmus.toml:8:9: There is no file 'other.yaml' in the project."),
        ('"fast"', "", "isthmus.toml:8:9: 'retry' must be a table, or the name of a YAML file of the project."),
    ],
)
def test_a_wrong_table_in_a_file(tmp_path: Path, retry: str, file: str, message: str) -> None:
    text = SETTINGS.replace('"env:CRM_TOKEN"\n', f'"env:CRM_TOKEN"\nretry = {retry}\n')
    assert faults(tmp_path, {"isthmus.toml": text, "retry.yaml": file}) == [message]


def test_a_path_is_below_the_project(tmp_path: Path) -> None:
    text = SETTINGS.replace('kind = "someerp"', 'kind = "someerp"\ncertificate = "certs/erp.pem"')
    project = load(tmp_path, {"isthmus.toml": text})
    assert project.systems["erp"].config.certificate == str(project.folder / "certs" / "erp.pem")


def test_nothing_prints_a_secret(tmp_path: Path) -> None:
    text = SETTINGS.replace('name = "test"', 'database_url = "env:DB"')
    environ = {"CRM_TOKEN": "hunter2", "DB": "postgresql://u:hunter2@h/db"}
    project = load(tmp_path, {"isthmus.toml": text}, environ)
    assert project.hub.database_url == environ["DB"]
    for value in (project, project.hub, project.systems, project.systems["crm"], project.systems["crm"].config):
        assert "hunter2" not in f"{value!r} {value}"
    assert isinstance(project.systems["crm"], ConfiguredSystem)


CRM = '[systems.crm]\nkind = "somecrm"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "x = 1\n[systems]\n",
            "isthmus.toml:1:1: Unknown key of isthmus.toml 'x'. Known: hub, mail, packs, shop, sign_in, systems.",
        ),
        (
            SETTINGS + "[shop]\nlist_prices = true\n",
            "isthmus.toml:13:15: 'list_prices' is for visitors. Set visitors = true as well.",
        ),
        ("[sytems.a]\n", "isthmus.toml:1:2: Unknown key of isthmus.toml 'sytems'. Did you mean 'systems'?"),
        ("[hub]\n", "isthmus.toml:1:1: The project names no system. Add a table [systems.NAME] with its kind."),
        ("[systems]\ncrm = 1", "isthmus.toml:2:1: 'crm' is not a system. Write a table [systems.crm] with its kind."),
        (
            "[systems.My-CRM]\nkind = 'somecrm'",
            "isthmus.toml:1:10: 'My-CRM' cannot be a system. Use a-z, 0-9 and _, starting with a letter.",
        ),
        (
            "[systems.hub]\nkind = 'somecrm'",
            "isthmus.toml:1:10: A system may not be called 'hub'. "
            "Reserved: hub, name, isthmus, owner, writers, merge, role, as.",
        ),
        ("[systems.a]\n", "isthmus.toml:1:10: System 'a' has no kind. Add a line such as kind = \"tryton\"."),
        (
            "[systems.a]\nkind = 'some'",
            "isthmus.toml:2:8: Unknown kind of system 'some'. Did you mean 'someerp'?",
        ),
        ("[systems.a]\nkind = 1", "isthmus.toml:2:8: 'kind' must be text, not a number."),
        (
            CRM + 'token = "env:CRM_TOKEN"',
            "isthmus.toml:1:1: Object missing required field 'url'. Add it to the table.",
        ),
        (
            CRM + 'url = "x"\ntoken = "hunter2"',
            "isthmus.toml:4:9: 'token' is a secret. Write env:NAME or file:PATH instead of the value.",
        ),
        (
            CRM + 'url = "x"\ntoken = 5',
            "isthmus.toml:4:9: 'token' must be text: env:NAME or file:PATH.",
        ),
        (
            CRM + 'url = "x"\ntoken = "env:CRM_TOKNE"',
            "isthmus.toml:4:9: The environment variable CRM_TOKNE is not set. Did you mean 'CRM_TOKEN'?",
        ),
        (CRM + 'url = "x"\ntoken = "env:EMPTY"', "isthmus.toml:4:9: The environment variable EMPTY is empty."),
        (
            CRM + 'url = "x"\ntoken = "env:hunter2-x"',
            "isthmus.toml:4:9: What follows 'env:' is not the name of a variable. Write env:NAME.",
        ),
        (
            CRM + 'url = "x"\ntoken = "file:nothing"',
            "isthmus.toml:4:9: The file nothing cannot be read: No such file or directory.",
        ),
        (
            CRM + 'url = "http://u:hunter2@h"\ntoken = "env:CRM_TOKEN"',
            "isthmus.toml:3:7: 'url' holds a password. Write env:NAME or file:PATH instead of the address.",
        ),
        (
            CRM + 'url = "x"\ntoken = "env:CRM_TOKEN"\nheaders = {a = "hunter2"}',
            "isthmus.toml:5:16: 'headers' is a secret. Write env:NAME or file:PATH instead of the value.",
        ),
        (
            CRM + 'ulr = "x"\ntoken = "env:CRM_TOKEN"',
            "isthmus.toml:3:1: Unknown key of [systems.crm] 'ulr'. Did you mean 'url'?",
        ),
        (
            CRM + 'url = "x"\ntoken = "env:CRM_TOKEN"\nretry = {mst = 1}',
            "isthmus.toml:5:10: Unknown key of 'retry' 'mst'. Did you mean 'most'?",
        ),
        (
            CRM + 'url = "x"\ntoken = "env:CRM_TOKEN"\n[systems.crm.retry]\nmost = "x"',
            "isthmus.toml:6:8: 'retry.most': Expected 'int', got 'str'.",
        ),
        (
            CRM + 'url = 5\ntoken = "env:CRM_TOKEN"',
            "isthmus.toml:3:7: 'url': Expected 'str', got 'int'.",
        ),
        (
            CRM + 'url = "x"\nmode = "env:CRM_TOKEN"\ntoken = "env:CRM_TOKEN"',
            "isthmus.toml:4:8: 'mode': Invalid enum value '***'.",
        ),
        (
            "[hub]\nkeep_history = '18'\n[systems]",
            'isthmus.toml:2:16: \'keep_history\' must be a time such as "18 months" or "2 years".',
        ),
        (
            "[hub]\nkeep_processes = 'long'\n[systems]",
            'isthmus.toml:2:18: \'keep_processes\' must be a time such as "18 months" or "2 years".',
        ),
        ("[hub]\nlisten = '8420'\n[systems]", "isthmus.toml:2:10: 'listen' must be HOST:PORT, as in 127.0.0.1:8420."),
        (
            "[hub]\nlisten = 'a:99999'\n[systems]",
            "isthmus.toml:2:10: 'listen' must be HOST:PORT, as in 127.0.0.1:8420.",
        ),
        ("[hub]\npublic_url = 'x'\n[systems]", "isthmus.toml:2:14: 'public_url' must start with http:// or https://."),
        ("[hub]\nname = 1\n[systems]", "isthmus.toml:2:8: 'name' must be text, not a number."),
        (
            "[hub]\ndatabase_url = 'mysql://h'\n[systems]",
            "isthmus.toml:2:16: 'database_url' must start with postgresql://.",
        ),
        (
            "[hub]\ndatabase_url = 'postgresql://u:hunter2@h/d'\n[systems]",
            "isthmus.toml:2:16: 'database_url' holds a password. Write env:NAME or file:PATH instead of the address.",
        ),
        ("[systems]\n[packs]\nuse = ['crm-epr']", "isthmus.toml:3:8: Unknown pack 'crm-epr'. Did you mean 'crm-erp'?"),
        ("[systems]\n[packs]\nues = []", "isthmus.toml:3:1: Unknown key of [packs] 'ues'. Did you mean 'use'?"),
        (
            CRM + 'url = "x"\ntoken = "env:CRM_TOKEN"\n[packs]\nuse = ["crm-erp"]',
            "isthmus.toml:6:8: Pack 'crm-erp' needs a system for its role 'erp'. "
            "Call one 'erp', or add crm-erp = {erp = \"NAME\"} below [packs].",
        ),
        ("a = \n", "isthmus.toml:1:5: Not valid TOML: Invalid value."),
    ],
)
def test_wrong_settings(tmp_path: Path, text: str, message: str) -> None:
    assert settings(tmp_path, text, EMPTY="") == [message]


def test_wrong_uses_of_a_pack(tmp_path: Path) -> None:
    packs = '[packs]\nuse = ["crm-erp"]\ncrm-erp = {crn = "crm", crm = "cmr", without = ["delivry"]}\n'
    found = settings(tmp_path, SETTINGS + packs)
    assert found[:3] == [
        "isthmus.toml:14:12: Unknown role of pack 'crm-erp' 'crn'. Did you mean 'crm'?",
        "isthmus.toml:14:31: Unknown system 'cmr'. Did you mean 'crm'?",
        "isthmus.toml:14:48: Unknown flow of pack 'crm-erp' 'delivry'. Did you mean 'delivery'?",
    ]


def test_all_faults_come_together_and_once(tmp_path: Path) -> None:
    text = '[hub]\nlisten = "x"\n[systems.a]\nkind = "nope"\n[systems.b]\n'
    found = faults(tmp_path, {"isthmus.toml": text, "flows/a.yaml": "flow: x\n", "code/a.py": "1/0\n"}, {})
    assert [line.split(" ")[0] for line in found] == [
        "code/a.py:1:1:",
        "flows/a.yaml:1:1:",
        "flows/a.yaml:1:1:",
        "flows/a.yaml:1:1:",
        "isthmus.toml:2:10:",
        "isthmus.toml:4:8:",
        "isthmus.toml:5:10:",
    ]


def test_a_connector_that_cannot_be_had_is_told_at_its_kind(tmp_path: Path) -> None:
    def connectors(kind: str) -> ConnectorInfo:
        raise Misconfigured(f"No {kind} here.", advice="Install it.")

    (tmp_path / "isthmus.toml").write_text("[systems.a]\nkind = 'x'\n")
    with pytest.raises(ProjectErrors) as caught:
        load_project(tmp_path, {}, connectors)
    assert str(caught.value) == "isthmus.toml:2:8: No x here. Install it."


@pytest.mark.parametrize("name", ["", "empty", "missing"])
def test_no_project(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(Misconfigured) as caught:
        load_project(tmp_path / name, {}, no_kind)
    assert isinstance(caught.value, ProjectErrors)
    assert caught.value.advice == "Make one by 'isthmus init'."
    assert str(caught.value.place) == "isthmus.toml"


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "isthmus.toml").write_bytes(b"[hub]\nname = '\xff'\n")
    with pytest.raises(ProjectErrors, match=r"isthmus\.toml:2:1: The file is not UTF-8 text"):
        load_project(tmp_path, {}, no_kind)


@pytest.mark.parametrize(
    ("text", "months"), [("18 months", 18), ("1 month", 1), ("2 years", 24), ("0 months", None), ("18", None)]
)
def test_a_time_to_keep_history_is_months_or_years(text: str, months: int | None) -> None:
    assert parse_months(text) == months
