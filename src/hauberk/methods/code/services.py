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

from hauberk.methods.code.commands import MAX_COMMAND, continued, filled, unlisted, variables
from hauberk.methods.code.rules import Rule, rule
from hauberk.methods.expressions import expression

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
PUBLISHED = rule(
    "exposed-services/published-port",
    "medium",
    "publishes a service that is meant for the inside on every interface of the host",
    "Publish it on 127.0.0.1, or leave it to the inner network.",
    "CWE-668",
)
PUBLIC = rule(
    "exposed-services/public",
    "high",
    "opens storage, a network or an identity to everybody",
    "Name who may, and from where.",
    "CWE-284",
)
TUNNEL = rule(
    "exposed-services/tunnel",
    "high",
    "opens a tunnel from the internet to a service on this machine",
    "Leave it away, or put an authenticating proxy in front of the service.",
    "CWE-668",
)
PICKLED = rule(
    "exposed-services/pickled-messages",
    "high",
    "lets a service unpickle what it is sent",
    "Use JSON for messages.",
    "CWE-502",
)


CHECKS_OFF = rule(
    "exposed-services/checks-off",
    "high",
    "switches off a check of certificates or of model files for whatever runs there",
    "Leave the switch away; give the certificate of your authority, and files without code.",
    "CWE-295",
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

_NO_LOGIN = r"--(?:no|disable|without|skip)-(?:token|auth(?:entication)?|password|login)\b(?![= ]+(?:false|0)\b)"

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
    _Flag(OPEN, rf"--(?:host|listen|ip|address|bind|server-name)[= ]+['\"]?{_ANY}", _NO_LOGIN),
    _Flag(OPEN, _NO_LOGIN, rf"--(?:host|listen|ip|address|bind|server-name)[= ]+['\"]?{_ANY}"),
    _Flag(BOUND, r"\bcomfy(?:ui)?\b|\bwebui\.(?:sh|py|bat)\b|\bkoboldcpp\b", rf"--listen(?:[= ]+['\"]?{_ANY}|(?=\s*(?:$|--|['\"])))"),
    _Flag(LISTENING, r"\bpython3?\s+(?:\S*/)?(?:main|server|launch)\.py\b", rf"--listen(?:[= ]+['\"]?{_ANY}|(?=\s*(?:$|--|['\"])))"),
    _Flag(OPEN, r"\betcd\b", r"--listen-client-urls[= ]+['\"]?http://0\.0\.0\.0", r"--client-cert-auth"),
    _Flag(OPEN, r"\bkube-?apiserver\b|\bkubelet\b", r"--anonymous-auth[= ]+true"),
    _Flag(OPEN, r"\bgcloud\s+(?:\w+\s+)?(?:run|functions)\b", r"--allow-unauthenticated\b"),
    _Flag(OPEN, r"\bmysqld\b", r"--skip-grant-tables"),
    _Flag(OPEN, r"\bargo\b|argo-server", r"--auth-mode[= ]+server\b"),
    _Flag(
        BOUND, r"\bmlflow\s+(?:models\s+serve|gateway\s+start|deployments\s+start-server)\b|\bchroma\s+run\b|\bdagster(?:-webserver|\s+dev)\b|\bnni(?:ctl)?\b|\baim\s+up\b|\bzenml\s+up\b|\boptuna-dashboard\b|\bspark-class\s+\S*Master\b|\bpyspark\b|\bkedro\s+viz\b|\bwandb\s+server\b|\bsacredboard\b|\bluigid\b|\bnetron\b|\bclearml-\w+|\bguild\s+view\b|\bvisdom\b|\bpyspark\b|\bollama\s+serve\b",
        rf"(?:--host(?:name)?|-h|-b|--address|--ip|--ip-address)[= ]+['\"]?{_ANY}", r"--auth|--basic-auth|--app-name[= ]+['\"]?basic-auth",
    ),
    _Flag(BOUND, r"\bgunicorn\b|\buvicorn\b|\bwaitress-serve\b", rf"(?:-b|--bind|--host|--listen)[= ]+['\"]?{_ANY}(?=[^\n]*\bmlflow\.(?:server|tracking))|\bmlflow\.server\S*[^\n]*(?:-b|--bind|--host)[= ]+['\"]?{_ANY}", r"basic_auth|oidc"),
    _Flag(OPEN, r"\bvoila\b", r"--(?:Voila|VoilaConfiguration|ServerApp)\.(?:token|password)=(?:''|\"\"|(?=\s|$))"),
    _Flag(LISTENING, r"\bvoila\b|\bpanel\s+serve\b|\bbokeh\s+serve\b", rf"--Voila\.ip[= ]+['\"]?{_ANY}|--allow-websocket-origin[= ]+['\"]?\*"),
    _Flag(DEFAULT, r"\b(?:label-studio\s+start|airflow\s+users\s+create|superset\s+fab\s+create-admin|grafana-cli|ctfd|pgadmin4?)\b", r"(?:--password|-p)[= ]+['\"]?(?:admin\w*|password\w*|airflow|root|guest|changeme|letmein|1234\d*|test|superset|secret)\b(?!\S)"),
    _Flag(OPEN, r"\bredis-cli\b", r"(?i:config\s+set)\s+protected-mode\s+no\b|(?i:config\s+set)\s+requirepass\s+(?:''|\"\")"),
    _Flag(OPEN, r"\bpostgres\b|\bpg_ctl\b", r"hba_file=\S*trust|--auth(?:-host)?[= ]trust"),
    _Flag(OPEN, r"\binitdb\b", r"(?:--auth(?:-host)?|-A)[= ]+trust\b"),
    _Flag(OPEN, r"\btraefik\b", r"--api\.insecure(?:=true\b|(?=\s|$))"),
    _Flag(OPEN, r"\bportainer\b", r"--no-auth\b"),
    _Flag(OPEN, r"\bx11vnc\b", r"-nopw\b", r"-localhost\b|-rfbauth|-passwd"),
    _Flag(OPEN, r"\b(?:vncserver|Xvnc|tigervncserver|x0vncserver)\b", r"-?-SecurityTypes[= ]+None\b"),
    _Flag(OPEN, r"\b(?:ttyd|gotty|wetty|shellinaboxd)\b", r"(?:-p|--port|-w|--permit-write|--writable|-W)\b", r"(?:-c|--credential|-A|--auth-header|--localhost-only|-i\s+(?:lo|127))"),
    _Flag(LOADS, r"\bprometheus\b", r"--web\.enable-(?:admin-api|lifecycle)\b", r"--web\.config\.file|listen-address[= ]+(?:127\.|localhost)"),
    _Flag(OPEN, r"\bkubectl\s+port-forward\b", rf"--address[= ]+['\"]?{_ANY}"),
    _Flag(OPEN, r"\bvault\s+server\b", r"-dev\b", r"-dev-listen-address[= ]+127\."),
    _Flag(OPEN, r"\bhttpd?-server\b|\bnpx\s+serve\b|\bwebdav\b|\bminio\s+gateway\b", r"-a\s+0\.0\.0\.0"),
    _Flag(PUBLIC, r"\bmc\s+(?:anonymous|policy)\b", r"\bset(?:-json)?\s+(?:public|download|upload)\b"),
    _Flag(PUBLIC, r"\baws\s+s3(?:api)?\b", r"--acl[= ]+['\"]?public-read(?:-write)?\b|--grants?(?:-\w+)*[= ]\S*AllUsers"),
    _Flag(PUBLIC, r"\bgsutil\b|\bgcloud\b", r"\b(?:allUsers|allAuthenticatedUsers)\b|\bpublic-?[rR]ead\b(?:-write)?", r"\bremove-iam|\bch\s+-d\b"),
    _Flag(PUBLIC, r"\baz\s+storage\b", r"--public-access[= ]+(?:blob|container)\b|--allow-blob-public-access(?:[= ]+true\b|\s|$)"),
    _Flag(PUBLIC, r"\baws\s+ec2\s+authorize-security-group-ingress\b", r"(?:0\.0\.0\.0/0|::/0)", r"--port[= ]+(?:80|443)\b"),
    _Flag(PUBLIC, r"\bgcloud\s+compute\s+firewall-rules\s+(?:create|update)\b", r"--source-ranges[= ]+['\"]?(?:0\.0\.0\.0/0|::/0)", r"tcp:(?:80|443)\b"),
    _Flag(TUNNEL, r"\bngrok\b", r"\bngrok\s+(?:http|tcp|tls|start)\b", r"--basic-auth|--oauth|--auth[= ]"),
    _Flag(TUNNEL, r"\bcloudflared\s+tunnel\b", r"--url\b"),
    _Flag(TUNNEL, r"\b(?:npx\s+)?localtunnel\b|\blt\s+--port|\bbore\s+local\b|\btailscale\s+funnel\b|\bssh\b[^\n]*-R\s+\S*80:\S+[^\n]*(?:serveo\.net|localhost\.run|pinggy)", r"(?:localtunnel|lt|bore|funnel|ssh)\b"),
)  # fmt: skip


