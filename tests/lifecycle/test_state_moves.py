"""How far segments of a training moved its state."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hauberk.lifecycle.segments import MAGIC, Segments
from hauberk.lifecycle.state_moves import moves_plot


def _trained(path: Path, sizes: list[float]) -> Path:
    state, weights = {"bias": 0.0}, np.zeros(4)
    for size in Segments(str(path)).over(sizes, model=weights, extra=state, name={"seed": 3}):
        weights += size
        state["bias"] += 1.0
    return path


def test_each_segment_is_as_long_as_what_it_changed(tmp_path):
    curve = moves_plot(_trained(tmp_path / "s", [1.0, 1.0, 5.0]))
    assert curve is not None
    assert curve.series["model"] == ((0.0, 2.0), (1.0, 2.0), (2.0, 10.0))
    assert "name" not in curve.series


@pytest.mark.parametrize("data", [b"", b"noise", MAGIC, MAGIC + b"\xff" * 40])
def test_what_is_no_file_of_segments_has_no_curve(tmp_path, data):
    (tmp_path / "s").write_bytes(data)
    assert moves_plot(tmp_path / "s") is None
    assert moves_plot(tmp_path / "none") is None
