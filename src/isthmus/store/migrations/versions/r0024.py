"""0024: a create whose outcome is unknown may be unwanted by the time."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
