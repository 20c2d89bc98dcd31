"""0030: what a save of an older copy may have set back unseen."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
