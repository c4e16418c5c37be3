"""Which members of a zip archive are code that its loader runs.

TorchScript keeps the source of a model under ``<name>/code/``, beside its constants; a
TorchServe archive names the Python file that handles requests in its manifest. What torch.export
writes may hold compiled libraries, which its loader opens. In other archives
Python may lie beside the weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hauberk.formats.late_patterns import late

MANIFEST = "MAR-INF/MANIFEST.json"
AOT = "AOTInductor"
PROGRAM = "program"
"""A program under a name that only model files have."""

PACKED = "script"
"""A script with something packed behind it."""

BESIDE = "archive"
"""Python that lies beside weights, which nothing names."""


_WEIGHTS = late(
    r"\.(safetensors|bin|pt|pth|ckpt|gguf|onnx|h5|keras|tflite|pkl|joblib|model|msgpack|skops)$"
)
_PACKAGE = late(r"\.dist-info/METADATA$|(^|/)PKG-INFO$|\.egg-info/")


def code_folders(names: Iterable[str]) -> Mapping[str, str]:
    """Folders whose Python the loader runs, with the name of the format."""
    found: dict[str, str] = {}
    names = list(names)
    for name in names:
        if name == MANIFEST:
            found[""] = "TorchServe"
        elif name.endswith("/constants.pkl"):
            found[name.removesuffix("constants.pkl") + "code/"] = "TorchScript"
        elif name == "archive_format" or name.endswith("/archive_format"):
            found[name.removesuffix("archive_format") + "data/aotinductor/"] = AOT
    if _holds_model(names) and not _is_package(names):
        found.setdefault("", BESIDE)
    return found


def _holds_model(names: Iterable[str]) -> bool:
    return any(_WEIGHTS().search(name.lower()) or name.endswith("config.pbtxt") for name in names)


def _is_package(names: Iterable[str]) -> bool:
    """Wheels and source distributions, whose tests bring models along."""
    return any(_PACKAGE().search(name) for name in names)


def code_of(name: str, folders: Mapping[str, str]) -> str:
    """The format in whose code folder a member lies; empty where it lies in none."""
    return next((what for folder, what in folders.items() if name.startswith(folder)), "")
