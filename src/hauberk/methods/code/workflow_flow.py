"""What flows between the parts of a workflow of GitHub: a stranger's words, and leave to go on.

A value that a stranger chose may be harmless as a variable of one step and rule the next one,
when it is written to the file of variables. A job that others must pass first may say that it
runs all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from hauberk.formats.yaml_text import Node
from hauberk.methods.code.rules import Hit, Rule, rule
from hauberk.methods.expressions import expression

COMMENT = rule(
    "workflow-faults/anyone-commands",
    "high",
    "starts a job by a comment that anyone may write",
    "Compare github.event.comment.author_association, or ask for a label that only members set.",
    "CWE-862",
)

_FILES = expression(r"GITHUB_(?:ENV|PATH|OUTPUT)\b")
_ASKED = expression(
    r"author_association|\bgithub\.actor\b|comment\.user\.|permission|triggering_actor|team|CODEOWNERS"
)
_REGARDLESS = expression(r"\balways\(\)|!\s*cancelled\(\)|\bfailure\(\)\s*\|\|")
_RELEASES = expression(
    r"(?i)\b(?:deploy\w*|publish\w*|release|promote|push-model|upload-model|register|twine|rollout|ship|serve)\b"
)


def strangers_hits(
    steps: list[Node], outer: list[Node | None], is_strange: re.Pattern[str], broken: Rule
) -> Iterator[Hit]:
    """Variables with a stranger's words that a command writes on to later steps.

    Args:
        outer: Variables of the workflow and the job.
        is_strange: Tells an expression that a stranger chooses.
    """
    shared = {name for node in outer for name in _strange(node, is_strange)}
    for step in steps:
        names = shared | set(_strange(step.get("env"), is_strange))
        run = step.get("run")
        text = run.text or "" if run is not None else ""
        if run is None or not names or not _FILES.search(text):
            continue
        start = run.line + 1 if run.kind == "block" else run.line
        for number, line in enumerate(text.split("\n")):
            if _FILES.search(line) and any(
                re.search(rf"\$\{{?{re.escape(n)}\b", line) for n in names
            ):
                yield Hit(broken, start + number, line.strip())


def _strange(node: Node | None, is_strange: re.Pattern[str]) -> Iterator[str]:
    for name, value in node.entries.items() if node is not None else ():
        if is_strange.search(value.text or ""):
            yield name


def _only_reads(job: Node) -> bool:
    """Whether a job may only read, fetches no code and runs no command."""
    rights = job.get("permissions")
    steps = job.get("steps")
    if rights is None or not rights.entries or steps is None:
        return False
    if any(value.text not in {"read", "none"} for value in rights.entries.values()):
        return False
    return not any(
        step.get("run") is not None or "checkout" in step.string("uses") for step in steps.items
    )


def job_hits(name: str, job: Node, events: set[str], gate: Rule) -> Iterator[Hit]:
    """Jobs that anybody's comment starts, and releases that do not wait for checks."""
    text = job.string("if")
    line = job.key_lines.get("if", job.line)
    steps = job.get("steps")
    said = " ".join(
        f"{step.string('if')} {step.string('run')} {step.string('name')} {step.string('uses')}"
        for step in (steps.items if steps is not None else [])
    )
    if "issue_comment" in events and "comment.body" in text + said:
        if not _ASKED.search(f"{text} {said}") and not _only_reads(job):
            yield Hit(COMMENT, line, text or "a command in a comment")
    waits = job.get("needs") is not None
    if (
        waits
        and _REGARDLESS.search(text)
        and "result" not in text
        and _RELEASES.search(f"{name} {said}")
    ):
        yield Hit(gate, line, text)