def command_faults(text: str) -> Iterator[tuple[Rule, int, str]]:
    """Rules that command lines break, with the line from 0 and the program."""
    joined = unlisted(continued(text))
    known: dict[str, str] | None = None
    for flag, programs in _COMPILED_FLAGS:
        for program in islice(programs.finditer(joined), MAX_PROGRAMS):
            plain = rest = _one_command(joined, program.start())
            if "$" in rest:
                known = variables(text) if known is None else known
                rest = filled(rest, known)
            said = re.search(flag.said, rest)
            if said is None or re.search(flag.unless, rest):
                continue
            place = program.start() + (said.start() if rest is plain else 0)
            if joined[joined.rfind("\n", 0, place) + 1 : place].lstrip().startswith("#"):
                continue
            shown = " ".join(f"{program[0]} {said[0]}".split())
            yield flag.rule, text.count("\n", 0, place), shown[:80]
    yield from _handed_settings(joined, text)


_HANDED = expression(
    r"(?:(?:\s-e|--env|--set(?:-string)?|--build-arg)[ =]+|\bENV\s+|\bexport\s+|\b(?:echo|printf)\s+(?:-\w+\s+)?)[\"']?"
    r"(?P<name>[A-Za-z_][\w.\-]{2,80})=(?P<value>\"[^\"\n]*\"|[^\s\"'\\,;]*)"
)


