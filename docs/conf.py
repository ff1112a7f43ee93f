"""Sphinx set-up; built with ``nox -s docs``, every warning an error."""

from __future__ import annotations

import os

project = "flyte-agents"
author = "The flyte-agents maintainers"
copyright = author
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.napoleon",
]
html_theme = "furo"
html_title = project
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# Other projects' objects are links where their inventories can be read: on the published site. A
# build without a network must give the same warnings, so their names are not checked in either.
if os.environ.get("READTHEDOCS"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "flytekit": ("https://docs.flyte.org/en/latest", None),
    }
nitpick_ignore_regex = [
    ("py:.*", r"(flytekit|flyteidl|google|grpc|starlette|uvicorn|pytest|click|rich|anyio)\..*"),
    # The standard library, by its top modules and built-ins, as annotations spell them.
    ("py:.*", r"(asyncio|collections|contextlib|contextvars|dataclasses|datetime|decimal)\..*"),
    ("py:.*", r"(enum|logging|os|pathlib|re|threading|types|typing|typing_extensions)\..*"),
    ("py:(class|obj|exc|data)", r"[A-Za-z_]+(Error|Exception)?"),
]
