"""MO-2: logs changed, cut, forked and silenced, held against their heads and a witness."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

from hauberk.attacks.log.delete_record import DeleteRecord
from hauberk.attacks.log.edit_record import EditRecord
from hauberk.attacks.log.fork_log import ForkLog
from hauberk.attacks.log.reorder_records import ReorderRecords
from hauberk.attacks.log.restore_backup import RestoreBackup
from hauberk.attacks.log.set_clock_back import SetClockBack
from hauberk.attacks.log.stop_writer import StopWriter
from hauberk.attacks.log.truncate_tail import TruncateTail
from hauberk.controls.log.broken_log import BrokenLog
from hauberk.core.artifact import LogSegment
from hauberk.core.attack import Transform
from hauberk.core.finding import Level
from hauberk.core.threat import ThreatId
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds import logs
from hauberk.trust.audit import audit
from hauberk.trust.log import Log
from hauberk.trust.merkle import leaf_hash

CONTROL = BrokenLog()
N_RECORDS = 100_000
BATCH = 1000
"""What the guard writes at once under load."""
_NO_KEY = "the intruder writes the log's files and has no key; heads are really signed"
_KEY = "the intruder holds the logging host and the log's key; the witness is out of reach"
_WRITER = "the writer itself is stopped or misled; roots, heads and witness all fit"


def _is_found(log: LogSegment) -> bool:
    return any(finding.level is Level.DEFECT for finding in CONTROL.check(log))


def _by_an_intruder(attack: Transform[LogSegment], seed: int) -> Trial:
    """One really signed log with one change; potent where a reader without proofs is fooled."""
    log = logs.honest_log(seed, signed=True)
    twin = attack.apply(log, Random(seed)).subject
    return Trial(values={"detected": _is_found(twin)}, potent=_differ(log, twin))


def _by_the_host(attack: Transform[LogSegment], seed: int) -> Trial:
    """One log with one change under fitting heads; potent where only the witness can tell."""
    log = replace(logs.honest_log(seed), until=None)
    twin = attack.apply(log, Random(seed)).subject
    is_sound = not _is_found(replace(twin, witnessed=()))
    return Trial(values={"detected": _is_found(twin)}, potent=_differ(log, twin) and is_sound)


def _at_the_writer(attack: Transform[LogSegment], seed: int) -> Trial:
    """One writer stopped or misled; potent where records, heads and witness all fit."""
    log = logs.honest_log(seed)
    twin = attack.apply(log, Random(seed)).subject
    is_sound = audit(
        lambda: map(leaf_hash, twin.records()), heads=twin.heads, witnessed=twin.witnessed
    ).is_clean
    return Trial(values={"detected": _is_found(twin)}, potent=_differ(log, twin) and is_sound)


def _differ(log: LogSegment, twin: LogSegment) -> bool:
    return list(log.records()) != list(twin.records())


def _cut_and_gone_on(seed: int) -> Trial:
    """A tail is cut, the writer goes on, and the next heartbeat's head tells."""
    log = logs.honest_log(seed)
    cut = TruncateTail().apply(log, Random(seed))
    later = logs.goes_on(cut.subject, seed)
    return Trial(values={"detected": _is_found(later)}, potent=bool(cut.rows))


def _honest(seed: int) -> Trial:
    """A log as it grows: whole, and one heartbeat later."""
    log = logs.honest_log(seed, signed=seed % 2 == 0)
    later = logs.goes_on(logs.honest_log(seed), seed)
    return Trial(values={"false_alarms": _is_found(log) or _is_found(later)})


def _speed(seed: int) -> Trial:
    """Records of 200 bytes, a thousand at a time, each batch on disk before the next."""
    records = [Random(seed).randbytes(200) for _ in range(BATCH)]
    with tempfile.TemporaryDirectory() as folder:
        log = Log.open(Path(folder) / "log")
        start = time.perf_counter()
        for _ in range(N_RECORDS // BATCH):
            log.append(records)
        return Trial(values={"records_per_second": N_RECORDS / (time.perf_counter() - start)})


def _scenario(
    attack: Transform[LogSegment] | str,
    play: Callable[[int], Trial],
    part: tuple[str, str],
    note: str,
) -> Scenario:
    return Scenario(
        threat=ThreatId("MO-2"), attack=attack, control=CONTROL, play=play, parts=(part,), note=note
    )


def _change(
    attack: Transform[LogSegment],
    play: Callable[[Transform[LogSegment], int], Trial],
    strength: str,
    note: str,
) -> Scenario:
    return _scenario(attack, partial(play, attack), ("detected", strength), note)


SCENARIOS = (
    _change(DeleteRecord(), _by_an_intruder, "deleted record", _NO_KEY),
    _change(EditRecord(), _by_an_intruder, "edited record", _NO_KEY),
    _change(ReorderRecords(), _by_an_intruder, "reordered records", _NO_KEY),
    _change(TruncateTail(), _by_the_host, "truncated tail", _KEY),
    _change(ForkLog(), _by_the_host, "forked log", _KEY),
    _change(StopWriter(), _at_the_writer, "stopped writer", f"{_WRITER}; 300 s, one beat is 60 s"),
    _change(SetClockBack(), _at_the_writer, "clock set back", f"{_WRITER}; by one hour"),
    _change(RestoreBackup(), _by_the_host, "restored backup", _KEY),
    _scenario(
        TruncateTail(), _cut_and_gone_on, ("detected", "tail cut within one heartbeat"), _KEY
    ),
    _scenario(
        "honest logs",
        _honest,
        ("false_alarms", ""),
        "twenty minutes, some 250 records written slightly out of order, and their growth",
    ),
    Scenario(
        threat=ThreatId("MO-2"),
        attack="appends",
        control=CONTROL,
        play=_speed,
        parts=(("records_per_second", ""),),
        timed=True,
        note="one writer, batches of 1,000 records of 200 bytes as the guard writes under load, "
        "each on disk before the next",
    ),
)
