"""Make a training step work for somebody else: see `HijackStep`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol

from hauberk.core.attack import Play, Transcript
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.isolation import Completed


class Host(Protocol):
    """A place that runs a training step with code of ours at its end."""

    def run(self, code: str) -> Completed:
        """How the step ended."""
        ...


_HASH = (
    "import hashlib, time\n"
    "data = b'block'\n"
    "until = time.process_time() + {seconds}\n"
    "while time.process_time() < until:\n"
    "    data = hashlib.sha256(data).digest()\n"
)
_BUDGETS: Mapping[str, str] = {
    "processor": _HASH.format(seconds=1.5),
    "memory": "held = []\nimport time\nfor _ in range(24):\n"
    "    held.append(bytearray(8 << 20)); time.sleep(0.01)\n",
    "processes": "import os, time\nchildren = []\nfor _ in range(24):\n"
    "    child = os.fork()\n"
    "    if child == 0:\n        time.sleep(1.0); os._exit(0)\n"
    "    children.append(child)\n"
    "for child in children:\n    os.waitpid(child, 0)\n",
    "disk": "for number in range(24):\n"
    "    with open(f'plot-{number}', 'wb') as file:\n        file.write(bytes(1 << 20))\n"
    "import time\ntime.sleep(2.5)\n",
    "time": "import time\ntime.sleep(6.0)\n",
}
_RUN = "import subprocess, sys\nsubprocess.run({command}, check=True)\n"
_LINE = _HASH.format(seconds=0.4)
_CHILDREN: Mapping[str, str] = {
    "python child": _RUN.format(command=f"[sys.executable, '-c', {_LINE!r}]"),
    "forked child": "import os\nchild = os.fork()\nif child == 0:\n"
    + "".join(f"    {line}\n" for line in _LINE.splitlines())
    + "    os._exit(0)\nos.waitpid(child, 0)\n",
    "shell loop": _RUN.format(
        command="['sh', '-c', 'i=0; while [ $i -lt 250000 ]; do i=$((i+1)); done; exit 0']"
    ),
    "renamed program": "import shutil, subprocess\n"
    "subprocess.run(['python', '0.5'], executable=shutil.which('sleep'), check=True)\n",
    "left behind": "import os, subprocess, sys, time\n"
    "if os.fork() == 0:\n    os.setsid()\n"
    f"    os.execv(sys.executable, [sys.executable, '-c', {_LINE!r}])\n"
    "time.sleep(0.6)\n",
    "hidden": "import ctypes, os, time\nchild = os.fork()\nif child == 0:\n"
    "    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)\n    time.sleep(0.5)\n    os._exit(0)\n"
    "os.waitpid(child, 0)\n",
}
_EGRESS = (
    "import socket\n"
    "try:\n    socket.create_connection(('192.0.2.1', 3333), 1.0)\n"
    "except OSError:\n    raise SystemExit(7)\n"
)
DEEDS: tuple[str, ...] = (*_BUDGETS, *_CHILDREN, "burner", "egress")
"""What can be asked of the attack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HijackStep(Play[Host]):
    """Mine beside the training: breach a budget, hide a child, burn a share, call home.

    The code runs at the end of an honest training step, with its inputs and outputs and no
    key. It has succeeded when it did all its work and the step ended as if nothing were.

    Args:
        deed: Which of `DEEDS`; by default the random generator picks one.
        share: For ``burner``: hashing in the training's own process, as a share of the
            processor time that the training took.

    References:
        MITRE ATLAS AML.T0034.002, AML.T0048.000. Tahir et al. (2017), Mining on someone
        else's dime: mitigating covert mining operations in clouds and enterprises.
    """

    title: ClassVar[str] = "Hijack a step's resources"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("TR-4"),)
    subject: ClassVar[type] = Host

    deed: str | None = None
    share: float = 0.3

    def play(self, target: Host, rng: Random) -> Transcript:
        """Run the step with the code at its end.

        Raises:
            UsageError: There is no such deed.
        """
        deed = self.deed or rng.choice(DEEDS)
        if deed not in DEEDS:
            raise UsageError(f"there is no deed {deed!r}", expected=" ".join(DEEDS))
        done = target.run(self._code(deed) + "\nprint('done')\n")
        return Transcript(
            succeeded=done.exit_code == 0 and done.stdout.endswith(b"done\n"),
            queries=1,
            facts={"deed": deed, "done": done},
        )

    def _code(self, deed: str) -> str:
        if deed == "burner":
            return "import time\n" + _HASH.format(seconds=f"{self.share} * time.process_time()")
        return _EGRESS if deed == "egress" else {**_BUDGETS, **_CHILDREN}[deed]
