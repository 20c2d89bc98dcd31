# mypy: disable-error-code="import-not-found, import-untyped, has-type, name-defined"
# ruff: noqa: F403, F405
"""Settings of BottleCRM for the lab: its own, on one SQLite file, with tasks done at once instead of by a broker."""

import os
from datetime import timedelta
from pathlib import Path

from crm.settings import *

HOME = Path(os.environ["LAB_HOME"])

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(HOME / "crm.sqlite3"),
        "OPTIONS": {
            "timeout": 30,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        },
    }
}
MEDIA_ROOT = str(HOME / "media")
CELERY_BROKER_URL = "memory://"
CELERY_RESULT_BACKEND = "cache+memory://"
CELERY_TASK_ALWAYS_EAGER = True
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
LOGGING["handlers"]["logfile"] = {"class": "logging.NullHandler"}
LOGGING["handlers"]["security_audit"] = {"class": "logging.NullHandler"}
INSTALLED_APPS = [*INSTALLED_APPS, "lab_fixture.apps.LabFixture"]
# The hub keeps one token for webhooks; nobody is there to log in again
SIMPLE_JWT = {**SIMPLE_JWT, "ACCESS_TOKEN_LIFETIME": timedelta(days=3650)}

if os.environ.get("LAB_BUILDING"):
    # 253 migrations take minutes and leave, on an empty database, what the models say: make the tables from those

    class _NoMigrations:
        """Says of every app that it has no migrations."""

        def __contains__(self, app: str) -> bool:
            return True

        def __getitem__(self, app: str) -> None:
            return None

    MIGRATION_MODULES = _NoMigrations()
    DATABASES["default"]["OPTIONS"]["init_command"] = "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF;"  # type: ignore[index]
