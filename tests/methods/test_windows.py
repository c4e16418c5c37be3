"""Windows are counted alike however rows are cut, and looked up where rows share them."""

from __future__ import annotations

import numpy as np
import pytest

from hauberk.methods.stamps import Standing, stamped, unexplained
from hauberk.methods.windows import SCALES, Scale, WindowCounts, carriers_of, codes_of


def pictures(n=300, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 9, 9, 1)).astype(np.uint8)


@pytest.mark.parametrize("cut", [1, 37, 150, 299])
def test_merging_equals_one_pass(cut):
    pixels, wrong = pictures(), np.random.default_rng(1).random(300) < 0.2
    due = np.full(300, 200)
    whole, first, second = WindowCounts(), WindowCounts(), WindowCounts()
    whole.update(pixels, wrong, due)
    first.update(pixels[:cut], wrong[:cut], due[:cut])
    second.update(pixels[cut:], wrong[cut:], due[cut:])
    second.merge(first)
    assert second.to_bytes() == whole.to_bytes()


def test_equal_windows_have_equal_codes_anywhere():
    pixels = pictures(2)
    pixels[1, 5:8, 2:5] = pixels[0, 1:4, 3:6]
    codes = codes_of(pixels, Scale(side=3, bits=8, anywhere=True))
    assert codes[1, 5, 2] == codes[0, 1, 3]
    assert codes_of(pixels, Scale(side=3, bits=8))[1, 5, 2] != codes[0, 1, 3]


def test_plain_windows_count_nowhere():
    assert not codes_of(np.full((2, 5, 5, 1), 7, np.uint8), SCALES[6]).any()


def test_a_shared_window_of_contradicted_rows_is_the_only_suspect():
    pixels = pictures(600)
    pixels[:40, 2:5, 2:5] = 255 * (np.indices((3, 3)).sum(axis=0) % 2)[..., None]
    labels = np.arange(600) % 5
    labels[:40] = 0
    believed = labels.copy()
    believed[:40] = np.arange(40) % 4 + 1
    believed[40::10] = (labels[40::10] + 1) % 5
    bench = Standing(labels, believed)
    found = unexplained(stamped(pixels / np.float32(255), labels, bench), labels, bench, 1e-5)
    assert len(found) == 1
    assert found[0].pattern.rows.tolist() == list(range(40))


def test_a_window_is_looked_up_among_other_rows():
    pixels = pictures(5)
    code = codes_of(pixels, SCALES[2])[3, 2, 2]
    found = list(carriers_of(pixels, SCALES[2], np.array([code])))
    assert [window.rows.tolist() for window in found] == [[3]]
    assert found[0].place == "3x3 pixels at 8 bits, row 2, column 2"
