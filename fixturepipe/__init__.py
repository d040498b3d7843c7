"""fixturepipe moves a Django application's data from SQLite to MySQL or MariaDB through
Django's own fixtures, and proves that nothing was lost.

    import fixturepipe

    result = fixturepipe.migrate(settings="mysite.settings", target="mysql")
    assert result.ok

`migrate` is `fixturepipe run`. A `Pipeline` has a method for each stage; `docs/python.md` has
scripts. Importing this package imports neither Django nor the project's settings: each name is
loaded when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fixturepipe.arrange.options import ArrangeOptions
    from fixturepipe.arrange.stage import ArrangeResult
    from fixturepipe.check.options import CheckOptions
    from fixturepipe.check.stage import CheckResult
    from fixturepipe.config import Project
    from fixturepipe.dump.options import DumpOptions
    from fixturepipe.dump.stage import DumpResult
    from fixturepipe.errors import (
        ChunkFileError,
        ConfigurationError,
        DanglingReferenceError,
        FixtureError,
        FixturepipeError,
        LoadError,
        RunDirectoryError,
        SourceDataError,
        TransientLoadError,
        UsageError,
    )
    from fixturepipe.events import (
        Event,
        Listener,
        Notice,
        StageAdvanced,
        StageFinished,
        StageStarted,
    )
    from fixturepipe.findings.finding import Finding
    from fixturepipe.fixes.declarations import Declaration
    from fixturepipe.load.options import LoadOptions
    from fixturepipe.load.stage import LoadResult
    from fixturepipe.pipeline import Pipeline, RunResult, migrate
    from fixturepipe.sync.options import SyncOptions
    from fixturepipe.sync.stage import SyncResult
    from fixturepipe.verify.comparison import Difference, ModelComparison
    from fixturepipe.verify.options import VerifyOptions
    from fixturepipe.verify.stage import VerifyResult

__version__ = "0.1.0"
__all__ = [
    "ArrangeOptions",
    "ArrangeResult",
    "CheckOptions",
    "CheckResult",
    "ChunkFileError",
    "ConfigurationError",
    "DanglingReferenceError",
    "Declaration",
    "Difference",
    "DumpOptions",
    "DumpResult",
    "Event",
    "Finding",
    "FixtureError",
    "FixturepipeError",
    "Listener",
    "LoadError",
    "LoadOptions",
    "LoadResult",
    "ModelComparison",
    "Notice",
    "Pipeline",
    "Project",
    "RunDirectoryError",
    "RunResult",
    "SourceDataError",
    "StageAdvanced",
    "StageFinished",
    "StageStarted",
    "SyncOptions",
    "SyncResult",
    "TransientLoadError",
    "UsageError",
    "VerifyOptions",
    "VerifyResult",
    "__version__",
    "migrate",
]

_ELSEWHERE = {
    "Declaration": "fixes.declarations",
    "Difference": "verify.comparison",
    "Finding": "findings.finding",
    "ModelComparison": "verify.comparison",
    "Pipeline": "pipeline",
    "Project": "config",
    "RunResult": "pipeline",
    "migrate": "pipeline",
}
_STAGES = ("Arrange", "Check", "Dump", "Load", "Verify", "Sync")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"fixturepipe.{_module_of(name)}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__


def _module_of(name: str) -> str:
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    if name.endswith("Error"):
        return "errors"
    for kind, module in (("Options", "options"), ("Result", "stage")):
        if (stage := name.removesuffix(kind)) in _STAGES:
            return f"{stage.lower()}.{module}"
    return "events"
