"""Small git repositories with a history, made by a seed, to play attacks against."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from hauberk.errors import UnavailableError
from hauberk.formats.source import environment

_PEOPLE = (
    ("Ines Moreau", "ines@models.example"),
    ("Tomas Berg", "tomas@models.example"),
    ("Yuki Sato", "yuki@models.example"),
)
_FILES = ("src/prepare.py", "src/train.py", "src/evaluate.py", "conf/params.yaml", "README.md")
_DAY_S = 86_400
_START = 1_750_000_000


@dataclass(slots=True)
class Repository:
    """A repository on disk that a committer can write to.

    Attributes:
        root: Its work tree.
        rng: Draws names and contents; the same seed gives the same repository.
        now: Seconds since the epoch that the next commit carries.
        signs_off: Gives what the team's reviews leave at the end of a message.
    """

    root: Path
    rng: Random
    now: int = _START
    signs_off: Callable[[Random], str] = lambda _rng: ""

    def git(self, *words: str) -> str:
        """Run one git command as a person of the team.

        Raises:
            UnavailableError: Git refuses, or is not installed.
        """
        name, address = self.rng.choice(_PEOPLE)
        when = f"{self.now} +0000"
        people = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", name), ("EMAIL", address), ("DATE", when))
        }
        done = subprocess.run(
            ["git", "-C", str(self.root), "-c", "commit.gpgsign=false", *words],
            env={**environment(), **people, "HOME": os.devnull},
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise UnavailableError(
                "git refuses", subject=" ".join(words), found=done.stderr.decode()[:200]
            )
        return done.stdout.decode("utf-8", "replace").strip()

    def commit(self, message: str, files: Mapping[str, bytes | None] | None = None) -> str:
        """Write files (``None`` removes one), commit them, and give the commit's id."""
        for name, data in (files or {}).items():
            path = self.root / name
            if data is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        self.git("add", "--all")
        whole = message + self.signs_off(self.rng)
        self.git("commit", "--quiet", "--allow-empty", "--message", whole)
        self.now += _DAY_S // 4 + self.rng.randrange(_DAY_S)
        return self.git("rev-parse", "HEAD")

    def tree_of(self, name: str) -> str:
        """Id of the tree that a reference shows; empty where it shows none."""
        try:
            return self.git("rev-parse", f"{name}^{{tree}}")
        except UnavailableError:
            return ""


def grown(
    root: Path, seed: int, signs_off: Callable[[Random], str] = lambda _rng: ""
) -> Repository:
    """A repository with a line of work, merged topics, tags, a release branch, a submodule."""
    made = Repository(root, Random(seed), signs_off=signs_off)
    made.git("init", "--quiet", "--initial-branch=main", ".")
    modules = b'[submodule "vendor/kernels"]\n\tpath = vendor/kernels\n\turl = https://git.models.example/kernels.git\n'
    made.commit("Begin", {name: _text(made.rng, name) for name in _FILES})
    made.commit("Take kernels in", {".gitmodules": modules})
    for number in range(3 + made.rng.randrange(3)):
        name = made.rng.choice(_FILES)
        made.commit(f"Work on {name}", {name: _text(made.rng, name)})
        if number % 2:
            made.git("tag", "--annotate", f"v0.{number}", "--message", f"version 0.{number}")
    made.git("branch", "release/0")
    made.git("checkout", "--quiet", "-b", "topic/scores")
    made.commit("Score by group", {"src/scores.py": _text(made.rng, "src/scores.py")})
    made.git("checkout", "--quiet", "main")
    made.commit("Tidy", {"conf/params.yaml": _text(made.rng, "conf/params.yaml")})
    made.git("merge", "--quiet", "--no-ff", "--message", "Merge scores", "topic/scores")
    made.now += _DAY_S
    made.git("tag", "v1.0")
    return made


def _text(rng: Random, name: str) -> bytes:
    lines = [f"value_{rng.randrange(10**6)} = {rng.random():.6f}" for _ in range(12)]
    return (f"# {name}\n" + "\n".join(lines) + "\n").encode()
