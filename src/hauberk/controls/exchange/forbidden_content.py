"""Answers that policy forbids: see `ForbiddenContent`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from hauberk.core.artifact import Exchange
from hauberk.core.control import Action, Signal, Watch
from hauberk.core.finding import Evidence, Severity
from hauberk.core.threat import ThreatId
from hauberk.errors import ArtifactError, UnavailableError
from hauberk.formats.chat import is_chat, parse_answer

if TYPE_CHECKING:
    from hauberk.core.ports import ClientState
    from hauberk.methods.content_policy import Category, Classifier, ContentPolicy

FORBIDDEN = 403


@dataclass(frozen=True, slots=True, kw_only=True)
class ForbiddenContent(Watch):
    """Answers of a language model that belong to a category which its operator forbids.

    What is forbidden is data (`methods.content_policy`): categories with examples, thresholds and
    the words in which an answer is withheld. Each answer is read as it is and under its disguises,
    by a classifier that learnt the examples, and by the operator's own where there is one; the
    category and its score stand in the log. An own classifier that fails withholds the answer.

    Limits:
        Experimental. It knows words that are like the examples and no meaning: what is said in
        wholly other words passes, and what quotes a forbidden text to refute it does not. Give it
        ordinary texts that are near to what is forbidden.

    Args:
        policy: Categories; without any nothing is judged.
        classifier: Of the operator's own, asked beside the built-in one.

    Example:
        >>> from hauberk.methods.content_policy import Category, ContentPolicy
        >>> category = Category(name="promise", examples=("your money is guaranteed to double",))
        >>> policy = ContentPolicy(categories=(category,), ordinary=("the shop opens at nine",))
        >>> answer = b'{"choices":[{"index":0,"message":{"content":"Guaranteed to double!"}}]}'
        >>> request = b'{"model":"m","messages":[{"role":"user","content":"?"}]}'
        >>> one = Exchange(name="m", principal="p", at=0, request=request, response=answer)
        >>> ForbiddenContent(policy=policy).observe(one, None).reason
        'content: promise'

    References:
        OWASP LLM09:2025. Inan et al. (2023), Llama Guard, for policies as data. Markov et al.
        (2023), A holistic approach to undesired content detection.
    """

    title: ClassVar[str] = "Answers that policy forbids"
    threats: ClassVar[tuple[ThreatId, ...]] = (ThreatId("OU-2"),)
    subject: ClassVar[type] = Exchange
    of_chats: ClassVar[bool] = True
    shadow: ClassVar[bool] = True
    after_answer: ClassVar[bool] = True

    policy: ContentPolicy | None = field(default=None, compare=False, repr=False)
    classifier: Classifier | None = field(default=None, compare=False, repr=False)

    def observe(self, exchange: Exchange, state: ClientState) -> Signal | None:
        """Judge the answer of one exchange with a language model; keeps no state."""
        del state
        policy = self.policy
        if policy is None or exchange.response is None or not is_chat(exchange.request):
            return None
        try:
            answer = parse_answer(exchange.response)
        except ArtifactError:
            return None  # `BrokenContracts` withholds what does not parse
        for choice in answer.choices:
            found = self._judged(policy, choice.text) if choice.text.strip() else None
            if found is not None:
                return found
        return None

    def _judged(self, policy: ContentPolicy, text: str) -> Signal | None:
        from hauberk.methods.content_policy import external_scores

        opinions = [policy.scores(text)]
        if self.classifier is not None:
            try:
                opinions.append(external_scores(self.classifier, text, policy.categories))
            except UnavailableError as error:
                return _signal("the classifier failed", 1.0, 0.0, public=_FAILED, found=error.found)
        worst = max(policy.categories, key=lambda one: _excess(one, opinions))
        if _excess(worst, opinions) < 0:
            return None
        score = max(said.get(worst.name, 0.0) for said in opinions)
        return _signal(f"content: {worst.name}", score, worst.threshold, public=worst.refusal)


_FAILED = "withheld: the answer could not be judged"


def _excess(category: Category, opinions: list[Mapping[str, float]]) -> float:
    return max(said.get(category.name, 0.0) for said in opinions) - category.threshold


def _signal(
    what: str, value: float, threshold: float, *, public: str, found: str | None = None
) -> Signal:
    return Signal(
        score=min(1.0, value),
        action=Action.BLOCK,
        reason=what,
        severity=Severity.MEDIUM,
        public=public,
        status=FORBIDDEN,
        evidence=Evidence(
            statistic=what, value=value, threshold=threshold, facts={"found": found or ""}
        ),
    )
