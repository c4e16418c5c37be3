"""How often replayed segments meet a tampered one, beside 1 - (1 - f)^k.

Usage: python benchmarks/replay_curve.py [FIRST LAST]
Every share of tampered segments is tried with seeds FIRST to LAST, the kinds of tampering in turn.
Each training is done again once, segment by segment, which says which segments are noticed; then
the product's own draw is asked many times which it would have replayed. The last segment, which a
replay always does again, is counted apart.
"""

from __future__ import annotations

import sys
from random import Random

from hauberk.attacks.pipeline.tamper_training import KINDS, TamperTraining
from hauberk.lifecycle import replay
from hauberk.range.worlds.trainings import SEGMENTS, training_host
from hauberk.trust.digest import digest_file

SHARES, COUNTS, DRAWS = (1 / 16, 1 / 8, 1 / 4, 1 / 2), (1, 2, 4, 8), 4000


def noticed(seed: int, share: float) -> tuple[bool, set[int]]:
    """Whether the tampering did what it is for, and the segments that differ when done again."""
    rng = Random(seed)
    with training_host(seed) as host:
        transcript = TamperTraining(kind=tuple(KINDS)[seed % len(KINDS)], share=share).play(
            host, rng
        )
        kept = {name: digest_file(host.folder / name) for name in ("model.json", "train.segments")}
        chain = replay.read_chain(host.folder / "train.segments")
        everything = range(SEGMENTS)
        second = replay._execute(host._recipe(kept), everything)  # noqa: SLF001 - each by itself
        committed = replay._wanted(chain, everything)  # noqa: SLF001
    return transcript.succeeded, {
        number
        for number in everything
        if second.results.get(f"state {number + 1}") != committed[f"state {number + 1}"]
    }


def main() -> None:
    first, last = (int(word) for word in (sys.argv[1:3] or ("10000", "10010")))
    print("share  k  caught  with the last  1-(1-f)^k  trainings")
    for share in SHARES:
        seen = [noticed(seed, share) for seed in range(first, last)]
        for count in COUNTS:
            rng, caught, ended = Random(count), 0, 0
            for _ in range(DRAWS):
                for _, differing in seen:
                    met = bool(differing & set(replay.draw(SEGMENTS, count, rng)))
                    caught += met
                    ended += met or SEGMENTS - 1 in differing
            n = DRAWS * len(seen)
            even = 1 - (1 - share) ** count
            print(f"{share:<6.3f} {count}  {caught / n:.3f}   {ended / n:.3f}", end="")
            print(f"          {even:.3f}      {len(seen)}, {sum(one for one, _ in seen)} potent")


if __name__ == "__main__":
    main()
