"""The database and a mail server."""

from tests.mail_fixtures import post, post_office
from tests.store_fixtures import database_url, pg_server, store

__all__ = ["database_url", "pg_server", "post", "post_office", "store"]
