#!/usr/bin/env bash
# Builds the sdist and the wheel, checks both, and installs the wheel into a bare environment.
#
#   scripts/package.sh PYTHON DIRECTORY
#
# PYTHON has `build` and `twine`; DIRECTORY gets the two files and is emptied first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=$1 out=$2

rm -rf "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

quietly() { # runs a command; shows its output only if it fails
  "$@" >"$work/log" 2>&1 </dev/null || { tail -n 40 "$work/log" >&2; return 1; }
}

# The wheel is built from the sdist: what is missing there is missing in the wheel.
quietly "$python" -m build --outdir "$out" .
quietly "$python" -m twine check --strict "$out"/*

"$python" - "$out"/*.whl <<'PYTHON'
import subprocess
import sys
import zipfile

names = {name for name in zipfile.ZipFile(sys.argv[1]).namelist() if ".dist-info/" not in name}
listed = subprocess.run(["git", "ls-files", "fixturepipe"], capture_output=True, check=True)
needed = set(listed.stdout.decode().split())
for title, found in (("lacks", needed - names), ("has more than the package", names - needed)):
    if found:
        sys.exit(f"The wheel {title}: {', '.join(sorted(found))}")
PYTHON

"$python" -m venv "$work/venv"
quietly "$work/venv/bin/python" -m pip --disable-pip-version-check install "$out"/*.whl
# From another directory, where this checkout cannot be imported.
cd "$work"
venv/bin/fixturepipe --version
venv/bin/python -c 'import fixturepipe; assert fixturepipe.__all__ and fixturepipe.Pipeline'
