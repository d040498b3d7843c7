"""`fixturepipe` and `python -m fixturepipe`."""

import sys


def main() -> None:
    """Run the program. Importing it takes a while, and an interrupt may come first."""
    try:
        from fixturepipe.cli import script
    except KeyboardInterrupt:
        sys.exit(130)
    script()


if __name__ == "__main__":
    main()
