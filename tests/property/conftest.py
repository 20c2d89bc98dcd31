"""Fast and repeatable: a fixed number of examples, no deadlines of time."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "isthmus", max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
)
settings.load_profile("isthmus")
