"""0013: what the console looks for."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
