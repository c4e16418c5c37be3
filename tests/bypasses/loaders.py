"""Have real loaders load files, and print what each asked for beside what the scanner told.

Run as a program in a process of its own: an audit hook hears every name that an unpickler looks
up, the names of a hostile file are heard and then refused, so nothing foreign is ever imported.
Prints one JSON object for each file: ``case``, ``asked``, ``told``, ``whole`` (loaded to its end).
"""

from __future__ import annotations

import io
import json
import pickle
import sys
import tempfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hauberk.attacks.model.plant_payload import VARIANTS
from hauberk.formats.contents import PLAIN, contents
from hauberk.formats.parts import Part
from hauberk.formats.pickle_events import Imported
from hauberk.formats.spans import open_span

HARMLESS = frozenset(
    {"numpy.ndarray", "numpy.dtype", "_codecs.encode", "joblib.numpy_pickle.NumpyArrayWrapper"}
    | {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
)
"""All that a hostile file gets; honest ones, which were made here, get what they ask for."""

ASKED: list[str] = []
HEARING: list[str] = []

Load = Callable[[Path], Any]


def hear(event: str, args: tuple[Any, ...]) -> None:
    if event != "pickle.find_class" or not HEARING:
        return
    ASKED.append(".".join(python3(*args)))
    if HEARING[0].startswith("hostile") and ASKED[-1] not in HARMLESS:
        message = f"{ASKED[-1]} is heard and refused"
        raise PermissionError(message)


def python3(module: str, name: str) -> tuple[str, str]:
    """The name as the interpreter translates it, behind the hook."""
    return NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))


def told(path: Path) -> set[str]:
    names: set[str] = set()
    with open_span(path) as span:
        for part in contents(span, path.name):
            if isinstance(part, Part) and part.detail != PLAIN:
                for event in part.events or ():
                    if isinstance(event, Imported):
                        names.add(event.target.path)
    return names


def compared(case: str, path: Path, load: Load) -> dict[str, Any]:
    known = told(path)
    ASKED.clear()
    HEARING.append(case)
    try:
        load(path)
        whole = True
    except Exception:  # noqa: BLE001 - hostile files end as they like
        whole = False
    finally:
        HEARING.clear()
    return {"case": case, "asked": sorted(set(ASKED)), "told": sorted(known), "whole": whole}


def by_pickle(path: Path) -> Any:
    return pickle.loads(path.read_bytes())  # noqa: TID251 - names are refused by the hook


def by_python_pickle(path: Path) -> Any:
    return pickle._Unpickler(io.BytesIO(path.read_bytes())).load()  # type: ignore[attr-defined]


def by_joblib(path: Path) -> Any:
    import joblib

    return joblib.load(path)  # noqa: TID251 - a hostile one gets no name


def by_numpy(path: Path) -> Any:
    import numpy as np

    found = np.load(path, allow_pickle=True)
    return [found[name] for name in found.files] if hasattr(found, "files") else found


def by_torch(path: Path) -> Any:
    import torch

    return torch.load(path, weights_only=False)  # noqa: TID251 - made here


def objects() -> dict[str, Any]:
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    rows, labels = np.random.default_rng(0).random((30, 3)), np.arange(30) % 2
    return {
        "plain": OrderedDict(a=[1, 2.5], b=Counter("abc"), c={1, 2}, d=slice(1, 2), e=bytearray(b"x")),
        "arrays": {"w": rows, "names": np.array(["a", None], dtype=object), "n": np.float64(1)},
        "forest": RandomForestClassifier(n_estimators=2).fit(rows, labels),
        "pipeline": make_pipeline(
            FunctionTransformer(np.log1p), StandardScaler(), LogisticRegression()
        ).fit(rows, labels),
    }  # fmt: skip


def honest(folder: Path) -> Iterator[tuple[str, Path, Load]]:
    import joblib
    import numpy as np

    for name, item in objects().items():
        for protocol in range(6):
            path = folder / f"{name}-{protocol}.pkl"
            path.write_bytes(pickle.dumps(item, protocol))
            yield f"pickle {path.name}", path, by_pickle
            yield f"Python's own unpickler {path.name}", path, by_python_pickle
        for packing in (0, "zlib", "gzip", "bz2", "lzma", "xz"):
            path = folder / f"{name}-{packing}.joblib"
            joblib.dump(item, path, compress=packing)
            yield f"joblib {path.name}", path, by_joblib
        column = np.array([item, None], dtype=object)
        np.save(folder / f"{name}.npy", column)
        np.savez_compressed(folder / f"{name}.npz", a=column, b=np.arange(3))
        yield f"numpy {name}.npy", folder / f"{name}.npy", by_numpy
        yield f"numpy {name}.npz", folder / f"{name}.npz", by_numpy


def of_torch(folder: Path) -> Iterator[tuple[str, Path, Load]]:
    import torch
    from torch import nn

    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.LSTM(4, 2))
    saved = {"state": module.state_dict(), "module": module, "tensor": torch.zeros(2, 2)}
    for name, item in saved.items():
        for is_zip in (True, False):
            path = folder / f"{name}-{is_zip}.pt"
            torch.save(item, path, _use_new_zipfile_serialization=is_zip)
            yield f"torch {path.name}", path, by_torch


def hostile(folder: Path) -> Iterator[tuple[str, Path, Load]]:
    loaders = {".joblib": by_joblib, ".npy": by_numpy, ".npz": by_numpy}
    for label, variant in VARIANTS.items():
        path = folder / f"{label}{variant.suffix}"
        path.write_bytes(variant.make(str(folder / "canary")))
        yield f"hostile {label}", path, loaders.get(variant.suffix, by_pickle)


def main() -> None:
    sys.addaudithook(hear)
    with tempfile.TemporaryDirectory() as name:
        for source in {"honest": [honest, hostile], "torch": [of_torch]}[sys.argv[1]]:
            for case, path, load in source(Path(name)):
                print(json.dumps(compared(case, path, load)), flush=True)
        if Path(name, "canary").exists():
            print(json.dumps({"case": "canary", "asked": ["canary"], "told": [], "whole": True}))


if __name__ == "__main__":
    main()
