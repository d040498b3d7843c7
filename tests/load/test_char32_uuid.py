"""UUIDs in char(32), which projects keep on MariaDB with a field of their own since Django 5.0."""

from __future__ import annotations

from pathlib import Path

from tests.projects import write_project
from tests.servers import Server

MODELS = """
class Char32UUIDField(models.UUIDField):
    def db_type(self, connection):
        return "char(32)"
    def get_db_prep_value(self, value, connection, prepared=False):
        value = super().get_db_prep_value(value, connection, prepared)
        return value.hex if hasattr(value, "hex") else value
class Box(models.Model):
    id = Char32UUIDField(primary_key=True)
    other = Char32UUIDField(null=True, unique=True)
    inner = models.ForeignKey("self", models.CASCADE, null=True)
class Item(models.Model):
    boxes = models.ManyToManyField(Box)
    other = models.ForeignKey(Box, models.CASCADE, to_field="other", related_name="+")
    plain = models.UUIDField(null=True)
"""
A, B, C = (
    "a918aca8e74d4e7499a76cf18966dfc0",
    "1dd9b7c500a7400b9b0d889fff334917",
    "c" * 12 + "4" * 20,
)
ROWS = f"""
INSERT INTO shop_box (id, other, inner_id) VALUES ('{A}', '{C}', '{B}'), ('{B}', NULL, NULL);
INSERT INTO shop_item (id, other_id, plain) VALUES (1, '{C}', '{B}'), (2, '{C}', NULL);
INSERT INTO shop_item_boxes (id, item_id, box_id) VALUES (1, 1, '{A}'), (2, 1, '{B}');
"""


def test_uuids_arrive_in_hexadecimal_where_the_field_keeps_char_32(
    tmp_path: Path, server: Server
) -> None:
    with server.database() as target:
        project = write_project(tmp_path, target.name, MODELS)
        project.django("migrate", "--run-syncdb")
        project.fill(ROWS)
        moved = project.run("run", "--json")
        assert moved.returncode == 0, moved.stderr + moved.stdout[-2000:]
        boxes = project.execute("SELECT id, other, inner_id FROM shop_box ORDER BY id")
        assert boxes == ((B, None, None), (A, C, B))
        assert project.execute("SELECT DISTINCT other_id FROM shop_item") == ((C,),)
        assert project.execute("SELECT box_id FROM shop_item_boxes ORDER BY id") == ((A,), (B,))
        again = project.run("sync")
        assert again.returncode == 0, again.stderr
