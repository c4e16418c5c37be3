"""What a scan of model files costs: whole processes, in processor seconds and memory, as ratios.

Writes a tiny file, a pickle of a million words, half a gigabyte in four formats and a folder of 65
files, and scans each with Hauberk and with other scanners from a virtual environment of their own,
in the same run. Large files are held against one SHA-256 pass over the same bytes.

    python benchmarks/model_scan.py [--peers VENV] [--only tiny,words,large,folder] [--mb 512]

What a second core gains is asked for by itself, on a machine that does nothing else: seconds by the
clock of the same folder with one worker and with two, the best of five, with and without digests:

    python benchmarks/model_scan.py --only cores
"""

from __future__ import annotations

import argparse
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
ENDINGS = {"joblib": ".joblib", "npz": ".npz", "safetensors": ".safetensors", "folder": ""}

LIMIT_S = 15
"""Processor seconds after which a process is ended; its row then says so with a negative exit."""

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
    parser.add_argument("--write", nargs=2, metavar=("KIND", "PATH"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write:
        WRITERS[args.write[0]](Path(args.write[1]), args.mb)
        return 0
    compile_package()
    tools = {"hauberk": (sys.executable, "-m", "hauberk.cli", "scan"), **installed(args.peers)}
    wanted = args.only.split(",")
    if wanted == ["cores"]:
        return second_core(args.mb)
    print(f"{'file':22}{'tool':12}{'CPU s':>8}{'x SHA-256':>11}{'MB':>7}{'exit':>6}")
    with tempfile.TemporaryDirectory() as name:
        for label, path, is_large in written(Path(name), wanted, args.mb):
            base = cost((sys.executable, "-c", HASH, str(path))).seconds if is_large else 0.0
            for tool, words in tools.items():
                told(label, tool, cost((*words, str(path))), base)
            if is_large:
                told(label, "with digest", cost((*tools["hauberk"], "--digest", str(path))), base)
            if not path.is_dir():
                path.unlink()
    return 0


def second_core(mb: int) -> int:
    """Seconds by the clock with one worker and with two; 1 where the gain is not 1.8 times."""
    gains = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "folder")
        own = (sys.executable, __file__, "--mb", str(mb), "--write", "folder", str(folder))
        subprocess.run(own, check=True)
        sizes = [path.stat().st_size for path in folder.iterdir()]
        print(f"{len(sizes)} files, {sum(sizes) / 1e9:.2f} GB")
        for label, more in (("scan", ()), ("scan --digest", ("--digest",))):
            words = (sys.executable, "-m", "hauberk.cli", "scan", str(folder), "--no-cache", *more)
            best = {
                jobs: min(_clock((*words, "--jobs", jobs)) for _ in range(TURNS)) for jobs in "12"
            }
            gains[label] = best["1"] / best["2"]
            told_ = f"one worker {best['1']:.2f} s, two {best['2']:.2f} s, {gains[label]:.2f} times"
            print(f"{label:16}{told_}", flush=True)
    return int(max(gains.values()) < WANTED_GAIN)


TURNS = 5
WANTED_GAIN = 1.8


def _clock(words: tuple[str, ...]) -> float:
    started = time.perf_counter()
    subprocess.run(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        env=environment(),
    )
    return time.perf_counter() - started


def environment() -> dict[str, str]:
    """Variables of a tool as it is installed: pip compiles what it installs.

    Where bytecode is not kept, each start of a checkout compiles fifty modules again.
    """
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **QUIET}


def compile_package() -> None:
    """Bytecode of Hauberk, as an installation has it."""
    import compileall

    import hauberk

    for place in hauberk.__path__:
        compileall.compile_dir(place, quiet=1)


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
        cwd=tempfile.gettempdir(),  # some leave files where they are called
        env=environment(),
    )
    resource.prlimit(child.pid, resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss << 10, child.returncode)


def written(folder: Path, wanted: list[str], mb: int) -> Iterator[tuple[str, Path, bool]]:
    """Name, path, and whether it is held against a hash, one after the other.

    Each is written by a process of its own: a scan would inherit the memory of this one.
    """
    for kind in ("tiny", "words", "pickle", "joblib", "npz", "safetensors", "folder"):
        is_large = kind in {"pickle", "joblib", "npz", "safetensors"}
        if kind in wanted or (is_large and "large" in wanted):
            path = folder / f"{kind}{ENDINGS.get(kind, '.pkl')}"
            words = (sys.executable, __file__, "--mb", str(mb), "--write", kind, str(path))
            subprocess.run(words, check=True)
            yield f"{kind}, {mb} MB" if is_large else kind, path, is_large


def arrays(mb: int) -> dict[str, Any]:
    """Eight arrays of numbers that nothing compresses."""
    draws = np.random.default_rng(0)
    return {f"w{number}": draws.random((mb // 8, 1 << 17)) for number in range(8)}


def write_tiny(path: Path, _mb: int) -> None:
    """A few values."""
    path.write_bytes(pickle.dumps({"a": [1.5, 2.5], "b": "text"}))


def write_words(path: Path, _mb: int) -> None:
    """A vocabulary of a million words, about 20 MB."""
    path.write_bytes(pickle.dumps({f"token{number}": number for number in range(1_000_000)}))


def write_pickle(path: Path, mb: int) -> None:
    """The arrays in one pickle."""
    with path.open("wb") as file:
        pickle.dump(arrays(mb), file, protocol=4)


def write_joblib(path: Path, mb: int) -> None:
    """The arrays as joblib lays them out."""
    import joblib

    joblib.dump(arrays(mb), path)


def write_npz(path: Path, mb: int) -> None:
    """The arrays in an archive."""
    with path.open("wb") as file:
        np.savez(file, **arrays(mb))


def write_safetensors(path: Path, mb: int) -> None:
    """The arrays behind a header."""
    from hauberk.methods.model_writing import safetensors

    made = arrays(mb)
    size = made["w0"].nbytes
    header = {
        name: {
            "dtype": "F64",
            "shape": list(array.shape),
            "data_offsets": [number * size, (number + 1) * size],
        }
        for number, (name, array) in enumerate(made.items())
    }
    path.write_bytes(safetensors(header, b"".join(array.tobytes() for array in made.values())))


def write_folder(path: Path, mb: int) -> None:
    """61 small files and four large ones, as a team's folder holds them."""
    path.mkdir()
    for number in range(61):
        data = pickle.dumps({"number": number, "weights": list(range(number * 10))})
        (path / f"small{number}.pkl").write_bytes(data)
    for kind in ("pickle", "joblib", "npz", "safetensors"):
        WRITERS[kind](path / f"large{ENDINGS.get(kind, '.pkl')}", mb)


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "tiny": write_tiny,
    "words": write_words,
    "pickle": write_pickle,
    "joblib": write_joblib,
    "npz": write_npz,
    "safetensors": write_safetensors,
    "folder": write_folder,
}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
