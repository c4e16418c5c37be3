"""What is counted of a conversation: numbers about its shape, and no word of it.

A guard of predictive models counts the rows that a model is asked. A conversation has none;
what is counted in their place are its sizes, how many turns, tools and calls it has, and how
its answer ended. So a monitor sees prompts grow, tools appear and answers be cut off as it
sees any column drift: against a profile of earlier conversations.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from hauberk.errors import UsageError
from hauberk.formats.chat import ChatAnswer, ChatRequest
from hauberk.formats.v2 import Datatype, Request, Tensor
from hauberk.formats.v2_schema import InputSchema, TensorSchema

FACTS = (
    "prompt_letters",
    "last_letters",
    "messages",
    "documents",
    "document_letters",
    "tools",
    "max_tokens",
    "answer_letters",
    "calls",
)
FINISH = "finish"
SCHEMA = InputSchema(
    inputs=tuple(TensorSchema(name=name, datatype=Datatype.FP64, shape=(None,)) for name in FACTS),
    outputs=(TensorSchema(name=FINISH, datatype=Datatype.BYTES, shape=(None,)),),
)
MAX_LINES = 200_000
"""Lines of one file; a reference needs no more, and a disk is not filled."""


def facts_of(request: ChatRequest, answer: ChatAnswer) -> tuple[Request, tuple[Tensor, ...]]:
    """One conversation as a row, and how its answer ended."""
    documents = [message.text for message in request.messages if message.role == "tool"]
    numbers = (
        sum(len(message.text) for message in request.messages),
        len(request.messages[-1].text) if request.messages else 0,
        len(request.messages),
        len(documents),
        sum(map(len, documents)),
        len(request.tools),
        request.max_tokens,
        sum(len(choice.text) for choice in answer.choices),
        sum(len(choice.calls) for choice in answer.choices),
    )
    inputs = tuple(
        Tensor(name=name, datatype=Datatype.FP64, shape=(1,), values=[float(number)])
        for name, number in zip(FACTS, numbers, strict=True)
    )
    ends = [choice.finish for choice in answer.choices][:1]
    finish = Tensor(name=FINISH, datatype=Datatype.BYTES, shape=(len(ends),), values=ends)
    return Request(inputs=inputs), (finish,)


class FactsFile:
    """A tap that writes every answered conversation as a line of numbers, for a profile.

    Several workers write to one file; each line is appended whole.

    Args:
        path: Made where it is not there; its lines are kept and count.

    Raises:
        UsageError: It cannot be written.
    """

    def __init__(self, path: Path, *, max_lines: int = MAX_LINES) -> None:
        head = (",".join(("at", *FACTS, FINISH)) + "\n").encode()
        try:
            lines = _opened(path, head)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
        except OSError as error:
            raise UsageError(
                "the file of facts cannot be written",
                subject=str(path),
                expected="a file that can be appended to",
                found=error.strerror or type(error).__name__,
            ) from error
        self._left = max_lines - lines

    def accepted(self, request: Request, outputs: Sequence[Tensor], at: float) -> None:
        """Write a line, while there is room."""
        if self._left <= 0:
            return
        self._left -= 1
        numbers = [f"{tensor.values[0]:.0f}" for tensor in request.inputs]
        moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        ends = [str(value) for tensor in outputs for value in tensor.values] or [""]
        os.write(self._file, (",".join((moment, *numbers, ends[0])) + "\n").encode())

    def refused(self, rule: str, at: float) -> None:
        """Refusals are no lines."""

    def concluded(self, status: int, seconds: float, at: float) -> None:
        """How long replies took is no line."""

    def close(self) -> None:
        """End."""
        os.close(self._file)


def _opened(path: Path, head: bytes) -> int:
    """How many lines a file has below its head, which is written where there is no file."""
    try:
        place = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        with path.open("rb") as file:
            found = file.readline(len(head) + 1)
            if found not in (head, b""):
                raise UsageError(
                    "the file of facts is another table",
                    subject=str(path),
                    expected=head.decode().strip(),
                    found=ascii(found[:60]),
                    hint="name a new file",
                ) from None
            return sum(1 for _ in file)
    os.write(place, head)
    os.close(place)
    return 0
