"""The messages of the Open Inference Protocol over gRPC, as protobuf itself writes them.

The oracle of the codec in `formats.v2_grpc`: descriptors made from the published tables of
fields, and protobuf's own serializer.
"""

from __future__ import annotations

import pytest

descriptor_pb2 = pytest.importorskip("google.protobuf.descriptor_pb2")
from google.protobuf import descriptor_pool, message_factory  # noqa: E402

_KINDS = {"string": 9, "bytes": 12, "bool": 8, "int32": 5, "int64": 3, "uint32": 13} | {
    "uint64": 4,
    "float": 2,
    "double": 1,
}
_TABLES = {
    "Parameter": "bool bool_param, int64 int64_param, string string_param",
    "Entry": "string key, Parameter value",
    "Contents": "*bool bool_contents, *int32 int_contents, *int64 int64_contents, "
    "*uint32 uint_contents, *uint64 uint64_contents, *float fp32_contents, "
    "*double fp64_contents, *bytes bytes_contents",
    "Tensor": "string name, string datatype, *int64 shape, *Entry parameters, Contents contents",
    "Output": "string name, *Entry parameters",
    "Request": "string model_name, string model_version, string id, *Entry parameters, "
    "*Tensor inputs, *Output outputs, *bytes raw_input_contents",
    "Response": "string model_name, string model_version, string id, *Entry parameters, "
    "*Tensor outputs, *bytes raw_output_contents",
    "Named": "string name, string version",
    "Metadata": "string name, *string versions, string platform, *Tensor inputs, *Tensor outputs",
    "Truth": "bool live",
}


def _made():
    file = descriptor_pb2.FileDescriptorProto(name="v2.proto", package="v2", syntax="proto3")
    for name, table in _TABLES.items():
        message = file.message_type.add(name=name)
        for number, entry in enumerate(table.split(", "), start=1):
            kind, title = entry.lstrip("*").split()
            found = message.field.add(name=title, number=number, label=3 if entry[0] == "*" else 1)
            if kind in _KINDS:
                found.type = _KINDS[kind]
            else:
                found.type, found.type_name = 11, f".v2.{kind}"
            if name == "Parameter":
                found.oneof_index = 0
        if name == "Parameter":
            message.oneof_decl.add(name="choice")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"v2.{name}"))
        for name in _TABLES
    }


MESSAGES = _made()
Request, Response, Metadata = MESSAGES["Request"], MESSAGES["Response"], MESSAGES["Metadata"]
Named, Truth = MESSAGES["Named"], MESSAGES["Truth"]
