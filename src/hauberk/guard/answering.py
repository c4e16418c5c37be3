"""Who answers an admitted request: a model in this process, behind bounded threads.

`Answers` is what a service needs; the model of a bundle (`Local`) and a server behind the
guard (`guard.upstream`) both are that.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from hauberk.errors import LimitError, UnavailableError
from hauberk.formats.v2 import Request, Tensor
from hauberk.formats.v2_schema import InputSchema
from hauberk.guard.pace import Pace
from hauberk.guard.policy import GuardPolicy
from hauberk.guard.runtime import Ending, Model


class FailedAnswerError(UnavailableError):
    """Whoever should answer did not; the client is told no more than `message`.

    Attributes:
        status: For the client: 502 or 504.
    """

    def __init__(self, message: str, *, status: int, rule: str) -> None:
        super().__init__(message, rule=rule)
        self.status = status


@dataclass(slots=True)
class Meter:
    """What an answer cost.

    Attributes:
        seconds: How long the run took, or how long the server took to answer.
    """

    seconds: float = 0.0


class Answers(Protocol):
    """Something that answers admitted requests."""

    @property
    def signature(self) -> InputSchema:
        """Inputs and outputs, without rules."""
        ...

    @property
    def platform(self) -> str:
        """What the metadata calls it."""
        ...

    async def outputs(self, request: Request, n_rows: int, meter: Meter) -> tuple[Tensor, ...]:
        """The outputs asked for, or all of them; the meter is read whatever comes of it.

        Raises:
            LimitError: It takes longer than the deadline.
            ArtifactError: There is no answer for this input.
            FailedAnswerError: Nobody answers, or nothing that can be believed.
        """
        ...

    def at_once(self, request: Request, n_rows: int, meter: Meter) -> tuple[Tensor, ...] | None:
        """The same where nothing has to be waited for; ``None`` where something has.

        Raises:
            ArtifactError: There is no answer for this input.
        """
        ...

    async def ready(self) -> bool:
        """Whether it would answer now."""
        ...

    def within(self, policy: GuardPolicy) -> Answers:
        """The same, within the bounds of another policy."""
        ...

    def close(self) -> None:
        """Let running work end."""
        ...


def _bounds(policy: GuardPolicy) -> tuple[int, int, float]:
    return policy.workers, policy.inline_rows, policy.deadline_s


class Local:
    """A loaded model: quick runs in the event loop, longer ones in threads with a deadline."""

    platform = "onnx"

    def __init__(self, model: Model, policy: GuardPolicy) -> None:
        self.model = model
        self.pace = Pace(inline_rows=policy.inline_rows)
        self.last_s = 0.0
        self._bounds = _bounds(policy)
        self._deadline_s = policy.deadline_s
        self._pool = ThreadPoolExecutor(policy.workers, thread_name_prefix="hauberk-model")

    def within(self, policy: GuardPolicy) -> Local:
        """The same model; the threads of the old bounds end with the last run in them."""
        return self if _bounds(policy) == self._bounds else Local(self.model, policy)

    @property
    def signature(self) -> InputSchema:
        """As the model declares it."""
        return self.model.signature

    def close(self) -> None:
        """Let running work end."""
        self._pool.shutdown(cancel_futures=True)

    async def ready(self) -> bool:
        """A loaded model is."""
        return True

    def at_once(self, request: Request, n_rows: int, meter: Meter) -> tuple[Tensor, ...] | None:
        """Run a model that is quick enough for the event loop."""
        return self._timed(request, n_rows, meter, None) if self.pace.is_quick(n_rows) else None

    async def outputs(self, request: Request, n_rows: int, meter: Meter) -> tuple[Tensor, ...]:
        """Run the model in a thread."""
        end = Ending()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._pool, self._timed, request, n_rows, meter, end)
        try:
            return await asyncio.wait_for(work, self._deadline_s)
        except TimeoutError as error:
            end.ask()
            meter.seconds = self._deadline_s
            raise LimitError("the model took longer than its deadline") from error

    def _timed(
        self, request: Request, n_rows: int, meter: Meter, end: Ending | None
    ) -> tuple[Tensor, ...]:
        started = time.perf_counter()
        try:
            return self.model.infer(request, end)
        finally:
            meter.seconds = self.last_s = time.perf_counter() - started
            self.pace.took(meter.seconds, n_rows)
