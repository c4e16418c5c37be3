"""Where a project's registry is: read by commands that need nothing beyond the base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.core.lifecycle import Component

if TYPE_CHECKING:
    from hauberk.lifecycle.settings import Settings


def location(settings: Settings) -> str:
    """Where the project's registry is, or would be: a folder, or an address of a store."""
    said = str(settings.table(Component.MODEL_REGISTRY).location)
    return said if "://" in said else str(settings.root / said)


def is_founded(place: str) -> bool:
    """Whether there is a registry, as far as can be told without asking a server."""
    return "://" in place or (Path(place) / "metadata").is_dir()
