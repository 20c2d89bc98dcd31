"""What happens in a run, as a list of actions: drawn from the seed once, and played again as it is, so that actions can
be left out until nothing is left that does not matter.

An action says where and roughly what; which record it meets is decided by ``pick`` (0..1) over what is there at that
moment. Leaving an action out therefore leaves the others with a meaning.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import msgspec

from isthmus.testing.memory import Trouble
from isthmus.testing.simulator.triangle import SYSTEMS, Setting

__all__ = ["Action", "storm"]


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happens ``after`` so many seconds since the one before it."""

    number: int
    """Unique in the script, and what makes the values of an edit unique."""
    after: float
    deed: str
    system: str = ""
    entity: str = ""
    pick: float = 0.0
    other: float = 0.0
    what: str = ""
    times: int = 1

    def __str__(self) -> str:
        told = [f"+{self.after:.2f}s", self.deed, self.system, self.entity, self.what]
        return f"#{self.number} " + " ".join(word for word in told if word) + f" pick={self.pick:.3f}/{self.other:.3f}"


_DEEDS: dict[str, float] = {
    "create": 8,
    "both create": 2,
    "edit": 22,
    "collide": 8,
    "blank": 3,
    "move": 1,
    "mistype": 1,
    "delete": 3,
    "restore": 2,
    "merge": 1.5,
    "fault": 12,
    "outage": 1,
    "drift": 0.7,
    "kill": 4,
    "deafen": 1,
    "decide": 3,
    "correct": 1,
}
_TROUBLES: tuple[tuple[Trouble, str], ...] = (
    (Trouble.BEFORE, "write"),
    (Trouble.AFTER, "write"),
    (Trouble.AFTER, "write"),
    (Trouble.GARBAGE, "write"),
    (Trouble.BROKEN, "write"),
    (Trouble.TOO_MANY, "write"),
    (Trouble.TOO_MANY, "any"),
    (Trouble.DOWN, "read"),
    (Trouble.DOWN, "find"),
    (Trouble.BROKEN, "open"),
    (Trouble.GARBAGE, "scan"),
    (Trouble.HALF, "scan"),
    (Trouble.HALF, "changes"),
    (Trouble.AFTER, "fetch"),
    (Trouble.STALE, "fetch"),
    (Trouble.STALE, "scan"),
    (Trouble.HANG, "any"),
)
KILL_PLACES = ("", "commit", "write", "write", "fetch", "begin", "find_created", "changes", "scan")


HAND_ACTS = ("unlink", "unlink", "link_up", "separate", "merge", "part")
"""What people do to the hub's links by hand, and ..."""
HAND_SHARE, HANDED = 0.05, 0.25
"""how often: of all actions, in this share of all seeds."""
FORM_SHARE = 0.3
"""How often people open a form, of all actions, where records are saved whole; and ..."""
OPEN_FOR = (1, 4, 12, 30, 60)
"""so many seconds later they save it."""


def storm(dice: Random, setting: Setting, hands: Random, forms: Random) -> Iterator[Action]:
    """Actions without end: first the company as it is before the hub comes, then people and troubles. ``hands``: dice
    for acts by hand, ``forms``: for forms; dice of their own, so that seeds without them stay the runs that they
    were."""
    handed = hands.random() < HANDED
    number = 0
    for _ in range(dice.randint(3, 8)):
        number += 1
        deed = dice.choice(["create", "create", "both create"])
        yield _action(dice, setting, number, deed, 0.0)
    yield Action(number=0, after=0.0, deed="begin")
    while True:
        number += 1
        # Now and then much happens at one moment.
        pause = dice.choice([0.0, dice.expovariate(10), dice.expovariate(1), dice.expovariate(0.2)])
        deed = dice.choices(list(_DEEDS), list(_DEEDS.values()))[0]
        yield _action(dice, setting, number, deed, pause)
        if handed and hands.random() < HAND_SHARE:
            number += 1
            yield _action(hands, setting, number, "hand", hands.expovariate(1))
        if setting.whole and forms.random() < FORM_SHARE:
            number += 1
            yield _form(forms, setting, number)


def _form(dice: Random, setting: Setting, number: int) -> Action:
    entity, system = dice.choice(setting.whole)
    return Action(
        number=number,
        after=dice.expovariate(1),
        deed="form",
        system=system,
        entity=entity,
        pick=dice.random(),
        other=dice.random(),
        times=dice.choice(OPEN_FOR),
    )


def _action(dice: Random, setting: Setting, number: int, deed: str, pause: float) -> Action:
    what, times = "", 1
    if deed == "fault":
        trouble, on = dice.choice(_TROUBLES)
        what, times = f"{trouble}/{on}", dice.randint(1, 2)
    elif deed == "kill":
        what = dice.choice(KILL_PLACES)
    elif deed == "outage":
        times = dice.choice([3, 15, 60])
    elif deed == "hand":
        what = dice.choice(HAND_ACTS)
    elif deed == "drift":
        what = dice.choice(["new", "gone", "renamed"])
    # The same few entities, so that things meet.
    return Action(
        number=number,
        after=pause,
        deed=deed,
        system=dice.choice(SYSTEMS),
        entity=dice.choice(setting.entities),
        pick=dice.random(),
        other=dice.random(),
        what=what,
        times=times,
    )
