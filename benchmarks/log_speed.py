"""How fast the log appends, proves and verifies, beside raw SHA-256 and fsync.

Run ``python benchmarks/log_speed.py [--records 1000000] [--record-bytes 200]``. All figures
come from one run on one machine; the ratios travel better than the numbers.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hauberk.trust.log import Log


def seconds(work: Callable[[], object]) -> float:
    """Wall time of ``work``."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def raw_fsync(folder: Path, count: int, data: bytes) -> float:
    """Seconds per write and fdatasync of ``data`` at the end of a file."""
    descriptor = os.open(folder / "raw", os.O_CREAT | os.O_WRONLY, 0o600)

    def write() -> None:
        for _ in range(count):
            os.write(descriptor, data)
            os.fdatasync(descriptor)

    taken = seconds(write) / count
    os.close(descriptor)
    return taken


def raw_sha256(records: list[bytes]) -> float:
    """Seconds to hash each record once: what any verification must at least do."""
    sha256 = hashlib.sha256
    return seconds(lambda: [sha256(record).digest() for record in records])


def in_batches(log: Log, records: list[bytes], size: int) -> None:
    """One caller that hands over ``size`` records at a time and waits for each receipt."""
    for at in range(0, len(records), size):
        log.append(records[at : at + size])


def by_threads(log: Log, records: list[bytes], threads: int, batch: int) -> None:
    """``threads`` callers at once; each waits for its own receipts."""

    def work(who: int) -> None:
        for at in range(who * batch, len(records), threads * batch):
            log.append(records[at : at + batch])

    workers = [threading.Thread(target=work, args=(who,)) for who in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def refuse(defects: tuple[object, ...]) -> None:
    """A log with defects is not worth measuring."""
    if defects:
        raise SystemExit(str(defects[0]))


def main() -> None:
    """Print a table of figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--record-bytes", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=None, help="where to write")
    options = parser.parse_args()
    records = [os.urandom(options.record_bytes) for _ in range(options.records)]
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        measure(Path(name), records)


def measure(folder: Path, records: list[bytes]) -> None:
    """Append, reopen, prove and verify in ``folder``."""
    n = len(records)
    one_sync = raw_fsync(folder, 200, records[0])
    hashing = raw_sha256(records)
    print(f"records                     {n:>12,} of {len(records[0])} bytes")
    print(f"raw write and fdatasync     {1 / one_sync:>12,.0f} per s")
    print(f"raw SHA-256 of each record  {n / hashing:>12,.0f} per s")
    for title, count, append in (
        ("append, batches of 1,000", n, lambda log, part: in_batches(log, part, 1000)),
        ("append, batches of 100", n // 4, lambda log, part: in_batches(log, part, 100)),
        ("append, 64 callers, 10 each", n // 4, lambda log, part: by_threads(log, part, 64, 10)),
        ("append, 64 callers, 1 each", n // 20, lambda log, part: by_threads(log, part, 64, 1)),
        ("append, one at a time", min(n, 2000), lambda log, part: in_batches(log, part, 1)),
    ):
        log = Log.open(folder / title.replace(" ", "-").replace(",", ""))
        taken = seconds(lambda log=log, append=append, count=count: append(log, records[:count]))
        print(f"{title:<28}{count / taken:>12,.0f} per s")
    path = folder / "append-batches-of-1000"
    log = Log.open(path)
    print(f"open                        {seconds(lambda: Log.open(path)) * 1000:>12,.1f} ms")
    proofs = range(0, n, max(n // 1000, 1))
    proving = seconds(lambda: [log.prove_inclusion(index) for index in proofs])
    print(f"inclusion proof             {proving / len(proofs) * 1000:>12,.2f} ms")
    verifying = seconds(lambda: refuse(log.verify().defects))
    print(f"verify                      {verifying:>12,.2f} s, {n / verifying:,.0f} per s")
    print(f"verify / raw SHA-256        {verifying / hashing:>12,.1f} times the seconds")


if __name__ == "__main__":
    main()
