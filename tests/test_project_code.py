"""The project's own code has no say: a project whose code raises when it is called is moved.

hostile app (fields, descriptors, managers, __init__, from_db, save, receivers raise)
    ──▶ check ──▶ dump ──▶ arrange ──▶ load ──▶ verify: equal
"""

from django.db import connections

from fixturepipe.arrange.stage import arrange
from fixturepipe.artifacts.manifest import read_manifest
from fixturepipe.check.stage import CheckOptions, check
from fixturepipe.databases.endpoints import TARGET
from fixturepipe.events import ignore
from fixturepipe.load.stage import LoadOptions, load
from fixturepipe.verify.stage import VerifyOptions, verify
from tests.dumping import Dumped
from tests.hostile import fill


def test_a_project_whose_code_raises_is_moved_and_equal(endpoints, tmp_path):
    fill()
    options = CheckOptions(labels=("hostile",), workdir=tmp_path / "run")
    checked = check(endpoints, options, ignore)
    assert [f for f in checked.findings if f.level == "error"] == []
    dumped = Dumped(tmp_path / "run", endpoints.source)
    dumped("hostile", "contenttypes")
    arrange(dumped.directory, dumped.manifest.schemas())
    loaded = load(dumped.directory, endpoints, LoadOptions(workers=1), ignore)
    assert loaded.models["hostile.child"] == 2
    verified = verify(endpoints, VerifyOptions(), ignore, read_manifest(dumped.directory))
    assert verified.ok
    equal = {each.model: each.equal for each in verified.models}
    assert (equal["hostile.child"], equal["hostile.child_friends"]) == (2, 1)
    with connections[TARGET].cursor() as cursor:
        cursor.execute("SELECT * FROM hostile_child WHERE id = 2")
        assert cursor.fetchone() == (2, *[None] * 14)
