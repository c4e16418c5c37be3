"""New bytes per version and the speed of committing and verifying, beside DVC.

python benchmarks/data_versions.py [--rows N] [--gigabytes G] [--dvc PATH/TO/dvc]

Bytes are those of the store: parts, patches, indexes and documents. Speeds are processor
time, ratios to one SHA-256 pass over the same bytes in the same run. DVC runs from an
environment of its own (--dvc, or ``dvc`` on the path); without it its lines are left out.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from hauberk.lifecycle.datasets import About, Place, add, prepare
from hauberk.trust.blobs import DirectoryBlobs
from hauberk.trust.keys import generate
from hauberk.trust.oms.verification import sign_model, verify_model
from hauberk.trust.store import Store
from hauberk.trust.versions.intake import take

MIB = 1 << 20


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--gigabytes", type=float, default=0.5)
    parser.add_argument("--dvc", default=shutil.which("dvc"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        bytes_per_version(folder, args.rows, args.dvc)
        small_files(folder, args.dvc)
        large_files(folder, int(args.gigabytes * 1e9), args.dvc)
        one_file(folder)
    return 0


# Bytes -----------------------------------------------------------------------------------


def lines(count: int) -> list[str]:
    """Rows of eleven columns."""
    rng = Random(1)
    return [
        f"{n},{rng.randrange(90)},"
        + ",".join(f"{rng.gauss(0, 1):.4f}" for _ in range(8))
        + f",{rng.randrange(2)}"
        for n in range(count)
    ]


def edits(rows: list[str]) -> dict[str, list[str]]:
    """The versions that are kept one after the other, each against the first."""
    rng = Random(2)
    middle = len(rows) // 2
    flipped = rows[middle][:-1] + str(1 - int(rows[middle][-1]))
    scattered = list(rows)
    for place in rng.sample(range(len(rows)), 100):
        scattered[place] = scattered[place].replace(",", ",9", 1)
    gone = set(rng.sample(range(len(rows)), 100))
    return {
        "one label changed": [*rows[:middle], flipped, *rows[middle + 1 :]],
        "1 % appended": rows + rows[: len(rows) // 100],
        "one row inserted": [*rows[:middle], rows[7], *rows[middle:]],
        "100 scattered edits": scattered,
        "100 scattered deletes": [row for at, row in enumerate(rows) if at not in gone],
    }


def write(path: Path, rows: list[str]) -> int:
    """A CSV file; its size."""
    head = "id,age," + ",".join(f"x{n}" for n in range(8)) + ",label\n"
    path.write_text(head + "\n".join(rows) + "\n")
    return path.stat().st_size


def bytes_per_version(folder: Path, count: int, dvc: str | None) -> None:
    """New bytes of each kind of change, after a first version."""
    rows = lines(count)
    versions = edits(rows)
    bytes_as_parquet(folder, rows, versions)
    print(f"new bytes per version, CSV of {count:,} rows x 11 columns")
    for what, changed in versions.items():
        project = fresh(folder / "bytes")
        size = write(project / "t.csv", rows)
        ours = adder(project)
        ours()
        before = held(project)
        grown = write(project / "t.csv", changed) - size
        added = ours()
        new = held(project) - before
        theirs = dvc_bytes(folder, rows, changed, dvc)
        share = f"{new / max(grown, 1):.2f} x appended" if "append" in what else f"{new / size:.4%}"
        print(f"  {what:<22} {new:>10,} bytes  {share:<18} ({added:.2f} CPU-s)   dvc {theirs}")


PARQUET = {
    "as pyarrow writes": {},
    "snappy, pages by content": {"use_content_defined_chunking": True},
    "zstd, pages by content": {"compression": "zstd", "use_content_defined_chunking": True},
}


def bytes_as_parquet(folder: Path, rows: list[str], versions: dict[str, list[str]]) -> None:
    """The same changes in Parquet: bytes of the parts and patches of the file alone."""
    from pyarrow import csv, parquet

    from hauberk.trust.blobs import MemoryBlobs
    from hauberk.trust.versions.recipes import Keeper

    def encoded(name: str, content: list[str]) -> Path:
        write(folder / "t.csv", content)
        path = folder / "t.parquet"
        parquet.write_table(csv.read_csv(folder / "t.csv"), path, **PARQUET[name])
        return path

    for name in PARQUET:
        path = encoded(name, rows)
        size = path.stat().st_size
        blobs = MemoryBlobs()
        with path.open("rb", 0) as file:
            keeper = Keeper(blobs, {})
            first = keeper.keep(file)
            keeper.flush()
        print(f"new bytes per version, Parquet {name}, {size:,} bytes")
        for what, changed in versions.items():
            keeper = Keeper(blobs, {part.digest: part for part in first.parts})
            with encoded(name, changed).open("rb", 0) as file:
                keeper.keep_rows(file, first)
            grown = max((folder / "t.parquet").stat().st_size - size, 1)
            share = f"{keeper.stored / size:.4%}"
            if "append" in what:
                share = f"{keeper.stored / grown:.2f} x what the file grew by"
            print(f"  {what:<22} {keeper.stored:>10,} bytes  {share}")


def adder(project: Path) -> Callable[[], float]:
    """Adds ``t.csv`` and gives processor seconds, the signer's included."""
    place = Place(project=project, configuration=project / "config", clock=time.time)
    prepare(place)

    def run() -> float:
        return spent(lambda: add(place, project / "t.csv", "t", About(label="label")))

    return run


