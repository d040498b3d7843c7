"""What only newer versions of Django have. Models of the tests leave it out with an older one."""

from __future__ import annotations

import django
import pytest

HAS_GENERATED_FIELDS = HAS_DB_DEFAULTS = HAS_NATIVE_UUIDS = django.VERSION >= (5, 0)
HAS_COMPOSITE_KEYS = django.VERSION >= (5, 2)
# The argument of CheckConstraint that Django 5.1 renamed.
CONDITION = "condition" if django.VERSION >= (5, 1) else "check"

needs_generated_fields = pytest.mark.skipif(
    not HAS_GENERATED_FIELDS, reason="Django before 5.0 has no generated fields"
)
needs_native_uuids = pytest.mark.skipif(
    not HAS_NATIVE_UUIDS, reason="Django before 5.0 has no UUID columns on MariaDB"
)
needs_composite_keys = pytest.mark.skipif(
    not HAS_COMPOSITE_KEYS, reason="Django before 5.2 has no composite keys"
)
