"""`plan` says what would happen and changes nothing, anywhere."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import DryRun
from tests.e2e.office import Office
from tests.e2e.snapshot import differences

pytestmark = [pytest.mark.lab]

BOOKKEEPING = {"crm.personal_access_token", "erp.ir_session"}
"""Tables in which the systems themselves note that somebody logged in or read."""


def test_a_plan_changes_nothing_anywhere(dry_run: DryRun) -> None:
    assert len([name for name in dry_run.before if name.startswith("crm.")]) > 50
    assert len([name for name in dry_run.before if name.startswith("erp.")]) > 100
    assert "hub.item" in dry_run.before
    changed = differences(dry_run.before, dry_run.after)
    assert set(changed) <= BOOKKEEPING, changed


def test_a_plan_has_the_right_figures(dry_run: DryRun, empty_office: Office) -> None:
    assert dry_run.said.code == 0
    plan, expect = dry_run.said.json, empty_office.lab.tryton.expect
    counts = plan["counts"]
    assert plan["problems"] == {}
    assert counts["crm"]["customer"] == {"create": expect["parties_only_erp"], "update": expect["parties_in_both"]}
    assert counts["erp"]["customer"]["create"] == expect["accounts_only_crm"]
    assert counts["crm"]["product"] == {
        "create": expect["products_erp"] - expect["products_crm"],
        "update": expect["products_crm"],
    }
    # Two accounts fit one party, one of them is linked to it.
    assert len(plan["doubtful"]) == expect["accounts_ambiguous"] - 1
    conflicts = [name for entry in plan["conflicts"] for name in entry["detail"]["fields"]]
    assert conflicts.count("name") >= expect["accounts_near_name"]
    assert "account.custom_fields.erp_number" in plan["custom_fields"]["crm"]
