"""0010: approvals of documents, and deputies."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0010"
down_revision = "0008"


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
