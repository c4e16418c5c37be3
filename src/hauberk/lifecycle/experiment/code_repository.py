"""Code repository: which code the run uses, whether it is committed, and what is wrong in it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.core.lifecycle import Component
from hauberk.core.record import Section, StepReport, StepState
from hauberk.formats import source
from hauberk.lifecycle import reporting

if TYPE_CHECKING:
    from hauberk.lifecycle.workshop import Workshop

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TABLE:
    """``[code-repository]``.

    Attributes:
        require_clean: Refuse a run whose code differs from the commit.
    """

    require_clean: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What git says of the project.

    Attributes:
        commit: Id of the checked-out commit, or empty outside a repository.
        changed: Paths that differ from it, untracked ones included.
    """

    commit: str = ""
    changed: tuple[str, ...] = ()


def work(shop: Workshop) -> StepReport:
    """Record commit and code digest; look through the code."""
    commit = commit_of(shop.settings.root)
    shop.shared.environment["commit"] = commit.commit or "no repository"
    shop.shared.environment["code changed since"] = str(len(commit.changed))
    rows = (
        ("commit", commit.commit or "not in a git repository"),
        ("changed since the commit", ", ".join(commit.changed[:10]) or "nothing"),
        ("files of code", str(len(shop.code.files))),
        ("code", shop.code.digest),
    )
    report = StepReport(
        component=Component.CODE_REPOSITORY,
        state=StepState.DONE,
        summary=_summary(commit, len(shop.code.files)),
        outputs={"code": shop.code.digest},
        sections=(Section(title="Code", rows=rows),),
    )
    if shop.settings.table(Component.CODE_REPOSITORY).require_clean and _is_unclean(commit):
        return _refused(report, commit)
    tree = source.open_tree(shop.settings.root)
    assessments = shop.judge(tree, ["code"])
    return reporting.with_gate(report, shop.decide(assessments))


def commit_of(root: Path) -> Commit:
    """Ask git without running anything of the repository."""
    git = shutil.which("git")
    if git is None or _words(git, root, "rev-parse", "--is-inside-work-tree") != "true":
        return Commit()
    head = _words(git, root, "rev-parse", "--verify", "--quiet", "HEAD")
    status = _words(git, root, "status", "--porcelain", "--untracked-files=normal", "--", ".")
    changed = (line[3:] for line in status.splitlines())
    return Commit(
        commit=head.strip(), changed=tuple(path for path in changed if ".hauberk" not in path)
    )


def _words(git: str, root: Path, *words: str) -> str:
    """One command's output, or an empty string where it fails."""
    answer = source.ask(git, root, *words, timeout_s=TIMEOUT_S)
    return (answer or b"").decode("utf-8", "replace").rstrip("\n")


def _is_unclean(commit: Commit) -> bool:
    return not commit.commit or bool(commit.changed)


def _refused(report: StepReport, commit: Commit) -> StepReport:
    reason = (
        f"the code differs from commit {commit.commit[:12]} in {len(commit.changed)} files"
        if commit.commit
        else "the project is in no git repository, so its code cannot be named"
    )
    return replace(report, state=StepState.REFUSED, reason=reason)


def _summary(commit: Commit, n_files: int) -> str:
    if not commit.commit:
        return f"{n_files} files, in no git repository"
    state = f"{len(commit.changed)} changed" if commit.changed else "clean"
    return f"{n_files} files at {commit.commit[:12]}, {state}"
