"""A thousand bootstraps of fairness gaps: counts drawn again, against fairlearn's rows.

Usage: python benchmarks/fairness_bootstrap.py [--rows N] [--peer-draws K]
Needs fairlearn in the same environment; its time is for K draws, given for 1,000.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from hauberk.methods.fairness_gaps import N_DRAWS, gaps

RIGHT = 0.8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--peer-draws", type=int, default=10)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    groups = rng.choice(["a", "b", "c"], args.rows)
    truth = rng.integers(0, 2, args.rows)
    predicted = np.where(rng.random(args.rows) < RIGHT, truth, 1 - truth)
    words = [part.astype(str) for part in (truth, predicted)]

    started = time.process_time()
    own = gaps("group", *words, groups, given="1", rng=rng)
    own_s = time.process_time() - started
    print(f"hauberk   {N_DRAWS} draws  {own_s:.4f} CPU-s  selection gap {own[0].value:.4f}")

    from fairlearn.metrics import (
        MetricFrame,
        false_positive_rate,
        selection_rate,
        true_positive_rate,
    )

    started = time.process_time()
    frame = MetricFrame(
        metrics={
            "selection": selection_rate,
            "true positives": true_positive_rate,
            "false positives": false_positive_rate,
        },
        y_true=truth,
        y_pred=predicted,
        sensitive_features=groups,
        n_boot=args.peer_draws,
        ci_quantiles=[0.05, 0.95],
        random_state=0,
    )
    frame.difference_ci(method="between_groups")
    peer_s = (time.process_time() - started) * N_DRAWS / args.peer_draws
    print(f"fairlearn {N_DRAWS} draws  {peer_s:.4f} CPU-s (from {args.peer_draws})")
    print(f"ratio     {peer_s / own_s:.0f}")


if __name__ == "__main__":
    main()
