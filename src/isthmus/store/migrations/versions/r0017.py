"""0017: people of customers, and calls of the API."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0017"
down_revision = "0015"


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
