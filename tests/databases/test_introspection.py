"""Which keys a database holds, for references to rows that no fixture has."""

from django.db import connections

from fixturepipe.databases.endpoints import TARGET
from fixturepipe.databases.introspection import rows_found


def test_keys_of_a_custom_field_are_found_in_their_stored_form_without_its_code(endpoints):
    with connections[TARGET].cursor() as cursor:
        cursor.execute("INSERT INTO hostile_parent VALUES ('p')")
    assert rows_found(TARGET, "hostile.parent", "pk", ["p", "P", "q"]) == ["p"]
