"""The pictures of the sample's report in docs/images: `make pictures`.

They look best with the fonts of Debian's fonts-noto-core.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from PIL import Image

from tests.report.browser import DESK, PHONE, opened_browser
from tests.shop import ROOT, Shop

IMAGES = ROOT / "docs" / "images"
# What a README shows of it; each is drawn at twice its size.
SIZES = {"report.png": DESK, "report-phone.png": PHONE}
_COLOURS = 64


def report_of_the_sample(directory: Path) -> Path:
    """Move the sample into an embedded server, and report that."""
    shop = Shop(directory / "bookshop.sqlite3", directory / "fixturepipe-run")
    shop.manage("make_sample", "--scale", 1).check_returncode()
    shop.done("run", "--no-progress")
    shop.done("report")
    return shop.workdir / "report.html"


def main() -> None:
    """Make both pictures."""
    IMAGES.mkdir(exist_ok=True)
    memory = Path("/dev/shm")
    where = memory if os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=where) as directory, opened_browser(scale=2) as opened:
        file = report_of_the_sample(Path(directory))
        for name, size in SIZES.items():
            opened.open(file)
            opened.page.set_viewport_size(size)
            opened.page.screenshot(path=IMAGES / name)
            # A palette takes a third of the bytes, and nobody sees the difference.
            with Image.open(IMAGES / name) as image:
                image.convert("RGB").quantize(_COLOURS).save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    main()
