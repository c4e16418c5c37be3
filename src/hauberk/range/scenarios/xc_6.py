"""XC-6: workers of an engine that answer with code, lies or noise, and clusters open to others."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from random import Random

from hauberk.attacks.dataset.answer_as_worker import WAYS, AnswerAsWorker
from hauberk.controls.dataset.foreign_summaries import ForeignSummaries
from hauberk.core.artifact import Summaries
from hauberk.core.threat import ThreatId
from hauberk.engine.executors import Engine, summaries
from hauberk.formats.tables import open_table, write_table
from hauberk.range.outcomes import alarmed, denied
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.subjects import generated
from hauberk.range.worlds.clusters import WAYS as WAYS_IN
from hauberk.range.worlds.clusters import refusals

XC_6 = ThreatId("XC-6")
N_PARTS = 4
CONTROL = ForeignSummaries()
_RUNS_CODE = ("pickle", "exception")
_PICKLE = b"\x80"
_WRONG = tuple(way for way in WAYS if way != "counts")
"""A plausible lie is met only by working its part out again; that is left to chance."""


def _told(folder: Path, seed: int) -> Summaries:
    """Honest answers on a table in a file."""
    path = folder / "rows.parquet"
    write_table(generated(seed, 200), path)
    return summaries(open_table(path, label="class"), Engine(), n_parts=N_PARTS)


def _answer(way: str, seed: int) -> Trial:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        honest = _told(folder, seed)
        attack = AnswerAsWorker(way=way, canary=folder / "canary")
        attacked = attack.apply(honest, Random(seed))
        found = denied(CONTROL, attacked.subject)
        fired = (folder / "canary").exists()
        return Trial(
            values={"pickles_decoded": fired, "refused": found},
            potent=_harms(attacked.subject.parts[attacked.truth["part"]], honest, folder),
            false_alarm=alarmed(CONTROL, honest),
        )


def _harms(part: bytes, honest: Summaries, folder: Path) -> bool:
    """Whether a reader that unpickles runs its code, or one that adds up gets another sum."""
    if part.startswith(_PICKLE):
        reader = [sys.executable, "-I", "-c", "import pickle, sys; pickle.load(sys.stdin.buffer)"]
        subprocess.run(reader, input=part, check=False, capture_output=True)
        return (folder / "canary").exists()
    return part not in honest.parts


def _hostile(seed: int) -> Trial:
    """Answers that run code where they are unpickled."""
    return _answer(_RUNS_CODE[seed % len(_RUNS_CODE)], seed)


def _wrong(seed: int) -> Trial:
    """Any answer that no honest worker gives."""
    return _answer(_WRONG[seed % len(_WRONG)], seed)


def _connection(seed: int) -> Trial:
    """One try of another process at the store that workers take their functions from."""
    batch, place = divmod(seed, N_TRIES * len(WAYS_IN))
    found = refusals(batch, N_TRIES)
    got_in = found[WAYS_IN[place % len(WAYS_IN)]][place // len(WAYS_IN)]
    return Trial(
        values={"refused": not got_in},
        potent=found["open"][0],
        false_alarm=not found["the right token"][0],
    )


N_TRIES = 20
"""Of each way at one cluster; a cluster takes many seconds to start."""

_NOTE = f"{N_PARTS} parts of 200 rows, one of them answered by the attacker"
SCENARIOS = (
    Scenario(
        threat=XC_6,
        attack="another process on the machine without the token",
        control="the cluster that hauberk data profile --engine ray starts",
        play=_connection,
        parts=(("refused", ""),),
        note=f"Ray in a sandbox; {', '.join(WAYS_IN)} in turn, {N_TRIES} of each at one cluster; "
        "potent where the same call gets into a cluster that asks for no token, a false alarm "
        "where the right token is refused. Needs Ray, and is void without it",
    ),
    Scenario(
        threat=XC_6,
        attack=AnswerAsWorker(way="pickle"),
        control=CONTROL,
        play=_hostile,
        parts=(("pickles_decoded", ""),),
        note=f"{_NOTE}; a pickle or a pickled exception that makes a file where it is read",
    ),
    Scenario(
        threat=XC_6,
        attack=AnswerAsWorker(way="noise"),
        control=CONTROL,
        play=_wrong,
        parts=(("refused", "answer of a hostile worker"),),
        note=f"{_NOTE}: {', '.join(_WRONG)} in turn. A lie whose counts add up is met only where "
        "its part is worked out again, one in four here",
    ),
)
