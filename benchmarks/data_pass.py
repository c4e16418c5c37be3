"""What one pass over a data set costs: the whole scan of pictures, and the profile of a long table.

* ``scan``: `hauberk scan` without a reference over labelled pictures of 28 x 28 (Fashion-MNIST
  where its files are, drawn shapes else), in a process of its own; ``--rows`` may be several.
* ``profile``: `hauberk data profile` of a Parquet file of 30 columns, beside one polars read of
  the same file (every column read, its sum or number of bytes taken); needs ``--peers VENV`` with
  polars, and is left out where there is none.
* ``growth``: `hauberk data profile` of what is made on the fly, by number of rows: rows go from
  the generator into the profile and nowhere else.

Each side is a process of its own; processor seconds, the clock and the largest memory are those
of the process with its children. Run ``python benchmarks/data_pass.py scan --rows 60000``.
Exit code 1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAX_SCAN_S, MAX_SCAN_MB = 60.0, 2_048.0
MAX_READS = 3.0
N_NUMBERS, N_WORDS = 24, 6
FASHION = Path("/usr/share/datasets/fashion-mnist")
_BATCH = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one process took."""

    clock_s: float
    cpu_s: float
    peak_mb: float
    said: str


def costs(command: Sequence[str]) -> Cost:
    """Run ``command`` to its end."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(list(command), stdout=out, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        said = out.read().decode("utf-8", "replace")
    return Cost(
        clock_s=time.perf_counter() - begun,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss / 1_024,
        said=said,
    )


def ours(*words: str) -> list[str]:
    """The command line of the package that this interpreter has."""
    return [sys.executable, "-m", "hauberk.cli", *words]


# Pictures ----------------------------------------------------------------------------------


def pictures(n: int, folder: Path) -> tuple[Any, Any]:
    """``n`` pictures, as bytes, with their labels."""
    if not (folder / "train-images-idx3-ubyte.gz").is_file():
        return drawn(n)
    raw = gzip.decompress((folder / "train-images-idx3-ubyte.gz").read_bytes())
    labels = gzip.decompress((folder / "train-labels-idx1-ubyte.gz").read_bytes())
    images = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 28, 28)
    return images[:n], np.frombuffer(labels, np.uint8, offset=8)[:n]


def drawn(n: int) -> tuple[Any, Any]:
    """Blurred rectangles, of ten shapes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, n)
    images = rng.integers(0, 40, (n, 28, 28)).astype(np.uint8)
    for place, label in enumerate(labels.tolist()):
        top, left = rng.integers(0, 8, 2)
        high, wide = 4 + 2 * (label % 5), 6 + 6 * (label // 5)
        images[place, top : top + high, left : left + wide] += np.uint8(150)
    return images, labels


def scan(sizes: Sequence[int], fashion: Path) -> bool:
    """Whether the largest scan stays within its bounds."""
    is_met = True
    with tempfile.TemporaryDirectory() as folder:
        for n in sizes:
            images, labels = pictures(n, fashion)
            path = Path(folder, "pictures.npz")
            np.savez(path, X=images, y=labels)
            found = costs(ours("scan", str(path), "--label", "y"))
            is_met = found.clock_s <= MAX_SCAN_S and found.peak_mb <= MAX_SCAN_MB
            last = found.said.strip().splitlines()[-1] if found.said.strip() else "nothing said"
            print(f"scan of {len(labels):,} x 784: {_told(found)}; {last}", flush=True)
    return is_met


def _told(cost: Cost) -> str:
    return f"{cost.clock_s:.1f} s by the clock, {cost.cpu_s:.1f} CPU-s, {cost.peak_mb:,.0f} MB"


# A long table ------------------------------------------------------------------------------


def batch(seed: int, n: int) -> Any:
    """``n`` rows of 24 numbers and 6 columns of words."""
    import pyarrow as pa

    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {f"n{i}": rng.normal(i, 1 + i, n) for i in range(N_NUMBERS // 2)}
    columns |= {f"i{i}": rng.integers(0, 10 ** (1 + i % 6), n) for i in range(N_NUMBERS // 2)}
    for i in range(N_WORDS):
        words = pa.array([f"word {j}" for j in range(3 ** (i + 1))])
        columns[f"w{i}"] = words.take(pa.array(rng.integers(0, len(words), n)))
    return pa.RecordBatch.from_pydict(columns)


def write(path: Path, n: int) -> None:
    """A Parquet file of ``n`` rows."""
    from pyarrow import parquet

    first = batch(0, 1)
    with parquet.ParquetWriter(path, first.schema, compression="snappy") as writer:
        for start in range(0, n, _BATCH * 16):
            size = min(_BATCH * 16, n - start)
            writer.write_batch(batch(start, size), row_group_size=size)


_POLARS = """
import sys
import polars as pl
table = pl.scan_parquet(sys.argv[1])
kinds = table.collect_schema()
sums = [
    pl.col(name).str.len_bytes().sum() if kind == pl.String else pl.col(name).sum()
    for name, kind in kinds.items()
]
print(table.select(sums).collect(engine="streaming").shape)
"""
_POLARS_WHOLE = """
import sys
import polars as pl
print(pl.read_parquet(sys.argv[1]).shape)
"""


def profile(n: int, peers: Path | None, folder: Path) -> bool:
    """Whether the profile costs at most `MAX_READS` polars reads."""
    path = folder / f"rows-{n}.parquet"
    if not path.is_file():
        part = path.with_suffix(".part")
        write(part, n)
        part.replace(path)
    output = folder / "profile.json"
    found = costs(ours("data", "profile", str(path), "--output", str(output), "--workers", "2"))
    print(f"profile of {n:,} x 30 ({path.stat().st_size >> 20:,} MB): {_told(found)}", flush=True)
    if peers is None:
        return True
    python = str(peers / "bin" / "python")
    whole = costs([python, "-c", _POLARS_WHOLE, str(path)])
    print(f"polars, read_parquet: {_told(whole)}", flush=True)
    summed = costs([python, "-c", _POLARS, str(path)])
    print(f"polars, streamed with sums: {_told(summed)}", flush=True)
    print(
        f"{found.cpu_s / whole.cpu_s:.1f} reads in processor time, "
        f"{found.clock_s / whole.clock_s:.1f} by the clock"
    )
    return found.cpu_s <= MAX_READS * whole.cpu_s


_GROWTH = """
import sys
sys.path.insert(0, sys.argv[2])
import data_pass
data_pass.grow(int(sys.argv[1]))
"""


def grow(n: int) -> None:
    """Profile ``n`` rows that are made as they are read; the rows repeat after a million."""
    from hauberk.formats.tables import table_of
    from hauberk.sketches.profile import profile_of

    made = [batch(seed, _BATCH) for seed in range(16)]
    one = table_of("made", made[:1])

    def read() -> Any:
        for start in range(0, n, _BATCH):
            yield made[start // _BATCH % len(made)].slice(0, min(_BATCH, n - start))

    from dataclasses import replace

    print(profile_of(replace(one, read=read)).n_rows)


def growth(sizes: Sequence[int], picture: Path | None = None) -> bool:
    """Whether a row costs the same however many there are; ``picture`` names where to draw it."""
    found = []
    for n in sizes:
        cost = costs([sys.executable, "-c", _GROWTH, str(n), str(Path(__file__).parent)])
        found.append(cost.cpu_s)
        print(f"profile of {n:,} made rows: {_told(cost)}", flush=True)
    if picture is not None:
        picture.write_text(_drawn(sizes, found), "utf-8")
    rates = [cpu / n for cpu, n in zip(found, sizes, strict=True)]
    return max(rates[1:], default=0.0) <= 1.5 * rates[0]


def _drawn(sizes: Sequence[int], seconds: Sequence[float]) -> str:
    """A picture of processor seconds over rows, both from nothing."""
    width, height, left, low = 520, 260, 60, 220
    right, top = max(sizes), max(seconds) * 1.1

    def place(n: float, cpu: float) -> tuple[float, float]:
        return left + (width - left - 20) * n / right, low - (low - 20) * cpu / top

    points = [place(n, cpu) for n, cpu in zip(sizes, seconds, strict=True)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in points)
    names = "".join(
        f'<text x="{x:.1f}" y="{low + 18}" text-anchor="middle">{n // 1_000_000} M</text>'
        f'<text x="{x - 8:.1f}" y="{y - 8:.1f}" text-anchor="end">{cpu:.1f} s</text>'
        for (x, y), n, cpu in zip(points[1:], sizes[1:], seconds[1:], strict=True)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'font-family="sans-serif" font-size="12"><title>Processor seconds of a profile by rows'
        f'</title><path d="M{left} 20V{low}H{width - 20}" fill="none" stroke="#888"/>'
        f'<polyline points="{path}" fill="none" stroke="#1f6feb" stroke-width="2"/>'
        f'<g fill="#1f6feb">{marks}</g><g fill="#888">{names}'
        f'<text x="{left}" y="14">CPU-seconds</text>'
        f'<text x="{width - 20}" y="{low + 34}" text-anchor="end">rows of 30 columns</text></g>'
        "</svg>\n"
    )


def main() -> int:
    """Run one part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("part", choices=("scan", "profile", "growth"))
    parser.add_argument("--rows", type=int, nargs="+", metavar="N")
    parser.add_argument("--peers", type=Path, metavar="VENV")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keeps the long table")
    parser.add_argument("--fashion", type=Path, default=FASHION, metavar="DIR")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the growth")
    args = parser.parse_args()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if args.part == "scan":
        return int(not scan(args.rows or [60_000], args.fashion))
    if args.part == "growth":
        return int(not growth(args.rows or [1_000_000, 10_000_000, 100_000_000], args.plot))
    with tempfile.TemporaryDirectory() as made:
        folder = args.folder or Path(made)
        return int(not profile((args.rows or [10_000_000])[0], args.peers, folder))


if __name__ == "__main__":
    raise SystemExit(main())
