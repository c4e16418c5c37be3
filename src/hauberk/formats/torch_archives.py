"""Which members of a zip archive are code that its loader runs.

TorchScript keeps the source of a model under ``<name>/code/``, beside its constants; a
TorchServe archive names the Python file that handles requests in its manifest. What torch.export
writes may hold compiled libraries, which its loader opens.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

MANIFEST = "MAR-INF/MANIFEST.json"
AOT = "AOTInductor"


def code_folders(names: Iterable[str]) -> Mapping[str, str]:
    """Folders whose Python the loader runs, with the name of the format."""
    found: dict[str, str] = {}
    for name in names:
        if name == MANIFEST:
            found[""] = "TorchServe"
        elif name.endswith("/constants.pkl"):
            found[name.removesuffix("constants.pkl") + "code/"] = "TorchScript"
        elif name.endswith("/archive_format"):
            found[name.removesuffix("archive_format") + "data/aotinductor/"] = AOT
    return found


def code_of(name: str, folders: Mapping[str, str]) -> str:
    """The format in whose code folder a member lies; empty where it lies in none."""
    return next((what for folder, what in folders.items() if name.startswith(folder)), "")
