"""What the worker said of places that a class owns, believed no further than its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hauberk.errors import ArtifactError
from hauberk.lifecycle.robustness import NOT_ASKED

if TYPE_CHECKING:
    from hauberk.methods.rare_regions import Found, Region


@dataclass(frozen=True, slots=True, kw_only=True)
class Owned:
    """The search of the trees' nodes, or why there was none.

    Attributes:
        is_beside: Whether the trees were grown for it on the training rows.
        n_rows: Honest rows.
    """

    found: Found | None = None
    reason: str = ""
    is_beside: bool = False
    n_rows: int = 0


def owned_of(answer: Any, n_features: int, n_classes: int) -> Owned:
    """The worker's answer as a value.

    Raises:
        ArtifactError: It is malformed.
    """
    from hauberk.methods.rare_regions import Found

    if answer is None:
        return Owned(reason=NOT_ASKED)
    try:
        if reason := answer.get("not_applicable"):
            return Owned(reason=str(reason))
        found = Found(
            regions=tuple(_region(one, n_features, n_classes) for one in answer["regions"]),
            n_nodes=int(answer["n_nodes"]),
            rarest=float(answer["rarest"]),
            least=int(answer["least"]),
            shift=float(answer["shift"]),
        )
        return Owned(found=found, is_beside=answer["beside"] is True, n_rows=int(answer["rows"]))
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ArtifactError(
            "the worker's answer is malformed", found=f"{type(error).__name__}: {error}"
        ) from error


def _region(one: Any, n_features: int, n_classes: int) -> Region:
    from hauberk.methods.rare_regions import Region

    box = {int(at): (float(low), float(high)) for at, low, high in one["box"]}
    target = int(one["target"])
    if not 0 <= target < n_classes or any(not 0 <= at < n_features for at in box):
        raise ValueError(f"class {target}, features {list(box)}")
    numbers = ("n_grown", "of_grown", "n_honest", "of_honest")
    return Region(
        target=target,
        box=box,
        taken=float(one["taken"]),
        rarity=float(one["rarity"]),
        **{name: int(one[name]) for name in numbers},
    )
