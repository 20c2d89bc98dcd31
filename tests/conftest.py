"""What every test may use. Fixtures for the whole session stand here and nowhere else: each import of one into a
``conftest.py`` would be another database server."""

from pathlib import Path

from hypothesis import HealthCheck, settings

# Repeatable, and no test fails because the machine was slow.
settings.register_profile(
    "isthmus", max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
settings.load_profile("isthmus")

pytest_plugins = ["tests.flow_plugin", "tests.parallel_plugin", "tests.store_fixtures", "tests.mail_fixtures"]

if Path(__file__).with_name("lab_fixtures.py").exists():
    pytest_plugins.append("tests.lab_fixtures")
