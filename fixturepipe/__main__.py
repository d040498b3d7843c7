"""`python -m fixturepipe`."""

from fixturepipe.cli import script

script()
