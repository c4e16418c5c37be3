from random import Random

import pytest

from hauberk.range import ordinary
from hauberk.range.ordinary import write_ordinary


class Picking(Random):
    """Picks one estimator and leaves everything else to chance."""

    name = ""

    def choice(self, seq):
        return self.name if seq is ordinary._ESTIMATORS else super().choice(seq)


@pytest.mark.parametrize("name", ordinary._ESTIMATORS)
def test_every_estimator_can_be_fitted(name):
    rng = Picking(1)
    rng.name = name
    assert ordinary._fitted(rng) is not None


@pytest.mark.parametrize("seed", range(12))
def test_a_seed_names_one_file(tmp_path, seed):
    places = [tmp_path / "a", tmp_path / "b"]
    for place in places:
        place.mkdir()
    first, second = (write_ordinary(place, Random(seed)) for place in places)
    assert first.name == second.name
    assert first.stat().st_size > 0
