"""A scan in a process of its own, with what it cost: processor seconds and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_SCAN = (
    "import json, resource, sys; from hauberk.cli import main;"
    "sys.stdout = sys.stderr;"
    "main(['scan', sys.argv.pop(1)]);"
    "main(['scan', sys.argv.pop(1)]);"
    "before = resource.getrusage(resource.RUSAGE_SELF);"
    "code = main(['scan', *sys.argv[1:]]);"
    "after = resource.getrusage(resource.RUSAGE_SELF);"
    "cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime;"
    "sys.__stdout__.write(json.dumps([code, cpu, after.ru_maxrss]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one scan did.

    Attributes:
        exit_code: Of ``hauberk scan``; -1 where the process did not end by itself.
        cpu_s: Processor seconds of the scan, without start-up: a tiny pickle and a tiny text
            were scanned before.
        memory_bytes: Peak of the resident memory, the interpreter included.
        wall_s: Seconds from start to end, waiting for a busy machine included.
    """

    exit_code: int
    cpu_s: float
    memory_bytes: int
    wall_s: float


def scan_cost(path: Path, *, timeout_s: float = 60.0) -> Cost:
    """Scan one path and measure it."""
    start = time.monotonic()
    try:
        code, cpu, memory = json.loads(_scanned(path, timeout_s))
    except (subprocess.TimeoutExpired, ValueError):
        return Cost(exit_code=-1, cpu_s=timeout_s, memory_bytes=0, wall_s=timeout_s)
    wall = time.monotonic() - start
    return Cost(exit_code=code, cpu_s=cpu, memory_bytes=memory * 1024, wall_s=wall)


def _scanned(path: Path, timeout_s: float) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        tiny = (Path(folder, "tiny.pkl"), Path(folder, "tiny.txt"))
        for one, data in zip(tiny, (b"\x80\x04N.", b"text\n"), strict=True):
            one.write_bytes(data)
        done = subprocess.run(
            [sys.executable, "-c", _SCAN, *map(str, tiny), str(path)],
            capture_output=True,
            timeout=timeout_s,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
    return done.stdout
