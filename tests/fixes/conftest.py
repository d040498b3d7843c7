"""As for the tests of check."""

from tests.check.conftest import in_a_directory_of_its_own

__all__ = ["in_a_directory_of_its_own"]
