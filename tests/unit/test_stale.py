"""Which readings are too old to be taken in (SPEC, stale reads)."""

from datetime import UTC, datetime, timedelta

import pytest

from isthmus.connector import Traits
from isthmus.mapping import Got
from isthmus.model.state import Link, LinkState
from isthmus.sync.absorb import Seen, is_stale

NOON = datetime(2031, 5, 6, 12, tzinfo=UTC)
BEFORE, AFTER = NOON - timedelta(seconds=1), NOON + timedelta(seconds=1)
ORDERED, UNORDERED = Traits(versioned=True, ordered_versions=True), Traits()


@pytest.mark.spec(7)
@pytest.mark.parametrize(
    ("traits", "state", "version", "read_at", "stale"),
    [
        (ORDERED, LinkState.LINKED, "5", BEFORE, False),
        (ORDERED, LinkState.LINKED, "4", AFTER, True),
        (ORDERED, LinkState.LINKED, "6", BEFORE, False),
        (ORDERED, LinkState.GONE, "5", BEFORE, True),
        (ORDERED, LinkState.GONE, "5", AFTER, False),
        (ORDERED, LinkState.GONE, "4", AFTER, True),
        (ORDERED, LinkState.GONE, "6", BEFORE, False),
        (UNORDERED, LinkState.LINKED, "5", BEFORE, True),
        (UNORDERED, LinkState.LINKED, "4", AFTER, False),
        (UNORDERED, LinkState.GONE, "5", BEFORE, True),
    ],
)
def test_versions_decide_where_they_can_and_times_where_they_cannot(traits, state, version, read_at, stale):
    """The hub wrote (or deleted) the record at noon; its version is 5 since, or was when it was deleted."""
    link = Link(id="l", flow="f", system="s", resource="r", key="1", state=state, far_version="5", written_at=NOON)
    seen = Seen(key="1", got=Got({}), version=version, digest=b"", read_at=read_at)
    assert is_stale(link, seen, traits) is stale
