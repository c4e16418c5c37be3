"""Threats as rows, lists and pages; shared by the verbs that show them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from hauberk.catalogue.coverage import answered_by
from hauberk.catalogue.load import references
from hauberk.catalogue.measured import Figure, Part, figure_of
from hauberk.cli._text import WIDTH, wrapped
from hauberk.core.threat import Statistic, Threat


def row(threat: Threat) -> dict[str, Any]:
    """One threat in the stable JSON form; ``figure`` is null until something is measured."""
    answers = answered_by(threat.id)
    figure = figure_of(threat)
    return {
        "id": threat.id,
        "title": threat.title,
        "stage": str(threat.stage),
        "component": str(threat.component),
        "mode": str(threat.mode),
        "kind": str(threat.kind),
        "attacker": threat.attacker.id,
        "controls": list(answers.controls),
        "attacks": list(answers.attacks),
        "gap": answers.gap or None,
        "figure": _figure_row(figure) if figure.measured else None,
    }


def _figure_row(figure: Figure) -> dict[str, Any]:
    return {
        "met": figure.met,
        "measured": figure.measured,
        "parts": [_part_row(part) for part in figure.parts],
    }


def _part_row(part: Part) -> dict[str, Any]:
    score, target = part.score, part.target
    return {
        "metric": target.metric,
        "strength": target.strength,
        "value": score.value if score else None,
        "interval": list(score.interval) if score and score.interval else None,
        "false_alarm_rate": score.false_alarm_rate if score else None,
        "comparison": str(target.comparison),
        "target": target.value,
        "met": part.met,
        "state": score.state if score else "not measured",
        "trials": score.trials if score else 0,
        "trials_needed": target.trials,
        "unit": target.unit,
        "attack": score.attack if score else None,
        "control": score.control if score else None,
    }


def state_of(threat: Threat) -> str:
    """A few words on how far a threat is answered and measured."""
    gap, figure = answered_by(threat.id).gap, figure_of(threat)
    if not figure.measured:
        return f"gap: {gap}" if gap else "not measured"
    n_met = sum(part.met is True for part in figure.parts)
    n_measured = sum(part.measured for part in figure.parts)
    if figure.met:
        return "met"
    word = "missed" if figure.met is False else "partly"
    return f"{word}: {n_met} met, {n_measured}/{len(figure.parts)} run"


def listing(threats: Sequence[Threat]) -> Iterator[str]:
    """A line for each threat under the name of its component, then a summary."""
    for component, group in groupby(threats, key=lambda threat: threat.component):
        yield f"{component.upper()}  ({component.stage})"
        for threat in group:
            title = textwrap.shorten(threat.title, 32, placeholder="...")
            yield f"  {threat.id:<6}{title:<33}{threat.kind:<13}{state_of(threat)}".rstrip()
        yield ""
    yield from wrapped(_summary(threats))


def _summary(threats: Sequence[Threat]) -> str:
    figures = [figure_of(threat) for threat in threats]
    measured = sum(figure.measured for figure in figures)
    met = sum(figure.met is True for figure in figures)
    gaps = sum(bool(answered_by(threat.id).gap) for threat in threats)
    plural = "" if len(threats) == 1 else "s"
    return (
        f"{len(threats)} threat{plural}: {measured} measured, {met} of them met in every part; "
        f"{gaps} with a gap. `hauberk threats ID` shows one in full."
    )


def page(threat: Threat) -> Iterator[str]:
    """Everything that is known of one threat."""
    answers = answered_by(threat.id)
    yield f"{threat.id}  {threat.title}"
    yield f"{threat.component}, {threat.stage}; {threat.kind}, mode {threat.mode}"
    yield ""
    yield from wrapped(threat.description)
    yield ""
    yield from _entry("attacker", f"{threat.attacker.title}. Holds: {threat.attacker.holds}")
    yield from _entry("attack", threat.scenario)
    yield from _entry("control", threat.control)
    yield from _entry("looks at", threat.artifact)
    yield from _entry("controls", ", ".join(answers.controls) or "none: a gap")
    yield from _entry("attacks", ", ".join(answers.attacks) or "none: a gap")
    for framework, ids in threat.references.items():
        names = references()[framework]
        loose = " (loosely)" if framework == "atlas" and threat.atlas_loose else ""
        text = "; ".join(f"{name} {names[name]}" for name in ids) + loose
        yield from _entry(framework.replace("_", " "), text)
    yield ""
    yield f"FIGURE  {state_of(threat)}"
    for part in figure_of(threat).parts:
        yield from part_lines(part)
    yield from wrapped(threat.reported)


def _entry(name: str, text: str) -> Iterator[str]:
    lines = wrapped(text, width=WIDTH - 11)
    yield from (f"{name if i == 0 else '':<11}{line}" for i, line in enumerate(lines))


def part_lines(part: Part) -> Iterator[str]:
    """A target with its strength on one line, what was measured on the next."""
    target = part.target
    at = f" at {target.false_alarm_rate:g} false alarms" if target.false_alarm_rate else ""
    median = "median " if target.statistic is Statistic.MEDIAN else ""
    text = f"{median}{target.metric} {target.comparison} {target.value:g}{at}"
    strength = f" ({target.strength})" if target.strength else ""
    yield from wrapped(text + strength, "  ", "    ")
    yield from wrapped(_measured(part), "    ", "    ")


def _measured(part: Part) -> str:
    score, target = part.score, part.target
    if score is None:
        return f"not measured; needs {target.trials} trials, one per {target.unit}"
    bits = [score.state]
    if score.value is not None and score.interval is not None:
        bits.append(f"{score.value:.4g} [{score.interval[0]:.4g}, {score.interval[1]:.4g}]")
    if score.false_alarm_rate is not None:
        bits.append(f"false alarms {score.false_alarm_rate:.4g}")
    bits.append(f"{score.trials} trials, one per {score.unit}")
    if score.potency is not None:
        bits.append(f"potency {score.potency:.3g}")
    bits.append(f"{score.attack} against {score.control}")
    return "; ".join([*bits, *([score.note] if score.note else [])])
