"""Drive all streaming controls of a data set over shared reads."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from hauberk.core.control import NotApplicable, Stream, Tally
from hauberk.core.finding import Assessment, Finding, RowScores
from hauberk.engine.assess import judged

if TYPE_CHECKING:
    from hauberk.core.artifact import Batch, Dataset


def sweep(controls: Sequence[Stream], dataset: Dataset) -> tuple[Assessment, ...]:
    """Assess ``dataset`` by all ``controls`` with as few reads as the neediest one demands.

    One control's error ends that control only. An error while reading the data belongs to
    the data, so every control that still needed rows reports it.

    Raises:
        UsageError: The caller asked for something impossible.
    """
    drivers = tuple(_Driver(control, dataset) for control in controls)
    for turn in range(max((control.passes for control in controls), default=0)):
        _one_pass(drivers, dataset, turn)
    return tuple(driver.assessment() for driver in drivers)


def _one_pass(drivers: Iterable[_Driver], dataset: Dataset, turn: int) -> None:
    active = [driver for driver in drivers if driver.begin(turn)]
    if not active:
        return
    try:
        for batch in dataset.read():
            for driver in active:
                driver.take(batch)
    except Exception as error:  # noqa: BLE001 - handed to the outcome table, see assess
        for driver in active:
            driver.error = driver.error or error


class _Driver:
    """One control's way through the passes; the first error is kept and ends it."""

    def __init__(self, control: Stream, dataset: Dataset) -> None:
        self.control = control
        self.dataset = dataset
        self.tally: Tally | None = None
        self.error: Exception | None = None
        self.seconds = 0.0

    def begin(self, turn: int) -> bool:
        """Whether this control takes part in pass ``turn``."""
        if self.error is not None or turn >= self.control.passes:
            return False
        try:
            if self.tally is None:
                self.tally = self.control.start(self.dataset)
            else:
                self.tally.turn()
        except (Exception, NotApplicable) as error:  # noqa: BLE001 - see assess
            self.error = error
        return self.error is None

    def take(self, batch: Batch) -> None:
        """Feed one batch."""
        if self.error is not None or self.tally is None:
            return
        started = time.process_time()
        try:
            self.tally.update(batch)
        except Exception as error:  # noqa: BLE001 - handed to the outcome table, see assess
            self.error = error
        self.seconds += time.process_time() - started

    def assessment(self) -> Assessment:
        """What became of the control."""
        result = judged(self.control, self.dataset.name, self._results, subject=self.dataset)
        return replace(result, seconds=result.seconds + self.seconds)

    def _results(self) -> Iterable[Finding | RowScores]:
        if self.error is not None:
            raise self.error
        return () if self.tally is None else self.tally.findings(self.dataset)
