"""A client as labs wrote them for the first GOHM: made from its five messages alone, in another language.

usage: client.py PROTO_DIR info ADDRESS
       client.py PROTO_DIR history ADDRESS ID TYPE TIMESTAMP
Prints JSON.
"""
import importlib
import json
import os
import sys
import tempfile

# grpc_tools of Debian 12 writes code for an older protobuf runtime; the pure Python runtime still reads it.
os.environ.setdefault("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")

import grpc  # noqa: E402
from google.protobuf.json_format import MessageToDict  # noqa: E402
from grpc_tools import protoc  # noqa: E402


def generate(folder):
    with tempfile.TemporaryDirectory() as out:
        code = protoc.main(["", f"-I{folder}", f"--python_out={out}", f"--grpc_python_out={out}", "first.proto"])
        if code != 0:
            sys.exit(f"protoc failed with {code}")
        sys.path.insert(0, out)
        return importlib.import_module("first_pb2"), importlib.import_module("first_pb2_grpc")


def main():
    folder, what, address, *rest = sys.argv[1:]
    pb, stubs = generate(folder)
    with grpc.insecure_channel(address) as channel:
        try:
            if what == "info":
                answer = stubs.HostMonitorStub(channel).GetInfo(pb.RequestInfo(reqtype="all"), timeout=20)
            else:
                request = pb.HistReq(id=rest[0], type=rest[1], timestamp=int(rest[2]))
                answer = stubs.HistoryStub(channel).GetHistory(request, timeout=20)
        except grpc.RpcError as error:
            print(json.dumps({"code": error.code().name, "details": error.details()}))
            return
    print(json.dumps(MessageToDict(answer, preserving_proto_field_name=True)))


main()
