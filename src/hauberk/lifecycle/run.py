"""One run of the lifecycle: room by room, in order, until the end or the first refusal.

A run holds the store's lock, so two runs never mix. Whatever happens, what was committed
stays: every product is a blob before its name moves, every step that finished is cached,
and the next run goes on from there. The record of the run is written in one piece at the
end, also when a room refused or failed.
"""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from hauberk.core.codec import to_json
from hauberk.core.lifecycle import Component
from hauberk.core.policy import Isolation
from hauberk.core.record import Context, Event, RunRecord, Section, StepReport, StepState
from hauberk.errors import (
    ArtifactError,
    HauberkError,
    TrustError,
    UnavailableError,
    UsageError,
)
from hauberk.isolation import Probe, probe
from hauberk.lifecycle import retraining, rooms
from hauberk.lifecycle.lock import Pins
from hauberk.lifecycle.plan import Plan, plan
from hauberk.lifecycle.settings import Settings
from hauberk.lifecycle.signing import Signing, open_signing
from hauberk.lifecycle.staging import code_of
from hauberk.lifecycle.steps import StepFailed
from hauberk.lifecycle.workshop import Workshop, today_of
from hauberk.trust.cache import Cache, load_secret
from hauberk.trust.checkpoint import signed_by
from hauberk.trust.heads import HeadsFile
from hauberk.trust.keys import Role
from hauberk.trust.signer import HEAD_SIGNER
from hauberk.trust.store import Store

LEVEL_ORDER = (Isolation.FULL, Isolation.LANDLOCK, Isolation.OBSERVE)
EXIT_FAILED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run goes about its work.

    Attributes:
        configuration: The user's configuration folder: keys, secrets, pinned roots.
        level: Isolation level to run at; the best that is there by default.
        root_file: Root of trust given by hand.
        lock_timeout_s: How long to wait for another run.
        environment: Variables of the process, which say whether this is a fork's build.
        policy_from: Branch whose policy judges this one; empty where there is none.
        emit: Takes events as they happen.
        waiting: Told once that another run is being waited for.
    """

    configuration: Path
    clock: Callable[[], float]
    level: Isolation | None = None
    root_file: Path | None = None
    seed: int = 0
    environment: Mapping[str, str] = field(default_factory=dict)
    policy_from: str = ""
    lock_timeout_s: float = 600.0
    emit: Callable[[Event], None] = lambda _: None
    waiting: Callable[[str], None] = lambda _: None


def run(settings: Settings, options: Options) -> RunRecord:
    """Run the lifecycle of a project and return its record, which is in the store too.

    Raises:
        UsageError: The lifecycle file asks for what cannot be; nothing was run.
        TrustError: The store, the keys or the pinned root are not to be trusted.
        UnavailableError: The store is held by another run, or isolation is too weak.
    """
    work_plan = plan(settings)
    found = probe()
    level = level_for(settings, found, options.level)
    store = Store.open(settings.root)
    with store.lock(timeout_s=options.lock_timeout_s, waiting=options.waiting):
        signing = open_signing(settings, options, level)
        try:
            _refuse_foreign_log(store, signing)
            with store.scratch("run") as work:
                shop = _workshop(
                    settings,
                    work_plan,
                    options,
                    store=store,
                    signing=signing,
                    level=level,
                    work=work,
                )
                return _visit(shop, found)
        finally:
            signing.close()


def _refuse_foreign_log(store: Store, signing: Signing) -> None:
    """Refuse to append to a log that others sign, before the first record.

    Raises:
        TrustError: The newest head carries no good line of the keys of this run's root. What this
            run appended and signed would make the log one that its owner has to refuse.
    """
    note = HeadsFile(store.root / "log" / "heads").newest()
    if note is None or signing.root is None:
        return
    ring = signing.root.keys(Role.LIFECYCLE)
    known = ring.by_id()
    is_ours = signed_by(HEAD_SIGNER, known.values(), threshold=ring.threshold)(note)
    if not is_ours or (signing.signs and signing.key_ids[0] not in known):
        raise TrustError(
            "the project's log is signed by others",
            subject=str(store.root / "log"),
            rule="a log goes on under the keys that it began with",
            expected=f"a head by {', '.join(sorted(known))}",
            found=f"{len(note.signatures)} lines at {note.head.size}; this run would sign with "
            f"{signing.key_ids[0] if signing.signs else 'nothing'}",
            hint="run with the owner's keys and root, or in a copy of the project without its "
            ".hauberk",
        )


def level_for(settings: Settings, found: Probe, wanted: Isolation | None) -> Isolation:
    """The level that steps will run at.

    Raises:
        UnavailableError: The level asked for, or the least that the policy allows, is not
            there.
    """
    level = wanted or next(item for item in LEVEL_ORDER if not found.levels[item])
    if found.levels[level]:
        raise UnavailableError(
            f"isolation level {level} cannot be had here",
            subject="isolation",
            expected=level.value,
            found=found.levels[level],
            hint="install bubblewrap, or run with --isolation observe, which signs nothing",
        )
    least = settings.policy.min_isolation
    if least is not None and level.rank < least.rank:
        raise UnavailableError(
            "isolation is weaker than the policy allows",
            subject=settings.source.place(("policy", "min_isolation")),
            rule="below the policy's level a step fails closed",
            expected=f"at least {least}",
            found=level.value,
            hint="install bubblewrap, or run on a machine that has it",
        )
    return level


def project_python(settings: Settings) -> Path:
    """The interpreter of the project's own environment.

    Raises:
        UsageError: The lifecycle file names one that is not there.
    """
    declared = settings.project.python
    if declared is None:
        return Path(sys.executable)
    path = settings.root / declared
    if not path.exists():
        raise UsageError(
            "the project's interpreter is not there",
            subject=settings.source.place(("project", "python")),
            expected="a Python interpreter",
            found=f"no file {declared}",
            hint=f"python3 -m venv {Path(declared).parent.parent} and install the requirements",
        )
    return path.absolute()


def run_id(now: float) -> str:
    """A name for a run that sorts by time."""
    moment = datetime.fromtimestamp(now, tz=UTC)
    return f"{moment:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def _workshop(
    settings: Settings,
    work_plan: Plan,
    options: Options,
    *,
    store: Store,
    signing: Signing,
    level: Isolation,
    work: Path,
) -> Workshop:
    declared = frozenset(
        {
            *work_plan.sources,
            *work_plan.prepared.values(),
            *(path for step in work_plan.steps for path in step.table.outputs),
            *work_plan.training.table.outputs,
        }
    )
    context = Context(
        root=settings.root,
        run_id=run_id(options.clock()),
        clock=options.clock,
        seed=options.seed,
        policy=signing.policy,
        isolation=level,
        emit=options.emit,
    )
    return Workshop(
        settings=settings,
        plan=work_plan,
        context=context,
        store=store,
        cache=Cache(store, load_secret(options.configuration, project=settings.root)),
        pins=Pins(settings.root),
        signing=signing,
        python=project_python(settings),
        code=code_of(settings.root, _unseen(settings), declared),
        work=work,
        configuration=options.configuration,
        today=today_of(options.clock),
        asked=retraining.asked(settings, store, options.clock()),
    )


def _unseen(settings: Settings) -> tuple[str, ...]:
    """What no step sees: what the project excludes, and a monitor's requests."""
    requests = settings.table(Component.MONITORING).requests
    return (*settings.project.exclude, *([requests] if requests else []))


