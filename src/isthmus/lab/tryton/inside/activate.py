# mypy: disable-error-code="import-not-found, import-untyped"
"""Runs in Tryton's own environment: makes the tables in an empty database and activates the modules the lab needs.

    python activate.py CONFIG DATABASE

What this would take minutes for is left out where the result cannot differ; see ``hurry``.
"""

import gc
import os
import sys
from typing import Any

CONFIG, DATABASE = sys.argv[1:]
os.environ["TRYTOND_CONFIG"] = CONFIG

MODULES = (
    "account_credit_limit",
    "account_invoice_stock",
    "isthmus_outbox",
    "production",
    "purchase",
    "sale",
    "sale_credit_limit",
    "sale_discount",
    "sale_price_list",
    "stock_consignment",
)

# What Tryton reads from information_schema, where one answer takes a tenth of a second
FOREIGN_KEYS = """
SELECT c.conname, a.attname,
       CASE c.confdeltype WHEN 'a' THEN 'NO ACTION' WHEN 'r' THEN 'RESTRICT' WHEN 'c' THEN 'CASCADE'
                          WHEN 'n' THEN 'SET NULL' ELSE 'SET DEFAULT' END
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)
WHERE c.contype = 'f' AND t.relname = %s AND n.nspname = %s
"""


def hurry() -> None:
    """Skip what only costs time here: this process makes a template and ends.

    The records that the modules bring were checked when they were released, so checking each again finds nothing;
    what the lab creates later is checked as always.
    """
    from trytond.backend.postgresql.table import TableHandler
    from trytond.model import ModelStorage
    from trytond.transaction import Transaction

    def foreign_keys(handler: Any) -> dict[Any, str]:
        if handler._TableHandler__fk_deltypes is None:
            cursor = Transaction().connection.cursor()
            cursor.execute(FOREIGN_KEYS, (handler.table_name, handler.table_schema))
            handler._TableHandler__fk_deltypes = {row[:2]: row[2] for row in cursor}
        found: dict[Any, str] = handler._TableHandler__fk_deltypes
        return found

    TableHandler._fk_deltypes = property(foreign_keys)
    ModelStorage._validate = classmethod(lambda cls, records, field_names=None: None)
    gc.set_threshold(200_000, 50, 100)


def main() -> None:
    """All of it; the administrator's password comes from TRYTONPASSFILE."""
    hurry()
    from trytond.admin import run
    from trytond.commandline import get_parser_admin

    options = ["-c", CONFIG, "-d", DATABASE, "--email", "admin@lab.example", "--activate-dependencies", "-u", *MODULES]
    run(get_parser_admin().parse_args(options))


if __name__ == "__main__":
    main()
