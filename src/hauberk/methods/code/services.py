"""Services that answer anyone: command lines and settings of what ML teams run.

Two tables. One reads command lines (``mlflow server --host 0.0.0.0``), the other reads names
with values, wherever they are written: environment variables of images and manifests, INI and
properties files, ``.env`` files, settings in Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from hauberk.methods.code.commands import MAX_COMMAND, continued
from hauberk.methods.code.rules import Rule, rule

MAX_PROGRAMS = 50
"""Starts of one program in one text that are looked at."""

_BIND = "Listen on 127.0.0.1, or put an authenticating proxy in front and say so."

OPEN = rule(
    "exposed-services/no-authentication",
    "high",
    "starts a service that anyone who reaches it may use",
    "Switch its authentication on, and listen on 127.0.0.1 behind an authenticating proxy.",
    "CWE-306",
)
BOUND = rule(
    "exposed-services/all-interfaces",
    "high",
    "opens a service without authentication of its own on every interface",
    _BIND,
    "CWE-668",
)
LISTENING = rule(
    "exposed-services/listening",
    "medium",
    "opens a notebook or job service on every interface",
    _BIND,
    "CWE-668",
)
DEFAULT = rule(
    "exposed-services/default-password",
    "high",
    "gives a service the password that everybody knows",
    "Hand a generated password in as a secret.",
    "CWE-1392",
)
CROSS = rule(
    "exposed-services/cross-site",
    "medium",
    "lets pages of any site use a service",
    "Name the origins that may.",
    "CWE-942",
)
DEBUG = rule(
    "exposed-services/debug",
    "high",
    "runs a web application with its debugger, which runs what visitors type",
    "Switch debugging off outside of a developer's machine.",
    "CWE-489",
)
LOADS = rule(
    "exposed-services/model-loading",
    "high",
    "lets whoever reaches a model server load models or code into it",
    "Switch the management interface off, or bind it to 127.0.0.1 with a token.",
    "CWE-306",
)
PLAIN = rule(
    "exposed-services/cleartext",
    "medium",
    "talks to a service without TLS",
    "Use TLS, or a socket that only this host reaches.",
    "CWE-319",
)
DISCLOSES = rule(
    "exposed-services/discloses",
    "medium",
    "shows its configuration or debugging output to visitors",
    "Switch it off.",
    "CWE-200",
)
PICKLED = rule(
    "exposed-services/pickled-messages",
    "high",
    "lets a service unpickle what it is sent",
    "Use JSON for messages.",
    "CWE-502",
)


@dataclass(frozen=True, slots=True)
class _Flag:
    """A fault in a command line: the program, what is said, what would excuse it."""

    rule: Rule
    program: str
    said: str
    unless: str = r"(?!)"


_ANY = r"(?:0\.0\.0\.0|\[?::\]?(?=[\s:\"']|$)|'?\*'?(?=[\s\"']|$))"
_JUPYTER = r"\b(?:jupyter(?:hub|-\w+|\s+\w+)|ipython\s+notebook|start-notebook\.(?:sh|py)|start-singleuser)"
_TOKEN = r"(?:NotebookApp|ServerApp|IdentityProvider|LabApp)\.(?:token|password)"

_FLAGS = (
    _Flag(OPEN, _JUPYTER, rf"{_TOKEN}[= ]+(?:''|\"\"|\\?\"\\?\"|'\"\"'|(?=\s|$|['\"]\s*(?:$|,|\]|--|\\)))"),
    _Flag(OPEN, _JUPYTER, rf"{_TOKEN}=(?=$|\s)"),
    _Flag(OPEN, _JUPYTER, r"(?:PasswordIdentityProvider\.)?allow_unauthenticated_access=True|NoAuth"),
    _Flag(CROSS, _JUPYTER, r"allow_origin(?:_pat)?[= ]+['\"]?(?:\*|\.\*)|disable_check_xsrf[= ]+True"),
    _Flag(
        LISTENING, _JUPYTER, rf"(?:--ip[= ]+|\.ip[= ]+)['\"]?{_ANY}",
        rf"{_TOKEN}[= ]+['\"]?[$\w]|PasswordIdentityProvider\.hashed_password|--certfile|JUPYTER_TOKEN",
    ),
    _Flag(
        BOUND, r"\bmlflow\s+(?:server|ui)|\bmlflow\.server", rf"(?:--host|-h)[= ]+['\"]?{_ANY}",
        r"--app-name[= ]+['\"]?basic-auth|oidc-auth",
    ),
    _Flag(CROSS, r"\bmlflow\s+(?:server|ui)", r"--(?:allowed-hosts|cors-allowed-origins)[= ]+['\"]?\*"),
    _Flag(BOUND, r"\bray\s+start\b", rf"--dashboard-host[= ]+['\"]?{_ANY}"),
    _Flag(LISTENING, r"\bray\s+start\b", r"--ray-client-server-port[= ]+\d+(?=[\s\S]*--node-ip-address[= ]+0\.0\.0\.0)"),
    _Flag(BOUND, r"\btensorboard\b", rf"--bind_all\b|--host[= ]+['\"]?{_ANY}"),
    _Flag(LOADS, r"\btorchserve\b", r"--disable-token(?:-auth)?\b|--enable-model-api\b"),
    _Flag(
        LOADS, r"\btritonserver\b", r"--model-control-mode[= ]+(?:explicit|poll)",
        r"--http-restricted-api|--grpc-restricted-protocol|--http-address[= ]+127\.|--allow-http[= ]+false",
    ),
    _Flag(OPEN, r"\bredis-server\b", r"--protected-mode\s+no\b", r"--requirepass\s+\S|--aclfile"),
    _Flag(OPEN, r"\bredis-server\b", rf"--bind\s+['\"]?{_ANY}", r"--requirepass\s+\S|--aclfile"),
    _Flag(DEFAULT, r"\bminio\b", r"minioadmin"),
    _Flag(OPEN, r"\bmongod\b", r"--noauth\b"),
    _Flag(OPEN, r"\bmongod\b", r"--bind_ip_all\b|--bind_ip[= ]+0\.0\.0\.0", r"--auth\b|--keyFile"),
    _Flag(OPEN, r"\bdockerd?\b", r"-H[= ]+tcp://(?:0\.0\.0\.0|:)\S*|--host[= ]+tcp://0\.0\.0\.0", r"--tlsverify"),
    _Flag(OPEN, r"\bcode-server\b|\bopenvscode-server\b", r"--auth[= ]+none|--without-connection-token"),
    _Flag(BOUND, r"\bdask[- ]scheduler\b", rf"--(?:host|dashboard-address)[= ]+['\"]?(?:tcp://)?{_ANY}", r"--tls-cert|--protocol[= ]+tls"),
    _Flag(OPEN, r"\bkubectl\s+proxy\b", rf"--address[= ]+['\"]?{_ANY}|--accept-hosts[= ]+['\"]?(?:\.\*|\^)"),
    _Flag(DEBUG, r"\bflask\s+(?:--\w+\s+\S+\s+)*(?:--debug\s+)?run\b|\bflask\b", r"--debug\b(?=[\s\S]*run)|run\b[^\n]*--debug\b|run\b[^\n]*--debugger\b"),
    _Flag(CROSS, r"\bstreamlit\s+run\b", r"--server\.enable(?:XsrfProtection|CORS)[= ]+false"),
    _Flag(BOUND, r"\bcelery\b[^\n]*\bflower\b|\bflower\b", rf"--address[= ]+['\"]?{_ANY}", r"--basic[_-]auth|--auth[= ]"),
    _Flag(LOADS, r"\bvllm\b|text-generation-launcher|\bsglang\b|api_server", r"--trust-remote-code\b"),
    _Flag(
        BOUND, r"\bvllm\s+serve\b|vllm\.entrypoints\.\w+\.api_server", rf"--host[= ]+['\"]?{_ANY}",
        r"--api-key",
    ),
    _Flag(OPEN, r"\bprefect\s+server\b", rf"--host[= ]+['\"]?{_ANY}", r"PREFECT_SERVER_API_AUTH"),
    _Flag(BOUND, r"\b(?:clearml-server|label-studio|feast)\b", rf"(?:--host|--internal-host|-h)[= ]+['\"]?{_ANY}(?=[\s\S]*--no-auth)"),
    _Flag(BOUND, r"\bfeast\s+serve\b|\bfeast\s+ui\b", rf"(?:--host|-h)[= ]+['\"]?{_ANY}"),
    _Flag(LISTENING, r"\bpython3?\s+-m\s+http\.server\b", r"http\.server(?![^\n]*--bind\s+127)"),
    _Flag(OPEN, r"\betcd\b", r"--listen-client-urls[= ]+['\"]?http://0\.0\.0\.0", r"--client-cert-auth"),
    _Flag(OPEN, r"\bkube-?apiserver\b|\bkubelet\b", r"--anonymous-auth[= ]+true"),
    _Flag(OPEN, r"\bgcloud\s+(?:\w+\s+)?(?:run|functions)\b", r"--allow-unauthenticated\b"),
    _Flag(OPEN, r"\bmysqld\b", r"--skip-grant-tables"),
    _Flag(OPEN, r"\bargo\b|argo-server", r"--auth-mode[= ]+server\b"),
)  # fmt: skip


def command_faults(text: str) -> Iterator[tuple[Rule, int, str]]:
    """Rules that command lines break, with the line from 0 and the program."""
    joined = continued(text)
    for flag in _FLAGS:
        for program in islice(re.finditer(flag.program, joined), MAX_PROGRAMS):
            rest = _one_command(joined, program.start())
            said = re.search(flag.said, rest)
            if said is None or re.search(flag.unless, rest):
                continue
            place = program.start() + said.start()
            if joined[joined.rfind("\n", 0, place) + 1 : place].lstrip().startswith("#"):
                continue
            shown = " ".join(f"{program[0]} {said[0]}".split())
            yield flag.rule, text.count("\n", 0, place), shown


def _one_command(text: str, start: int) -> str:
    """From a program's name to the end of its command."""
    end = re.compile(r"\n|;|&&|\|\|?\s").search(text, start)
    return text[start : min(end.start() if end else len(text), start + MAX_COMMAND)]


