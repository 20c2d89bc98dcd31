"""0022: people known by an OpenID provider."""

from alembic import op

from isthmus.store.migrate import apply

revision = "0022"
down_revision = "0020"


def upgrade() -> None:
    """Run the SQL file of this number."""
    op.get_bind().exec_driver_sql(apply(revision), execution_options={"no_parameters": True})
