"""Which versions of packages are installed somewhere, read off the disk; nothing is imported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from hauberk.methods.code.package_names import normal
from hauberk.methods.expressions import expression

LOADERS = frozenset(
    {"torch", "tensorflow", "keras", "joblib", "numpy", "onnx", "onnxruntime", "safetensors"}
    | {"mlflow", "transformers", "scikit-learn", "pyyaml", "pillow", "h5py", "skops", "xgboost"}
    | {"nltk", "lightgbm", "catboost", "gguf", "llama-cpp-python", "diffusers", "dill", "pandas"}
    | {
        "cloudpickle",
        "tensorflow-cpu",
        "tf-keras",
        "sentencepiece",
        "tokenizers",
        "huggingface-hub",
    }
    | {"jinja2", "pyarrow", "scipy", "nemo-toolkit", "paddlepaddle", "jax", "flax", "openvino"}
)
"""Packages that read model files or data, by their normal names."""

_INFO = expression(
    r"(?P<name>[A-Za-z0-9][\w.]*)-(?P<version>\d[\w.!+]*)(?:-py[\d.]+)?\.(?:dist-info|egg-info)"
)


def installed(folder: Path) -> Iterator[tuple[str, str]]:
    """Normal name and version of each package in a folder such as ``site-packages``."""
    for path in sorted(folder.iterdir()):
        found = _INFO.fullmatch(path.name)
        if found:
            yield normal(found["name"]), found["version"]


def site_packages(python: Path) -> list[Path]:
    """Folders of packages of the environment that an interpreter, or a folder, stands for."""
    root = python if python.is_dir() else python.parent.parent
    if any(root.glob("*.dist-info")):
        return [root]
    return sorted(root.glob("lib*/python3*/site-packages"))