def _handed_settings(joined: str, text: str) -> Iterator[tuple[Rule, int, str]]:
    """Settings that a command hands over: variables of containers, values of charts."""
    if "=" not in joined:
        return
    for match in _HANDED.finditer(joined):
        broken = setting_fault(match["name"], match["value"])
        if broken is not None and not _is_told_off(joined, match.start()):
            line = text.count("\n", 0, match.start("name"))
            yield broken, line, f"{match['name']} = {match['value'] or 'nothing'}"[:60]


def _is_told_off(text: str, place: int) -> bool:
    return text[text.rfind("\n", 0, place) + 1 : place].lstrip().startswith("#")


_COMPILED_FLAGS = [(flag, expression(flag.program)) for flag in _FLAGS]


_COMMAND_END = expression(r"\n|;|&&|\|\|?\s")


def _one_command(text: str, start: int) -> str:
    """From a program's name to the end of its command."""
    end = _COMMAND_END.search(text, start)
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
    _Setting(OPEN, r"(?:c\.)?jupyterhub\.authenticator_class", r"(?:\S*dummy\S*|nullauthenticator\S*|jupyterhub\.auth\.dummy\S*|null)"),
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
    _Setting(OPEN, r"(?!(?:\w*(?:smtp|mail|proxy|git|npm|docker|registry|disable|without|skip|bypass|ignore|force|mfa|social)\w*))[a-z0-9]+(?:_[a-z0-9]+)*_(?:auth|login)(?:_(?:enabled|active|required))?", _FALSE),
    _Setting(OPEN, r"[a-z0-9]+(?:_[a-z0-9]+)*_(?:auth(?:entication)?|login|user_management)_disabled", _TRUE),
    _Setting(DEFAULT, r"lakefs_auth_encrypt_secret_key|auth\.encrypt\.secret_key", r"some random secret string|10a718b3f285d89c36e9864494cdd1507f3bc85b342df24736ea81f9a1134bcc\w*"),
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
    _Setting(CHECKS_OFF, r"pythonhttpsverify|node_tls_reject_unauthorized|clearml_api_host_verify_cert|strict-ssl", _FALSE),
    _Setting(CHECKS_OFF, r"git_ssl_no_verify|torch_force_no_weights_only_load|wandb_insecure_disable_ssl|insecure[-_]skip[-_](?:tls[-_])?verify", _TRUE),
    _Setting(OPEN, r"(?:jenkins\.)?authorizationstrategy", r"unsecured"),
    _Setting(PLAIN, r"docker_host", r"tcp://\S+:2375/?"),
    _Setting(OPEN, r"prefect_server_allow_ephemeral_mode_public|superset_public_role_like", r"(?:admin|gamma|alpha)"),
    _Setting(OPEN, r"public_role_like", r"\"?(?:admin|alpha)\"?"),
    _Setting(OPEN, r"(?:nuclio|dagster|kubecost|weaviate|qdrant|chroma)\S*(?:anonymous|no_auth|allow_reset)\S*", _TRUE),
    _Setting(OPEN, r"chroma_allow_reset|allow_reset", _TRUE),
    _Setting(OPEN, r"ray_(?:disable_auth|auth_mode)", r"(?:true|1|disabled)"),
    _Setting(OPEN, r"label_studio_disable_signup_without_link", _FALSE),
    _Setting(OPEN, r"label_studio_local_files_document_root", r"/"),
    _Setting(OPEN, r"(?:.*\.)?(?:authorizationenabled|authenabled|authenticationenabled)", _FALSE),
    _Setting(OPEN, r"(?:security\.)?authorization", r"disabled|allowall"),
    _Setting(OPEN, r"(?:\S*/)?enable[_-]auth", _FALSE),
    _Setting(OPEN, r"(?:auth_basic|auth_request)", r"off"),
    _Setting(OPEN, r"(?:.*\.)?auth(?:_mode|_type|_method)?", r"none|disabled"),
    _Setting(OPEN, r"api\.insecure", _TRUE),
    _Setting(OPEN, r"(?:code_server_|password_?)?disable_?password", _TRUE),
    _Setting(PUBLIC, r"gradio_share", _TRUE),
    _Setting(CROSS, r"ollama_origins|gradio_allowed_origins|cors_(?:allow(?:ed)?_)?origins?|access_control_allow_origins?", r"\[?\s*['\"]?\*['\"]?\s*\]?"),
    _Setting(PICKLED, r"(?:airflow__core__|core\.)?allowed_deserialization_classes", r"\.\*|\*"),
    _Setting(BOUND, r"(?:.*\.)?(?:extraargs|mlflow|ray|raystartparams|tensorboard|jupyter\w*|notebook|tracking_server|dashboard)[._](?:host|bind|dashboard[-_]host)", r"0\.0\.0\.0|::|\*"),
    _Setting(PLAIN, r"insecure[-_]registries", r".*\w.*"),
    _Setting(DEFAULT, r"(?:.*[._-])?(?:root|admin|postgres|mysql|redis|minio|mongo\w*|rabbitmq|grafana|airflow|mlflow|superuser|replication|user|database|db)[._-]?(?:pass|passwd|password|secretkey|secret_key)", r"admin|password|root|postgres|minioadmin|minio123|airflow|guest|mlflow|redis|mysql|rabbitmq|letmein|qwerty|12345\d*|admin123|password123|toor|s3cr3t"),
    _Setting(DEFAULT, r"(?:minio[._])?root_?user", r"minioadmin"),
)  # fmt: skip
_COMPILED = [
    (item.rule, expression(item.name, re.IGNORECASE), expression(item.value, re.IGNORECASE))
    for item in _SETTINGS
]
_NAMED = expression("|".join(f"(?:{item.name})" for item in _SETTINGS), re.IGNORECASE)
"""Any of the names: most settings are none of them."""


def setting_fault(name: str, value: str) -> Rule | None:
    """The rule that a setting breaks.

    >>> setting_fault("POSTGRES_HOST_AUTH_METHOD", "trust").name
    'exposed-services/no-authentication'
    """
    plain = value.strip().rstrip(";").strip().strip("'\"")
    names = (name.strip(), name.strip().replace("-", "_"))
    if not any(_NAMED.fullmatch(item) for item in names):
        return None
    for broken, key, wrong in _COMPILED:
        if any(key.fullmatch(item) for item in names) and wrong.fullmatch(plain):
            return broken
    return None
