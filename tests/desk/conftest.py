"""The database fixtures."""

from tests.store_fixtures import database_url, pg_server, store

__all__ = ["database_url", "pg_server", "store"]
