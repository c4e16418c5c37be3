"""Pictures drawn in parts that share none, and tables cut into releases."""

from __future__ import annotations

from hauberk.core.artifact import Dataset, History
from hauberk.methods import rewrite
from hauberk.range.subjects import images_with_labels
from hauberk.range.worlds.crowds import fashion

_PART = 2_000
_FIRST = 0.55


def clothes(seed: int, *, textured: bool, n_rows: int, part: int = 0) -> Dataset:
    """Pictures of clothes, 14 x 14, on black or on soft texture of their own each.

    Args:
        part: Draws of one seed with other parts share no picture, up to 2,000 each.
    """
    import numpy as np
    from scipy.ndimage import gaussian_filter

    images, names = fashion()
    order = np.random.default_rng([seed, 13]).permutation(len(images))
    chosen = order[part * _PART : part * _PART + n_rows]
    pixels = images[chosen].astype(np.float64)
    if textured:
        rng = np.random.default_rng([seed, 14, part])
        soft = gaussian_filter(rng.normal(size=pixels.shape), (0, 1.2, 1.2))
        ground = 90 + 25 * soft / soft.std()
        pixels = 0.6 * pixels + 0.6 * ground + rng.normal(0, 4, pixels.shape)
    whole = np.rint(np.clip(pixels, 0, 255)).astype(np.uint8)
    return images_with_labels(f"clothes-{seed}-{part}", whole, names[chosen], label="kind")


def releases(whole: Dataset, n_releases: int = 10) -> History:
    """The first rows as the trusted version, then releases that append equal parts."""
    n_rows = rewrite.table(whole).num_rows
    first = int(_FIRST * n_rows)
    ends = [first + (n_rows - first) * k // n_releases for k in range(n_releases + 1)]
    return History(versions=tuple(_cut(whole, end) for end in ends))


def _cut(whole: Dataset, end: int) -> Dataset:
    return rewrite.twin(whole, rewrite.table(whole).slice(0, end))
