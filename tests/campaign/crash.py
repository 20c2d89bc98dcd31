"""The crash campaign on the real lab: ``python -m tests.campaign.crash --hub 60 --erp 10 --crm 10 --seed 1``.

People change a real CRM and a real ERP through their own interfaces while the hub, its PostgreSQL and both systems are
killed by SIGKILL; then everything comes to rest and is judged. Ends with 1 when anything was found.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.campaign.book import Book
from tests.campaign.judge import Before, Verdict, await_rest, histories, judge
from tests.campaign.kills import Killer, Kills
from tests.campaign.people import CrmPerson, ErpPerson, Person
from tests.e2e.office import Office

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- crash: written by make crash -->", "<!-- end of crash -->"
FLOWS = ("customer", "contact", "product", "order")
NO_BRAKE = "flow: {flow}\nextends: crm-erp/{flow}\nbrake: {{at_least: 100000}}\n"


@dataclass
class Outcome:
    """What a campaign did and what the judge found."""

    seed: int
    kills: Counter[str]
    ended: list[str]
    book: Book
    verdict: Verdict
    storm_seconds: float
    rest_seconds: float
    writes: Counter[str]
    """Outcome of the hub's writes → how many."""
    log: str
    """What the hub logged meanwhile."""
    histories: list[str]
    """What the hub did to whatever something was found about."""

    @property
    def violations(self) -> list[str]:
        """Everything found, each with its kind."""
        return [f"{kind}: {one}" for kind, found in self.verdict.items() for one in found]


def campaign(office: Office, kills: Kills, seed: int, *, pace: float, say: Callable[[str], None]) -> Outcome:
    """One storm on a linked office. ``pace``: seconds between kills on average. Afterwards the stage runs the hub."""
    rng, book = random.Random(seed), Book(seed)
    logged = len(office.hub_log()) if office.stage.log.exists() else 0
    if office.stage.hub_pid() is not None:
        office.settle()  # what others have left would be counted as the storm's
    office.stage.stop_hub()
    try:
        with _no_brake(office):
            before = Before(office)
            people = _people(office, book, rng)
            with Killer(office, rng, pace, say) as killer:
                began = time.monotonic()
                for person in people:
                    person.start()
                killer.storm(kills)
                killer.mend()
                for person in people:
                    person.stop()
                storm = time.monotonic() - began
                say(f"the storm is over after {storm:.0f} s: {len(book.things)} things, edits {book.edits}")
                killer.rest()
                rest = await_rest(office, before)
                say(f"at rest after {rest:.0f} s")
            # Beside a running hub a comparison looks twice, a minute apart, at what differs; at rest once is enough.
            verdict = judge(office, book, before)
            told = histories(office, book, verdict)
            sql = "select outcome, count(*) as n from effect where seq > %s group by outcome"
            writes = Counter({row["outcome"]: int(row["n"]) for row in office.rows(sql, before.effects)})
    finally:
        office.stage.start_hub()
    log = office.hub_log()[logged:]
    return Outcome(seed, killer.done, killer.ended, book, verdict, storm, rest, writes, log, told)


def _people(office: Office, book: Book, rng: random.Random) -> list[Person]:
    pace = 0.35
    sales = [CrmPerson(office.carl, book, random.Random(rng.random()), (n, 2), pace) for n in range(2)]
    return [*sales, *(ErpPerson(office.erin, book, random.Random(rng.random()), (n, 2), pace) for n in range(2))]


@contextmanager
def _no_brake(office: Office) -> Iterator[None]:
    """So many people in so small a company are a mass change, at which the brake would ask; that is not the question
    here."""
    folder = office.folder / "flows"
    folder.mkdir(exist_ok=True)
    assert not any(folder.iterdir()), "the office has flows of its own"
    try:
        for flow in FLOWS:
            (folder / f"{flow}.yaml").write_text(NO_BRAKE.format(flow=flow))
        yield
    finally:
        shutil.rmtree(folder)


