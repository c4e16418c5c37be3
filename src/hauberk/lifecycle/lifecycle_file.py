"""Where the lifecycle file of a project lies; what is in it is read by `settings`."""

from __future__ import annotations

from pathlib import Path

FILE = "hauberk.toml"


def find(root: Path) -> Path | None:
    """The lifecycle file of the project at ``root``, or ``None``."""
    for path in (root / FILE, root / "pyproject.toml"):
        if path.is_file() and (path.name == FILE or b"[tool.hauberk" in path.read_bytes()):
            return path
    return None
