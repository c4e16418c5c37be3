"""What a run comes to, in plain words: the same for the page and for the terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from hauberk.core.attack import Score
from hauberk.core.finding import Assessment, Finding, Outcome
from hauberk.core.lifecycle import COMPONENTS
from hauberk.core.policy import Isolation
from hauberk.core.record import RunRecord, StepReport, StepState
from hauberk.core.threat import Comparison
from hauberk.report.wording import plural, title


class Tone(StrEnum):
    """How the headline sounds."""

    GOOD = "good"
    CAUTION = "caution"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    """The answer first, then what it rests on."""

    tone: Tone
    title: str
    reason: str
    sentences: tuple[str, ...]


STATE_WORDS = {
    StepState.DONE: "done",
    StepState.SKIPPED: "unchanged",
    StepState.REFUSED: "refused",
    StepState.FAILED: "failed",
    StepState.NOT_RUN: "not run",
    StepState.GAP: "gap",
}

OUTCOME_WORDS = {
    Outcome.CLEAN: "clean",
    Outcome.FLAGGED: "flagged",
    Outcome.FAILED: "could not judge",
    Outcome.NOT_APPLICABLE: "not applicable",
}

ISOLATION_WORDS = {
    Isolation.FULL: "Steps ran walled off: they saw only the files, processes and hosts that "
    "they declared (level full).",
    Isolation.LANDLOCK: "Steps were held by kernel rules to the files and hosts that they "
    "declared, but shared a process table with the machine (level landlock).",
    Isolation.OBSERVE: "Steps were recorded, not held back: nothing kept them from reading or "
    "sending more than they declared (level observe).",
}

_WEAK = ("unsigned", "first use", "not witnessed", "unwitnessed", "not pinned", "unpinned", "demo")
_EXIT_TITLES = {
    1: "Something was found or refused",
    2: "The run could not start: its settings are wrong",
    3: "Not decided: a required control could not judge",
    4: "Hauberk itself failed",
    130: "Interrupted before the end",
}


def headline(record: RunRecord) -> Headline:
    """The verdict on a run. A refused or failed step outweighs any exit code."""
    tone, heading, reason = _answer(record)
    sentences = (_steps_sentence(record), _controls_sentence(record), *_attack_sentence(record))
    sentences += (ISOLATION_WORDS[record.isolation],)
    return Headline(tone=tone, title=heading, reason=reason, sentences=sentences)


def _answer(record: RunRecord) -> tuple[Tone, str, str]:
    stopped = next(
        (step for step in record.steps if step.state in (StepState.REFUSED, StepState.FAILED)), None
    )
    if stopped is not None:
        did = "Refused at" if stopped.state is StepState.REFUSED else "Stopped at"
        reason = stopped.reason or stopped.summary
        return Tone.BAD, f"{did} {title(stopped.component).lower()}", reason
    if record.exit_code:
        heading = _EXIT_TITLES.get(record.exit_code, f"Ended with exit code {record.exit_code}")
        return (Tone.CAUTION if record.exit_code in (3, 130) else Tone.BAD), heading, ""
    if not any(step.state in (StepState.DONE, StepState.SKIPPED) for step in record.steps):
        return Tone.CAUTION, "Nothing ran", "No component took part in this run."
    if weaknesses(record) or open_questions(record) or findings(record.steps):
        return Tone.CAUTION, "Accepted, with reservations", _reservations(record)
    return Tone.GOOD, "Accepted", "Every gate of this run let it pass."


def _reservations(record: RunRecord) -> str:
    parts = [f"{name}: {value}" for name, value in weaknesses(record)]
    unjudged = open_questions(record)
    if unjudged:
        parts.append(f"{plural(len(unjudged), 'assessment')} could not be made")
    found = findings(record.steps)
    if found:
        parts.append(f"{plural(len(found), 'finding')} for a person to look at")
    return f"Every gate let it pass, but: {'; '.join(parts)}."


def weaknesses(record: RunRecord) -> list[tuple[str, str]]:
    """Entries of the trust state that a reader must not overlook."""
    return [(name, value) for name, value in trust_state(record) if is_weak(value)]


def is_weak(value: str) -> bool:
    """Whether a value of the trust state says that something cannot be relied upon."""
    return any(word in value.lower() for word in _WEAK)


def open_questions(record: RunRecord) -> list[Assessment]:
    """Assessments that could not be made."""
    return [item for item in assessments(record) if item.outcome is Outcome.FAILED]


def assessments(record: RunRecord) -> list[Assessment]:
    """All assessments of a run, in the order of its steps."""
    return [item for step in record.steps for item in step.assessments]


def findings(steps: Iterable[StepReport]) -> list[tuple[StepReport, Finding]]:
    """Findings with the step in which they came up, worst first."""
    found = [
        (step, finding)
        for step in steps
        for assessment in step.assessments
        for finding in assessment.findings
    ]
    return sorted(found, key=lambda pair: -pair[1].severity.rank)


def _steps_sentence(record: RunRecord) -> str:
    states = Counter(step.state for step in record.steps)
    known = {step.component for step in record.steps}
    states[StepState.NOT_RUN] += sum(component not in known for component in COMPONENTS)
    parts = [f"{states[state]} {STATE_WORDS[state]}" for state in StepState if states[state]]
    return f"Of {len(COMPONENTS)} components: {', '.join(parts)}."


def _controls_sentence(record: RunRecord) -> str:
    made = assessments(record)
    if not made:
        return "No control assessed anything."
    outcomes = Counter(item.outcome for item in made)
    parts = [f"{outcomes[item]} {OUTCOME_WORDS[item]}" for item in Outcome if outcomes[item]]
    return f"{plural(len(made), 'assessment')} by controls: {', '.join(parts)}."


def _attack_sentence(record: RunRecord) -> tuple[str, ...]:
    if not record.scores:
        return ()
    states = Counter(state_words(score) for score in record.scores)
    parts = [f"{count} {state}" for state, count in sorted(states.items())]
    return (f"{plural(len(record.scores), 'figure')} measured by attacks: {'; '.join(parts)}.",)


def state_words(score: Score) -> str:
    """The state of a figure; too few trials say on which side of the target they point."""
    if score.state != "not enough trials" or score.value is None:
        return score.state
    above = score.value >= score.target
    on_target = above if score.comparison is Comparison.AT_LEAST else score.value <= score.target
    side = "on target so far" if on_target else "off target so far"
    return f"{score.state}, {side}"


def trust_state(record: RunRecord) -> list[tuple[str, str]]:
    """How far the record can be believed; that it does not say so is an entry too."""
    return list(record.trust.items()) or [("trust", "not stated: treat as unsigned")]
