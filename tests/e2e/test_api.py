"""Programs order by the API of a running hub, with the real ERP behind it (WEB-2)."""

from __future__ import annotations

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.e2e.office import Office, money, see
from tests.tidy.tree import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


class Shop:
    """A program with a token of its own."""

    def __init__(self, office: Office, *scopes: str) -> None:
        _, login = office.new("shop")
        said = office.isthmus("user", "add", login, "--role", "sales", "--generate", "--json")
        assert said.code == 0, said
        words = [word for scope in scopes or ("see", "order") for word in ("--scope", scope)]
        said = office.isthmus("token", "add", login, "shop", *words, "--json")
        assert said.code == 0, said
        self.secret = str(said.json["secret"])
        self.address = office.stage.hub_url().rstrip("/")

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
