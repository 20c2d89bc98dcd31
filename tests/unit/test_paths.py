"""Places in far records."""

import pytest

from isthmus.errors import Unmappable
from isthmus.mapping.paths import ABSENT, read, write
from isthmus.project.notation import parse_path

RECORD = {"a": {"b": 1}, "list": [{"type": "email", "v": "x"}, {"type": "phone", "v": "7"}], "none": None, "t": "text"}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("a.b", 1),
        ("a.c", None),
        ("none", None),
        ("none.x", None),
        ("missing", ABSENT),
        ("missing.x", ABSENT),
        ("list[0].v", "x"),
        ("list[5].v", None),
        ("list[type=phone].v", "7"),
        ("list[type=fax].v", None),
        ("t.x", None),
        ("t[0]", None),
    ],
)
def test_reading_tells_absent_from_empty(path, wanted):
    found = read(RECORD, parse_path(path))
    assert found is wanted or found == wanted


@pytest.mark.parametrize(
    "path", ["a.b", "a.new.deep", "new.deep", "list[0].v", "list[type=fax].v", "list[9].v", "none.x"]
)
def test_what_was_written_is_read_and_nothing_else_changes(path):
    before = {"a": {"b": 1}, "list": [{"type": "email", "v": "x"}, {"type": "phone", "v": "7"}], "none": None}
    kept = {name: value for name, value in before.items() if name != parse_path(path)[0].name}
    after = write(before, parse_path(path), "new")
    if "9" not in path:
        assert read(after, parse_path(path)) == "new"
    assert {name: after[name] for name in kept} == kept
    assert before["list"] == RECORD["list"]


def test_clearing_the_last_value_of_a_selected_element_removes_it():
    after = write(RECORD, parse_path("list[type=email].v"), None)
    assert after["list"] == [{"type": "phone", "v": "7"}]
    assert write(RECORD, parse_path("list[type=fax].v"), None)["list"] == RECORD["list"]


def test_an_element_with_more_than_its_selector_is_kept():
    record = {"list": [{"id": "1", "type": "email", "v": "x", "note": "n"}]}
    after = write(record, parse_path("list[type=email].v"), None)
    assert after["list"] == [{"id": "1", "type": "email", "v": None, "note": "n"}]


def test_a_path_through_a_plain_value_is_refused():
    with pytest.raises(Unmappable):
        write(RECORD, parse_path("t.x"), "new")