def held(project: Path) -> int:
    """Bytes of all blobs."""
    blobs = project / ".hauberk" / "blobs"
    return sum(path.stat().st_size for path in blobs.rglob("*") if path.is_file())


def dvc_bytes(folder: Path, rows: list[str], changed: list[str], dvc: str | None) -> str:
    """What DVC's cache grows by."""
    if dvc is None:
        return "not here"
    project = fresh(folder / "dvc")
    run_dvc(dvc, project, "init", "--no-scm", "-q")
    write(project / "t.csv", rows)
    run_dvc(dvc, project, "add", "-q", "t.csv")
    cache = project / ".dvc" / "cache"
    before = sum(p.stat().st_size for p in cache.rglob("*") if p.is_file())
    (project / "t.csv").unlink()
    write(project / "t.csv", changed)
    run_dvc(dvc, project, "add", "-q", "t.csv")
    return f"{sum(p.stat().st_size for p in cache.rglob('*') if p.is_file()) - before:,}"


# Speed -----------------------------------------------------------------------------------


def small_files(folder: Path, dvc: str | None) -> None:
    """A folder of a thousand files of 10 kB."""
    project = fresh(folder / "small")
    (project / "d").mkdir()
    for number in range(1000):
        (project / "d" / f"{number}.bin").write_bytes(os.urandom(10_000))
    place = Place(project=project, configuration=project / "config", clock=time.time)
    prepare(place)
    Store.open(project)
    took = spent(lambda: add(place, project / "d", "d", About()))
    print(f"1,000 small files: {took:.2f} CPU-s{dvc_time(folder, project / 'd', dvc)}")


