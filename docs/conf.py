"""Settings of the documentation site. `make docs` (scripts/docs.py) prepares its sources and builds it."""

from __future__ import annotations

import importlib.util
import inspect
import re
from typing import Any

from sphinx.util.inspect import stringify_signature

import airflow_provider_telecom

project = "airflow-provider-telecom"
author = "the contributors"
copyright = "the contributors, Apache License 2.0"
version = release = airflow_provider_telecom.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
root_doc = "index"
default_role = "literal"  # docstrings quote with single backticks
highlight_language = "text"
html_theme = "furo"
html_title = f"{project} {release}"
html_copy_source = False
html_show_sourcelink = False
myst_heading_anchors = 4
myst_links_external_new_tab = False
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # the types of Airflow and of the standard library are not linked
suppress_warnings = ["misc.highlighting_failure"]  # a shell's text over several lines

_EXAMPLE = re.compile(r"(?<=\n\n)(?: {4}.*\n|\n(?= {4}))+")
_PARAMETER = re.compile(r"^:\w+ .*\Z", re.MULTILINE | re.DOTALL)
_QUOTED = re.compile(r"(`[^`\n]*(?:\n[^`\n]+)?`)")
_MARKUP = re.compile(r"(?<![\n ])\*|\*(?! )|[|]|_(?!\w)")


def show_as_written(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Show indented examples in docstrings as code, and text outside of `quotes` without markup."""
    text = "\n".join(lines) + "\n"
    parts, end = [], 0
    for example in _EXAMPLE.finditer(text):
        if not _PARAMETER.search(text[: example.start()].rpartition("\n\n")[0].rpartition("\n\n")[2]):
            parts += [plain(text[end : example.start()]), "::\n\n", example[0]]
            end = example.end()
    lines[:] = "".join([*parts, plain(text[end:])]).splitlines()


def show_results(
    app: Any, what: str, name: str, obj: Any, options: Any, signature: str, result: str
) -> tuple[str, str] | None:
    """Show what a call returns, and not the generator that describes it."""
    if what != "method" or not hasattr(obj, "__wrapped__"):
        return None
    shown = inspect.signature(obj)
    parameters = [value for key, value in shown.parameters.items() if key != "self"]
    text = stringify_signature(shown.replace(parameters=parameters, return_annotation=shown.empty))
    return with_modules(text, obj.__module__), with_modules(str(shown.return_annotation), obj.__module__)


def with_modules(text: str, module: str) -> str:
    """Return types with the module of the vendor's models, since two vendors may use the same name."""
    models = f"{module.rpartition('.')[0]}.models"
    if importlib.util.find_spec(models) is None:
        return text
    names = vars(importlib.import_module(models))
    return re.sub(
        r"(?<![\w.'\"])(?:models\.)?([A-Z]\w+)",
        lambda found: f"{models}.{found[1]}" if found[1] in names else found[0],
        text,
    )


def plain(text: str) -> str:
    """Return text without markup outside of quotes."""
    parts = _QUOTED.split(text)
    for place in range(0, len(parts), 2):
        escaped = _MARKUP.sub(r"\\\g<0>", parts[place])
        parts[place] = f"\\ {escaped}" if place and re.match(r"\w", escaped) else escaped
    return "".join(parts)


def setup(app: Any) -> None:
    """Connect the functions of this file."""
    app.connect("autodoc-process-signature", show_results)
    app.connect("autodoc-process-docstring", show_as_written)
