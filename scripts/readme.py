"""Hatch's hook for the package index's description: the README, with links to the documentation site.

The site's address is the line `Documentation` of [project.urls] in pyproject.toml.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

sys.path.insert(0, str(Path(__file__).parent))
from links import rewrite, site_address


class ReadmeHook(MetadataHookInterface):
    """Sets the field `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the description to the project's metadata."""
        site = metadata["urls"]["Documentation"].rstrip("/")
        readme = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = rewrite(readme, "README.md", lambda path, anchor: f"{site}/{site_address(path)}{anchor}")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
