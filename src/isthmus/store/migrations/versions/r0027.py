"""0027: what items are found by is kept beside them; what far systems say of their limits."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0027"
down_revision = "0024"


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
