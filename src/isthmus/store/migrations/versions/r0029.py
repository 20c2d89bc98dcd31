"""0029: what is due, in a table of its own."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
