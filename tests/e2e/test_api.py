"""Programs order by the API of a running hub, with the real ERP behind it (WEB-2)."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from tests.e2e.office import Office, money, see
from tests.e2e.stations import Stations
from tests.tidy.tree import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


class Shop:
    """A program with a token of its own."""

    def __init__(self, office: Office, *scopes: str, role: str = "sales") -> None:
        _, login = office.new("shop")
        said = office.isthmus("user", "add", login, "--role", role, "--generate", "--json")
        assert said.code == 0, said
        self._begin(office, login, scopes or ("see", "order"))

    def _begin(self, office: Office, login: str, scopes: Sequence[str]) -> None:
        words = [word for scope in scopes for word in ("--scope", scope)]
        said = office.isthmus("token", "add", login, "shop", *words, "--json")
        assert said.code == 0, said
        self.secret = str(said.json["secret"])
        self.address = office.stage.hub_url().rstrip("/")

    @classmethod
    def of(cls, office: Office, login: str, *scopes: str) -> Shop:
        """A program of a person who is there already."""
        made = cls.__new__(cls)
        made._begin(office, login, scopes)
        return made

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
        given = {"authorization": f"Bearer {self.secret}"} | {n.replace("_", "-"): v for n, v in headers.items()}
        return requests.request(method, f"{self.address}/api/v1{path}", json=body, headers=given, timeout=60)


def buyer(office: Office, word: str) -> tuple[str, int]:
    account, party = office.customer(word)
    return str(office.account(account)["name"]), party


@pytest.mark.flow("WEB-2")
def test_an_order_is_simulated_and_placed_once_by_two_clients_over_http(office: Office) -> None:
    sku = office.product("API", "100", 50)
    name, party = buyer(office, "Program")
    one, two = Shop(office), Shop(office)
    answer = one.call("POST", "/order-simulations", {"customer": name, "lines": [{"sku": sku, "quantity": "3"}]})
    assert answer.status_code == 201, answer.text
    simulated = answer.json()
    assert money(simulated["lines"][0]["amount"]) == 300
    with ThreadPoolExecutor(4) as pool:
        body = {"simulation": simulated["id"]}
        calls = [
            pool.submit(shop.call, "POST", "/orders?wait=20", body, idempotency_key="k") for shop in (one, two) * 2
        ]
        answers = [call.result() for call in calls]
    assert {answer.status_code for answer in answers} <= {201, 409}, [answer.text for answer in answers]
    placed = [answer.json() for answer in answers if answer.status_code == 201]
    assert len(placed) >= 2
    (sale,) = office.sales(party)
    assert {order["number"] for order in placed} == {sale["number"]}
    assert money(placed[0]["total"]) == sale["total_amount"] == money(simulated["total"])
    again = one.call("POST", "/orders?wait=20", body, idempotency_key="k")
    assert (again.headers["idempotency-replayed"], again.json()["number"]) == ("true", sale["number"])
    see(lambda: office.sales(party)[0]["state"] == "processing")
    office.erin.ship(int(sale["id"]))
    see(lambda: money(one.call("GET", f"/orders/{sale['number']}").json()["ledger"]["lines"][0]["shipped"]) == 3)

    def delivered() -> bool:
        traced = one.call("GET", f"/trace?q={sale['number']}").json()
        return [child["entity"] for child in traced["roots"][0]["children"]][:1] == ["Delivery"]

    see(delivered)  # the ledger asks the ERP itself; the hub takes the delivery in by its next look
    assert len(office.sales(party)) == 1


@pytest.mark.flow("WEB-2")
def test_a_price_that_moved_is_told_over_http(office: Office) -> None:
    sku = office.product("MOVE", "100", 50)
    name, party = buyer(office, "Mover")
    shop = Shop(office)
    asked = {"customer": name, "lines": [{"sku": sku, "quantity": "1"}]}
    simulated = shop.call("POST", "/order-simulations", asked).json()
    office.erin.change_list_price(sku, "120")
    answer = shop.call("POST", "/orders?wait=20", {"simulation": simulated["id"]})
    assert (answer.status_code, answer.json()["code"]) == (409, "terms-moved")
    assert office.sales(party) == []
    placed = shop.call("POST", "/orders?wait=20", {"simulation": answer.json()["order"]["simulation"]})
    assert placed.status_code == 201, placed.text
    assert office.sales(party)[0]["untaxed_amount"] == 120


def test_an_item_that_is_edited_by_the_api_reaches_both_systems(office: Office) -> None:
    account, party = office.customer("Edited", phone="+49 40 555000")
    see(lambda: office.mechanism(party, "phone"))
    office.in_step("crm", "account", account)
    _, login = office.new("clerk")
    assert office.isthmus("user", "add", login, "--role", "operator", "--generate").code == 0
    said = office.isthmus("token", "add", login, "t", "--scope", "see", "--scope", "decide", "--json")
    shop = Shop(office)
    shop.secret = said.json["secret"]
    (row,) = office.rows("select item from link where system = 'erp' and resource = 'party' and key = %s", str(party))
    seen = shop.call("GET", f"/items/{row['item']}")
    body = {"fields": {"phone": "+49 40 777777"}}
    assert shop.call("PATCH", f"/items/{row['item']}", body, if_match=seen.headers["etag"]).status_code == 200
    assert shop.call("PATCH", f"/items/{row['item']}", body, if_match=seen.headers["etag"]).status_code == 412
    see(lambda: office.mechanism(party, "phone").endswith("777777"))
    see(lambda: str(office.account(account)["phone"]).replace(" ", "").endswith("777777"))


def fields(shop: Shop, place: str) -> dict[str, Any]:
    """Of a document, with its process under ``waits``."""
    answer = shop.call("GET", place)
    assert answer.status_code == 200, answer.text
    return {**answer.json()["document"]["fields"], "waits": answer.json()["waits"]}


@pytest.mark.flow("WEB-2")
@pytest.mark.flow("ERP-3")
def test_a_quote_is_made_and_accepted_once_by_two_clients_over_http(office: Office) -> None:
    sku = office.product("APIQ", "100", 50)
    name, party = buyer(office, "Offered")
    one, two = Shop(office), Shop(office)
    body = {"customer": name, "lines": [{"sku": sku, "quantity": "4"}], "discount": "0.05"}
    made = one.call("POST", "/quotes", body, idempotency_key="q")
    assert made.status_code == 201, made.text
    assert one.call("POST", "/quotes", body, idempotency_key="q").json() == made.json()
    place = made.headers["location"].removeprefix("/api/v1")
    assert money(made.json()["document"]["fields"]["net_total"]["amount"]) == 380
    early = one.call("POST", f"{place}/accept", {})
    assert (early.status_code, early.json()["code"]) == (422, "needs-person")
    assert one.call("POST", f"{place}/send", if_match=made.headers["etag"]).status_code == 200
    see(lambda: fields(one, place)["state"] == "sent")
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(shop.call, "POST", f"{place}/accept?wait=20", {}) for shop in (one, two) * 2]
        answers = [call.result() for call in calls]
    assert {answer.status_code for answer in answers} <= {201, 202}, [answer.text for answer in answers]
    (sale,) = office.sales(party)
    assert len({answer.json()["order"] for answer in answers}) == 1
    see(lambda: two.call("POST", f"{place}/accept", {}).json().get("number") == sale["number"])
    assert sale["untaxed_amount"] == 380
    roots = one.call("GET", f"/trace?q={sale['number']}").json()["roots"]
    assert [roots[0]["entity"], roots[0]["children"][0]["entity"]] == ["Quote", "SalesOrder"]


@pytest.mark.flow("SAP-3")
@pytest.mark.flow("SAP-9")
@pytest.mark.flow("SAP-10")
def test_documents_of_a_station_run_over_http(office: Office) -> None:
    stations = Stations(office)
    sku = office.product("APIS", "10", 50)
    centre = f"C{office.new('Centre')[0].split()[1]}"
    stations.call("organisation", "add", centre, f"Centre {centre}", "centre", "--below", "HO")
    station, _, _ = stations.station("transfer", below=centre)
    clerk = Shop(office, "see", "decide", role="operator")

    asked = {"station": station, "lines": [{"sku": sku, "quantity": "3"}], "supply": "transfer"}
    made = clerk.call("POST", "/material-requests", asked, idempotency_key="mr")
    assert made.status_code == 201, made.text
    assert clerk.call("POST", "/material-requests", asked, idempotency_key="mr").json() == made.json()
    place = made.headers["location"].removeprefix("/api/v1")
    number = see(lambda: (found := fields(clerk, place))["state"] == "ordered" and found["number"])
    stations.waiting(number)
    assert len(stations.warehouse.transfers(number)) == 1
    late = clerk.call("POST", f"{place}/cancel")
    assert (late.status_code, late.json()["code"]) == (422, "needs-person")

    back = {"station": station, "lines": [{"sku": sku, "quantity": "2"}], "reason": "worn"}
    place = clerk.call("POST", "/returns", back).headers["location"].removeprefix("/api/v1")
    assert clerk.call("POST", f"{place}/send", {"tracking": "DHL 1"}).status_code == 200
    see(lambda: fields(clerk, place)["state"] == "sent")
    assert clerk.call("POST", f"{place}/count", {"lines": [{"sku": sku, "quantity": "1"}]}).status_code == 200
    seen = see(lambda: (found := fields(clerk, place))["state"] == "difference" and found)
    see(lambda: fields(clerk, place)["waits"]["who"] == "centre manager")
    blame = {"differences": [{"sku": sku, "responsible": "carrier", "evidence": "photo 1"}]}
    assert clerk.call("POST", f"{place}/settle", blame).status_code == 200
    see(lambda: fields(clerk, place)["state"] == "received")
    assert len(stations.warehouse.returns(str(seen["number"]))) == 1

    day = datetime.now(UTC).date().replace(day=1) - timedelta(days=1)
    repair = {"station": station, "method": "overhaul", "repaired_on": day.isoformat()}
    assert clerk.call("POST", "/repairs", repair, idempotency_key="rr").status_code == 201
    assert clerk.call("POST", "/repairs", repair, idempotency_key="rr").status_code == 201
    closed = clerk.call("POST", "/settlements", {"centre": centre, "period": f"{day:%Y-%m}"}).json()["items"]
    assert [money(one["fields"]["total"]["amount"]) for one in closed] == [80], "one repair, noted twice"
    number = closed[0]["fields"]["number"]
    assert clerk.call("POST", f"/settlements/{number}/report").status_code == 200
    stations.decide(number, "approve")
    done = see(lambda: (found := fields(clerk, f"/settlements/{number}"))["state"] == "booked" and found, 90)
    assert done["entry"]


def test_the_examples_of_the_documentation_run_as_they_stand(office: Office) -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh curl\n(.*?)```", text, re.DOTALL)
    assert len(blocks) >= 5
    sku = office.product("DOC", "100", 50)
    name, party = buyer(office, "Reader")
    shop = Shop(office)
    names = {"HUB": shop.address, "TOKEN": shop.secret, "CUSTOMER": name, "SKU": sku}
    script = "set -euo pipefail\n" + "\necho\n".join(blocks)
    done = subprocess.run(
        ["bash", "-c", script], env=os.environ | names, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert '"roots":[{' in done.stdout
    assert len(office.sales(party)) == 1
