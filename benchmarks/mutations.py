"""Forty thousand damaged model files of every format: none may crash, hang or lose its verdict.

The harness is ``tests/bypasses/mutations.py``; a few thousand mutations run with the tests.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

COUNT = 40_000
HARNESS = Path(__file__).parents[1] / "tests/bypasses/mutations.py"


def main() -> int:
    """Run the harness in a process of its own, with a seed that the tests do not use."""
    count = sys.argv[1] if len(sys.argv) > 1 else str(COUNT)
    done = subprocess.run(
        [sys.executable, str(HARNESS), "20000", count], capture_output=True, text=True, check=True
    )
    print(done.stdout, end="")
    return int(len(done.stdout.splitlines()) != 1)


if __name__ == "__main__":
    sys.exit(main())
