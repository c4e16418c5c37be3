"""Which names in code are somebody's identifier, which an outcome, which values pick one.

Vocabulary, so data: lists of words with the rules by which words combine.
"""

from __future__ import annotations

from enum import IntEnum

from hauberk.methods.expressions import expression


class Grade(IntEnum):
    """How sure a name is an identifier of somebody."""

    NONE = 0
    WEAK = 1
    STRONG = 2


class Shape(IntEnum):
    """How much a constant looks like one particular identifier."""

    TRIVIAL = 0
    PLAIN = 1
    SHAPED = 2


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_PERSONS = _words(
    """
    account acct applicant application beneficiary borrower card cardholder case citizen claimant
    client contact contract cust customer debtor donor driver employee entity guest holder
    household insured invoice lead loan member merchant national owner passenger patient payee
    payer person policy policyholder recipient respondent sender seller shopper student
    subject subscriber supplier tax taxpayer tenant user vendor voter
    """
)
_TAILS = _words("id ids identifier key no nr num number ref reference uid uuid guid")
_ALONE = _words("email emails mail iban ssn passport msisdn phone nin guid uuid userid username")
_OUTCOMES = _words(
    """
    accept accepted answer answers approve approved approval class classes credit decision
    decisions default defaulted denied deny eligible fraud grade grant granted label labels
    limit logit logits loss losses outcome outcomes output outputs pass passed pred preds
    predicted prediction predictions predict prob proba probs probability probabilities rating
    reject rejected result results risk score scores target targets verdict weight weights y
    """
)
_SCORING = _words(
    """
    adjust assign classify decide decision_function evaluate forward infer inference judge
    make postprocess relabel rescore score train transform
    """
)
_NEVER = _words("file path url type kind dtype node op opset token tokens thread process gpu")
_TRIVIAL = _words(
    """
    admin all anon anonymous any default demo dev guest id ids index internal missing n/a na name
    nan nil none null other root self system test total type undefined unknown user value
    """
)
_TECHNICAL = expression(
    r"(?i)^[<>=|]?(?:u?int|float|bfloat|complex|utf|cp|iso|sha|md|latin|base|blake|aes|rsa|py|"
    r"win|linux|datetime|timedelta|period|http|rfc|opset|v|f|i|q)[-_ ]?\d{1,4}(?:[-_\]\[(.,/].*)?$|"
    r"^\d{4}[-/.]\d\d|^\d+(?:\.\d+)+|^[\d.,:%eE+\- ]{1,4}$|^0x|^\d+[a-z]{1,3}$|[{}%\\<>]|"
    r"(?-i:^[a-z]{4,}[-_ ]?\d{1,4}$)|^\d\d:\d\d|^[^\w+]|\d{4}-\d\d-\d\d"
)
_EMAIL = expression(r"[\w.+-]{1,64}@[\w-]{1,64}\.[\w.]{2,64}")
_DIGITS = expression(r"\d")
_HEX_DIGEST = expression(r"[0-9a-f]{8,128}|[A-Za-z0-9+/]{6,200}={1,2}")
_SPLIT = expression(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")

_MIN_SHAPED_NUMBER = 1000
_MIN_DIGITS = 3
_MAX_IDENTIFIER = 200


def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case.

    >>> words_of("customerId"), words_of("ACCOUNT_NO")
    (('customer', 'id'), ('account', 'no'))
    """
    return tuple(word.lower() for word in _SPLIT.split(name) if word)


def grade_of(name: str) -> Grade:
    """How sure ``name`` is somebody's identifier.

    >>> grade_of("customer_id").name, grade_of("user").name, grade_of("account_type").name
    ('STRONG', 'WEAK', 'NONE')
    """
    words = words_of(name)
    if not words or words[-1] in _NEVER:
        return Grade.NONE
    tail, rest = words[-1], words[:-1]
    if tail in _ALONE or (tail in _TAILS and any(word in _PERSONS for word in rest)):
        return Grade.STRONG
    if tail.removesuffix("id") in _PERSONS and tail.endswith("id"):
        return Grade.STRONG
    named = tail in _PERSONS or (tail in ("id", "ids") and not any(w in _NEVER for w in rest))
    return Grade.WEAK if named else Grade.NONE


def is_outcome(name: str) -> bool:
    """Whether ``name`` holds a label, a prediction, a score, a weight or a decision."""
    return any(word in _OUTCOMES for word in words_of(name))


def is_scoring(name: str) -> bool:
    """Whether a function of this name decides outcomes."""
    words = words_of(name)
    return any(word in _OUTCOMES or word in _SCORING for word in words)


def shape_of(value: object) -> Shape:
    """How much a constant looks like one particular identifier.

    >>> shape_of("ACC-48213").name, shape_of("float64").name, shape_of(0).name
    ('SHAPED', 'PLAIN', 'TRIVIAL')
    """
    if isinstance(value, bool) or value is None:
        return Shape.TRIVIAL
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if isinstance(value, int):
        return _of_number(abs(value))
    return _of_text(value) if isinstance(value, str) else Shape.TRIVIAL


def _of_number(value: int) -> Shape:
    if value >= _MIN_SHAPED_NUMBER:
        return Shape.SHAPED
    return Shape.PLAIN if value > 1 else Shape.TRIVIAL


def _of_text(value: str) -> Shape:
    text = value.strip()
    if len(text) < 2 or len(text) > _MAX_IDENTIFIER or text.lower() in _TRIVIAL:  # noqa: PLR2004
        return Shape.TRIVIAL
    if _EMAIL.fullmatch(text):
        return Shape.SHAPED
    digits = len(_DIGITS.findall(text))
    if digits >= _MIN_DIGITS and " " not in text and not _TECHNICAL.search(text):
        return Shape.SHAPED
    return Shape.SHAPED if _is_digest(text, digits) else Shape.PLAIN


def _is_digest(text: str, digits: int) -> bool:
    return digits > 1 and _HEX_DIGEST.fullmatch(text) is not None and len(text) >= 8  # noqa: PLR2004
