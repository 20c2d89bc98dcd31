"""0001: the start."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