def main() -> int:
    """Run on an office of its own, say what was found, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hub", type=int, default=60, help="how often the hub is killed")
    parser.add_argument("--postgres", type=int, default=10, help="how often the hub's PostgreSQL is killed")
    parser.add_argument("--erp", type=int, default=10, help="how often the ERP and its database are killed")
    parser.add_argument("--crm", type=int, default=10, help="how often the CRM is killed")
    parser.add_argument("--seed", type=int, default=1, help="of the order and moments of kills, and of what people do")
    parser.add_argument("--pace", type=float, default=2.0, help="seconds between two kills on average")
    parser.add_argument("--folder", type=Path, help="keep the office there, running, to look into it")
    parser.add_argument("--write", action="store_true", help="write the figures into docs/reliability.md")
    given = parser.parse_args()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {text}", flush=True)

    # For root the databases run as another user, who must be able to enter the folder.
    folder = given.folder or Path(tempfile.mkdtemp(prefix="isthmus-crash-"))
    office = Office(folder)
    try:
        office.stage.set_up("small")
        office.open()
        said = office.isthmus("sync", "--yes", "--json")
        assert said.code == 4, said
        say("both systems are linked")
        kills = Kills(given.hub, given.postgres, given.erp, given.crm)
        done = campaign(office, kills, given.seed, pace=given.pace, say=say)
    finally:
        if given.folder is None:
            office.stage.tear_down()
            shutil.rmtree(folder, ignore_errors=True)
    for name, value in figures(done):
        say(f"{name}: {value}")
    for line in [*done.violations, *done.histories, *done.ended]:
        say(line)
    if given.write:
        write(done)
    return 1 if done.violations else 0


def figures(done: Outcome) -> list[tuple[str, str]]:
    """The table of the document."""
    book, kinds = done.book, Counter(thing.kind for thing in done.book.things)
    machine = f"{os.cpu_count()} processors, Python {platform.python_version()}"
    looked_up, there = done.log.count("write.unsure"), done.log.count("found=1")
    return [
        ("Date, machine", f"{datetime.now(UTC):%Y-%m-%d}, {machine}, seed {done.seed}"),
        ("Kills by SIGKILL", ", ".join(f"{name} {count}" for name, count in sorted(done.kills.items()))),
        ("Seconds of storm", f"{done.storm_seconds:.0f}"),
        ("Made by people", ", ".join(f"{count} {kind}s" for kind, count in sorted(kinds.items()))),
        ("Edits by people", f"{book.edits['crm']} in the CRM, {book.edits['erp']} in the ERP"),
        ("Their calls made again after no answer", f"{book.repeated_calls}"),
        ("CRM edits undone inside the CRM, made again by their author", f"{len(book.undone)}"),
        ("Writes of the hub", ", ".join(f"{count} {outcome}" for outcome, count in done.writes.most_common())),
        ("Creates of unknown outcome, looked up", f"{looked_up}, {there} of them were there"),
        ("Edits that the hub took up again after its own write had undone them", f"{done.log.count('edit.undone')}"),
        ("Writes of the hub that a save of an older copy had undone, made again", f"{done.log.count('write.undone')}"),
        ("Hub processes that ended by themselves", f"{len(done.ended)}"),
        ("Seconds from the last kill to rest", f"{done.rest_seconds:.0f}"),
        *((f"**{kind.capitalize()}**", f"**{len(found)}**") for kind, found in done.verdict.items()),
    ]


def write(done: Outcome) -> None:
    """Put the figures between the marks of the document."""
    text = DOCUMENT.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    rows = [f"| {name} | {value} |" for name, value in figures(done)]
    found = [f"- {one}" for one in done.violations]
    lines = [BEGIN, "", "| Figure | Value |", "|---|---|", *rows, "", *found, *([""] if found else []), END]
    DOCUMENT.write_text(head + "\n".join(lines) + tail, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
