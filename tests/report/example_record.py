"""A run record with every state, kind of plot and kind of score in it, and hostile strings."""

from __future__ import annotations

import math
from hashlib import sha256

from hauberk.core.artifact import Digest
from hauberk.core.attack import Score
from hauberk.core.finding import (
    Assessment,
    Curve,
    Evidence,
    Finding,
    Histogram,
    Level,
    Location,
    Matrix,
    Outcome,
    Severity,
    Thumbnail,
)
from hauberk.core.lifecycle import COMPONENTS, Component, Stage
from hauberk.core.policy import EvidenceMode, Isolation
from hauberk.core.record import (
    Attestation,
    Event,
    RunRecord,
    Section,
    StepReport,
    StepState,
)
from hauberk.core.threat import (
    Attacker,
    Comparison,
    Kind,
    Mode,
    Target,
    Threat,
    ThreatId,
)

HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror=alert(1)>',
    "model\u202egpj.exe",
    "\x1b]0;owned\x07\x1b[2J",
    "</style></svg><iframe src='https://example.invalid/'></iframe>",
    "zero\u200bwidth \ud800 surrogate",
    "javascript:alert(1)",
)
"""Names that an attacker might choose."""

_LETTERS = ("AQ", "PP", "AN", "PK", "VD", "TR", "VA", "PI")
_MORE_LETTERS = ("RE", "MS", "EX", "RG", "SV", "MO", "IN", "OU")
PREFIXES = dict(zip(COMPONENTS, (*_LETTERS, *_MORE_LETTERS), strict=True))


def digest(text: str) -> Digest:
    """A digest as the store would name it."""
    return Digest(f"sha256:{sha256(text.encode('utf-8', 'replace')).hexdigest()}")


def threats() -> dict[ThreatId, Threat]:
    """A small catalogue: six threats for each component and one that cuts across."""
    kinds = (*Kind, Kind.PREVENTIVE, Kind.DETECTIVE)
    known = [
        _threat(f"{prefix}-{i + 1}", component, kind)
        for component, prefix in PREFIXES.items()
        for i, kind in enumerate(kinds)
    ]
    known.append(_threat("XC-1", Component.CROSS_CUTTING, Kind.PREVENTIVE))
    return {threat.id: threat for threat in known}


def _threat(id_: str, component: Component, kind: Kind) -> Threat:
    return Threat(
        id=ThreatId(id_),
        title=f"Something bad happens to {component.value.replace('-', ' ')}, way {id_[3:]}",
        stage=component.stage if component is not Component.CROSS_CUTTING else Stage.ALL,
        component=component,
        description="An example.",
        mode=Mode.REFUSE if kind is Kind.PREVENTIVE else Mode.RATE,
        kind=kind,
        attacker=Attacker(id="contributor", title="Contributor", holds="Rows of the data."),
        owner="foundation",
        scenario="example",
        control="example",
        artifact="example",
        targets=(
            Target(
                metric="detection_rate",
                comparison=Comparison.AT_LEAST,
                value=0.9,
                unit="seed",
                trials=30,
            ),
        ),
        references={"atlas": ("AML.T0020",), "owasp_ml": ("ML02",), "nist": ("NISTAML.013",)},
    )


def plots() -> tuple[Histogram | Curve | Matrix | Thumbnail, ...]:
    """One plot of each kind, two of the histogram."""
    edges = tuple(i / 20 for i in range(21))
    bell = tuple(round(900 * math.exp(-((i - 6) ** 2) / 18)) + 0.0 for i in range(20))
    bump = tuple(round(700 * math.exp(-((i - 9) ** 2) / 20)) + 0.0 for i in range(20))
    rise = tuple((i / 50, 1 - math.exp(-i / 12)) for i in range(51))
    line = tuple((i / 50, i / 50) for i in range(51))
    pixels = tuple(
        tuple(int(127 + 127 * math.sin(x * y / 24)) for x in range(28)) for y in range(28)
    )
    return (
        Histogram(
            title="Share of neighbours that disagree",
            edges=edges,
            series={"rows of this file": bell, "trusted rows": bump},
            mark=0.62,
        ),
        Histogram(
            title="Labels by contributor",
            edges=("alpha", "beta", "a contributor with a long name"),
            series={"approved": (420.0, 388.0, 902.0), "refused": (201.0, 190.0, 4.0)},
        ),
        Curve(
            title="Detection against false alarms",
            x="false-alarm rate",
            y="detection rate",
            series={"this control": rise, "guessing": line},
            mark=0.05,
        ),
        Matrix(
            title="Labels given and predicted",
            rows=("approve", "refuse"),
            columns=("approve", "refuse"),
            values=((812.0, 31.0), (57.0, 190.0)),
        ),
        Thumbnail(title="Row 1 204, class seven", pixels=pixels),
    )


