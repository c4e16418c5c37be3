"""What a drift check against a stored reference costs, beside tools that people use for it.

Thirty columns of standard normal numbers; live rows differ in three of them, each in another way:
the middle moves by 0.012 standard deviations, the spread grows by 2 %, and 0.8 % of the rows go
into one tail. A full two-sample test tells each of them from chance at a million rows. Both sides
are told the same rows in one run, each in a process of its own:

* hauberk reads the signed profile of the reference and the live rows from a Parquet file, as
  `hauberk monitor check` does, in batches; processor time covers reading, counting and judging;
* each peer has both samples in memory already and is charged for its check alone, and so is
  hauberk in a second line, which is what peers are compared with.

Run ``python benchmarks/drift_peers.py [--rows N] [--peers VENV]``, where the virtual environment
has what is to be compared with: ``pip install scipy frouros alibi-detect nannyml evidently``;
several may be named. What cannot be imported is said. Exit code 1 where a figure is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

N_COLUMNS = 30
SHIFTED = {"c3": "middle", "c11": "spread", "c27": "tail"}
ALPHA = 0.01
MAX_CPU_S = 2.5
MAX_MB = 1024
CHEAPER, CHEAPER_EVIDENTLY = 3.0, 20.0
EVIDENTLY_ROWS = 100_000
FULL = "scipy"
IN_MEMORY = "in memory"


def rows(seed: int, n: int, *, shifted: bool) -> dict[str, np.ndarray]:
    """Columns by name."""
    rng = np.random.default_rng(seed)
    found = {f"c{i}": rng.normal(0.0, 1.0, n) for i in range(N_COLUMNS)}
    if shifted:
        found["c3"] += 0.012
        found["c11"] *= 1.02
        found["c27"][: n * 8 // 1000] = rng.normal(3.0, 0.3, n * 8 // 1000)
    return found


# Checks: each gives the names of the columns that it says have drifted ---------------------


def check_hauberk(folder: Path) -> tuple[float, list[str]]:
    """As `hauberk monitor check --min-effect 0` does it."""
    import pyarrow.compute
    import pyarrow.parquet  # noqa: F401 - like the peers' libraries, loaded before time is taken

    from hauberk.controls.dataset.input_drift import InputDrift
    from hauberk.formats.tables import open_table
    from hauberk.monitor.batch import check_batch
    from hauberk.sketches.profile import Profile

    start = time.process_time()
    reference = Profile.from_bytes((folder / "profile.json").read_bytes())
    drift = InputDrift(alpha=ALPHA, min_effect=0.0)
    verdict = check_batch(reference, open_table(folder / "live.parquet"), drift)
    found = [f.location.field for a in verdict.assessments for f in a.findings if f.location]
    return time.process_time() - start, sorted(str(name) for name in found)


def check_in_memory(second: dict, folder: Path) -> tuple[float, list[str]]:
    """The same with live rows that are in memory already."""
    import pyarrow as pa

    from hauberk.controls.dataset.input_drift import InputDrift
    from hauberk.formats.tables import table_of
    from hauberk.monitor.batch import check_batch
    from hauberk.sketches.profile import Profile

    n = len(next(iter(second.values())))
    whole = pa.record_batch(second)
    live = table_of("live", [whole.slice(start, 65_536) for start in range(0, n, 65_536)])
    start = time.process_time()
    reference = Profile.from_bytes((folder / "profile.json").read_bytes())
    verdict = check_batch(reference, live, InputDrift(alpha=ALPHA, min_effect=0.0))
    found = [f.location.field for a in verdict.assessments for f in a.findings if f.location]
    return time.process_time() - start, sorted(str(name) for name in found)


def check_scipy(first: dict, second: dict) -> tuple[float, list[str]]:
    from scipy.stats import ks_2samp

    start = time.process_time()
    found = [
        name
        for name in first
        if ks_2samp(first[name], second[name], method="asymp").pvalue < ALPHA / N_COLUMNS
    ]
    return time.process_time() - start, found


def check_frouros(first: dict, second: dict) -> tuple[float, list[str]]:
    from frouros.detectors.data_drift import KSTest

    found, start = [], time.process_time()
    for name, values in first.items():
        detector = KSTest()
        detector.fit(X=values)
        if detector.compare(X=second[name])[0].p_value < ALPHA / N_COLUMNS:
            found.append(name)
    return time.process_time() - start, found


def check_alibi_detect(first: dict, second: dict) -> tuple[float, list[str]]:
    from alibi_detect.cd import KSDrift

    x, y = np.stack(list(first.values()), 1), np.stack(list(second.values()), 1)
    detector = KSDrift(x, p_val=ALPHA)
    start = time.process_time()
    said = detector.predict(y, drift_type="feature")["data"]
    p = np.asarray(said["p_val"])
    return time.process_time() - start, [
        name for name, one in zip(first, p, strict=True) if one < ALPHA / N_COLUMNS
    ]


def check_nannyml(first: dict, second: dict) -> tuple[float, list[str]]:
    import nannyml
    import pandas as pd

    a, b = pd.DataFrame(first), pd.DataFrame(second)
    calculator = nannyml.UnivariateDriftCalculator(
        column_names=list(first), continuous_methods=["kolmogorov_smirnov"], chunk_number=1
    )
    calculator.fit(a)
    start = time.process_time()
    table = calculator.calculate(b).filter(period="analysis").to_df()
    spent = time.process_time() - start
    found = [name for name in first if bool(table[name]["kolmogorov_smirnov"]["alert"].any())]
    return spent, found


def check_evidently(first: dict, second: dict) -> tuple[float, list[str]]:
    import pandas as pd
    from evidently import Report
    from evidently.presets import DataDriftPreset

    a, b = pd.DataFrame(first), pd.DataFrame(second)
    start = time.process_time()
    run = Report([DataDriftPreset(method="ks", threshold=ALPHA / N_COLUMNS)]).run(b, a)
    said = run.dict()["metrics"]
    spent = time.process_time() - start
    return spent, [name for name in first if _evidently_says(said, name)]


def _evidently_says(said: list, name: str) -> bool:
    for item in said:
        config = item.get("config", {})
        if config.get("column") == name and isinstance(item.get("value"), float):
            return item["value"] < ALPHA / N_COLUMNS
    return False


PEERS = {
    "scipy": check_scipy,
    "frouros": check_frouros,
    "alibi-detect": check_alibi_detect,
    "nannyml": check_nannyml,
    "evidently": check_evidently,
}


# One process each --------------------------------------------------------------------------


def child(name: str, folder: Path) -> int:
    """Do one check and print what came of it as JSON."""
    if name == "hauberk":
        spent, found = check_hauberk(folder)
        version = "here"
    else:
        from importlib.metadata import version as version_of

        with np.load(folder / "both.npz") as both:
            first = {key[2:]: both[key] for key in both.files if key.startswith("a:")}
            second = {key[2:]: both[key] for key in both.files if key.startswith("b:")}
        if name == IN_MEMORY:
            (spent, found), version = check_in_memory(second, folder), "here"
        else:
            (spent, found), version = PEERS[name](first, second), version_of(name)
    said = {"cpu_s": spent, "found": found, "peak_mb": peak_mb(), "version": version}
    print(json.dumps(said))
    return 0


def peak_mb() -> float:
    """The most memory that this process has held since it began to run its own program."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in text.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def asked(python: str, name: str, folder: Path) -> dict:
    """What the child process says, or why it does not."""
    words = [python, __file__, "--child", name, "--folder", str(folder)]
    quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, **quiet}
    )
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["nothing said"])[-1][:120]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def first_that_runs(pythons: list[str], name: str, folder: Path) -> dict:
    """What an environment that has the peer says; else why the nearest one does not."""
    said: dict = {}
    for python in pythons:
        item = asked(python, name, folder)
        if "error" not in item:
            return item
        has_it = f"No module named '{name.replace('-', '_')}'" not in item["error"]
        said = item if has_it or not said else said
    return said


