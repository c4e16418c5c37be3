"""What a scan of model files costs: whole processes, in processor seconds and memory, as ratios.

Writes a tiny file, a pickle of a million words, half a gigabyte in four formats and a folder of 65
files, and scans each with Hauberk and with other scanners from a virtual environment of their own,
in the same run. Large files are held against one SHA-256 pass over the same bytes.

    python benchmarks/model_scan.py [--peers VENV] [--only tiny,words,large,folder] [--mb 512]
"""

from __future__ import annotations

import argparse
import os
import pickle
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HASH = (
    "import hashlib,sys\nh=hashlib.sha256()\nf=open(sys.argv[1],'rb')\n"
    "while d:=f.read(1<<20): h.update(d)\nprint(h.hexdigest())"
)
PEERS = {
    "picklescan": ("picklescan", "-p"),
    "modelscan": ("modelscan", "-p"),
    "fickling": ("fickling", "--check-safety"),
    "modelaudit": ("modelaudit", "scan"),
}
QUIET = {"PROMPTFOO_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1", "NO_ANALYTICS": "1"}


@dataclass(frozen=True, slots=True)
class Cost:
    """What one whole process took; memory in bytes."""

    seconds: float
    memory: int
    code: int


def main() -> int:
    """Write, scan, print a table."""
    parser = argparse.ArgumentParser(description="what a scan of model files costs")
    parser.add_argument("--peers", type=Path, metavar="VENV")
    parser.add_argument("--only", default="tiny,words,large,folder")
    parser.add_argument("--mb", type=int, default=512)
    args = parser.parse_args()
    tools = {"hauberk": (sys.executable, "-m", "hauberk.cli", "scan"), **installed(args.peers)}
    wanted = args.only.split(",")
    print(f"{'file':22}{'tool':12}{'CPU s':>8}{'x SHA-256':>11}{'MB':>7}{'exit':>6}")
    with tempfile.TemporaryDirectory() as name:
        for label, path, is_large in written(Path(name), wanted, args.mb):
            base = cost((sys.executable, "-c", HASH, str(path))).seconds if is_large else 0.0
            for tool, words in tools.items():
                told(label, tool, cost((*words, str(path))), base)
            if not path.is_dir():
                path.unlink()
    return 0


def installed(venv: Path | None) -> dict[str, tuple[str, ...]]:
    """Peers that are there, called by their path."""
    if venv is None:
        return {}
    return {
        name: (str(venv / "bin" / words[0]), *words[1:])
        for name, words in PEERS.items()
        if (venv / "bin" / words[0]).exists()
    }


def told(label: str, tool: str, found: Cost, base: float) -> None:
    """One line of the table."""
    ratio = f"{found.seconds / base:.2f}" if base else ""
    memory = found.memory >> 20
    print(
        f"{label:22}{tool:12}{found.seconds:>8.2f}{ratio:>11}{memory:>7}{found.code:>6}", flush=True
    )


def cost(words: tuple[str, ...]) -> Cost:
    """Run one process and wait for it; its own children count too."""
    child = subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **QUIET},
    )
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss << 10, child.returncode)


def written(folder: Path, wanted: list[str], mb: int) -> Iterator[tuple[str, Path, bool]]:
    """Name, path, and whether it is held against a hash, one after the other."""
    if "tiny" in wanted:
        path = folder / "tiny.pkl"
        path.write_bytes(pickle.dumps({"a": [1.5, 2.5], "b": "text"}))
        yield "tiny pickle", path, False
    if "words" in wanted:
        path = folder / "words.pkl"
        path.write_bytes(pickle.dumps({f"token{number}": number for number in range(1_000_000)}))
        yield "1 M words, 20 MB", path, False
    if "large" in wanted:
        yield from large(folder, mb)
    if "folder" in wanted:
        yield "folder, 65 files", many(folder / "many", mb), False


def large(folder: Path, mb: int) -> Iterator[tuple[str, Path, bool]]:
    """The same arrays in four formats."""
    import joblib

    from hauberk.methods.model_writing import safetensors

    draws = np.random.default_rng(0)
    arrays = {f"w{number}": draws.random((mb // 8, 1 << 17)) for number in range(8)}
    path = folder / "arrays.pkl"
    with path.open("wb") as file:
        pickle.dump(arrays, file, protocol=4)
    yield f"pickle, {mb} MB", path, True
    path = folder / "arrays.joblib"
    joblib.dump(arrays, path)
    yield f"joblib, {mb} MB", path, True
    path = folder / "arrays.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type] # numpy's own types forbid what it does
    yield f"npz, {mb} MB", path, True
    size = arrays["w0"].nbytes
    header = {
        name: {
            "dtype": "F64",
            "shape": list(array.shape),
            "data_offsets": [number * size, (number + 1) * size],
        }
        for number, (name, array) in enumerate(arrays.items())
    }
    path = folder / "arrays.safetensors"
    path.write_bytes(safetensors(header, b"".join(array.tobytes() for array in arrays.values())))
    yield f"safetensors, {mb} MB", path, True


def many(folder: Path, mb: int) -> Path:
    """61 small files and four large ones, as a team's folder holds them."""
    folder.mkdir()
    for number in range(61):
        data = pickle.dumps({"number": number, "weights": list(range(number * 10))})
        (folder / f"small{number}.pkl").write_bytes(data)
    for _, path, _ in large(folder, mb):
        del path
    return folder


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
