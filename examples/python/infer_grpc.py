#!/usr/bin/env python3
"""Asks a running `cosrel serve` over gRPC: what a model takes, then for one inference with random numbers.

    python3 infer_grpc.py 127.0.0.1:8001 mobilenet_v2 [dimension that the model leaves open, default 1]

COSREL_TOKEN in the environment is sent as the bearer token. Needs grpc and protobuf (Debian: python3-grpcio,
python3-protobuf) and protoc (protobuf-compiler), which makes the messages' classes from the published schema. A program
of yours would keep what protoc makes.
"""
import math
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time

import grpc

from infer import FORMATS, Refused, describe, random_input

PROTO = pathlib.Path(__file__).resolve().parents[2] / "src" / "server" / "oip.proto"
TIMEOUT_S = 30  # becomes the request's deadline in the server's scheduler


def messages():
    """The module that protoc makes of the schema."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["protoc", f"-I{PROTO.parent}", f"--python_out={folder}", PROTO.name], check=True)
        sys.path.insert(0, folder)
        import oip_pb2
        return oip_pb2


class Client:
    def __init__(self, address):
        self.oip = messages()
        # The clients' default of 4 MB is little for tensors.
        self.channel = grpc.insecure_channel(address, [("grpc.max_receive_message_length", 64 << 20),
                                                       ("grpc.max_send_message_length", 64 << 20)])

    def call(self, method, **fields):
        request = getattr(self.oip, f"{method}Request")(**fields)
        ask = self.channel.unary_unary(f"/inference.GRPCInferenceService/{method}", type(request).SerializeToString,
                                       getattr(self.oip, f"{method}Response").FromString)
        token = os.environ.get("COSREL_TOKEN")
        return ask(request, timeout=TIMEOUT_S, metadata=token and [("authorization", f"Bearer {token}")])


def main(address, model, open_dimension):
    client = Client(address)
    metadata = client.call("ModelMetadata", name=model)
    inputs, raw = [], []
    for described in metadata.inputs:
        tensor, values = random_input({"name": described.name, "datatype": described.datatype,
                                       "shape": list(described.shape)}, open_dimension)
        inputs.append(client.oip.ModelInferRequest.InferInputTensor(**tensor))
        raw.append(struct.pack(f"<{len(values)}{FORMATS[tensor['datatype']]}", *values))
        print(f"{model}: {tensor['name']} {tensor['datatype']}{tensor['shape']}".replace(", ", ","))
    begun = time.perf_counter()
    # Tensors travel as raw little-endian bytes, which no side has to convert.
    answer = client.call("ModelInfer", model_name=model, inputs=inputs, raw_input_contents=raw)
    print(f"{answer.model_name} {answer.model_version}: {(time.perf_counter() - begun) * 1e3:.1f} ms")
    for output, data in zip(answer.outputs, answer.raw_output_contents):
        shape, format = list(output.shape), FORMATS.get(output.datatype)
        values = format and struct.unpack(f"<{math.prod(shape)}{format}", data)
        print(f"  {describe({'name': output.name, 'datatype': output.datatype, 'shape': shape}, values)}")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    open_dimension = arguments[2] if len(arguments) == 3 else "1"
    if len(arguments) not in (2, 3) or not open_dimension.isdigit() or int(open_dimension) < 1:
        print("usage: python3 infer_grpc.py HOST:PORT MODEL [OPEN-DIMENSION]", file=sys.stderr)
        sys.exit(2)
    try:
        main(arguments[0], arguments[1], int(open_dimension))
    except grpc.RpcError as error:
        sys.exit(f"{arguments[0]}: {error.code().name}, {error.details()}")
    except Refused as refused:
        sys.exit(str(refused))
