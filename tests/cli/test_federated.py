"""`hauberk federated` on files of arrays."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.cli import main
from hauberk.range.worlds.federation import client


@pytest.fixture
def batch(tmp_path):
    """A client's batch, its plain update, and the gradients of its rows."""
    one = client(7, 4)
    draws = np.random.default_rng(1)
    weights = draws.normal(0, 1, (200, 64)) / 64
    biases = -np.quantile(draws.uniform(0, 1, (100, 64)) @ weights.T, 0.75, axis=0)
    np.savez(tmp_path / "rows.npz", X=one.rows)
    np.savez(tmp_path / "plain.npz", **one.update(weights, biases))
    single = [
        client(7, 4)._gradient(row[None], label, weights, biases, draws.normal(0, 0.3, (10, 200)))
        for row, label in zip(one.rows, one.labels, strict=True)
    ]
    stacked = {name: np.stack([part[name] for part in single]) for name in single[0]}
    np.savez(tmp_path / "single.npz", **stacked)
    return tmp_path


def test_a_plain_update_fails_the_clients_own_test(batch, capsys):
    words = ["federated", "check", str(batch / "plain.npz"), "--rows", str(batch / "rows.npz")]
    assert main(words) == 1
    assert "can be read off it" in capsys.readouterr().out


def test_a_protected_update_passes_and_says_what_a_run_gives_away(batch, capsys, monkeypatch):
    monkeypatch.setattr("secrets.randbits", lambda _: 7)
    output = str(batch / "held.npz")
    words = ["federated", "protect", str(batch / "single.npz"), "--noise", "2", "--output", output]
    assert main([*words, "--rows-in-all", "1000", "--updates", "100"]) == 0
    assert "epsilon" in capsys.readouterr().out
    assert main(["federated", "check", output, "--rows", str(batch / "rows.npz")]) == 0


def test_updates_are_merged(batch, capsys):
    plain, output = str(batch / "plain.npz"), batch / "merged.npz"
    assert main(["federated", "merge", plain, plain, plain, "--output", str(output)]) == 0
    assert "heterogeneity" in capsys.readouterr().out
    with np.load(output) as merged, np.load(plain) as one:
        assert np.allclose(merged["first.bias"], one["first.bias"])


def test_a_pickle_in_an_archive_is_refused(batch):
    np.savez(batch / "evil.npz", a=np.array([object()]))
    words = ["federated", "check", str(batch / "evil.npz"), "--rows", str(batch / "rows.npz")]
    assert main(words) == 1


def test_a_missing_file_is_a_usage_error(batch):
    assert main(["federated", "check", "none.npz", "--rows", str(batch / "rows.npz")]) == 2
