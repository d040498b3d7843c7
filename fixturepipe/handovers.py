"""What the pipeline hands from one stage to another, as a callable or as a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from fixturepipe.artifacts.jsonfile import now
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import Unequal, Verification, write_verification
from fixturepipe.check.options import CheckOptions
from fixturepipe.databases.endpoints import Endpoint, Endpoints
from fixturepipe.databases.ledger import remove_ledger
from fixturepipe.databases.runendpoints import RunEndpoints
from fixturepipe.databases.scratch import scratch, scratch_server
from fixturepipe.errors import ConfigurationError, UsageError
from fixturepipe.fixes.declarations import Declaration
from fixturepipe.verify.options import VerifyOptions

if TYPE_CHECKING:
    from fixturepipe.check.repair import Repair
    from fixturepipe.dump.rowtransform import RowTransform
    from fixturepipe.verify.stage import VerifyResult


def repair_of(endpoints: Endpoints, fixes: Iterable[Declaration]) -> Repair | None:
    """What applies the declared fixes of values, or None if none is declared."""
    from fixturepipe.check.repair import Repair

    declared = [each for each in fixes if not each.changes_schema]
    return Repair(endpoints, declared) if declared else None


def row_transform(endpoints: Endpoints, options: CheckOptions) -> RowTransform | None:
    """What gives check the values that the transform makes; None without one."""
    from fixturepipe.dump.rowtransform import RowTransform

    if options.transform is None:
        return None
    return RowTransform(options.transform, options.natural_keys, endpoints.alias)


def require_fixable(endpoints: Endpoints, fixes: Sequence[Declaration]) -> None:
    """Raise UsageError for fixes of values where there will be no copy to apply them to."""
    changes_values = any(not each.changes_schema for each in fixes)
    if changes_values and endpoints.source.vendor != "sqlite":
        raise UsageError(
            f"Fixes need a SQLite source, and {endpoints.source.name} is not one",
            hint="Use --transform, or correct the rows in the source.",
        )


def keep_verification(
    directory: RunDirectory, run: str, result: VerifyResult, options: VerifyOptions
) -> None:
    """Write what a comparison found, for `status` and `report`."""
    verification = Verification(
        run,
        result.ok,
        {each.model: each.equal + each.changed for each in result.models},
        list(msgspec.to_builtins(result.differences, enc_hook=str)),
        list(msgspec.to_builtins(result.findings, enc_hook=str)),
        apart={
            each.model: Unequal(each.differing, each.missing, each.extra)
            for each in result.models
            if not each.ok
        },
        at=now(),
        sample=options.sample,
        since=options.since,
    )
    write_verification(directory, verification)


def remove_ledgers(endpoints: RunEndpoints, runs: Sequence[str]) -> None:
    """Take the ledgers of these runs out of the target.

    Raises ConfigurationError if the target cannot be reached.
    """
    try:
        if not endpoints.is_embedded():
            for run in runs:
                remove_ledger(endpoints.both(source_needed=False), run)
    except UsageError as error:
        raise ConfigurationError(
            f"The run's ledger in the target cannot be removed: {error.message}",
            hint="`fixturepipe clean --keep-ledger` removes the files and leaves the ledger in"
            " the target.",
        ) from error


@contextmanager
def fresh_database(directory: RunDirectory) -> Iterator[Endpoint]:
    """An empty database of a private server, which is gone afterwards."""
    with scratch(directory) as path:
        server = scratch_server(path)
        server.start()
        try:
            yield server.endpoint()
        finally:
            server.leave()
