"""0020: one index of links less."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
