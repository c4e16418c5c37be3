"""Rules on code that runs, fetches and unpacks; see `hauberk.methods.code.python_execution`."""

from __future__ import annotations

from hauberk.methods.code.rules import rule

EVAL = rule(
    "code-execution/eval",
    "high",
    "evaluates text that is not written in the program",
    "Read data with a parser (json, ast.literal_eval), or map names to functions.",
    "CWE-95",
)
HIDDEN = rule(
    "code-execution/decoded",
    "critical",
    "runs code that is decoded or fetched when it runs",
    "Remove it, and find out how it came here.",
    "CWE-506",
)
SHELL = rule(
    "code-execution/shell",
    "high",
    "hands a text put together at run time to a shell",
    "Start the program with a list of arguments and without a shell.",
    "CWE-78",
)
QUERY = rule(
    "code-execution/query",
    "medium",
    "puts values into the text of a query",
    "Pass values as parameters of the query.",
    "CWE-89",
)
IMPORTS = rule(
    "code-execution/import",
    "medium",
    "imports or runs a module whose name comes from outside",
    "Map the names that you allow to modules.",
    "CWE-470",
)
IMPORTS_FILE = rule(
    "code-execution/import-file",
    "medium",
    "runs a file as a module whose path comes from outside",
    "Keep plug-ins in packages and find them by entry points.",
    "CWE-470",
    review=True,
)
IMPORTS_BY_VISITOR = rule(
    "code-execution/import-by-request",
    "high",
    "imports a module or calls a function that a request names",
    "Map the names that you allow to functions.",
    "CWE-470",
)
TEMPLATE_OUTSIDE = rule(
    "code-execution/template-from-outside",
    "high",
    "compiles a template from text that is not in the program",
    "Keep templates in files of the project, or use a sandboxed environment.",
    "CWE-1336",
    review=True,
)
QUERY_BY_VISITOR = rule(
    "code-execution/query-by-request",
    "high",
    "puts what a request says into the text of a query",
    "Pass values as parameters of the query.",
    "CWE-89",
)
TEMPLATE = rule(
    "code-execution/template",
    "high",
    "fills in a template that a visitor writes",
    "Keep templates in files, and pass what visitors say as values.",
    "CWE-1336",
)
NATIVE = rule(
    "code-execution/native",
    "high",
    "loads native code from a path that comes from outside",
    "Install the library with the environment, and name it.",
    "CWE-114",
)

NO_TLS = rule(
    "insecure-downloads/cleartext",
    "medium",
    "fetches data or a model without TLS",
    "Use https and check a digest.",
    "CWE-319",
)
DATA_NO_TLS = rule(
    "insecure-downloads/cleartext-data",
    "high",
    "takes training data or a model over a line that anyone on the way can change",
    "Use https and compare a digest.",
    "CWE-319",
)
UNVERIFIED = rule(
    "insecure-downloads/certificates",
    "high",
    "switches off the check of certificates",
    "Install the certificate of your authority, and keep the check on.",
    "CWE-295",
)
NO_DIGEST = rule(
    "insecure-downloads/no-digest",
    "medium",
    "downloads a file that is used without comparing a digest",
    "Compare a SHA-256 that you keep in the repository before using it.",
    "CWE-494",
)
EXTRACT = rule(
    "insecure-downloads/extract",
    "high",
    "unpacks an archive whose paths may lead out of the folder",
    'Say filter="data", or check every path before writing it.',
    "CWE-22",
)
HOST_KEYS = rule(
    "insecure-downloads/host-keys",
    "high",
    "accepts any key that a host shows",
    "Keep the host's key in known_hosts and refuse others.",
    "CWE-295",
)
ENTITIES = rule(
    "insecure-downloads/entities",
    "medium",
    "lets an XML file fetch or read others",
    "Leave entities unresolved and the network off, or use defusedxml.",
    "CWE-611",
)
TEMPORARY = rule(
    "insecure-downloads/temporary",
    "medium",
    "makes a temporary name that others can take first",
    "Use NamedTemporaryFile or mkstemp.",
    "CWE-377",
)
WEAK_DIGEST = rule(
    "insecure-downloads/weak-digest",
    "medium",
    "checks a file by a digest for which collisions can be made",
    "Compare SHA-256.",
    "CWE-328",
)
