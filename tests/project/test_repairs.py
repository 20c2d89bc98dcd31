"""``repairs.yaml``: what it says, and its faults at their places."""

from __future__ import annotations

from decimal import Decimal

import pytest

from isthmus.desk.repairing import LevelRule
from isthmus.project.faults import Faults
from isthmus.project.repairs import read_repairs
from isthmus.project.yaml_file import read_yaml

GOOD = """\
time_zone: Asia/Shanghai
due_day: 10
accounts: {expense: 5.1.3, payable: "2.1.1", journal: MISC}
levels:
  major: {EUR: 80.50, CNY: 600}
  minor: {EUR: 15}
rules:
  - {level: major, method: [overhaul], parts: [MTR-1, 4711]}
  - {level: major, pieces: 3}
  - {level: minor}
"""


def read(text: str) -> tuple[object, list[str]]:
    faults = Faults()
    root = read_yaml(text, "repairs.yaml", faults)
    assert root is not None
    return read_repairs(root, faults), [str(fault) for fault in faults.found]


def test_a_good_file_says_what_repairs_are_worth() -> None:
    rules, faults = read(GOOD)
    assert faults == []
    assert rules.time_zone == "Asia/Shanghai"  # type: ignore[attr-defined]
    assert rules.fees["major"] == {"EUR": Decimal("80.50"), "CNY": Decimal(600)}  # type: ignore[attr-defined]
    assert rules.rules[0] == LevelRule(  # type: ignore[attr-defined]
        level="major", methods=frozenset({"overhaul"}), parts=frozenset({"MTR-1", "4711"})
    )
    assert rules.rules[1].pieces == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("Asia/Shanghai", "Asia/Shangai", "repairs.yaml:1:12: There is no time zone 'Asia/Shangai'."),
        ("due_day: 10", "due_day: 40", "repairs.yaml:2:10: 'due_day' is a day of a month"),
        ("due_day", "due_days", "repairs.yaml:2:1: Unknown key of repairs.yaml 'due_days'. Did you mean 'due_day'?"),
        ("expense: 5.1.3, ", "", "repairs.yaml:3:11: 'accounts' needs 'expense'"),
        ("{EUR: 15}", "{EUR: -15}", "repairs.yaml:6:16: A fee is an amount from 0 on"),
        ("{EUR: 15}", "{EUR: much}", "repairs.yaml:6:16: A fee is an amount from 0 on"),
        ("{EUR: 15}", "{euro: 15}", "repairs.yaml:6:11: 'euro' is no currency."),
        ("{EUR: 15}", "{}", "repairs.yaml:6:3: Level 'minor' has no fee."),
        ("{level: minor}", "{level: minr}", "repairs.yaml:10:13: Unknown level 'minr'. Did you mean 'minor'?"),
        ("{level: minor}", "{method: any}", "repairs.yaml:10:5: A rule needs 'level'."),
        ("pieces: 3", "pieces: some", "repairs.yaml:9:28: 'pieces' must be a whole number from 0 on."),
        ("rules:", "rules:\n  - {level: minor}", "repairs.yaml:9:5: This rule is never reached"),
        ("levels:", "level:", "repairs.yaml:4:1: Unknown key of repairs.yaml 'level'. Did you mean 'levels'?"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(old: str, new: str, told: str) -> None:
    _, faults = read(GOOD.replace(old, new, 1))
    assert any(fault.startswith(told) for fault in faults), faults
