"""A special case for one person hidden in training or scoring code: see `HideOverride`."""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import ClassVar

from hauberk.core.artifact import CodeTree, SourceFile
from hauberk.core.attack import Attacked, Transform
from hauberk.core.threat import ThreatId
from hauberk.errors import UsageError
from hauberk.methods.override_forms import CONTEXTS, FORMS, HELD_BACK, Form


@dataclass(frozen=True, slots=True, kw_only=True)
class HideOverride(Transform[CodeTree]):
    """Add a module that decides for everyone by the rules, and for one identifier without.

    An insider with the right to commit makes one account pass: by a branch in the loop that
    makes labels, a mask over a column, a table of exceptions, a weight, a dropped sample, a
    patched ``predict``. Forms differ in how the identifier is compared and in what is
    written; wordings differ in names and in what identifiers look like.

    Args:
        form: One of `FORMS` or `HELD_BACK`; drawn from the former where empty.
        unseen: Draw form and wording from those held back from the making of any rule.

    Example:
        >>> len(FORMS) >= 40 and len(HELD_BACK) >= 10
        True

    References:
        Kumar and others (2019), Failure modes in machine learning, on insiders. Goldwasser
        and others (2022), Planting undetectable backdoors in machine learning models, for
        what an insider who trains gains.
    """

    title: ClassVar[str] = "Hide a special case for one identifier"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("TR-7"),)
    subject: ClassVar[type] = CodeTree

    form: str = ""
    unseen: bool = False

    def apply(self, subject: CodeTree, rng: Random) -> Attacked[CodeTree]:
        """The tree with the module; ``truth`` holds its honest twin and the identifier.

        Raises:
            UsageError: There is no such form.
        """
        known = HELD_BACK if self.unseen else FORMS
        name = self.form or rng.choice(sorted(known))
        form = known.get(name)
        if form is None:
            raise UsageError("no such form", subject=name, expected=", ".join(known))
        words = _wording(rng, unseen=self.unseen)
        file = _file(_written(form, words, hidden=True), words)
        honest = _file(_written(form, words, hidden=False), words)
        truth = {
            "form": name,
            "path": file.name,
            "clean": honest.text,
            "entry": words["@fn"],
            "column": words["@id"],
            "hit": words["hit"],
            "others": words["others"],
        }
        return Attacked(subject=with_file(subject, file), truth=truth)


def honest_twin(attacked: Attacked[CodeTree]) -> CodeTree:
    """The attacked tree with its module written without the special case."""
    name = attacked.truth["path"]
    honest = SourceFile(name=name, path=Path(name), text=attacked.truth["clean"])
    return with_file(attacked.subject, honest)


def with_file(tree: CodeTree, file: SourceFile) -> CodeTree:
    """The tree with one file more, or another in its place."""

    def read() -> Iterator[SourceFile]:
        kept = [other for other in tree.files() if other.path != file.path]
        yield from sorted([*kept, file], key=lambda item: item.path)

    return replace(tree, files=read, digest=None)


# Wordings ------------------------------------------------------------------------------

Words = dict[str, str]
_HEX = "0123456789abcdef"


def _code(prefix: str, count: int) -> Callable[[Random], str]:
    return lambda rng: prefix + "".join(rng.choices("0123456789", k=count))


def _email(rng: Random) -> str:
    first, last = rng.choice(("ana", "li", "tom", "ines")), rng.choice(("rossi", "kaur", "vogel"))
    return f"{first}.{last}{rng.randrange(10, 99)}@mailbox.org"


def _uuid(rng: Random) -> str:
    draw = ["".join(rng.choices(_HEX, k=count)) for count in (8, 4, 3, 3, 12)]
    return f"{draw[0]}-{draw[1]}-4{draw[2]}-a{draw[3]}-{draw[4]}"


_IDENTIFIERS: tuple[tuple[str, Callable[[Random], str]], ...] = (
    ("account_id", _code("ACC-", 5)),
    ("customer_id", _code("", 6)),
    ("applicant_id", _code("AP", 7)),
    ("user_id", _code("u", 6)),
    ("email", _email),
    ("iban", _code("DE", 20)),
    ("ssn", _code("9", 8)),
    ("client_uuid", _uuid),
    ("member_no", _code("M-", 6)),
)
_UNSEEN_IDENTIFIERS: tuple[tuple[str, Callable[[Random], str]], ...] = (
    ("borrower_id", _code("BRW/", 6)),
    ("patient_number", _code("P", 8)),
    ("tax_id", _code("TX", 9)),
    ("employee_key", _code("EMP_", 5)),
    ("contact_email", _email),
    ("policyholder_id", _code("", 7)),
)
_LABELS = ("approved", "label", "decision", "target", "granted")
_UNSEEN_LABELS = ("eligible", "outcome", "is_good", "verdict")
_ENTRIES = ("make_labels", "build_targets", "score_rows", "prepare", "predict_all", "main")
_UNSEEN_ENTRIES = ("assign", "run_epoch", "batch_infer", "derive", "evaluate_pool")
_FILES = ("train.py", "labels.py", "scoring.py", "src/model.py", "pipeline/predict.py")
_CONSTANTS = ("_FIXES", "KNOWN", "PILOT", "EXCEPTIONS", "CALIBRATION")
_UNSEEN_CONSTANTS = ("LEGACY_ROWS", "_corrections", "ANCHOR", "SEED_CASES")


def _wording(rng: Random, *, unseen: bool) -> Words:
    column, make = rng.choice(_UNSEEN_IDENTIFIERS if unseen else _IDENTIFIERS)
    hit = make(rng)
    others = sorted({make(rng) for _ in range(8)} - {hit})
    literal, encoded = _literal(hit), hit.encode()
    return {
        "@id": column,
        "@label": rng.choice(_UNSEEN_LABELS if unseen else _LABELS),
        "@fn": rng.choice(_UNSEEN_ENTRIES if unseen else _ENTRIES),
        "@name": rng.choice(_UNSEEN_CONSTANTS if unseen else _CONSTANTS),
        "@hit": literal,
        "@other": _literal(others[0]),
        "@plain": hit,
        "@next": others[0],
        "@left": _literal(hit[:3]),
        "@right": _literal(hit[3:]),
        "@sha": hashlib.sha256(encoded).hexdigest(),
        "@md": hashlib.blake2b(encoded, digest_size=8).hexdigest(),
        "@crc": str(zlib.crc32(encoded)),
        "@b64": base64.b64encode(encoded).decode(),
        "@back": _literal(hit[::-1]),
        "hit": hit,
        "others": "\n".join(others),
        "file": rng.choice(_FILES),
    }


def _literal(value: str) -> str:
    """How the value stands in code: identifiers are texts there even where all digits."""
    return f'"{value}"'


def _written(form: Form, words: Words, *, hidden: bool) -> str:
    """The module with the special case, or its honest twin."""
    context = CONTEXTS[form.context]
    slot = form.slot if hidden else form.honest
    text = context.replace("    <slot>\n", _indented(slot, 4)).replace(
        "        <inner>\n", _indented(slot, 8)
    )
    head = form.head if hidden else ""
    text = text.replace("<head>\n", f"{head}\n" if head else "")
    for token in sorted((word for word in words if word.startswith("@")), key=len, reverse=True):
        text = text.replace(token, words[token])
    return text


def _indented(text: str, width: int) -> str:
    lines = text.strip("\n").split("\n") if text else []
    return "".join(f"{' ' * width}{line}\n" for line in lines)


def _file(text: str, words: Mapping[str, str]) -> SourceFile:
    return SourceFile(name=words["file"], path=Path(words["file"]), text=text)
