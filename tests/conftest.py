"""What every test may use."""

from pathlib import Path

pytest_plugins = ["tests.flow_plugin", "tests.parallel_plugin"]

if Path(__file__).with_name("lab_fixtures.py").exists():
    pytest_plugins.append("tests.lab_fixtures")
