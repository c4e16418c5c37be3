"""How much a step may use, and what it used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hauberk.core.policy import Isolation
from hauberk.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Ceilings for one step's whole process tree, unless said otherwise.

    The kernel holds processor, memory and file size per process; the warden adds the
    tree up ten times a second and ends it. A burst between two looks can pass a sum by
    what the machine does in a tenth of a second.

    Attributes:
        wall_s: Time from start to end.
        cpu_s: Processor time of all processes.
        memory_bytes: Private memory per process (kernel), memory of the tree (warden).
        processes: Processes alive at once; threads do not count.
        file_bytes: Largest single file that can be written.
        output_bytes: Tail kept of standard output and of standard error, each; what
            comes before it is dropped, which does not end the step.
        disk_bytes: Growth of all writable folders together, looked at about once a second.
    """

    wall_s: float = 600.0
    cpu_s: float = 600.0
    memory_bytes: int = 4 << 30
    processes: int = 64
    file_bytes: int = 2 << 30
    output_bytes: int = 1 << 20
    disk_bytes: int = 16 << 30

    def check(self) -> None:
        """Refuse ceilings that nothing can run under.

        Raises:
            UsageError: A limit is not positive.
        """
        for name in self.__dataclass_fields__:
            if getattr(self, name) <= 0:
                raise UsageError("a limit must be positive", subject=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a step used.

    Attributes:
        wall_s: From the start of the warden to the death of the last process.
        cpu_s: User and system time of all processes that were waited for.
        max_rss_bytes: Largest resident memory seen: of one process by the kernel, or of
            the tree by the warden.
    """

    wall_s: float
    cpu_s: float
    max_rss_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """How a step ended.

    Attributes:
        exit_code: As a shell says it: 128 and the number of the signal where one ended
            it, 127 where the command was not found.
        stdout: Tail, at most ``output_bytes``.
        stderr: Tail, at most ``output_bytes``.
        denials: What was refused, as far as the level can see it, each kind once: at
            ``full`` addresses outside and hosts without a grant that it turned to, at
            ``landlock`` sockets and system calls. Refused files are seen at no level.
            ``None`` is "not observed", which does not mean that nothing was refused.
        killed_by: The limit that ended it (a field of `Limits`), or empty.
        children: Programs that ran beside the step's first process, by the file that the
            kernel ran, with how many processes of each; looked at ten times a second.
    """

    exit_code: int
    stdout: bytes
    stderr: bytes
    usage: Usage
    denials: tuple[str, ...] | None
    level: Isolation
    timed_out: bool
    killed_by: str
    children: Mapping[str, int] = field(default_factory=dict)
