"""A step that was handed a secret: what leaking it is potent against.

With the control off the step runs in the same sandbox and everything that it writes is kept as
it is; with the control on it runs as `hauberk step` runs it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from hauberk.core.policy import Isolation
from hauberk.errors import ArtifactError
from hauberk.isolation import Grants, Limits, interpreter_grants, run
from hauberk.isolation.probing import best_level
from hauberk.lifecycle.wrapping import Wrapped, wrap


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretHost:
    """A place that runs a step with a secret.

    Attributes:
        is_guarded: Whether the step runs as `hauberk step` runs it.
    """

    secret: str
    is_guarded: bool = True
    level: Isolation = field(default_factory=best_level)
    output: ClassVar[str] = "settings.bin"

    def run(self, code: str, words: tuple[str, ...] = ()) -> Sequence[bytes]:
        """What others can read afterwards: both texts, the statement or command, the output."""
        with tempfile.TemporaryDirectory(prefix="hauberk-secret-") as scratch:
            folder = Path(scratch).resolve()
            (folder / "job.py").write_text(code, "utf-8")
            command = (sys.executable, "job.py", *words)
            return (
                self._guarded(folder, command) if self.is_guarded else self._bare(folder, command)
            )

    def _guarded(self, folder: Path, command: tuple[str, ...]) -> Sequence[bytes]:
        try:
            ended = wrap(
                Wrapped(
                    name="job",
                    command=command,
                    root=folder,
                    inputs=("job.py",),
                    outputs=(self.output,),
                    secrets={"TOKEN": self.secret},
                    level=self.level,
                )
            )
        except ArtifactError as error:
            kept = [path for path in folder.rglob("*") if path.is_file() and path.name != "job.py"]
            return (str(error).encode(), *(path.read_bytes() for path in kept))
        texts = ended.stdout.encode(), ended.stderr.encode()
        statement = ended.statement.read_bytes() if ended.statement else b""
        return (*texts, statement, (folder / self.output).read_bytes())

    def _bare(self, folder: Path, command: tuple[str, ...]) -> Sequence[bytes]:
        python = Path(command[0])
        (folder / "token").write_text(self.secret, "utf-8")
        done = run(
            command,
            cwd=folder,
            grants=Grants(
                read=(folder, *interpreter_grants(python)),
                write=(folder,),
                env={"TOKEN_FILE": str(folder / "token")},
            ),
            limits=Limits(),
            level=self.level,
        )
        kept = folder / self.output
        output = kept.read_bytes() if kept.is_file() else b""
        return (done.stdout, done.stderr, "\0".join(command).encode(), output)
