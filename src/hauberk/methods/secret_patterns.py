"""The forms of credentials that teams who train models use, as data.

Every expression starts at a literal or behind a short look-behind and repeats character
classes a bounded number of times, without nested repetition: time is linear in the text.
Group ``s`` is the secret.

References:
    The issuers' own pages on the forms of their tokens; GitHub Engineering (2021), Behind
    GitHub's new authentication token formats.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hauberk.core.finding import Severity
from hauberk.methods.expressions import expression
from hauberk.methods.secret_values import (
    could_be_in_url,
    could_be_token,
    has_checksum,
    is_stand_in,
    is_web_token,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """The form of one credential.

    Attributes:
        provider: Who issued it, or what it is.
        marks: Texts of which one occurs wherever the form does; a cheap first look.
        form: Matches it; group ``s`` is the secret.
        accepts: Whether a match is one, by structure.
        confirms: Whether its checksum is right; ``None`` where the form has none.
        guessable: Whether people choose it, so that a digest would let others test guesses.
        on_one_line: Whether the form stands on the line of its mark: then no other line is read.
    """

    provider: str
    marks: tuple[str, ...]
    form: re.Pattern[str]
    accepts: Callable[[re.Match[str]], bool]
    confirms: Callable[[str], bool] | None = None
    severity: Severity = Severity.CRITICAL
    guessable: bool = False
    on_one_line: bool = False


def _genuine(match: re.Match[str]) -> bool:
    return not is_stand_in(match["s"])


def _random(match: re.Match[str]) -> bool:
    return could_be_token(match["s"])


def _mixed(match: re.Match[str]) -> bool:
    """Both cases are enough where the length is exact: 1 in 70 has no digit."""
    value = match["s"]
    return _genuine(match) and value != value.lower() and value != value.upper()


def _is_signed_claim(match: re.Match[str]) -> bool:
    return is_web_token(match["s"])


def _has_password(match: re.Match[str]) -> bool:
    return could_be_in_url(match["s"], match["user"])


def _is_shared_access(match: re.Match[str]) -> bool:
    around = match.string[max(match.start() - 400, 0) : match.end() + 400]
    return "sv=" in around and _genuine(match)


def _always(_match: re.Match[str]) -> bool:
    return True


_START, _END = r"(?<![A-Za-z0-9_-])", r"(?![A-Za-z0-9_-])"
_SET = (
    r"""[\w.\-]{0,30}["'\])]{0,3}[ \t]{0,4}(?:(?::[ \t]?str[ \t]?)?=|[:,(]|=>|[ \t])[ \t]{0,4}"""
    r"""(?:default=|key=)?["']?"""
)
"""From a name to its value, in the languages that settings are written in."""


def _p(
    provider: str,
    marks: str,
    form: str,
    accepts: Callable[[re.Match[str]], bool] = _genuine,
    *,
    confirms: Callable[[str], bool] | None = None,
    severity: Severity = Severity.CRITICAL,
    guessable: bool = False,
    on_one_line: bool = False,
) -> Pattern:
    return Pattern(
        provider=provider,
        marks=tuple(marks.split()),
        form=expression(form),
        accepts=accepts,
        confirms=confirms,
        severity=severity,
        guessable=guessable,
        on_one_line=on_one_line,
    )


