"""Names that got past published pickle scanners; each must be called dangerous.

Sources are the advisories of picklescan (https://github.com/mmaitre314/picklescan/security),
of fickling (https://github.com/trailofbits/fickling/security), issues and pull requests of
picklescan, fickling and modelscan, and the measurements in section 2 of the project's
research on model artifacts. Nothing here is run: only names and opcodes are written.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hauberk.controls.model.unsafe_opcodes import UnsafeOpcodes
from hauberk.core.artifact import ModelFile
from hauberk.core.finding import Severity
from hauberk.methods.pickle_writing import call, dotted, name, text, whole

GADGETS = {
    "_aix_support._read_cmd_output": "GHSA-5hwf-rc88-82xm",
    "_interpreters.run_string": "GHSA-6ggj-6f2q-f7mx",
    "_operator.attrgetter": "GHSA-955r-x9j8-7rhh",
    "_osx_support._read_output": "GHSA-5hwf-rc88-82xm",
    "_posixsubprocess.fork_exec": "GHSA-m6fh-58r7-x697",
    "_xxsubinterpreters.run_string": "GHSA-6ggj-6f2q-f7mx",
    "aiohttp.client.ClientSession": "picklescan issue 66, network modules",
    "asyncio.unix_events._UnixSubprocessTransport._start": "CVE-2025-10157",
    "atexit.register": "GHSA-m6fh-58r7-x697",
    "bdb.Bdb.run": "GHSA-4675-36f9-wf6r",
    "builtins.__import__": "fickling issue 190",
    "cProfile.runctx": "GHSA-46h3-79wf-xr6c",
    "cgitb.lookup": "fickling pull request 215",
    "cloudpickle.cloudpickle.subimport": "fickling pull request 215",
    "code.InteractiveInterpreter.runcode": "picklescan advisories of August 2025",
    "commands.getoutput": "picklescan, first list",
    "ctypes.CDLL": "fickling pull request 215",
    "distutils.file_util.write_file": "CVE-2025-10155",
    "distutils.spawn.spawn": "measured: missed by picklescan 1.0.5",
    "doctest.debug_script": "GHSA-4675-36f9-wf6r",
    "ensurepip._run_pip": "GHSA-xp4f-hrf8-rxw7",
    "functools.reduce": "fickling pull request 210",
    "gc.get_objects": "fickling pull request 215",
    "http.client.HTTPSConnection": "GHSA-hgrh-qx5j-jfwx",
    "idlelib.autocomplete.AutoComplete.get_entity": "GHSA-r8g5-cgf2-4m4m",
    "idlelib.calltip.Calltip.fetch_tip": "GHSA-r8g5-cgf2-4m4m",
    "idlelib.debugobj.ObjectTreeItem.SetText": "GHSA-r8g5-cgf2-4m4m",
    "idlelib.pyshell.ModifiedInterpreter.runcommand": "GHSA-r8g5-cgf2-4m4m",
    "imp.load_source": "measured: missed by picklescan 1.0.5",
    "importlib.import_module": "picklescan issue 66",
    "importlib.machinery.SourceFileLoader": "measured: missed by picklescan 1.0.5",
    "importlib.util.module_from_spec": "picklescan issue 66",
    "joblib.externals.loky.backend.fork_exec.fork_exec": "measured: missed by picklescan 1.0.5",
    "joblib.load": "measured: second stage, missed by picklescan 1.0.5",
    "lib2to3.pgen2.grammar.Grammar.loads": "GHSA-r8g5-cgf2-4m4m",
    "lib2to3.pgen2.pgen.ParserGenerator.make_label": "GHSA-r8g5-cgf2-4m4m",
    "linecache.getline": "picklescan, files read through the standard library",
    "logging.config.fileConfig": "picklescan advisories of 2025",
    "mailcap.findmatch": "modelscan pull request 346",
    "marshal.loads": "GHSA-565g-hwwr-4pp3",
    "multiprocessing.util.spawnv_passfds": "measured: missed by picklescan 1.0.5",
    "numpy.f2py.crackfortran._eval_length": "fickling pull request 210",
    "numpy.f2py.crackfortran.getlincoef": "fickling pull request 210",
    "numpy.f2py.crackfortran.param_eval": "fickling pull request 210",
    "numpy.testing._private.utils.runstring": "picklescan, first list",
    "operator.methodcaller": "GHSA-m273-6v24-x4m4",
    "pandas.io.pickle.read_pickle": "measured: second stage, missed by picklescan 1.0.5",
    "pandas.read_pickle": "measured: second stage, missed by picklescan 1.0.5",
    "pdb.Pdb.run": "GHSA-4675-36f9-wf6r",
    "pickle.loads": "GHSA-84r2-jw7c-4r5q",
    "pip._internal.cli.main.main": "CVE-2025-1716",
    "pip.main": "CVE-2025-1716",
    "pkgutil.resolve_name": "GHSA-vvpj-8cmc-gx39",
    "platform.popen": "fickling pull request 215",
    "profile.Profile.run": "GHSA-46h3-79wf-xr6c",
    "pty.spawn": "GHSA-r7v6-mfhq-g3m2",
    "pydoc.locate": "picklescan advisories of 2025",
    "pydoc.pipepager": "picklescan advisories of 2025",
    "requests.api.get": "GHSA-hgrh-qx5j-jfwx",
    "runpy.run_path": "GHSA-g38g-8gr9-h9xp",
    "shutil.rmtree": "CVE-2025-10156",
    "site.addpackage": "measured: missed by picklescan 1.0.5",
    "smtplib.SMTP": "fickling pull request 215",
    "socket.create_connection": "fickling issue 16",
    "sqlite3.connect": "fickling pull request 215",
    "ssl.get_server_certificate": "GHSA-hgrh-qx5j-jfwx",
    "sympy.core.sympify.sympify": "measured: missed by picklescan 1.0.5",
    "tempfile.mkdtemp": "fickling pull request 215",
    "timeit.timeit": "GHSA-v7x6-rv5q-mhwc",
    "torch._dynamo.guards.GuardBuilder.get": "picklescan advisories of 2025",
    "torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression": "picklescan 2025",
    "torch.hub.load": "fickling pull request 215",
    "torch.jit.unsupported_tensor_ops.execWrapper": "picklescan advisories of 2025",
    "torch.load": "measured: second stage, missed by picklescan 1.0.5",
    "torch.utils._config_module.ConfigModule.load_config": "picklescan advisories of 2025",
    "torch.utils.bottleneck.__main__.run_cprofile": "picklescan advisories of 2025",
    "torch.utils.collect_env.run": "picklescan advisories of 2025",
    "torch.utils.data.datapipes.utils.decoder.basichandlers": "picklescan advisories of 2025",
    "trace.Trace.run": "GHSA-4675-36f9-wf6r",
    "types.CodeType": "GHSA-565g-hwwr-4pp3",
    "types.FunctionType": "GHSA-565g-hwwr-4pp3",
    "uuid._get_command_stdout": "GHSA-5hwf-rc88-82xm",
    "venv.create": "GHSA-vqmv-47xg-9wpr",
    "webbrowser.open": "picklescan, first list",
    "zipimport.zipimporter": "fickling pull request 215",
}

REEXPORTS = {
    ("logging", "os.system"): "measured: dotted re-export, missed by picklescan 1.0.5",
    ("sklearn.datasets._base", "os.system"): "measured: dotted re-export",
    ("torch.serialization", "os.system"): "measured: dotted re-export",
    ("numpy.lib.utils", "os.popen"): "measured: dotted re-export",
    ("shop.models", "subprocess.Popen"): "the same through a package that nobody knows",
    ("collections", "_sys.modules"): "the same through an alias of the interpreter",
    ("sklearn.base", "BaseEstimator.__init__.__globals__"): "picklescan issue 66, attribute chains",
    ("builtins", "object.__subclasses__"): "picklescan issue 66, attribute chains",
    ("pandas.core.frame", "DataFrame.eval"): "a listed class, and a method of it that runs text",
}


def severities(folder: Path, data: bytes) -> set[Severity]:
    path = folder / "model.bin"
    path.write_bytes(data)
    return {item.severity for item in UnsafeOpcodes().check(ModelFile(name="m", path=path))}


@pytest.mark.parametrize("gadget", GADGETS)
def test_known_gadgets_are_dangerous_when_called(tmp_path: Path, gadget: str) -> None:
    found = severities(tmp_path, whole(call(name(gadget), text("x"))))
    assert found & {Severity.CRITICAL, Severity.HIGH}


@pytest.mark.parametrize("gadget", GADGETS)
def test_known_gadgets_are_no_pass_when_only_named(tmp_path: Path, gadget: str) -> None:
    assert severities(tmp_path, whole(name(gadget)))


@pytest.mark.parametrize("parts", REEXPORTS, ids=".".join)
def test_re_exports_are_dangerous(tmp_path: Path, parts: tuple[str, str]) -> None:
    assert Severity.CRITICAL in severities(tmp_path, whole(call(dotted(*parts), text("x"))))
