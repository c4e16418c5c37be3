"""What shadow models gave in the worker, believed no further than its shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hauberk.errors import ArtifactError
from hauberk.lifecycle.robustness import NOT_ASKED

if TYPE_CHECKING:
    from hauberk.methods.membership import Exposure


_SAID = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """The audit, or why there is none.

    Attributes:
        rows: The most exposed rows of the training data with their ratios, worst first.
        forecast_s: Processor seconds that it was thought to cost before it began.
        is_dear: Whether it was left undone because of that.
        recipe: How the shadows were trained, where the model's file does not say it.
    """

    found: Exposure | None = None
    rows: tuple[tuple[int, float], ...] = ()
    reason: str = ""
    forecast_s: float | None = None
    is_dear: bool = False
    recipe: str = ""


def exposed_of(answer: Any) -> Exposed:
    """The worker's answer as a value.

    Raises:
        ArtifactError: It is malformed.
    """
    import numpy as np

    from hauberk.methods.membership import Exposure, Rate

    if answer is None:
        return Exposed(reason=NOT_ASKED)
    try:
        if reason := answer.get("not_applicable"):
            return Exposed(reason=str(reason), is_dear=answer.get("is_dear") is True)
        rows = tuple((int(place), float(ratio)) for place, ratio in answer["exposed"])
        members, others = int(answer["members"]), int(answer["others"])
        ratios = np.zeros(members + others)
        ratios[: len(rows)] = [ratio for _, ratio in rows]
        rates = tuple(
            Rate(
                false_rate=float(share),
                rate=float(rate),
                low=float(low),
                high=float(high),
                n_false=int(n),
            )
            for share, rate, low, high, n in answer["rates"]
        )
        found = Exposure(
            ratios=ratios,
            is_member=np.arange(members + others) < members,
            rates=rates,
            auc=float(answer["auc"]),
            n_shadows=int(answer["shadows"]),
            cost_s=float(answer["cost_s"]),
        )
        forecast = answer.get("forecast_s")
        return Exposed(
            found=found,
            rows=rows,
            forecast_s=None if forecast is None else float(forecast),
            recipe=str(answer.get("recipe", ""))[:_SAID],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            "the worker's answer is malformed", found=f"{type(error).__name__}: {error}"
        ) from error
