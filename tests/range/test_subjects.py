import pytest

from hauberk.range.subjects import digits, tumours


@pytest.mark.parametrize(("make", "n_rows"), [(digits, 300), (tumours, 100)])
def test_one_seed_gives_one_draw_and_another_another(make, n_rows):
    first, again, other = (make(seed, n_rows) for seed in (1, 1, 2))
    read = [next(dataset.read()) for dataset in (first, again, other)]
    assert read[0].equals(read[1])
    assert not read[0].equals(read[2])
    assert read[0].num_rows == n_rows
    assert first.label in read[0].schema.names


def test_digits_are_pictures():
    (image, _) = digits(1, 10).columns
    assert image.shape == (8, 8)
