"""The end of a run on a terminal: 80 columns, the answer first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hauberk.core.finding import Finding, Level, Outcome
from hauberk.core.lifecycle import COMPONENTS, Component, Stage, components_of
from hauberk.core.record import RunRecord, StepReport, StepState
from hauberk.report.console import Console, Ink
from hauberk.report.scan import place_of
from hauberk.report.verdict import STATE_WORDS, Tone, findings, headline, trust_state
from hauberk.report.wording import STAGE_TITLES, duration, number, plural

if TYPE_CHECKING:
    from hauberk.core.attack import Score

MAX_FINDINGS = 10

_MARKS = {
    StepState.DONE: ("ok", Ink.GOOD),
    StepState.SKIPPED: ("=", Ink.GOOD),
    StepState.REFUSED: ("X", Ink.BAD),
    StepState.FAILED: ("!", Ink.BAD),
    StepState.NOT_RUN: ("-", Ink.QUIET),
    StepState.GAP: ("?", Ink.QUIET),
}
_TONES = {Tone.GOOD: Ink.GOOD, Tone.CAUTION: Ink.CAUTION, Tone.BAD: Ink.BAD}
_NAME = max(len(component) for component in COMPONENTS) + 2


def summary_text(record: RunRecord, *, colour: bool = False) -> str:
    """A run for a terminal; colour only if the caller knows that it is wanted."""
    console = Console(colour=colour)
    head = headline(record)
    lines = [
        console.ink(console.fit(head.title, console.width), _TONES[head.tone]),
        *(console.wrap(head.reason, indent=2) if head.reason else ()),
        "",
        *_stages(console, record),
        *_findings(console, record),
        *_scores(console, record),
    ]
    trust = "; ".join(f"{name}: {value}" for name, value in trust_state(record))
    for sentence in (*head.sentences, f"Trust: {trust}."):
        lines += console.wrap(sentence)
    return "\n".join(lines) + "\n"


def _stages(console: Console, record: RunRecord) -> list[str]:
    steps = {step.component: step for step in record.steps}
    lines = []
    for stage in (Stage.DATA_ENGINEERING, Stage.EXPERIMENT, Stage.PRODUCTION):
        lines.append(console.ink(STAGE_TITLES[stage], Ink.STRONG))
        lines += [_step(console, item, steps.get(item)) for item in components_of(stage)]
    return [*lines, ""]


def _step(console: Console, component: Component, step: StepReport | None) -> str:
    state = step.state if step else StepState.NOT_RUN
    mark, ink = _MARKS[state]
    word = STATE_WORDS[state].ljust(10)
    rest = console.fit(_facts(step), console.width - 5 - _NAME - 10)
    name = component.value.ljust(_NAME)
    return f"  {console.ink(mark.ljust(3), ink)}{name}{console.ink(word, ink)}{rest}".rstrip()


def _facts(step: StepReport | None) -> str:
    if step is None:
        return ""
    judged = [item for item in step.assessments if item.outcome is not Outcome.NOT_APPLICABLE]
    found = sum(len(item.findings) for item in judged)
    parts = [
        plural(len({item.control for item in judged}), "control") if judged else "",
        plural(found, "finding") if found else "",
        duration(step.seconds) if step.seconds else "",
    ]
    return ", ".join(part for part in parts if part) or step.summary


def _findings(console: Console, record: RunRecord) -> list[str]:
    found = findings(record.steps)
    if not found:
        return []
    lines = [console.ink("Findings, worst first", Ink.STRONG)]
    for step, finding in found[:MAX_FINDINGS]:
        lines += _finding(console, step, finding)
    if len(found) > MAX_FINDINGS:
        lines.append(f"  … and {plural(len(found) - MAX_FINDINGS, 'more finding')}")
    return [*lines, ""]


def _finding(console: Console, step: StepReport, finding: Finding) -> list[str]:
    place = f"{finding.path}{place_of(finding)}"
    review = ", for review" if finding.level is Level.REVIEW else ""
    text = f"{step.component.value}: {finding.message} ({place}{review})"
    return console.wrap(text, indent=12, first=f"  {finding.severity.value}")


def _scores(console: Console, record: RunRecord) -> list[str]:
    if not record.scores:
        return []
    lines = [console.ink("Attacks measured in this run", Ink.STRONG)]
    lines += [_score(console, score) for score in record.scores]
    return [*lines, ""]


def _score(console: Console, score: Score) -> str:
    inks = {"met": Ink.GOOD, "missed": Ink.BAD}
    fit = console.fit
    head = f"  {fit(score.threat, 6):<7}{fit(score.attack.rpartition('/')[2], 22):<23}"
    figure = f"{number(score.value)} {score.comparison.value} {number(score.target)}"
    tail = f"{fit(score.metric, 18)} {figure}"
    state = console.ink(fit(score.state, 17).ljust(18), inks.get(score.state, Ink.CAUTION))
    return head + state + fit(tail, console.width - len(head) - 18)
