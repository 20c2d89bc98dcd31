"""What the usual headers say of how often a system may be called."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.app.quota_watch import quota_lines
from isthmus.connector import Quota
from isthmus.connector.quota import WAIT, quotas_of, wait_of

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def in_seconds(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def a_quota(left: int, most: int | None = None, window: float | None = None, renews: float | None = None) -> Quota:
    renews_at = None if renews is None else in_seconds(renews)
    return Quota(name="", most=most, left=left, window=window, renews_at=renews_at, seen_at=NOW)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (
            {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "7", "x-ratelimit-reset": "30"},
            a_quota(7, 60, None, 30),
        ),
        ({"x-rate-limit-limit": "60", "x-rate-limit-remaining": "7"}, a_quota(7, 60)),
        ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": "1795694460"}, a_quota(7, None, None, 60)),
        ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": "1795694460000"}, a_quota(7, None, None, 60)),
        ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": "2026-11-26T12:01:00Z"}, a_quota(7, None, None, 60)),
        ({"ratelimit-limit": "100, 100;w=60", "ratelimit-remaining": "5"}, a_quota(5, 100, 60)),
        ({"ratelimit": "limit=100, remaining=50, reset=5", "ratelimit-policy": "100;w=10"}, a_quota(50, 100, 10, 5)),
        ({"ratelimit": '"default";r=50;t=30', "ratelimit-policy": '"default";q=100;w=60'}, a_quota(50, 100, 60, 30)),
        ({"ratelimit": "default;r=50;t=30"}, a_quota(50, None, None, 30)),
        ({"x-ratelimit-remaining": "-3", "x-ratelimit-limit": "10"}, a_quota(0, 10)),
    ],
)
def test_each_usual_way_of_saying_it_is_understood(headers: dict[str, str], expected: Quota) -> None:
    assert quotas_of(headers, NOW) == [expected]


def test_several_windows_are_told_apart() -> None:
    draft = {
        "ratelimit": '"burst";r=1;t=1, "daily";r=900;t=3600',
        "ratelimit-policy": '"burst";q=10;w=1, "daily";q=1000',
    }
    assert [(one.name, one.left, one.most) for one in quotas_of(draft, NOW)] == [("burst", 1, 10), ("daily", 900, 1000)]
    kong = {"x-ratelimit-remaining-minute": "3", "x-ratelimit-limit-minute": "5", "x-ratelimit-remaining-hour": "70"}
    found = {one.name: (one.left, one.most, one.window) for one in quotas_of(kong, NOW)}
    assert found == {"minute": (3, 5, 60.0), "hour": (70, None, 3600.0)}


def test_a_wait_is_a_number_or_a_date() -> None:
    assert wait_of({"retry-after": "120"}, NOW) == 120
    assert wait_of({"retry-after": "Thu, 26 Nov 2026 12:00:30 GMT"}, NOW) == 30
    assert wait_of({"retry-after": "Thu, 26 Nov 2020 12:00:30 GMT"}, NOW) == 0
    assert wait_of({"retry-after": "soon"}, NOW) is None
    (told,) = quotas_of({"retry-after": "120"}, NOW)
    assert (told.name, told.left, told.renews_at) == (WAIT, 0, in_seconds(120))


@given(st.dictionaries(
    st.sampled_from([
        "ratelimit", "ratelimit-policy", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after",
        "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "x-ratelimit-remaining-day",
    ]),
    st.one_of(st.text(max_size=40), st.integers().map(str), st.floats().map(str), st.sampled_from([
        '"a";r=1;t=9999999999999999', "limit=1, remaining=x", "1e400", "nan", "99999999999999", "0001-01-01",
    ])),
))  # fmt: skip
def test_no_answer_fails_for_what_its_headers_say(headers: dict[str, str]) -> None:
    for one in quotas_of(headers, NOW):
        assert one.left >= 0
    quota_lines({"erp": quotas_of(headers, NOW)}, NOW)


def test_little_left_is_told_until_there_is_more_again() -> None:
    def low(quota: Quota, after: float) -> tuple[bool, int | None]:
        (line,) = quota_lines({"erp": [quota]}, in_seconds(after))
        return line.low, line.left

    assert low(a_quota(11, 100, 60, 30), 1) == (False, 11)
    assert low(a_quota(10, 100, 60, 30), 1) == (True, 10)
    assert low(a_quota(10, 100, 60, 30), 30) == (False, None), "its window has passed"
    assert low(a_quota(10, 100, 60), 59) == (True, 10)
    assert low(a_quota(10, 100, 60), 60) == (False, None)
    assert low(a_quota(0), 3599) == (True, 0), "no more is known than that nothing is left"
    assert low(a_quota(5), 1) == (False, 5), "of how many is not known"
    wait = Quota(name=WAIT, left=0, renews_at=in_seconds(9), seen_at=NOW)
    assert quota_lines({"erp": [wait]}, in_seconds(8))[0].low
    assert quota_lines({"erp": [wait]}, in_seconds(9)) == []
