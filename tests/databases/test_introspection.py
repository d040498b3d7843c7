"""Which keys a database holds, for references to rows that no fixture has."""

from django.db import connections

from fixturepipe.databases.endpoints import TARGET
from fixturepipe.databases.introspection import keys_in_target


def test_keys_of_a_custom_field_are_found_in_their_stored_form_without_its_code(endpoints):
    with connections[TARGET].cursor() as cursor:
        cursor.execute("INSERT INTO hostile_parent VALUES ('p')")
    assert keys_in_target("hostile.parent", "pk", ["p", "P", "q"]) == ["p"]
