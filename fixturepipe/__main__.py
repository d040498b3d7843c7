"""`python -m fixturepipe`."""

import sys

try:
    from fixturepipe.cli import script
except KeyboardInterrupt:
    sys.exit(130)

script()
