"""For all tests: what they prove of compatibility is kept."""

from tests.compatibility.plugin import proves, pytest_configure, pytest_runtest_makereport

__all__ = ["proves", "pytest_configure", "pytest_runtest_makereport"]
