"""How fast blobs are stored and read, beside raw SHA-256 and a plain copy with fsync.

Run ``python benchmarks/blob_speed.py [--bytes 2147483648]``. Ratios use processor seconds,
which repeat within a few percent on a shared machine; wall seconds stand beside them.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hauberk.trust.store import Store

_BLOCK = 1 << 20


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Processor and wall seconds of ``work``."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - wall


def fill(path: Path, size: int) -> None:
    """A file of ``size`` bytes that does not compress."""
    block = os.urandom(_BLOCK)
    with path.open("wb") as file:
        for number in range(size // _BLOCK):
            file.write(number.to_bytes(8, "big") + block[8:])


def raw_hash(path: Path) -> None:
    """SHA-256 of a file by the standard library's fastest way."""
    with path.open("rb", buffering=0) as file:
        hashlib.file_digest(file, "sha256")


def raw_copy(path: Path, target: Path) -> None:
    """Copy and make durable."""
    shutil.copyfile(path, target)
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def row(title: str, taken: tuple[float, float], against: float) -> None:
    """One line of the table."""
    print(f"{title:<34}{taken[0]:>9.2f} cpu s{taken[1]:>9.2f} s{taken[0] / against:>8.2f}")


def main() -> None:
    """Print a table of figures; the last column is the ratio to raw SHA-256."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=int, default=512 << 20)
    parser.add_argument("--small-files", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=None, help="where to write")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        measure_large(Path(name), options.bytes)
        measure_small(Path(name), options.small_files)


def measure_large(folder: Path, size: int) -> None:
    """One large file."""
    source = folder / "large.bin"
    fill(source, size)
    store = Store.open(folder)
    raw_hash(source)
    hashing = timed(lambda: raw_hash(source))
    copying = timed(lambda: raw_copy(source, folder / "copy.bin"))
    (folder / "copy.bin").unlink()
    print(f"one file of {size / (1 << 20):,.0f} MiB")
    row("raw SHA-256", hashing, hashing[0])
    row("raw copy and fsync", copying, hashing[0])
    publishing = timed(lambda: store.publish_file(source))
    row("publish", publishing, hashing[0])
    row("publish less the raw copy", (publishing[0] - copying[0], publishing[1]), hashing[0])
    (digest,) = store.blobs.list()
    row("check", timed(lambda: store.blobs.check(digest)), hashing[0])
    row("read through", timed(lambda: sum(map(len, store.blobs.open(digest)))), hashing[0])
    row("materialize", timed(lambda: store.materialize(digest, folder / "out.bin")), hashing[0])
    (folder / "out.bin").unlink()


def measure_small(folder: Path, count: int) -> None:
    """Many small files."""
    paths = [folder / f"{number}.small" for number in range(count)]
    for path in paths:
        path.write_bytes(os.urandom(10_000))
    store = Store.open(folder)
    together = timed(lambda: store.publish_files(paths))
    each = timed(lambda: [store.publish_file(path) for path in paths])
    print(f"{count} files of 10 kB")
    print(f"{'publish together':<34}{together[0]:>9.2f} cpu s{together[1]:>9.2f} s")
    print(f"{'publish one by one':<34}{each[0]:>9.2f} cpu s{each[1]:>9.2f} s")


if __name__ == "__main__":
    main()
