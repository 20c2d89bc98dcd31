"""0028: decisions on many questions at once are jobs."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