# The rooms -----------------------------------------------------------------------------


def _visit(shop: Workshop, found: Probe) -> RunRecord:
    started = shop.context.clock()
    stopped: StepReport | None = None
    for name, value in shop.asked.notes().items():
        shop.say("request", f"{name}: {value}")
    try:
        for component in rooms.ORDER:
            if stopped is not None:
                report = _not_reached(component, stopped)
            else:
                report = _enter(component, shop)
                stopped = report if _stops(report) else None
            shop.reports.append(report)
    except KeyboardInterrupt:
        _write(_record(shop, found, started, 130), shop.store)
        raise
    record = _record(shop, found, started, _exit_code(stopped))
    if record.exit_code == 0:
        retraining.answered(shop)
    _write(record, shop.store)
    return record


def _enter(component: Component, shop: Workshop) -> StepReport:
    """Let one room work; what it raises becomes its report."""
    shop.say("component-started", component.value, component)
    started = shop.context.clock()
    try:
        report = rooms.room(component).work(shop)
    except StepFailed as failure:
        report = _failed(component, failure.reason, failure.hint, failure.detail)
    except (TrustError, ArtifactError) as error:
        report = _broken(component, StepState.REFUSED, error)
    except UsageError:
        raise
    except HauberkError as error:
        report = _broken(component, StepState.FAILED, error)
    seconds = report.seconds or shop.context.clock() - started
    report = replace(report, started=report.started or started, seconds=seconds)
    shop.say(
        "component-done",
        report.summary if not report.reason else report.reason,
        component,
        state=report.state.value,
        seconds=round(seconds, 3),
    )
    return report


def _stops(report: StepReport) -> bool:
    return report.state in (StepState.FAILED, StepState.REFUSED)


def _failed(component: Component, reason: str, hint: str, detail: str) -> StepReport:
    rows = tuple(("", line) for line in detail.splitlines())
    sections = (Section(title="Last lines of output", rows=rows),) if rows else ()
    return StepReport(
        component=component,
        state=StepState.FAILED,
        summary=reason,
        reason=f"{reason}; next: {hint}" if hint else reason,
        sections=sections,
    )


def _broken(component: Component, state: StepState, error: HauberkError) -> StepReport:
    return StepReport(
        component=component,
        state=state,
        summary=error.message,
        reason=str(error),
        sections=(Section(title="Why", text=error.message, rows=error.details()),),
    )


def _not_reached(component: Component, stopped: StepReport) -> StepReport:
    reason = f"not reached: {stopped.component} {stopped.state}"
    return StepReport(component=component, state=StepState.NOT_RUN, summary=reason, reason=reason)


def _exit_code(stopped: StepReport | None) -> int:
    if stopped is None:
        return 0
    unassessed = stopped.reason and "could not judge" in stopped.reason
    return 3 if unassessed and stopped.state is StepState.REFUSED else EXIT_FAILED


# The record ----------------------------------------------------------------------------


def _record(shop: Workshop, found: Probe, started: float, exit_code: int) -> RunRecord:
    levels: Mapping[Isolation, str] = found.levels
    missing = {f"isolation {level}": why for level, why in levels.items() if why}
    return RunRecord(
        project=shop.settings.project.name,
        run_id=shop.context.run_id,
        started=started,
        finished=shop.context.clock(),
        exit_code=exit_code,
        isolation=shop.context.isolation,
        steps=_in_lifecycle_order(shop.reports),
        environment=shop.shared.environment | missing | shop.asked.notes(),
        trust=shop.signing.state.facts(),
    )


def _in_lifecycle_order(reports: list[StepReport]) -> tuple[StepReport, ...]:
    order = list(Component)
    return tuple(sorted(reports, key=lambda report: order.index(report.component)))


def _write(record: RunRecord, store: Store) -> None:
    data = json.dumps(to_json(record), indent=1).encode()
    store.write(store.runs / record.run_id / "record.json", data)
