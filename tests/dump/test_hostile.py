"""The project's own code has no say: the dump of a project whose code raises when it is called."""

from tests.hostile import VALUES, fill


def test_a_project_whose_code_raises_is_dumped_with_every_value(dumped):
    fill()
    result = dumped("hostile")
    assert result.models == {
        "hostile.parent": 1,
        "hostile.child_friends": 1,
        "hostile.child": 2,
    }
    fields = dumped.fields("hostile.child")
    assert fields[1] == {"parent": "p", **{name: form for name, (_, form) in VALUES.items()}}
    assert set(fields[2].values()) == {None}
    assert dumped.manifest.stored["hostile.child"] == dict.fromkeys(["parent", *VALUES], "altered")
    assert dumped.manifest.stored["hostile.parent"] == {"key": "altered"}


def test_a_natural_key_whose_code_raises_is_not_used(dumped):
    fill()
    result = dumped("hostile")
    (warning,) = (text for text in result.warnings if "hostile.parent" in text)
    assert "primary key" in warning
