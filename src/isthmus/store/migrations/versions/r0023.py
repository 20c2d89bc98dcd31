"""0023: changes of flows that are made in the console."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
