# mypy: disable-error-code="import-not-found, import-untyped, misc"
"""What BottleCRM needs to run on one machine: webhooks to loopback addresses, and two functions SQLite lacks."""

from typing import Any

from django.apps import AppConfig


class _AnyPort:
    """Contains every port."""

    def __contains__(self, port: object) -> bool:
        return True


class LabFixture(AppConfig):
    """Applied when Django starts."""

    name = "lab_fixture"

    def ready(self) -> None:
        """Let webhooks reach this machine, and give SQLite what management commands call on PostgreSQL."""
        from django.db.backends.signals import connection_created
        from webhooks import ssrf

        blocked = ssrf.is_blocked
        ssrf.is_blocked = lambda address: False if address.is_loopback else blocked(address)
        ssrf._allowed_ports = _AnyPort
        ssrf._allowed_schemes = lambda: ("https", "http")

        def add_functions(sender: Any, connection: Any, **_: Any) -> None:
            if connection.vendor == "sqlite":
                connection.connection.create_function("set_config", 3, lambda name, value, local: value)
                connection.connection.create_function("current_setting", 2, lambda name, missing: "")

        connection_created.connect(add_functions, weak=False, dispatch_uid="lab")
