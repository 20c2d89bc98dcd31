"""0019: jobs, comparisons, pauses, and counts of webhooks."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0019"
down_revision = "0017"


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
