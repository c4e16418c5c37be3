"""RE-3: references rewritten, and content that comes back after it was taken out."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from hauberk.attacks.code.revive_content import WAYS as RETURNS
from hauberk.attacks.code.revive_content import ReviveContent
from hauberk.attacks.code.rewrite_references import WAYS as REWRITES
from hauberk.attacks.code.rewrite_references import RewriteReferences
from hauberk.controls.code.poisoned_history import PoisonedHistory
from hauberk.controls.code.rewritten_references import RewrittenReferences
from hauberk.core.finding import Assessment, Level
from hauberk.core.threat import ThreatId
from hauberk.engine.assess import assess
from hauberk.formats.git_references import read_references
from hauberk.formats.source import open_tree
from hauberk.range.scenario import Scenario, Trial
from hauberk.range.worlds.histories import Repository, grown

RE_3 = ThreatId("RE-3")
HISTORY = PoisonedHistory()


@contextmanager
def _repository(seed: int) -> Iterator[Repository]:
    with tempfile.TemporaryDirectory(prefix="hauberk-") as folder:
        yield grown(Path(folder), seed)


def _denies(assessment: Assessment) -> bool:
    return any(finding.level is Level.DEFECT for finding in assessment.findings)


def _rewritten(seed: int) -> Trial:
    """One reference rewritten after a state was recorded; the twin works on honestly."""
    rng = Random(seed)
    way = tuple(REWRITES)[seed % len(REWRITES)]
    with _repository(seed) as honest:
        control = RewrittenReferences(recorded=read_references(honest.root))
        _honest_work(honest, rng)
        alarm = _denies(assess(control, open_tree(honest.root)))
    with _repository(seed) as attacked:
        control = RewrittenReferences(recorded=read_references(attacked.root))
        told = RewriteReferences(way=way).play(attacked, rng)
        refused = _denies(assess(control, open_tree(attacked.root)))
    return Trial(values={"refused": refused}, potent=told.succeeded, false_alarm=alarm)


def _honest_work(made: Repository, rng: Random) -> None:
    """New commits, a new tag, a topic that is rebased and one that is deleted."""
    made.commit("Work on", {"src/train.py": b"# %d\n" % rng.randrange(10**6)})
    made.git("tag", "v2.0")
    made.git("branch", "--delete", "--force", "topic/scores")
    made.git("checkout", "--quiet", "-b", "topic/new")
    made.commit("Try", {"src/try.py": b"# %d\n" % rng.randrange(10**6)})
    made.git("commit", "--quiet", "--amend", "--message", "Try again")
    made.git("checkout", "--quiet", "main")


def _revived(seed: int) -> Trial:
    """A file comes back after the cleaning; the twin's comes back after a tidying."""
    rng = Random(seed)
    way = tuple(RETURNS)[seed % len(RETURNS)]
    with _repository(seed) as honest:
        content = b"def helper(x):\n    return x + %d\n" % rng.randrange(10**6)
        honest.commit("Add helper", {"src/helper.py": content})
        honest.commit(rng.choice(_TIDY), {"src/helper.py": None})
        honest.commit("Use the helper again", {"src/lib/helper.py": content})
        alarm = _denies(assess(HISTORY, open_tree(honest.root)))
    with _repository(seed) as attacked:
        told = ReviveContent(way=way).play(attacked, rng)
        refused = _denies(assess(HISTORY, open_tree(attacked.root)))
    return Trial(values={"refused": refused}, potent=told.succeeded, false_alarm=alarm)


_TIDY = (
    "Remove unused helper",
    "Move the helper",
    "Revert helper, not needed yet",
    "Drop wrong helper",
    "Simplify",
)


SCENARIOS = (
    Scenario(
        threat=RE_3,
        attack=RewriteReferences(),
        control=RewrittenReferences(),
        play=_rewritten,
        parts=(("refused", "rewritten reference"),),
        note="seven ways in repositories of about a dozen commits, against the state recorded "
        "before; the twin commits, tags, deletes a topic and amends another",
    ),
    Scenario(
        threat=RE_3,
        attack=ReviveContent(),
        control=HISTORY,
        play=_revived,
        parts=(("refused", "revived bad blob"),),
        note="four ways back, the cleaning in eight wordings whose words the rule knows; refused "
        "means a defect; the twin's file was removed for no harm and comes back",
    ),
)