def findings() -> tuple[Finding, ...]:
    """Findings of every severity and level."""
    return (
        Finding(
            control="dataset/label-flips",
            threats=(ThreatId("AQ-2"), ThreatId("PK-2")),
            message="412 of 6 000 rows carry a label that 9 of their 10 nearest neighbours "
            "contradict; 60 were expected.",
            path="data/applications.csv",
            severity=Severity.CRITICAL,
            confidence=0.93,
            remedy="Look at the rows listed in quarantine.csv, or take the source out.",
            location=Location(field="approve", rows=(12, 77, 1204)),
            evidence=Evidence(
                statistic="share of contradicted rows",
                value=0.0687,
                threshold=0.01,
                n=6000,
                facts={"contributor": "gamma", "class pair": "refuse to approve"},
                plots=plots(),
            ),
        ),
        Finding(
            control="model/unsafe-opcodes",
            threats=(ThreatId("EX-1"),),
            message=f"The pickle calls os.system; found in {HOSTILE[0]} {HOSTILE[2]}.",
            path=f"models/{HOSTILE[1]}",
            severity=Severity.HIGH,
            remedy="Convert the model in an isolated worker: hauberk convert.",
            location=Location(offset=1042, inner=("archive.zip", HOSTILE[4])),
            evidence=Evidence(
                statistic="calls outside the allow list",
                value=2,
                threshold=1,
                facts={HOSTILE[1]: HOSTILE[3], "call": "os.system"},
            ),
        ),
        Finding(
            control="code/secrets",
            threats=(ThreatId("RE-2"),),
            message="A private key is committed.",
            path="deploy/key.pem",
            severity=Severity.MEDIUM,
            remedy="Rotate the key.",
            location=Location(line=1, column=1),
            level=Level.REVIEW,
            confidence=0.6,
        ),
        Finding(
            control="dataset/duplicates",
            threats=(ThreatId("PP-1"),),
            message="14 rows appear twice.",
            path="data/clean.parquet",
            severity=Severity.LOW,
            remedy="Drop them.",
            evidence=Evidence(statistic="rows that appear twice", value=14, n=6000),
        ),
    )


def assessments() -> tuple[Assessment, ...]:
    """Every outcome, with findings where something was flagged."""
    flagged = tuple(
        Assessment(
            control=finding.control,
            path=finding.path,
            outcome=Outcome.FLAGGED,
            reason=finding.message,
            findings=(finding,),
            threats=finding.threats,
            seconds=0.4,
        )
        for finding in findings()
    )
    return (
        *flagged,
        Assessment(
            control="dataset/schema",
            path="data/applications.csv",
            outcome=Outcome.CLEAN,
            threats=(ThreatId("AQ-1"),),
            seconds=0.1,
        ),
        Assessment(
            control="dataset/near-copies",
            path="data/applications.csv",
            outcome=Outcome.FAILED,
            reason="needs the extra data: install hauberk[data]",
            threats=(ThreatId("AQ-3"),),
        ),
        Assessment(
            control="dataset/image-triggers",
            path="data/applications.csv",
            outcome=Outcome.NOT_APPLICABLE,
            reason="there is no column of images",
            threats=(ThreatId("AQ-4"),),
        ),
    )


def scores() -> tuple[Score, ...]:
    """One score of each state, one of them not a rate."""
    return (
        _score(
            "AQ-2",
            "dataset/flip-labels",
            "dataset/label-flips",
            0.967,
            (0.881, 1.0),
            "met",
            strength="10 % of the labels of one class",
        ),
        _score(
            "PP-1",
            "dataset/copy-rows",
            "dataset/duplicates",
            0.71,
            (0.60, 0.81),
            "missed",
            note="copies with one changed digit pass",
        ),
        _score(
            "EX-1",
            "model/plant-call",
            "model/unsafe-opcodes",
            1.0,
            (0.72, 1.0),
            "not enough trials",
            trials=9,
            met=None,
        ),
        _score(
            "SV-6",
            "exchange/flood",
            "exchange/budget",
            None,
            None,
            "void",
            met=None,
            potency=0.2,
            note="the attack did not work without the control",
        ),
        Score(
            threat=ThreatId("MO-2"),
            attack="log/cut-tail",
            control="log/gaps",
            metric="seconds_to_notice",
            comparison=Comparison.AT_MOST,
            target=30.0,
            unit="seed",
            trials=20,
            potency=1.0,
            value=12.4,
            interval=(9.8, 16.1),
            false_alarm_rate=None,
            met=True,
            state="met",
            seconds=2.2,
        ),
    )


def _score(
    threat: str,
    attack: str,
    control: str,
    value: float | None,
    interval: tuple[float, float] | None,
    state: str,
    *,
    trials: int = 60,
    met: bool | None = True,
    potency: float = 1.0,
    strength: str = "",
    note: str = "",
) -> Score:
    return Score(
        threat=ThreatId(threat),
        attack=attack,
        control=control,
        metric="detection_rate",
        comparison=Comparison.AT_LEAST,
        target=0.8,
        unit="seed",
        trials=trials,
        potency=potency,
        value=value,
        interval=interval,
        false_alarm_rate=0.0133,
        met=met and state == "met",
        state=state,
        seconds=3.1,
        strength=strength,
        note=note,
    )


