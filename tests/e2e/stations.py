"""Service stations of an office: their places in the ERP, the organisation in the hub, and the people who decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isthmus.lab.people import ErpWarehouse
from tests.e2e.office import Office, see

__all__ = ["APPROVALS", "CHIEF", "REPAIRS", "REQUESTER", "Stations"]

CHIEF = "chief@stations.example"
REQUESTER = "station@stations.example"

APPROVALS = f"""\
currency: EUR
teams:
  chiefs: [{CHIEF}]
rules:
  - rule: small_requests
    document: MaterialRequest
    when: {{amount: {{below: 500}}}}
    ask: nobody
  - rule: requests
    document: MaterialRequest
    ask: [{{stage: centre, who: chiefs, within: 2d}}]
  - rule: settlements
    document: LabourSettlement
    ask: [{{stage: finance, who: chiefs, within: 5d}}]
"""

REPAIRS = """\
time_zone: Europe/Berlin
due_day: 10
accounts: {expense: "5.1.3", payable: "2.1.1", journal: MISC}
levels:
  minor: {EUR: 15}
  medium: {EUR: 35.50}
  major: {EUR: 80}
rules:
  - {level: major, method: [overhaul]}
  - {level: medium, pieces: 1}
  - {level: minor}
"""


class Stations:
    """What the tests of stations begin with."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.warehouse = ErpWarehouse(office.erin)
        self._tree()

    def set_rules(self) -> None:
        """Give the project its rules; the hub reads them when it starts."""
        files = {"approvals.yaml": APPROVALS, "repairs.yaml": REPAIRS}
        there = {path.name: path.read_text() for path in self.office.folder.glob("*.yaml")}
        if all(there.get(name) == text for name, text in files.items()):
            return
        self.office.stage.stop_hub()
        for name, text in files.items():
            (self.office.folder / name).write_text(text)
        self.office.stage.start_hub()

    def _tree(self) -> None:
        self.set_rules()
        self.call("organisation", "add", "HO", "Head office", "head_office")
        self.call("organisation", "add", "C-NORTH", "Centre North", "centre", "--below", "HO")

    def call(self, *words: str) -> Any:
        """A command that has to work; its JSON."""
        said = self.office.isthmus(*words, "--json")
        assert said.code == 0, said
        return said.json

    def station(self, *ways: str, credit: str | None = None, below: str = "C-NORTH") -> tuple[str, str, int]:
        """A station that can be supplied in these ways: number, code of its place in the ERP, and its party there."""
        name, _ = self.office.new("Station")
        account, party = self.office.customer("Station")
        number = name.split()[1]
        customer = str(self.office.account(account)["name"])
        more = ["--customer", customer]
        if "transfer" in ways:
            self.warehouse.create_warehouse(f"W{number}", name)
            more += ["--place", f"W{number}"]
        if "fill_up" in ways:
            self.warehouse.create_consignment_place(f"K{number}", name, party)
            more += ["--consignment", f"K{number}"]
        if credit:
            more += ["--credit", credit]
        self.call("organisation", "add", number, name, "station", "--below", below, *more)
        return number, (f"K{number}" if "fill_up" in ways else f"W{number}"), party

    # requests

    def ask(self, station: str, *lines: str, supply: str) -> str:
        """A new request's number."""
        made = self.call("request", "new", station, *lines, "--for", REQUESTER, "--supply", supply)
        return str(made["fields"]["number"])

    def request(self, number: str) -> dict[str, Any]:
        """A request's fields, with its process under ``waits``."""
        view = self.call("request", "show", number)
        process = view["process"] or {}
        return {**view["request"]["fields"], "waits": process, "skus": view["skus"]}

    def asks(self, number: str, who: str) -> dict[str, Any]:
        """Wait until the request's process waits for this person."""
        return see(lambda: (found := self.request(number)["waits"]).get("who") == who and found)

    def kept_stock(self, station: str, sku: str, **wanted: str) -> dict[str, Any]:
        """Wait until the hub itself keeps this stock of the station (``on_hand``, ``in_transit``)."""

        def probe() -> dict[str, Any] | None:
            (stock,) = self.call("request", "stock", station, sku)
            return dict(stock) if stock["kept"] == wanted else None

        return see(probe)

    def told(self, number: str, *milestones: str) -> None:
        """Wait until the station was told exactly these milestones of a document."""

        def probe() -> bool:
            notices = self.call("notice", "list", "--to", REQUESTER)
            found = [one for one in notices if one["context"].get("number") == number]
            return sorted(one["milestone"] for one in found) == sorted(milestones)

        see(probe)

    def reaches(self, number: str, *states: str) -> dict[str, Any]:
        """Wait until it is in one of these states."""

        def probe() -> dict[str, Any] | None:
            found = self.request(number)
            if found["waits"].get("state") == "failed" and "failed" not in states:
                raise AssertionError(f"{number}: {found['waits'].get('problem')}")
            return found if found["state"] in states else None

        return see(probe)

    def waiting(self, reference: str) -> dict[str, Any]:
        """The ERP's only transfer of this reference, when the warehouse can send it."""

        def probe() -> dict[str, Any] | None:
            found = self.warehouse.transfers(reference)
            assert len(found) <= 1, f"the ERP has {reference} twice"
            return found[0] if found and found[0]["state"] == "waiting" else None

        return see(probe)

    def deliveries(self, number: str) -> list[tuple[str, bool, list[str]]]:
        """State, child or not, quantities of each delivery."""
        found = self.request(number).get("deliveries") or []
        return [(one["state"], bool(one["child"]), [line["quantity"] for line in one["lines"]]) for one in found]

    def decide(self, number: str, word: str, comment: str = "") -> Mapping[str, Any]:
        """The chief decides about a document."""

        def asked() -> str | None:
            found = self.call("approve", "list")
            return next((one["id"] for one in found if one["key"] == number and one["state"] == "open"), None)

        more = ["--comment", comment] if comment else []
        id = see(asked)
        decided: Mapping[str, Any] = self.call("approve", "decide", id, word, "--by", CHIEF, *more)
        return decided
