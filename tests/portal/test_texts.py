"""Every text of the shop exists in English and Chinese, and no template holds one that cannot be translated."""

from __future__ import annotations

import importlib.util
import re
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from isthmus.pages import catalogue
from tests.tidy.tree import ROOT

TEMPLATES = sorted((ROOT / "src/isthmus/portal/templates").glob("*.html"))
CODE = re.compile(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
TAG = re.compile(r"<(?:code|svg)\b.*?</(?:code|svg)>|<[^>]*>", re.DOTALL)
PLACES = re.compile(r"%\(\w+\)s")


def wanted() -> list[str]:
    spec = importlib.util.spec_from_file_location("texts", ROOT / "scripts" / "texts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return list(module.shop_texts())


def test_every_text_has_a_chinese_one_and_none_is_left_over() -> None:
    known = {
        str(one.id): str(one.string)
        for one in read_po(BytesIO(catalogue("isthmus.portal", "zh")), locale="zh")
        if one.id
    }
    assert [text for text in wanted() if not known.get(text)] == []
    assert set(known) == set(wanted())
    for english, chinese in known.items():
        assert sorted(PLACES.findall(english)) == sorted(PLACES.findall(chinese)), english


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_holds_no_text_that_cannot_be_translated(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    words = set(re.findall(r"[^\W\d_]{2,}", TAG.sub(" ", CODE.sub(" ", text)))) - {"UTC"}
    assert not words, words
    assert not re.search(r"\sstyle=|\son\w+=|<style|<script|javascript:|\|\s*safe\b", text)