_STATES = {
    Component.ANALYSIS: StepState.SKIPPED,
    Component.VALIDATION: StepState.REFUSED,
    Component.CODE_REPOSITORY: StepState.FAILED,
    Component.MODEL_REGISTRY: StepState.NOT_RUN,
    Component.MODEL_EXPORT: StepState.NOT_RUN,
    Component.SERVING: StepState.NOT_RUN,
    Component.METADATA_STORE: StepState.GAP,
    Component.OUTPUT_DATA: StepState.GAP,
}


def step(component: Component, position: int) -> StepReport:
    """A component's report, each with what its state calls for."""
    state = _STATES.get(component, StepState.DONE)
    if state in (StepState.NOT_RUN, StepState.GAP):
        reason = "The run stopped before." if state is StepState.NOT_RUN else "No control yet."
        return StepReport(component=component, state=state, summary="", reason=reason)
    name = component.value
    return StepReport(
        component=component,
        state=state,
        summary=f"The {name} step did what it should do.",
        started=1_790_000_000.0 + position,
        seconds=0.8 * position + 0.2,
        isolation=Isolation.LANDLOCK if position % 2 else Isolation.FULL,
        evidence=EvidenceMode.ISOLATED,
        inputs={"data/applications.csv": digest("landed"), HOSTILE[0]: digest("hostile")}
        if position
        else {},
        outputs={
            "data/applications.csv" if not position else f"out/{name}.parquet": digest(
                "landed" if not position else name
            )
        },
        assessments=_assessments_of(component),
        attestations=(
            Attestation(
                predicate_type="https://slsa.dev/provenance/v1",
                subjects={f"out/{name}.parquet": digest(name)},
                envelope=b"{}",
                key_ids=(digest("key").removeprefix("sha256:"),) if position != 2 else (),
            ),
        ),
        sections=_sections(component),
        reason="roc_auc is 0.71; the policy asks for at least 0.75."
        if state is StepState.REFUSED
        else "The commit could not be read: .git is not a repository."
        if state is StepState.FAILED
        else "",
    )


def _assessments_of(component: Component) -> tuple[Assessment, ...]:
    whole = assessments()
    return {
        Component.ACQUISITION: (whole[0], *whole[4:]),
        Component.PREPROCESSING: (whole[3], whole[4]),
        Component.VALIDATION: (whole[1],),
        Component.CODE_REPOSITORY: (whole[2],),
    }.get(component, (whole[4],))


def _sections(component: Component) -> tuple[Section, ...]:
    if component is not Component.ANALYSIS:
        return ()
    return (
        Section(
            title="Profile",
            text="What the data look like, column by column.",
            rows=(("rows", "6 000"), ("columns", "17"), (HOSTILE[2], HOSTILE[4])),
            plots=plots()[:2],
        ),
    )


def example_record() -> RunRecord:
    """A run that was refused at validation."""
    steps = tuple(step(component, i) for i, component in enumerate(COMPONENTS))
    return RunRecord(
        project=f"loans {HOSTILE[0]}",
        run_id="20260922-1033-7f3a",
        started=1_790_000_000.0,
        finished=1_790_000_047.3,
        exit_code=1,
        isolation=Isolation.FULL,
        steps=steps,
        events=tuple(
            Event(
                at=1_790_000_000.0 + i,
                kind="step-done",
                component=item.component,
                message=f"{item.component.value} {HOSTILE[i % len(HOSTILE)]}",
            )
            for i, item in enumerate(steps)
        ),
        scores=scores(),
        environment={
            "python": "3.11.9",
            "platform": "Linux x86_64",
            "commit": "1f0c2d9 (dirty)",
            "lock file": digest("lock"),
            "bubblewrap": "0.8.0",
            "hostile": HOSTILE[4],
        },
        trust={
            "signatures": "signed, demo: one custodian",
            "root": "trust on first use",
            "log": "log not witnessed",
            "policy": "pinned root, floor 3",
        },
    )


def accepted_record() -> RunRecord:
    """A run with nothing to object to."""
    steps = tuple(
        StepReport(
            component=component,
            state=StepState.DONE,
            summary="Done.",
            seconds=0.5,
            isolation=Isolation.FULL,
            evidence=EvidenceMode.ISOLATED,
            assessments=(assessments()[4],),
        )
        for component in COMPONENTS
    )
    return RunRecord(
        project="loans",
        run_id="20260922-1100-aaaa",
        started=1_790_000_000.0,
        finished=1_790_000_012.0,
        exit_code=0,
        isolation=Isolation.FULL,
        steps=steps,
        environment={"python": "3.11.9"},
        trust={"signatures": "signed", "root": "pinned", "log": "witnessed"},
    )
