"""How Sphinx builds these pages; what can be generated from the code is generated first."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402  # its folder is no package

from progstore import __version__  # noqa: E402

generate.write(HERE / "reference" / "generated")

project = "progstore"
author = "The progstore authors"
copyright = "2026, the progstore authors"  # noqa: A001  # the name that Sphinx reads
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "long-run.md"]  # the latter is a part of another page
nitpicky = False  # signatures name types of other libraries, whose pages are not fetched here

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "code"  # docstrings quote names with single backticks

autodoc_default_options = {"members": True}
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"

html_theme = "furo"
html_title = f"progstore {version}"
html_static_path: list[str] = []
