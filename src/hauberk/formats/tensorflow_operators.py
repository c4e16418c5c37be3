"""TensorFlow operators that reach outside of a graph, by name.

SavedModel, frozen graphs and TensorFlow Lite's ``Flex`` operators share the names. The list
follows TensorFlow's own warning ("models are programs", SECURITY.md) and its kernels that
open files, sockets, libraries or Python. Checkpoint operators are part of every SavedModel
and are not on it.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

RUNS = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc", "NumpyFunction"})
"""Operators that call into Python of the loading process."""

PRINTS_TO_FILE = "PrintV2 to a file"
"""The operator that prints, where its stream is one: appended to whatever file it names."""

READS_DESCRIPTION = "a proto operator with a file of descriptions"
"""The operators that decode and encode protobuf, where their description is a file."""

WRITES_CHECKPOINT = frozenset({"Save", "SaveSlices", "SaveV2", "MergeV2Checkpoints"})
"""Part of every SavedModel, which its trainer runs; a converted graph has no use for them."""

_REACHES = frozenset(
    """
    ReadFile WriteFile MatchingFiles ImmutableConst WholeFileReader WholeFileReaderV2
    TextLineReader TextLineReaderV2 FixedLengthRecordReader FixedLengthRecordReaderV2
    TFRecordReader TFRecordReaderV2 LMDBReader ReaderRead ReaderReadV2 ReaderReadUpTo
    ReaderReadUpToV2 SaveDataset SaveDatasetV2 LoadDataset SnapshotDataset SnapshotDatasetV2
    DistributedSave CacheDataset CacheDatasetV2 TextLineDataset TFRecordDataset
    TFRecordDatasetV2 FixedLengthRecordDataset FixedLengthRecordDatasetV2 SqlDataset
    ExperimentalSqlDataset MatchingFilesDataset ExperimentalMatchingFilesDataset
    LMDBDataset ExperimentalLMDBDataset FileSystemSetConfiguration RpcCall RpcClient
    RpcServer RpcServerStart RpcServerRegister TryRpc Rpc CreateSummaryFileWriter
    CreateSummaryDbWriter ImportEvent DebugIdentity DebugIdentityV2 DebugIdentityV3 Abort
    DatasetToTFRecord ExperimentalDatasetToTFRecord
    DataServiceDataset DataServiceDatasetV2 RegisterDataset LoadLibrary BigQueryReader
    GenerateBigQueryReaderPartitions CSVDataset CSVDatasetV2 ExperimentalCSVDataset
    """.split()  # noqa: SIM905 - a table of names reads better as words
)


def reason_of(operator: str) -> str:
    """What an operator reaches; empty where it stays inside of the graph.

    >>> reason_of("WriteFile")
    'reaches files or the network of the machine that runs it'
    >>> reason_of("MatMul")
    ''
    """
    if operator in RUNS:
        return "calls Python of the process that runs it"
    is_reaching = operator in _REACHES or operator in {PRINTS_TO_FILE, READS_DESCRIPTION}
    return "reaches files or the network of the machine that runs it" if is_reaching else ""


_KNOWN = Path(__file__).with_name("tensorflow_operators.txt")
"""Written by ``scripts/generate_tensorflow_operators.py`` from what the libraries register."""

_VENDORS = re.compile(
    r"(Addons|IO|TFRA|Recommenders|Text|TFText|Neuron|Horovod|Struct2Tensor|TfLite|Lite)>\w+"
    r"|TRTEngineOp|TRT\w+|Horovod\w+|Neuron\w*|IPU\w*|Ipu\w*|Poplar\w*|Dml\w+|_ITEX\w*|Itex\w+"
    r"|_Mkl\w+|_MklNative\w+|SimpleML\w+|Sentencepiece\w*|Struct2Tensor\w*|Equi\w+|TPUEmbedding\w*"
    r"|TFLite_\w+|GeoHash\w*|Ngram\w*"
)
"""Operators of libraries that their makers publish: a second person decides about them."""


@cache
def known_operators() -> frozenset[str]:
    """Operators that TensorFlow and TensorFlow Text register themselves."""
    return frozenset(_KNOWN.read_text("ascii").split())


def is_from_outside(operator: str) -> bool:
    """Whether a library outside of TensorFlow must bring the operator."""
    return operator not in known_operators()


def is_of_vendor(operator: str) -> bool:
    """Whether a published library has an operator of such a name."""
    return _VENDORS.fullmatch(operator) is not None
