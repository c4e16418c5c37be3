"""The policy of the branch that a change is made against: nobody is judged by their own words.

A pull request can edit the project's policy, its limits and its waivers together with the code
that they judge. So a build of one reads the policy from the protected base branch, and the
change's own file may only tighten it: a waiver that the base does not have is refused, and
counts from the next build on, after it was merged.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hauberk.errors import UsageError
from hauberk.formats import source
from hauberk.lifecycle.settings import load

if TYPE_CHECKING:
    from hauberk.core.policy import Policy
    from hauberk.lifecycle.settings import Settings

TIMEOUT_S = 60.0
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,200}\Z")


def of_base(settings: Settings, ref: str, floor: Policy) -> Policy:
    """What the base branch's own file demands; where it is silent, the floor speaks.

    Args:
        settings: The project as it is here.
        ref: The base branch; nothing is read from anywhere but git.
        floor: Pinned outside the project.

    Raises:
        UsageError: There is no such branch here.
    """
    return _base(settings, ref).policy_over(floor)


def _base(settings: Settings, ref: str) -> Settings:
    name = Path(settings.source.name).name
    data = _read(settings.root, ref, name)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(data)
        return load(Path(folder), file)


def _read(root: Path, ref: str, name: str) -> bytes:
    git = shutil.which("git")
    if git is None or not _REF.match(ref) or ".." in ref:
        raise _no_base(
            ref, "git is not installed" if git is None else "a name that git cannot have"
        )
    data = source.ask(git, root, "show", "--no-textconv", f"{ref}:./{name}", timeout_s=TIMEOUT_S)
    if data is None:
        raise _no_base(ref, f"no {name} there")
    return data


def _no_base(ref: str, found: str) -> UsageError:
    return UsageError(
        "the policy of the base branch cannot be read",
        subject=ascii(ref)[:100],
        rule="a change is judged by the policy of the branch that it is made against",
        expected="a branch with the project's lifecycle file, fetched beforehand",
        found=found,
        hint="fetch it in the build (git fetch origin BRANCH), or name it with --policy-from",
    )
