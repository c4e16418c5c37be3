"""Damage model files of every format and hold the control against what must not happen.

Run as a program: ``mutations.py SEED COUNT``. Prints one line for each mutation that ends in
an error that the reader does not name, takes too long, or is called free of code although an
unpickler that imports nothing asks for a dangerous name. The last line counts the mutations
and the verdicts.
"""

from __future__ import annotations

import random
import resource
import sys
import tempfile
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path

from hauberk.attacks.model.damage_file import DamageFile
from hauberk.range.worlds.damaged import complaint, corpus


def main() -> None:
    """Damage as many files as were asked for."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    warnings.simplefilter("ignore")
    rng = random.Random(int(sys.argv[1]))
    states: Counter[str] = Counter()
    known = corpus()
    attack = DamageFile(donors=known)
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "model.bin")
        for _ in range(int(sys.argv[2])):
            data = attack.damaged(rng.choice(known), rng)
            path.write_bytes(data)
            state, wrong = complaint(path)
            states[state] += 1
            if wrong:
                print(wrong, data[:4000])
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    print(f"{sys.argv[2]} mutations of {len(known)} files: {counts}")


if __name__ == "__main__":
    with suppress(BrokenPipeError):
        main()
