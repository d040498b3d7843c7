"""A bare loop of ijson over a fixture, as a program: `python -m bench.items FILE`."""

import sys
from pathlib import Path

import ijson


def main(path: str) -> None:
    count = 0
    with Path(path).open("rb") as file:
        for _ in ijson.items(file, "item"):
            count += 1
    print(count)


if __name__ == "__main__":
    main(*sys.argv[1:])