PATTERNS: tuple[Pattern, ...] = (
    _p("AWS", "AKIA ASIA", r"(?<![A-Za-z0-9])(?P<s>(?:AKIA|ASIA)[A-Z0-9]{16})(?![A-Za-z0-9])"),
    _p(
        "AWS",
        "aws AWS s3 S3 Secret secret",
        rf"(?i:(?:aws|s3|secret)[\w.\-]{{0,20}}(?:secret|access[_-]?key){_SET})"
        r"(?P<s>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])",
        _random,
    ),
    _p(
        "private key (JWK)",
        '"kty"',
        r"\"kty\"[^{}]{0,4000}?\"d\"[ \t\n]{0,8}:[ \t\n]{0,8}\"(?P<s>[\w-]{32,1400})\"",
    ),
    _p(
        "private key (JWK)",
        '"kty"',
        r"\"d\"[ \t\n]{0,8}:[ \t\n]{0,8}\"(?P<s>[\w-]{32,1400})\"[^{}]{0,4000}?\"kty\"",
    ),
    _p(
        "age private key",
        "AGE-SECRET-KEY-1",
        r"(?P<s>AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58})(?![A-Z0-9])",
    ),
    _p("Google Cloud", "AIza", rf"{_START}(?P<s>AIza[\w-]{{35}}){_END}"),
    _p("Google Cloud", "GOCSPX-", rf"{_START}(?P<s>GOCSPX-[\w-]{{28}}){_END}"),
    _p(
        "Azure storage",
        "AccountKey= SharedAccessKey=",
        r"(?:AccountKey|SharedAccessKey)=(?P<s>[A-Za-z0-9+/]{42,86}={1,2})",
    ),
    _p(
        "Azure shared access signature",
        "sig=",
        r"(?<=[?&;\"'])sig=(?P<s>[A-Za-z0-9%+/_-]{40,100}={0,2})",
        _is_shared_access,
    ),
    _p("Azure", "Q~", r"(?<![\w~.-])(?P<s>[\w~.-]{3}\dQ~[\w~.-]{31,34})(?![\w~.-])"),
    _p(
        "GitHub",
        "ghp_ gho_ ghu_ ghs_ ghr_",
        r"(?<![A-Za-z0-9])(?P<s>gh[pousr]_[A-Za-z0-9]{36})(?![A-Za-z0-9])",
        confirms=has_checksum,
    ),
    _p(
        "GitHub",
        "github_pat_",
        r"(?<![A-Za-z0-9])(?P<s>github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})(?![A-Za-z0-9])",
    ),
    _p(
        "GitLab",
        "glpat- gldt- glrt- glptt- glsoat- glcbt- glimt- glagent- gloas- glft- glffct-",
        rf"{_START}(?P<s>gl(?:(?:pat|dt|rt|ptt|soat|cbt|ft|ffct)-[\w-]{{20,300}}"
        r"|imt-[\w-]{25,300}|agent-[\w-]{50,300}|oas-[\w-]{64,300}))",
    ),
    _p("GitLab", "GR1348941", rf"{_START}(?P<s>GR1348941[\w-]{{20,100}})"),
    _p("Mailchimp", "-us", rf"{_START}(?P<s>[0-9a-f]{{32}}-us[0-9]{{1,2}})(?![\w-])"),
    _p("Hugging Face", "hf_", r"(?<![A-Za-z0-9])(?P<s>hf_[A-Za-z0-9]{34,40})(?![A-Za-z0-9])"),
    _p("Hugging Face", "api_org_", rf"{_START}(?P<s>api_org_[A-Za-z0-9]{{34,40}})(?![A-Za-z0-9])"),
    _p("OpenAI", "T3BlbkFJ", rf"{_START}(?P<s>sk-[\w-]{{16,200}}T3BlbkFJ[\w-]{{16,200}})"),
    _p(
        "OpenAI",
        "sk-proj- sk-svcacct- sk-admin-",
        rf"{_START}(?P<s>sk-(?:proj|svcacct|admin)-[\w-]{{32,300}})",
    ),
    _p("OpenAI", "sk-", rf"{_START}(?P<s>sk-[A-Za-z0-9]{{40,64}}){_END}"),
    _p("Anthropic", "sk-ant-", rf"{_START}(?P<s>sk-ant-[a-z]{{3,10}}\d\d-[\w-]{{24,200}})"),
    _p(
        "Weights & Biases",
        "wandb WANDB",
        rf"(?i:wandb(?:[ \t]login[ \t]+|[\s\S]{{0,60}}password[ \t]|{_SET}))"
        r"(?P<s>[0-9a-f]{40})(?![0-9a-f])",
        _random,
    ),
    _p("Weights & Biases", "wandb_v1_", rf"{_START}(?P<s>wandb_v1_[\w-]{{40,200}})"),
    _p(
        "Slack",
        "xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs- xapp-",
        rf"{_START}(?P<s>(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{{20,250}})",
    ),
    _p(
        "Slack webhook",
        "hooks.slack.com",
        r"hooks\.slack\.com/(?:services|workflows)/(?P<s>[A-Z0-9]{8,14}/[A-Z0-9]{8,14}/[A-Za-z0-9]{20,28})",
    ),
    _p("PyPI", "pypi-AgE", rf"{_START}(?P<s>pypi-AgE[\w-]{{40,500}})"),
    _p(
        "npm",
        "npm_",
        r"(?<![A-Za-z0-9])(?P<s>npm_[A-Za-z0-9]{36})(?![A-Za-z0-9])",
        confirms=has_checksum,
    ),
    _p(
        "npm registry",
        "_authToken _password",
        r"(?<!\w)_(?:authToken|password)[ \t]?=[ \t]?\"?(?P<s>[A-Za-z0-9+/=_-]{20,200})",
        _random,
    ),
    _p("Databricks", "dapi", rf"{_START}(?P<s>dapi[0-9a-f]{{32}}(?:-\d)?){_END}"),
    _p(
        "Neptune", "eyJhcGlfYWRkcmVzcyI6", r"(?P<s>eyJhcGlfYWRkcmVzcyI6[A-Za-z0-9+/]{40,500}={0,2})"
    ),
    _p(
        "Comet",
        "comet COMET",
        rf"(?i:comet(?:[_-]?ml)?{_SET})(?P<s>[A-Za-z0-9]{{25}})(?![A-Za-z0-9])",
        _mixed,
    ),
    _p("Stripe", "sk_live_ rk_live_", rf"{_START}(?P<s>[sr]k_live_[A-Za-z0-9]{{20,120}})"),
    _p(
        "Stripe (test)",
        "sk_test_ rk_test_",
        rf"{_START}(?P<s>[sr]k_test_[A-Za-z0-9]{{20,120}})",
        severity=Severity.HIGH,
    ),
    _p("SendGrid", "SG.", rf"{_START}(?P<s>SG\.[\w-]{{22}}\.[\w-]{{43}}){_END}"),
    _p("Twilio", "SK", rf"{_START}(?P<s>SK[0-9a-f]{{32}}){_END}"),
    _p("Twilio", "twilio TWILIO", rf"(?i:twilio{_SET})(?P<s>[0-9a-f]{{32}})(?![0-9a-f])", _random),
    _p("DigitalOcean", "dop_v1_ doo_v1_", rf"{_START}(?P<s>do[op]_v1_[0-9a-f]{{64}}){_END}"),
    _p("HashiCorp Vault", "hvs.", rf"{_START}(?P<s>hvs\.[\w-]{{24,200}})"),
    _p("Replicate", "r8_", rf"{_START}(?P<s>r8_[A-Za-z0-9]{{37}}){_END}"),
    _p("Groq", "gsk_", rf"{_START}(?P<s>gsk_[A-Za-z0-9]{{52}}){_END}"),
    _p("LangSmith", "lsv2_", rf"{_START}(?P<s>lsv2_(?:pt|sk)_[0-9a-f]{{32}}_[0-9a-f]{{10}}){_END}"),
    _p("Pinecone", "pcsk_", rf"{_START}(?P<s>pcsk_[\w]{{40,100}})"),
    _p("Telegram", ":AA", r"(?<![\w:])(?P<s>\d{8,10}:AA[\w-]{33})(?![\w-])"),
    _p(
        "private key",
        "PRIVATE",
        r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY(?: BLOCK)?-----(?:\\{1,4}[nr]|[\s\"'+,|>#]){1,40}"
        r"(?:[A-Z][A-Za-z-]{2,20}: [^\n\\]{1,80}(?:\\{1,4}n|\s){1,10}){0,3}"
        r"(?P<s>[A-Za-z0-9+/=]{40,100})",
        _always,
    ),
    _p(
        "PuTTY private key",
        "PuTTY-User-Key-File",
        r"PuTTY-User-Key-File-\d: [^\n]{3,40}\n(?:[A-Z][\w-]{2,20}: [^\n]{0,120}\n){1,4}"
        r"(?P<s>[A-Za-z0-9+/=]{40,80})",
        _always,
    ),
    _p(
        "JSON Web Token",
        "eyJ",
        r"(?<![\w.-])(?P<s>eyJ[\w-]{8,2000}\.eyJ[\w-]{8,4000}\.[\w-]{16,1000})",
        _is_signed_claim,
        severity=Severity.HIGH,
    ),
    _p(
        "password in an address",
        "://",
        r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{1,20}://(?P<user>[^\s:/@\"'<>?#\\]{0,80})"
        r":(?P<s>[^\s:/@\"'<>?#\\]{4,200})@[\w\[\{$.-]",
        _has_password,
        guessable=True,
        on_one_line=True,
    ),
    _p(
        "bearer token",
        "Bearer bearer",
        r"[Bb]earer[ \t:]{1,3}[\"']?(?P<s>[A-Za-z0-9._~+/=-]{20,1000})",
        _random,
        severity=Severity.HIGH,
    ),
    _p(
        "password on a command line",
        "-u",
        r"curl[^\n|;&]{0,200}?[ \t](?:-u|--user)[ \t=]{1,2}[\"']?(?P<user>[\w.@-]{1,60})"
        r":(?P<s>[^\s\"'$]{4,100})",
        _has_password,
        severity=Severity.HIGH,
        guessable=True,
    ),
)
"""Providers' forms; where two overlap the earlier one counts."""