def prepare(folder: Path, n: int) -> None:
    """The same rows for both sides."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from hauberk.formats.tables import table_of
    from hauberk.sketches.profile import profile_of

    first, second = rows(1, n, shifted=False), rows(2, n, shifted=True)
    reference = pa.record_batch(first)
    batches = [reference.slice(start, 65_536) for start in range(0, n, 65_536)]
    (folder / "profile.json").write_bytes(profile_of(table_of("t", batches)).to_bytes())
    pq.write_table(pa.table(second), folder / "live.parquet", use_dictionary=False)
    np.savez(
        folder / "both.npz",
        **{f"a:{name}": values for name, values in first.items()},
        **{f"b:{name}": values for name, values in second.items()},
    )


def compared(n: int, pythons: list[str], names: list[str]) -> dict[str, dict]:
    """Every side's cost and verdict at ``n`` rows."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder, n)
        found = {name: asked(sys.executable, name, folder) for name in ("hauberk", IN_MEMORY)}
        for name in names:
            found[name] = first_that_runs(pythons, name, folder)
    print(f"{n} rows x {N_COLUMNS} columns; shifted: {', '.join(SHIFTED)}")
    for name, item in found.items():
        if "error" in item:
            print(f"  {name:<13} does not run: {item['error']}")
            continue
        planted = sum(column in item["found"] for column in SHIFTED)
        false = len(set(item["found"]) - set(SHIFTED))
        times = item["cpu_s"] / found[IN_MEMORY]["cpu_s"]
        print(
            f"  {name:<13} {item['cpu_s']:8.2f} CPU-s ({times:6.1f} x)  {item['peak_mb']:7.0f} MB"
            f"  planted {planted}/{len(SHIFTED)}, false {false}  ({item['version']})"
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--peers", action="append", default=[], type=Path, metavar="VENV")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.child, args.folder)
    pythons = [sys.executable, *(str(path / "bin" / "python") for path in args.peers)]
    many = compared(args.rows, pythons, [name for name in PEERS if name != "evidently"])
    few = compared(EVIDENTLY_ROWS, pythons, ["evidently"])
    ours, alone = many["hauberk"], many[IN_MEMORY]
    peers = [item["cpu_s"] for name, item in many.items() if name in PEERS and "cpu_s" in item]
    cheapest = min(peers, default=float("nan"))
    evidently = few["evidently"].get("cpu_s", float("nan")) / few[IN_MEMORY]["cpu_s"]
    figures = {
        f"at most {MAX_CPU_S} CPU-s": ours["cpu_s"] <= MAX_CPU_S,
        f"at most {MAX_MB} MB": ours["peak_mb"] <= MAX_MB,
        f"at least {CHEAPER:g} times cheaper than the cheapest peer that runs": (
            cheapest / alone["cpu_s"] >= CHEAPER
        ),
        f"the verdicts of the full two-sample test ({FULL})": (
            sorted(many[FULL].get("found", [])) == ours["found"] == alone["found"]
        ),
    }
    if "error" not in few["evidently"]:
        figures[f"{CHEAPER_EVIDENTLY:g} times cheaper than evidently at {EVIDENTLY_ROWS}"] = (
            evidently >= CHEAPER_EVIDENTLY
        )
    for text, is_met in figures.items():
        print(f"{'met   ' if is_met else 'MISSED'}  {text}")
    return 0 if all(figures.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
