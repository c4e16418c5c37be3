"""Commits that slip something in: see `PoisonedHistory`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from hauberk.core.artifact import CodeTree
from hauberk.core.control import Check, NotApplicable
from hauberk.core.finding import Evidence, Finding, Level, Location, Severity
from hauberk.core.threat import ThreatId
from hauberk.formats.git_history import Commit, History, base_blob, blob, heads, read_history
from hauberk.methods.expressions import expression
from hauberk.methods.secrets import find_secrets

DAY_S = 86_400
MAX_EXCEPTIONS = 3
SHORT_MESSAGE = 300
"""Letters of a message that speaks of one thing."""
RARE = 0.03
"""Share of commits without a signature or review up to which each of them stands out."""

_PROTECTED = expression(
    r"(?i)loss|metric|label|gate|evaluat|valid|threshold|\btrain|codeowners|\.github/workflows|promot|"
    r"polic|approv|release|sign"
)
_HARM = expression(
    r"(?i)\b(?:malicious|malware|backdoor\w*|poison\w*|vulnerab\w*|compromis\w*|security|exploit\w*|"
    r"tamper\w*|trojan\w*|leak\w*|incident|unauthori[sz]ed|suspicious|hostile|rogue|injected)\b"
)
_FAULT = expression(r"(?i)\b(?:bad|broken|corrupt\w*|unsafe|wrong|revert\w*)\b")
_TAKES_OUT = expression(
    r"(?i)\b(?:remov|delet|drop|revert|tak\w* out|back(?:ing|ed)? out|purg|disabl|strip|rip|"
    r"clean|fix|undo|quarantin)"
)
_EMPTY_BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
_REVIEWED = expression(
    r"(?im)^(?:reviewed|approved|acked)-by:|\(#\d+\)|\(!\d+\)|^See merge request|^PR[- ]?#?\d+"
)
_WEIGHT_NAMES = expression(
    r"(?i)\.(?:pt|pth|pkl|pickle|joblib|onnx|h5|hdf5|keras|safetensors|ckpt|bin|npz|npy|gguf|pb|tflite|model|dat|weights)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PoisonedHistory(Check[CodeTree]):
    """Commits that slip something in past the people who review.

    All commits of all references are read once: merges that hold what neither side brought,
    content that was taken out as bad and came back, authors whose name or address looks like
    that of another, commits dated before their parents, changes of losses, metrics, labels and
    gates without the signature or the review that other commits carry, replaced objects,
    secrets in messages of commits and tags, weights that old commits still hold.

    Limits:
        A conflict that was resolved by hand is not told from one that was abused. Signatures
        are seen, not verified. A force-push leaves no trace in the repository itself. Where
        nobody signs or reviews, missing signatures and reviews say nothing.

    Args:
        min_share: Share of commits that carry a signature or review from which on a change
            without one stands out, 0 to 1.

    References:
        Torres-Arias, Ammula, Curtmola and Cappos (2016), On omitting commits and committing
        omissions, USENIX Security.
    """

    title: ClassVar[str] = "Commits that slip something in"
    threats: ClassVar[tuple[ThreatId, ...]] = (
        ThreatId("RE-3"),
        ThreatId("RE-1"),
        ThreatId("RE-6"),
        ThreatId("TR-7"),
    )
    subject: ClassVar[type] = CodeTree

    min_share: float = 0.6

    def check(self, subject: CodeTree) -> Iterator[Finding]:
        """Yield what stands out, commit by commit."""
        history = read_history(subject.root) if subject.history is not None else None
        if history is None or not history.commits:
            raise NotApplicable("there is no history")
        for name in history.replaced:
            yield _told(
                "replaced-object", name, "an object of the history is replaced by another", "high"
            )
        yield from _merges(history)
        yield from _revived(history)
        yield from _authors(history)
        yield from _dates(history)
        yield from self._protected(history)
        yield from _messages(history)
        yield from _weights(history)

    def _protected(self, history: History) -> Iterator[Finding]:
        plain = [commit for commit in history.commits if len(commit.parents) < 2]  # noqa: PLR2004
        for mark, has in (
            ("signature", lambda commit: commit.is_signed),
            ("review", lambda commit: _REVIEWED.search(commit.message) is not None),
        ):
            without = sum(not has(commit) for commit in plain)
            share = 1 - without / len(plain)
            if share < self.min_share or len(plain) < 3:  # noqa: PLR2004 - no habit yet
                continue
            bare = [
                (commit, path)
                for commit in plain
                if commit.parents and not has(commit)
                for path in [c.path for c in commit.changes if _PROTECTED.search(c.path)][:1]
            ]
            # Where many do without, a single one proves nothing.
            if without > max(MAX_EXCEPTIONS, RARE * len(plain)):
                yield from _habit(mark, bare, share)
                continue
            for commit, path in bare:
                yield _told(
                    f"missing-{mark}",
                    path,
                    f"commit {commit.oid[:12]} changes a protected file without the {mark} "
                    f"that {share:.0%} of commits carry",
                    "high",
                    commit,
                )


def _habit(mark: str, bare: list[tuple[Commit, str]], share: float) -> Iterator[Finding]:
    """One finding for a habit that is not kept."""
    if bare:
        commit, path = bare[-1]
        yield _told(
            f"missing-{mark}",
            path,
            f"{len(bare)} commits change protected files without the {mark} that {share:.0%} of "
            f"commits carry, {commit.oid[:12]} last",
            "medium",
            commit,
            level=Level.REVIEW,
        )


def _told(
    rule: str, path: str, says: str, severity: str, commit: Commit | None = None,
    *, level: Level = Level.DEFECT,
) -> Finding:  # fmt: skip
    inner = (commit.oid[:12],) if commit is not None else ()
    return Finding(
        message=f"{path}: {says}",
        path=path,
        severity=Severity(severity),
        level=level,
        remedy="Look at the commit with a second person; revert it and rotate what leaked.",
        confidence=0.7,
        location=Location(inner=inner),
        evidence=Evidence(
            statistic="rule over history",
            facts={"rule": f"poisoned-history/{rule}"} | ({"commit": commit.oid} if commit else {}),
        ),
    )


def _merges(history: History) -> Iterator[Finding]:
    """A finding for each merge with lines of its own."""
    last = {change.path: change.new for commit in history.commits for change in commit.changes}
    for commit in history.commits:
        evil = [
            (path, _is_still_there(history, parents, own, last.get(path, "")))
            for path, parents, own in commit.own
            if set(own) != {"0"} and _is_evil(history, commit, path, parents, own)
        ]
        if not evil:
            continue
        # The most telling file first: one that judges others, then one that still has the lines.
        evil.sort(key=lambda item: (not _PROTECTED.search(item[0]), not item[1], item[0]))
        path, is_there = evil[0]
        more = f" in this and {len(evil) - 1} more files" if len(evil) > 1 else ""
        is_sure = is_there and (len(evil) == 1 or _PROTECTED.search(path) is not None)
        yield _told(
            "evil-merge",
            path,
            f"merge {commit.oid[:12]} holds content that neither side brought{more}"
            + ("" if is_there else "; later commits took it out"),
            "high" if is_there else "medium",
            commit,
            level=Level.DEFECT if is_sure else Level.REVIEW,
        )


def _is_still_there(history: History, parents: tuple[str, ...], own: str, last: str) -> bool:
    """Whether half of what a merge added of its own stands in the newest version."""
    if last in ("", own):
        return True
    texts = [(blob(history.root, oid) or b"").split(b"\n") for oid in (*parents, own, last)]
    brought = {line.strip() for text in texts[:-2] for line in text}
    fresh = {line.strip() for line in texts[-2]} - brought
    fresh = {line for line in fresh if re.search(rb"\w", line)}
    return not fresh or 2 * len(fresh & {line.strip() for line in texts[-1]}) >= len(fresh)


def _is_evil(
    history: History, commit: Commit, path: str, parents: tuple[str, ...], own: str
) -> bool:
    base = base_blob(history.root, commit.parents, path)
    if base in parents or len(set(parents)) == 1:
        return True  # Only one side changed it, so there was nothing to resolve.
    texts = [blob(history.root, oid) for oid in (*parents, own)]
    lines = [set((text or b"").split(b"\n")) for text in texts]
    if set(parents) == {"0" * 40}:
        return True
    # Lines that no side had: in a resolution most lines come from one of them.
    fresh = lines[-1] - set().union(*lines[:-1])
    return any(re.search(rb"\w+\s*\(|=|import", line) for line in fresh) and not _conflicts(
        history, base, texts
    )


def _conflicts(history: History, base: str, texts: list[bytes | None]) -> bool:
    """Whether both sides changed lines that stand together, so that people had to decide."""
    import difflib

    old = (blob(history.root, base) or b"").split(b"\n")
    touched = []
    for text in texts[:2]:
        matcher = difflib.SequenceMatcher(a=old, b=(text or b"").split(b"\n"), autojunk=False)
        touched.append(
            [(a0 - 1, a1 + 1) for tag, a0, a1, _, _ in matcher.get_opcodes() if tag != "equal"]
        )
    return any(a0 < b1 and b0 < a1 for a0, a1 in touched[0] for b0, b1 in touched[1])


def _revived(history: History) -> Iterator[Finding]:
    """A finding for each commit that brings back what another took out."""
    removed: dict[str, tuple[Commit, Level]] = {}
    for commit in history.commits:
        back: dict[tuple[str, Level], list[str]] = {}
        for change in commit.changes:
            if change.new in removed and removed[change.new][0].oid != commit.oid:
                bad, level = removed.pop(change.new)
                back.setdefault((bad.oid, level), []).append(change.path)
        for (oid, level), paths in back.items():
            more = f" in this and {len(paths) - 1} more files" if len(paths) > 1 else ""
            yield _told(
                "revived-content",
                paths[0],
                f"commit {commit.oid[:12]} brings back what {oid[:12]} took out as bad{more}",
                "high" if level is Level.DEFECT else "medium",
                commit,
                level=level,
            )
        says = _takes_out(commit.message)
        for change in commit.changes if says is not None else ():
            is_gone = set(change.old) != {"0"} and change.old != change.new
            if says is not None and is_gone and change.old != _EMPTY_BLOB:
                removed[change.old] = commit, says


def _takes_out(message: str) -> Level | None:
    """Whether a message says that something harmful, or only faulty, was taken out.

    A line says so by itself: long messages collect words that have nothing to do with
    each other. A plain fault or revert is said in the subject, and comes back for good reasons.
    """
    lines = message.splitlines() if len(message) > SHORT_MESSAGE else [message]
    if any(_HARM.search(line) and _TAKES_OUT.search(line) for line in lines):
        return Level.DEFECT
    subject = message.partition("\n")[0]
    return Level.REVIEW if _FAULT.search(subject) and _TAKES_OUT.search(subject) else None


def _authors(history: History) -> Iterator[Finding]:
    counts = Counter(commit.author for commit in history.commits)
    first = {commit.author: commit for commit in reversed(history.commits)}
    known = sorted(counts, key=lambda who: (-counts[who], first[who].authored))
    for place, who in enumerate(known):
        for other in known[:place]:
            if counts[other] > counts[who] and _looks_like(who, other):
                yield _told(
                    "look-alike-author",
                    first[who].changes[0].path if first[who].changes else who[1],
                    f"the author of {first[who].oid[:12]} looks like {other[0]} <{other[1]}>",
                    "high",
                    first[who],
                )
                break


def _looks_like(who: tuple[str, str], other: tuple[str, str]) -> bool:
    if who[1].lower() == other[1].lower():
        return (
            _skeleton(who[0]) == _skeleton(other[0]) and not who[0].isascii() and other[0].isascii()
        )
    if (
        not (who[0] + who[1]).isascii()
        and _skeleton(who[0]) == _skeleton(other[0])
        and who[0] != other[0]
    ):
        return True
    near = _one_apart(who[1].lower(), other[1].lower()) or _skeleton(who[1]) == _skeleton(other[1])
    same = _skeleton(who[0]) == _skeleton(other[0]) or _one_apart(who[0].lower(), other[0].lower())
    return (near and same) or (
        who[0] != other[0]
        and same
        and _domain(who) == _domain(other)
        and _one_apart(who[0], other[0])
    )


def _domain(who: tuple[str, str]) -> str:
    return who[1].lower().rpartition("@")[2]


_CONFUSED = str.maketrans("аеорсхуіјѕһԁɡ0135", "aeopcxyijshdgoies")  # noqa: RUF001 - that is the point


def _skeleton(text: str) -> str:
    plain = text.lower().translate(_CONFUSED)
    return re.sub(r"[\s._-]+", "", plain.replace("rn", "m").replace("vv", "w").replace("l", "i"))


def _one_apart(a: str, b: str) -> bool:
    """One letter lost, added, replaced, or two neighbours swapped."""
    if a == b or abs(len(a) - len(b)) > 1 or min(len(a), len(b)) < 4:  # noqa: PLR2004
        return False
    start = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
    rest_a, rest_b = a[start:], b[start:]
    if rest_a[1:] == rest_b[1:] or rest_a[1:] == rest_b or rest_a == rest_b[1:]:
        return True
    return rest_a[:2] == rest_b[:2][::-1] and rest_a[2:] == rest_b[2:]


def _dates(history: History) -> Iterator[Finding]:
    by_id = {commit.oid: commit for commit in history.commits}
    for commit in history.commits:
        parents = [by_id[oid] for oid in commit.parents if oid in by_id]
        if not parents:
            continue
        newest = max(parent.committed for parent in parents)
        authored = max(parent.authored for parent in parents)
        is_early = commit.committed < newest - DAY_S
        is_old = commit.authored < authored - 180 * DAY_S and len(parents) == 1
        is_ahead = commit.authored > commit.committed + DAY_S
        if is_early or is_old or is_ahead:
            path = commit.changes[0].path if commit.changes else commit.oid[:12]
            what = "ahead of its own commit" if is_ahead else "before its parent"
            yield _told(
                "back-dated",
                path,
                f"commit {commit.oid[:12]} is dated {what}",
                "medium",
                commit,
                level=Level.DEFECT if is_early else Level.REVIEW,
            )


def _messages(history: History) -> Iterator[Finding]:
    texts = [(f"message of {commit.oid[:12]}", commit.message) for commit in history.commits]
    for name, text in [*texts, *history.tags]:
        secret = next(find_secrets(text, settings=True), None)
        if secret is not None:
            yield _told(
                "secret-in-message",
                name,
                f"a message holds a credential ({secret.provider})",
                "critical",
            )


def _weights(history: History) -> Iterator[Finding]:
    """Weights that only old commits hold: a finding for each commit that brought some."""
    last: dict[str, str] = {}
    brought: dict[str, tuple[str, Commit]] = {}
    for commit in history.commits:
        for change in commit.changes:
            last[change.path] = change.new
            if set(change.new) != {"0"} and _WEIGHT_NAMES.search(change.path):
                brought.setdefault(change.new, (change.path, commit))
    gone = {oid for oid in brought if oid not in set(last.values())}
    held: dict[str, list[tuple[str, int, Commit]]] = {}
    for oid, size, head in heads(history.root, gone):
        path, commit = brought[oid]
        if _is_weights(head, size):
            held.setdefault(commit.oid, []).append((path, size, commit))
    for found in held.values():
        path, _, commit = found[0]
        n_bytes = sum(size for _, size, _ in found)
        what = "a model or array" if len(found) == 1 else f"{len(found)} models or arrays"
        yield _told(
            "weights-in-history",
            path,
            f"commit {commit.oid[:12]} still holds {what} of {n_bytes} bytes",
            "medium",
            commit,
        )


def _is_weights(head: bytes, size: int) -> bool:
    if head.startswith(b"version https://git-lfs"):
        return False
    marks = (
        b"\x80\x02",
        b"\x80\x03",
        b"\x80\x04",
        b"\x80\x05",
        b"\x89HDF",
        b"GGUF",
        b"\x93NUMPY",
        b"PK\x03\x04",
        b"\x08\x03\x12",
        b"\x08\x07\x12",
        b"\x08\x08",
        b"TFL3",
    )
    if head.startswith(marks) or head[4:8] == b"TFL3":
        return True
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 27:
        return True
    is_text = all(32 <= byte < 127 or byte in b"\t\r\n" for byte in head[:512])  # noqa: PLR2004
    return not is_text and size > 256  # noqa: PLR2004 - an accident of a few bytes is no model
