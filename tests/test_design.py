"""docs/design.md says what each module does."""

import pytest

from tests.test_structure import ENTRIES, MODULES, PACKAGE, name_of, parts_of, room_of

DESIGN = (PACKAGE.parent / "docs" / "design.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if len(parts_of(p)) > 1 and room_of(p) not in ENTRIES],
    ids=name_of,
)
def test_the_design_names_each_module(path):
    name = parts_of(path)[-1]
    assert f"`{name}`" in DESIGN or f"{name}.py" in DESIGN, "say what it does"
