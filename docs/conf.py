"""Sphinx makes a site of the pages in this directory: `make docs`.

The pages are Markdown that reads well without Sphinx, too. What the code knows is added while a
page is read: see `fromcode`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import fromcode  # noqa: E402  (needs the path)

import fixturepipe  # noqa: E402
from fixturepipe.cli.output import write_schemas  # noqa: E402

project = "fixturepipe"
author = "fixturepipe contributors"
copyright = author  # noqa: A001  (Sphinx's name for it)
version = release = fixturepipe.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4
# A docstring marks code by one pair of backticks.
default_role = "literal"
# Most blocks are lines for a shell. The others say what they are.
highlight_language = "text"

autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_type_aliases = {"Listener": "Listener", "AskPassword": "AskPassword"}
python_use_unqualified_type_names = True
# One parameter a line where they do not fit.
maximum_signature_line_length = 80

html_theme = "furo"
html_title = f"fixturepipe {version}"
html_show_sourcelink = False
html_copy_source = False


def setup(app: Sphinx) -> None:
    """Add what the code knows to the pages, and markup to the docstrings."""
    app.connect("source-read", _fill)
    app.connect("build-finished", _add_schemas)
    app.connect("autodoc-process-docstring", fromcode.marked_up)


def _fill(_app: Sphinx, _name: str, text: list[str]) -> None:
    text[0] = fromcode.filled(text[0])


def _add_schemas(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        write_schemas(Path(app.outdir) / "schemas")
