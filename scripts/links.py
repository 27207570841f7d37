"""Where each file of this repository is on the documentation site, and Markdown with its links rewritten.

The links in the Markdown files are relative, so that they work in a checkout. The site
(`scripts/docs.py`) and the package index (`scripts/readme.py`) need others.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator

FENCE = re.compile(r"^ *(```|~~~)")
LINK = re.compile(r"(?<=\]\()([^)\s#]*)(#[^)\s]*)?(?=\))")
ROOT_PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
}
ROOT_PAGES["CHANGELOG.md"] = "changelog.md"


def text_lines(markdown: str) -> Iterator[tuple[str, bool]]:
    """Yield each line, and whether it is text (not part of a block of code)."""
    is_code = False
    for line in markdown.splitlines(keepends=True):
        is_fence = FENCE.match(line) is not None
        yield line, not (is_code or is_fence)
        is_code ^= is_fence


def rewrite(markdown: str, path: str, target: Callable[[str, str], str]) -> str:
    """Return a file's Markdown in which `target(path, anchor)` replaces each relative link.

    `path` is that of the file from the repository's root, as is the path that `target` is called with.
    """

    def replace(link: re.Match[str]) -> str:
        if re.match(r"[a-z]+:", link[1]) or not link[1]:
            return link[0]
        return target(posixpath.normpath(posixpath.join(posixpath.dirname(path), link[1])), link[2] or "")

    return "".join(LINK.sub(replace, line) if is_text else line for line, is_text in text_lines(markdown))


def site_source(path: str) -> str:
    """Return the source of a page of the site for a file or folder of this repository."""
    if path in ROOT_PAGES:
        return ROOT_PAGES[path]
    if path.startswith("docs/"):
        path = path.removeprefix("docs/")
        return path if posixpath.splitext(path)[1] else f"{path}/index.md"
    if path.startswith("example_dags/example_"):
        return f"examples/{posixpath.basename(path).removesuffix('.py')}.rst"
    return "examples/index.rst" if path == "example_dags" else f"files/{path}"


def site_address(path: str) -> str:
    """Return the address on the site, without its host, of a file or folder of this repository."""
    source = site_source(path)
    if source.startswith("images/"):
        return f"_images/{posixpath.basename(source)}"
    return re.sub(r"\.(md|rst)$", ".html", source)