def large_files(folder: Path, size: int, dvc: str | None) -> None:
    """Sixteen opaque shards: one SHA-256 pass, a copy, a commit, signing and verifying."""
    project = fresh(folder / "large")
    data = project / "d"
    data.mkdir()
    for number in range(16):
        with (data / f"{number}.bin").open("wb") as file:
            for _ in range(size // 16 // MIB):
                file.write(os.urandom(MIB))
    files = sorted(data.iterdir())
    for file in files:  # into the page cache
        sha256(file)
    hashing = best(lambda: [sha256(file) for file in files])
    copying = best(lambda: copied(files, project / "copy"))
    store = DirectoryBlobs(project / "blobs")

    def commit() -> None:
        _, keeper = take(data, store)
        keeper.flush()

    committing = best(commit, 2)
    shutil.rmtree(project / "blobs")
    key = generate()
    (project / "sig").write_bytes(sign_model(data, project / "sig", [key]))
    known = {key.public.key_id: key.public}
    verifying = best(lambda: verify_model(data, project / "sig", known, workers=1))
    total = sum(file.stat().st_size for file in files)
    print(f"{total / 1e9:.2f} GB in 16 files: SHA-256 {total / hashing / 1e9:.2f} GB/CPU-s")
    print(f"  commit less copy   {(committing - copying) / hashing:.2f} x one SHA-256 pass")
    print(f"  verify, library    {hashing / verifying:.3f} of raw SHA-256")
    with pem(project, key) as public:
        words = ["verify", str(data), "--signature", str(project / "sig"), "--key", str(public)]
        command = [sys.executable, "-m", "hauberk.cli", *words]
        print(f"  verify, command    {hashing / children(command):.3f} of raw SHA-256")
    print(f"  commit             {committing:.2f} CPU-s{dvc_time(folder, data, dvc)}")


def one_file(folder: Path) -> None:
    """Two threads inside one file, by the clock."""
    path = fresh(folder / "one") / "model.bin"
    path.write_bytes(os.urandom(MIB) * 400)
    key = generate()
    signature = path.with_suffix(".sig")
    signature.write_bytes(sign_model(path, signature, [key], shard_bytes=16 * MIB))
    known = {key.public.key_id: key.public}

    def passed(workers: int) -> float:
        started = time.perf_counter()
        verify_model(path, signature, known, workers=workers)
        return time.perf_counter() - started

    one = min(passed(1) for _ in range(5))
    two = min(passed(2) for _ in range(5))
    load = os.getloadavg()[0]
    print(f"one file of 400 MiB, two threads: {one / two:.2f} x one thread (load {load:.1f})")


def sha256(path: Path) -> str:
    """The digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copied(files: list[Path], target: Path) -> None:
    """A copy of the files, written to the disk as the store writes."""
    target.mkdir(exist_ok=True)
    for file in files:
        with file.open("rb") as source, (target / file.name).open("wb") as sink:
            while chunk := source.read(MIB):
                sink.write(chunk)
            os.fsync(sink.fileno())
    shutil.rmtree(target)


def spent(act: Callable[[], object]) -> float:
    """Processor seconds of this process and of children that ended."""
    before = usage()
    act()
    return usage() - before


def usage() -> float:
    """Processor seconds so far."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    found = [resource.getrusage(kind) for kind in kinds]
    return sum(one.ru_utime + one.ru_stime for one in found)


def best(act: Callable[[], object], times: int = 3) -> float:
    """The least of some runs."""
    return min(spent(act) for _ in range(times))


def children(command: list[str]) -> float:
    """Processor seconds of a command."""
    return best(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL), 2)


@contextmanager
def pem(folder: Path, key: object) -> Iterator[Path]:
    """The public key as a file."""
    path = folder / "key.pub"
    path.write_text(key.public.pem)  # type: ignore[attr-defined]  # a key pair
    yield path


def dvc_time(folder: Path, data: Path, dvc: str | None) -> str:
    """Processor seconds of ``dvc add``."""
    if dvc is None:
        return "   dvc: not here (--dvc PATH)"
    project = fresh(folder / "dvc")
    run_dvc(dvc, project, "init", "--no-scm", "-q")
    shutil.copytree(data, project / "d")
    took = spent(lambda: run_dvc(dvc, project, "add", "-q", "d"))
    return f"   dvc add {took:.2f} CPU-s"


def run_dvc(dvc: str, project: Path, *words: str) -> None:
    """Run DVC, without its statistics."""
    environment = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    subprocess.run([dvc, *words], cwd=project, check=True, env=environment, capture_output=True)


def fresh(folder: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    raise SystemExit(main())
