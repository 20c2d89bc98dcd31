"""0031: creates that were set apart are found by an index."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
