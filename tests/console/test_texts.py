"""Every text of the console exists in English and Chinese, and no template holds one that cannot be translated."""

from __future__ import annotations

import ast
import importlib.util
import re
from io import BytesIO
from pathlib import Path
from types import ModuleType

import pytest
from babel.messages.pofile import read_po

from isthmus.app.access import ROLES, Permission
from isthmus.app.record_view import Cell
from isthmus.console.permissions import PERMISSIONS
from isthmus.console.terms import FIELDS, TERMS
from isthmus.model.entities import BUILT_IN
from isthmus.model.state import InboxKind, LinkState
from isthmus.pages import catalogue
from isthmus.process import ProcessState
from isthmus.sync.absorb import CONFLICT_CHOICES, DELETE_CHOICES
from isthmus.sync.brake import BRAKE_CHOICES
from isthmus.sync.contact import MATCH_CHOICES
from isthmus.sync.join import MERGE_CHOICES
from tests.tidy.tree import ROOT, parse

CONSOLE = ROOT / "src" / "isthmus" / "console"
TEMPLATES = sorted((CONSOLE / "templates").glob("*.html"))
SAYING = re.compile(r"\s(?:title|aria-label|placeholder|alt)=\"([^\"]*)\"")
CODE = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
TAG = re.compile(r"<(?:code|kbd|svg|style|script)\b.*?</(?:code|kbd|svg|style|script)>|<[^>]*>", re.DOTALL)
NO_TEXT = {"UTC", "nbsp", "amp"}


@pytest.fixture(scope="module")
def texts() -> list[str | tuple[str, ...]]:
    """What scripts/texts.py finds."""
    spec = importlib.util.spec_from_file_location("texts", ROOT / "scripts" / "texts.py")
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: list[str | tuple[str, ...]] = module.texts()
    return found


def test_every_text_has_a_chinese_one_and_none_is_left_over(texts: list[str | tuple[str, ...]]) -> None:
    known = read_po(BytesIO(catalogue("isthmus.console", "zh")), locale="zh")
    missing = [
        text for text in texts if (found := known.get(text)) is None or not found.string or not all(found.string)
    ]
    assert not missing, f"python scripts/texts.py, then translate: {missing}"
    ids = {text if isinstance(text, str) else text[0] for text in texts}
    extra = [one.id for one in known if one.id and (one.id if isinstance(one.id, str) else one.id[0]) not in ids]
    assert not extra, f"python scripts/texts.py takes these out: {extra}"


def test_a_translation_has_the_same_places_for_values(texts: list[str | tuple[str, ...]]) -> None:
    places = re.compile(r"%\(\w+\)s")
    for message in read_po(BytesIO(catalogue("isthmus.console", "zh")), locale="zh"):
        if message.id:
            english = message.id if isinstance(message.id, str) else message.id[0]
            chinese = message.string if isinstance(message.string, str) else message.string[0]
            assert sorted(places.findall(english)) == sorted(places.findall(chinese)), english


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_holds_no_text_that_cannot_be_translated(path: Path) -> None:
    source = CODE.sub(" ", path.read_text(encoding="utf-8"))
    spoken = [text for text in SAYING.findall(source) if re.search(r"[^\W\d_]{2,}", text)]
    words = set(re.findall(r"[^\W\d_]{2,}", TAG.sub(" ", source))) - NO_TEXT
    assert not spoken, spoken
    assert not words, words


def test_templates_have_no_inline_script_or_style() -> None:
    for path in TEMPLATES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script>|javascript:|\|\s*safe\b|hx-on", text), path.name


def explained_states() -> set[str]:
    """The states that sync/explain.py gives: the first of three, or said by name."""
    tree = parse(ROOT / "src" / "isthmus" / "sync" / "explain.py")
    found: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple) and len(node.elts) == 3:
            found.append(node.elts[0])
        elif isinstance(node, ast.keyword) and node.arg == "state":
            found.append(node.value)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "state":
            found += [part for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
    return {one.value for one in found if isinstance(one, ast.Constant) and isinstance(one.value, str)}


def test_every_word_of_the_hub_has_a_term() -> None:
    offered = {
        "conflict": CONFLICT_CHOICES,
        "match": MATCH_CHOICES,
        "failure": ("retry", "unlink", "create"),
        "delete": DELETE_CHOICES,
        "merge": MERGE_CHOICES,
        "brake": BRAKE_CHOICES,
    }
    wanted = {f"choice:{kind}:{choice}" for kind, choices in offered.items() for choice in choices}
    wanted |= {f"{form}:{kind}" for kind in InboxKind for form in ("many", "one")}
    wanted |= {str(state) for state in (*LinkState, *ProcessState)} | set(ROLES) | {f"scope:{p}" for p in Permission}
    wanted |= set(BUILT_IN)
    states = explained_states()
    assert {"conflict", "set aside", "unsure", "not created"} <= states
    wanted |= {word for state in states for word in (state, f"why:{state}") if state != "in step"}
    assert Cell.__doc__
    assert not wanted - set(TERMS), wanted - set(TERMS)


def test_every_field_of_the_built_in_entities_has_a_name() -> None:
    names = {name for entity in BUILT_IN.values() for name in entity.fields}
    assert not names - set(FIELDS), names - set(FIELDS)


def test_no_two_permissions_differ_by_their_method_only_by_mistake() -> None:
    """What changes something asks for no less than looking at it does."""
    rank = {"open": 0, "signed in": 1, Permission.SEE: 2}
    for (method, path), needed in PERMISSIONS.items():
        if method == "POST" and ("GET", path) in PERMISSIONS:
            assert rank.get(needed, 3) >= rank.get(PERMISSIONS["GET", path], 3), path
