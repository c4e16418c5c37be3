"""A batch of rows held against training, without a server: what `hauberk monitor check` does."""

from __future__ import annotations

from dataclasses import dataclass

from hauberk.controls.dataset.changed_columns import ChangedColumns
from hauberk.controls.dataset.input_drift import InputDrift
from hauberk.core.artifact import Dataset, Window
from hauberk.core.finding import Assessment, Outcome
from hauberk.engine import assess
from hauberk.sketches.profile import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchVerdict:
    """What came of one batch.

    Attributes:
        exit_code: 0 nothing drifted, 1 something did, 3 too few rows or not readable.
    """

    assessments: tuple[Assessment, ...]
    exit_code: int


def check_batch(reference: Profile, live: Dataset, drift: InputDrift | None = None) -> BatchVerdict:
    """Hold every column of ``live`` against the profile made in training.

    Args:
        reference: Made from the rows that the model was trained on; verified by the caller
            where it comes from a store.
        live: Rows as they came in; the label may be missing.
        drift: What counts as drift; the control's defaults otherwise.
    """
    window = Window(profile=reference.to_bytes(), live=live)
    controls = (ChangedColumns(), drift or InputDrift())
    found = tuple(assess(control, window, path=live.name) for control in controls)
    return BatchVerdict(assessments=found, exit_code=_exit_code(found))


def _exit_code(assessments: tuple[Assessment, ...]) -> int:
    """Silence is no pass: what could not be said is 3, unless something worse was found."""
    outcomes = {assessment.outcome for assessment in assessments}
    if Outcome.FLAGGED in outcomes:
        return 1
    return 3 if outcomes & {Outcome.FAILED, Outcome.NOT_APPLICABLE} else 0
