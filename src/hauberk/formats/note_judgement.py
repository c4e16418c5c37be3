"""Text that stands among the notes of a model: metadata that people write and programs show.

Loaders keep it as text. A program there, a template that leaves its sandbox, or instructions to
whoever reads along are none of what honest writers put there.
"""

from __future__ import annotations

from collections.abc import Iterator

from hauberk.formats.code_judgement import planted_program
from hauberk.formats.pickle_values import printable
from hauberk.formats.planted_text import STRONG, judge_text
from hauberk.formats.remarks import Grade, Remark, evasive
from hauberk.formats.template_judgement import judge_template

MAX_NOTE_CHARACTERS = 1 << 20
_SHORTEST = 8


def judge_note(key: str, text: str, offset: int = 0) -> Iterator[Remark]:
    """Remarks about one note; none where it is ordinary."""
    if not _SHORTEST <= len(text) <= MAX_NOTE_CHARACTERS:
        return
    shown = printable(key)[:80]
    if "chat_template" in key:
        said = list(judge_template(text))
    else:
        said = [remark for remark in judge_text(text) if remark.grade > Grade.UNKNOWN]
        # Licences and descriptions ask people to send mail and to report errors somewhere.
        if len(said) == 1 and said[0].about not in STRONG:
            said = []
        if calls := planted_program(text):
            yield evasive(f"its note {shown!r} is a program that calls {printable(calls)}", offset)
    for remark in said:
        yield Remark(remark.grade, f"{shown}: {remark.about}", f"{shown}: {remark.text}", offset)
