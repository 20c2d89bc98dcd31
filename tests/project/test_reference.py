"""docs/project-reference.md says what the code reads: every key, and examples that work."""

import re
from collections.abc import Collection
from pathlib import Path

import pytest

from isthmus.mapping.converters import converter_names
from isthmus.merge import rules
from isthmus.project import known_packs
from isthmus.project.approvals import (
    APPROVALS_KEYS,
    CONDITION_KEYS,
    DOCUMENTS,
    LEVELS,
    PERSON_KEYS,
    RANGE_KEYS,
    RULE_KEYS,
    STAGE_KEYS,
)
from isthmus.project.entities import ENTITY_KEYS, FIELD_TYPES
from isthmus.project.expressions import CONVERTERS, EXPRESSION_KEYS
from isthmus.project.field_rules import FIELD_KEYS, MERGE_RULES
from isthmus.project.flows import BRAKE_KEYS, FLOW_KEYS
from isthmus.project.mail import MAIL_KEYS, TLS
from isthmus.project.repairs import ACCOUNT_KEYS, LEVEL_RULE_KEYS, REPAIRS_KEYS
from isthmus.project.settings import HUB_KEYS, RESERVED_NAMES, TOP_KEYS
from isthmus.project.shop import SHOP_KEYS
from isthmus.project.sides import SIDE_KEYS
from isthmus.project.sign_in import SIGN_IN_KEYS
from tests.project.folder import ENVIRON, load

REFERENCE = (Path(__file__).parents[2] / "docs" / "project-reference.md").read_text(encoding="utf-8")


def tables() -> dict[str, list[str]]:
    """Heading and first column's head -> the words of that column."""
    found: dict[str, list[str]] = {}
    heading = name = ""
    for line in re.sub(r"```.*?```", "", REFERENCE, flags=re.DOTALL).splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        elif line.startswith("| ") and not line.startswith("| `"):
            name = f"{heading}: {line.split('|')[1].strip()}"
        elif line.startswith("| `"):
            found.setdefault(name, []).append(line.split("`")[1])
    return found


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("isthmus.toml: Table", TOP_KEYS),
        ("Keys of hub: Key", HUB_KEYS),
        ("Packs: Pack", known_packs()),
        ("Keys of a flow: Key", FLOW_KEYS),
        ("Keys of a system in a flow: Key", SIDE_KEYS),
        ("Keys of a field: Key", FIELD_KEYS),
        ("Keys of an expression: Key", EXPRESSION_KEYS),
        ("Converters: Converter", converter_names()),
        ("Keys of the brake: Key", BRAKE_KEYS),
        ("Keys of mail: Key", MAIL_KEYS),
        ("Keys of shop: Key", SHOP_KEYS),
        ("Keys of sign_in: Key", SIGN_IN_KEYS),
        ("approvals.yaml: Key", APPROVALS_KEYS),
        ("repairs.yaml: Key", REPAIRS_KEYS),
        ("Keys of a level rule: Key", LEVEL_RULE_KEYS),
        ("Keys of a rule: Key", RULE_KEYS),
        ("Keys of when: Key", CONDITION_KEYS),
        ("Keys of a stage: Key", STAGE_KEYS),
        ("entities/*.yaml: Key", ENTITY_KEYS),
        ("entities/*.yaml: Type", tuple(FIELD_TYPES)),
    ],
)
def test_every_key_is_explained(table: str, words: Collection[str]) -> None:
    found = tables()[table]
    assert sorted(found) == sorted(words)


def test_every_merge_rule_has_its_field_types() -> None:
    assert set(MERGE_RULES) == set(rules.MERGE_RULES)


def test_every_converter_has_its_field_types() -> None:
    assert set(CONVERTERS) == set(converter_names())


@pytest.mark.parametrize(
    "word", [*MERGE_RULES, *RESERVED_NAMES, *TLS, *DOCUMENTS, *LEVELS, *RANGE_KEYS, *PERSON_KEYS, *ACCOUNT_KEYS]
)
def test_every_word_is_named(word: str) -> None:
    assert f"`{word}`" in REFERENCE


def test_the_examples_make_a_project_that_works(tmp_path: Path) -> None:
    [settings] = re.findall(r"```toml\n(.*?)```", REFERENCE, re.DOTALL)
    # The two kinds of the tests hold too little for the whole pack; the extended flow of it is tried.
    settings = settings.replace('use = ["crm-erp"]', "use = []")
    settings = settings.replace('"bottlecrm"', '"somecrm"').replace('"tryton"', '"someerp"')
    blocks = re.findall(r"```(?:yaml|python)\n# ((?:[a-z]+/|approvals|repairs)\S+)\n(.*?)```", REFERENCE, re.DOTALL)
    files = {"isthmus.toml": settings, **dict(blocks)}
    project = load(tmp_path, files, {**ENVIRON, "MAIL_PASSWORD": "hunter2-mail", "LOGIN_SECRET": "hunter2-login"})
    assert project.approvals is not None
    assert [rule.name for rule in project.approvals.rules] == ["small_orders", "large_orders", "orders"]
    assert project.repairs is not None
    assert [rule.level for rule in project.repairs.rules] == ["major", "major", "medium", "minor"]
    assert project.mail is not None
    assert project.sign_in.provider is not None
    assert project.sign_in.provider.roles["sales"] == ("sales",)
    assert sorted(project.flows) == ["contact", "customer"]
    assert project.hub.public_url == "https://hub.example.com"
    assert set(project.converters) == {"vat"}
    assert project.entities["Customer"].fields["segments"].kind == "list"
    assert [example.name for example in project.examples] == ["a plain company"]
