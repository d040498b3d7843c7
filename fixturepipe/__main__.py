"""`python -m fixturepipe`."""

import sys

from fixturepipe.cli import main

sys.exit(main())
