"""Who answers an admitted request: a model in this process, behind bounded threads.

`Answers` is what a service needs; the model of a bundle (`Local`) and a server behind the
guard (`guard.upstream`) both are that.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from hauberk.errors import LimitError
from hauberk.formats.v2 import Request, Tensor
from hauberk.formats.v2_schema import InputSchema
from hauberk.guard.pace import Pace
from hauberk.guard.runtime import Ending, Model


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

    async def outputs(self, request: Request, n_rows: int) -> tuple[Tensor, ...]:
        """The outputs asked for, or all of them.

        Raises:
            LimitError: It takes longer than the deadline.
            ArtifactError: There is no answer for this input.
            UnavailableError: Nobody answers.
        """
        ...

    def close(self) -> None:
        """Let running work end."""
        ...


class Local:
    """A loaded model: quick runs in the event loop, longer ones in threads with a deadline."""

    platform = "onnx"

    def __init__(
        self, model: Model, *, workers: int = 2, inline_rows: int = 32, deadline_s: float = 10.0
    ) -> None:
        self.model = model
        self.pace = Pace(inline_rows=inline_rows)
        self._deadline_s = deadline_s
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="hauberk-model")

    @property
    def signature(self) -> InputSchema:
        """As the model declares it."""
        return self.model.signature

    def close(self) -> None:
        """Let running work end."""
        self._pool.shutdown(cancel_futures=True)

    async def outputs(self, request: Request, n_rows: int) -> tuple[Tensor, ...]:
        """Run the model."""
        if self.pace.is_quick(n_rows):
            return self._timed(request, n_rows, None)
        end = Ending()
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._pool, self._timed, request, n_rows, end)
        try:
            return await asyncio.wait_for(work, self._deadline_s)
        except TimeoutError as error:
            end.ask()
            raise LimitError("the model took longer than its deadline") from error

    def _timed(self, request: Request, n_rows: int, end: Ending | None) -> tuple[Tensor, ...]:
        started = time.thread_time()
        try:
            return self.model.infer(request, end)
        finally:
            self.pace.took(time.thread_time() - started, n_rows)
