from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from hauberk.controls.model.unfair_decisions import UnfairDecisions
from hauberk.core.artifact import Evaluation, ModelFile
from hauberk.core.control import NotApplicable
from hauberk.formats.tables import table_of


class _BySex:
    """Gives class 1 to so many of each sex."""

    classes = ("0", "1")

    def __init__(self, rates: dict[str, float]) -> None:
        self._rates = rates

    def scores(self, batch: Any) -> Any:
        sex, u = batch.column("sex").to_pylist(), batch.column("u").to_numpy()
        given = u < np.array([self._rates[name] for name in sex])
        return np.stack([~given, given], axis=1).astype(float)


def _evaluation(rates: dict[str, float], *, sensitive: bool = True) -> Evaluation:
    rng = np.random.default_rng(5)
    cells = {
        "u": rng.random(3000),
        "sex": rng.choice(["f", "m"], 3000).tolist(),
        "y": rng.integers(0, 2, 3000),
    }
    data = table_of(
        "t", [pa.record_batch(cells)], label="y", sensitive=("sex",) if sensitive else ()
    )
    return Evaluation(model=ModelFile(name="m", path=Path("m")), predictor=_BySex(rates), data=data)


def test_a_group_that_is_chosen_less_often_is_named_with_the_interval():
    findings = list(UnfairDecisions().check(_evaluation({"f": 0.2, "m": 0.6})))
    assert {item.location.field for item in findings} == {"sex"}
    assert any("sex = f: selection of 1 differ by -0.4" in item.message for item in findings)


def test_equal_treatment_is_silent():
    assert list(UnfairDecisions().check(_evaluation({"f": 0.4, "m": 0.4}))) == []


def test_without_sensitive_columns_nothing_is_said():
    with pytest.raises(NotApplicable, match="no sensitive column"):
        list(UnfairDecisions().check(_evaluation({"f": 0.2, "m": 0.6}, sensitive=False)))
