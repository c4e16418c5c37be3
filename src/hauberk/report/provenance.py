"""The chain of a run: what each component took, made, and who signed for it."""

from __future__ import annotations

from collections.abc import Mapping

from hauberk.core.artifact import Digest
from hauberk.core.record import Attestation, RunRecord, StepReport
from hauberk.report.evidence import digest_code, more, pairs
from hauberk.report.markup import Markup, Node, element
from hauberk.report.wording import plural, short, title

MAX_NAMES = 60


def provenance(record: RunRecord) -> Markup:
    """Components in the order in which they ran, each linked to where its inputs come from."""
    makers = _makers(record)
    links = [_link(step, makers) for step in record.steps if step.inputs or step.outputs]
    if not links:
        return element("p", "Nothing was handed on in this run.", class_="quiet")
    return element("ol", links, class_="links")


def _makers(record: RunRecord) -> dict[Digest, str]:
    """Which component made each digest; the first that names it as output."""
    makers: dict[Digest, str] = {}
    for step in record.steps:
        for digest in step.outputs.values():
            makers.setdefault(digest, title(step.component).lower())
    return makers


def _link(step: StepReport, makers: Mapping[Digest, str]) -> Markup:
    own = title(step.component).lower()
    sources = {digest: maker for digest, maker in makers.items() if maker != own}
    return element(
        "li",
        element("h3", title(step.component)),
        element(
            "div",
            _names("took", step.inputs, sources),
            _names("made", step.outputs, {}),
            class_="hand-over",
        ),
        _signed(step.attestations),
        class_="signed" if any(item.key_ids for item in step.attestations) else "unsigned",
    )


def _names(verb: str, digests: Mapping[str, Digest], sources: Mapping[Digest, str]) -> Markup:
    entries: list[Markup] = []
    for name, digest in list(digests.items())[:MAX_NAMES]:
        source = f" from {sources[digest]}" if digest in sources else ""
        entries.append(
            element("li", element("code", name), " ", digest_code(digest), element("small", source))
        )
    body: Node = element("ul", entries) if entries else element("p", "nothing", class_="quiet")
    return element("div", element("h4", verb), body, more(len(digests) - MAX_NAMES, "name"))


def _signed(attestations: tuple[Attestation, ...]) -> Markup:
    if not attestations:
        return element("p", "No statement was made about this.", class_="quiet")
    summary = element("summary", _summary(attestations))
    return element("details", summary, [pairs(_statement(item)) for item in attestations])


def _summary(attestations: tuple[Attestation, ...]) -> str:
    keys = list(dict.fromkeys(key for item in attestations for key in item.key_ids))
    bare = sum(not item.key_ids for item in attestations)
    parts = [plural(len(attestations), "statement")]
    if keys:
        parts.append(f"signed by {', '.join(short(key) for key in keys)}")
    if bare:
        parts.append(f"{bare} unsigned" if keys else "unsigned")
    return ", ".join(parts)


def _statement(item: Attestation) -> list[tuple[str, Node]]:
    keys: Node = (
        [element("code", f"{key} ") for key in item.key_ids] if item.key_ids else "none: unsigned"
    )
    subjects = [
        element("span", element("code", name), " ", element("code", digest), class_="line")
        for name, digest in list(item.subjects.items())[:MAX_NAMES]
    ]
    return [("Says", element("code", item.predicate_type)), ("About", subjects), ("Keys", keys)]