@dataclass(frozen=True, slots=True)
class _Setting:
    """A fault in a setting: its name and its value, both as whole matches without case."""

    rule: Rule
    name: str
    value: str


_TRUE, _FALSE = r"(?:true|1|yes|on)", r"(?:false|0|no|off)"
_EMPTY = r"(?:''|\"\"|u?''|)"
_KNOWN_PASSWORDS = r"(?:minioadmin|minio123|admin|password|airflow|changeme123|guest|root|postgres|redis|mlflow|default|secret|test|12345\d*|letmein)"

_SETTINGS = (
    _Setting(OPEN, r"(?:.*\.)?(?:notebookapp|serverapp|identityprovider|labapp)\.(?:token|password)", _EMPTY),
    _Setting(OPEN, r"(?:.*\.)?allow_unauthenticated_access", _TRUE),
    _Setting(OPEN, r"jupyter_token", _EMPTY),
    _Setting(LISTENING, r"(?:c\.)?(?:notebookapp|serverapp)\.ip", r"(?:0\.0\.0\.0|\*|::)"),
    _Setting(CROSS, r"(?:c\.)?(?:notebookapp|serverapp)\.allow_origin(?:_pat)?", r"(?:\*|\.\*)"),
    _Setting(CROSS, r"(?:c\.)?(?:notebookapp|serverapp)\.disable_check_xsrf", _TRUE),
    _Setting(OPEN, r"(?:c\.)?jupyterhub\.authenticator_class", r"(?:dummy|nullauthenticator\S*|jupyterhub\.auth\.dummy\S*|null)"),
    _Setting(OPEN, r"(?:c\.)?authenticator\.allow_all", _TRUE),
    _Setting(OPEN, r"(?:airflow__\w+__)?auth_backends?", r".*airflow\.api\.auth\.backend\.default.*"),
    _Setting(OPEN, r"auth_role_public", r"(?:admin|op|user|viewer)"),
    _Setting(OPEN, r"(?:airflow__core__)?simple_auth_manager_all_admins", _TRUE),
    _Setting(OPEN, r"(?:airflow__webserver__|webserver\.)(?:authenticate|rbac)", _FALSE),
    _Setting(DISCLOSES, r"(?:airflow__(?:webserver|api)__|webserver\.|api\.)?expose_config", r"(?:true|1|yes|on)"),
    _Setting(PICKLED, r"(?:airflow__core__|core\.)?(?:enable_xcom_pickling|donot_pickle_off)", _TRUE),
    _Setting(DEFAULT, r"_airflow_www_user_password", _KNOWN_PASSWORDS),
    _Setting(OPEN, r"postgres_host_auth_method", r"trust"),
    _Setting(OPEN, r"(?:mysql|mariadb)_allow_empty_(?:root_)?password|allow_empty_password", _TRUE),
    _Setting(DEFAULT, r"minio_(?:root_password|secret_key|root_user|access_key)", r"(?:minioadmin|minio123|minio|admin|password|changeme)"),
    _Setting(DEFAULT, r"(?:postgres|mysql_root|mysql|rabbitmq_default|gf_security_admin|pgadmin_default|elastic|redis|mongo_initdb_root|mlflow_(?:tracking|auth)|neo4j|label_studio|clickhouse|superset_admin|keycloak_admin|kc_bootstrap_admin)_?pass(?:word)?", _KNOWN_PASSWORDS),
    _Setting(DEFAULT, r"(?:basic_auth\.|mlflow\.)?(?:admin_password|grafana\.adminpassword|adminpassword)", r"(?:password1234|password|admin|changeme123|prom-operator)"),
    _Setting(OPEN, r"(?:auth|authentication|security|rbac|oauth|oauth2|oidc)\.enabled", _FALSE),
    _Setting(PLAIN, r"remote\s*\S*\.ssl_verify|ssl_verify", _FALSE),
    _Setting(OPEN, r"(?:mlflow\.)?default_permission", r"(?:manage|edit)"),
    _Setting(OPEN, r"(?:xpack\.security\.enabled|plugins\.security\.disabled_false)", _FALSE),
    _Setting(OPEN, r"plugins\.security\.disabled|discovery\.security\.disabled|disable_security_plugin", _TRUE),
    _Setting(OPEN, r"(?:gf_auth_anonymous_enabled|auth\.anonymous\.enabled)", _TRUE),
    _Setting(OPEN, r"authentication_anonymous_access_enabled", _TRUE),
    _Setting(OPEN, r"neo4j_auth", r"none"),
    _Setting(OPEN, r"(?:app_|kf_)?disable_auth|auth_disabled|disable_authentication|no_auth|skip_auth|anonymous_auth|allow_anonymous(?:_login|_access)?|authdisabled", _TRUE),
    _Setting(OPEN, r"(?:auth_enabled|enable_auth|enable_authentication|authentication_enabled|authentication|require_auth|use_auth|auth)", _FALSE),
    _Setting(OPEN, r"kubeflow_userid_header_disabled|userid_header_off|app_disable_auth", _TRUE),
    _Setting(OPEN, r"protected-mode|protected_mode", r"no"),
    _Setting(OPEN, r"spark\.(?:authenticate|acls\.enable)", _FALSE),
    _Setting(LOADS, r"(?:ts_)?disable_token_authorization", _TRUE),
    _Setting(LOADS, r"(?:ts_)?enable_model_api", _TRUE),
    _Setting(LOADS, r"(?:ts_)?management_address", r"https?://(?:0\.0\.0\.0|\[::\])(?::\d+)?/?"),
    _Setting(LOADS, r"(?:ts_)?allowed_urls", r"(?:\.\*|https?://\.\*|file://\.\*\|http\(s\)\?://\.\*)"),
    _Setting(DEBUG, r"(?:flask_debug|django_debug)", _TRUE),
    _Setting(DEBUG, r"flask_env", r"development"),
    _Setting(CROSS, r"(?:streamlit_server_|server\.)enable_?(?:xsrf_?protection|cors)", _FALSE),
    _Setting(CROSS, r"wtf_csrf_enabled", _FALSE),
    _Setting(CROSS, r"mlflow_(?:allowed_hosts|server_allowed_hosts|server_cors_allowed_origins|cors_allowed_origins)", r"\*"),
    _Setting(BOUND, r"(?:mlflow_(?:server_)?host|ray_dashboard_host|dashboard_host|tensorboard_host)", r"0\.0\.0\.0"),
    _Setting(BOUND, r"ollama_host", r"(?:https?://)?(?:0\.0\.0\.0|\[::\])(?::\d+)?"),
    _Setting(OPEN, r"(?:docker_tls_certdir)", _EMPTY),
    _Setting(OPEN, r"(?:allow_plaintext_listener)", _TRUE),
    _Setting(OPEN, r"permitemptypasswords|permitrootlogin", r"yes"),
    _Setting(DISCLOSES, r"autoindex", r"on"),
    _Setting(PICKLED, r"(?:celery_)?(?:task_serializer|accept_content|result_serializer|celery_task_serializer)", r".*pickle.*"),
    _Setting(PLAIN, r"mlflow_tracking_insecure_tls", _TRUE),
    _Setting(OPEN, r"prefect_server_allow_ephemeral_mode_public|superset_public_role_like", r"(?:admin|gamma|alpha)"),
    _Setting(OPEN, r"public_role_like", r"\"?(?:admin|alpha)\"?"),
    _Setting(OPEN, r"(?:nuclio|dagster|kubecost|weaviate|qdrant|chroma)\S*(?:anonymous|no_auth|allow_reset)\S*", _TRUE),
    _Setting(OPEN, r"chroma_allow_reset|allow_reset", _TRUE),
    _Setting(OPEN, r"ray_(?:disable_auth|auth_mode)", r"(?:true|1|disabled)"),
)  # fmt: skip
_COMPILED = [
    (item.rule, re.compile(item.name, re.IGNORECASE), re.compile(item.value, re.IGNORECASE))
    for item in _SETTINGS
]


def setting_fault(name: str, value: str) -> Rule | None:
    """The rule that a setting breaks.

    >>> setting_fault("POSTGRES_HOST_AUTH_METHOD", "trust").name
    'exposed-services/no-authentication'
    """
    plain = value.strip().rstrip(";").strip().strip("'\"")
    for broken, key, wrong in _COMPILED:
        names = (name.strip(), name.strip().replace("-", "_"))
        if any(key.fullmatch(item) for item in names) and wrong.fullmatch(plain):
            return broken
    return None
