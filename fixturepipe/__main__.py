"""`fixturepipe` and `python -m fixturepipe`."""

import sys


def main() -> None:
    """Run the program, which takes a moment to import: an interrupt may come before."""
    try:
        from fixturepipe.cli import script
    except KeyboardInterrupt:
        sys.exit(130)
    script()


if __name__ == "__main__":
    main()
