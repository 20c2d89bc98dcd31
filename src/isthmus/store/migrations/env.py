"""Alembic's entry: runs the revisions on the connection that :func:`isthmus.store.migrate.migrate` opened."""

from alembic import context

from isthmus.store.migrate import SCHEMA, VERSION_TABLE

connection = context.config.attributes["connection"]
connection.exec_driver_sql(f"create schema if not exists {SCHEMA}")
connection.exec_driver_sql(f"set local search_path = {SCHEMA}")
context.configure(connection=connection, version_table=VERSION_TABLE, version_table_schema=SCHEMA)
context.run_migrations()
