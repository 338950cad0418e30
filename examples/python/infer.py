#!/usr/bin/env python3
"""Asks a running `cosrel serve` over HTTP with nothing but Python's standard library: what a model takes, then for the
same inference twice, with the numbers as JSON and as binary tensors. The second is what to use: no side has to convert.

    python3 infer.py http://127.0.0.1:8000 mobilenet_v2 [dimension that the model leaves open, default 1]

COSREL_TOKEN in the environment is sent as the bearer token. With numpy, tensor.tobytes() and numpy.frombuffer take the
place of struct here.
"""
import json
import math
import os
import random
import struct
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

# How struct packs each type of the protocol; raw data is little-endian ("<") without gaps.
FORMATS = {"BOOL": "?", "INT8": "b", "UINT8": "B", "INT16": "h", "UINT16": "H", "INT32": "i", "UINT32": "I",
           "INT64": "q", "UINT64": "Q", "FP16": "e", "FP32": "f", "FP64": "d"}


class Refused(Exception):
    """The server says no, or nothing."""


def ask(url, body=None, headers=None):
    """The answer's body and headers. A body makes it a POST."""
    request = urllib.request.Request(url, body, headers or {})
    if token := os.environ.get("COSREL_TOKEN"):
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        said = error.read()
        try:
            raise Refused(f"{url}: {error.code}, {json.loads(said)['error']}") from None
        except (ValueError, KeyError, TypeError):
            raise Refused(f"{url}: {error.code}") from None
    except OSError as error:
        raise Refused(f"{url}: no answer ({getattr(error, 'reason', error)}); is cosrel serve running there?") from None


def random_values(datatype, count):
    if datatype.startswith("FP"):
        return [random.random() for _ in range(count)]
    return [random.randrange(2) == 1 if datatype == "BOOL" else random.randrange(100) for _ in range(count)]


def random_input(described, open_dimension):
    """An input as the model's metadata describes it, and values for it."""
    name, datatype = described["name"], described["datatype"]
    if datatype not in FORMATS:
        raise Refused(f"input {name}: this example makes no {datatype}")
    shape = [open_dimension if n < 0 else n for n in described["shape"]]
    return {"name": name, "datatype": datatype, "shape": shape}, random_values(datatype, math.prod(shape))


def infer_json(url, inputs):
    body = json.dumps({"inputs": [{**tensor, "data": values} for tensor, values in inputs]})
    answer, _ = ask(url, body.encode())
    return [(output, output["data"]) for output in json.loads(answer)["outputs"]]


def infer_binary(url, inputs):
    """The body is JSON, whose length a header tells, and then the tensors in its order; so is the answer's."""
    described, raw = [], []
    for tensor, values in inputs:
        data = struct.pack(f"<{len(values)}{FORMATS[tensor['datatype']]}", *values)
        described.append({**tensor, "parameters": {"binary_data_size": len(data)}})
        raw.append(data)
    head = json.dumps({"inputs": described, "parameters": {"binary_data_output": True}}).encode()
    body, headers = ask(url, head + b"".join(raw), {"Content-Type": "application/octet-stream",
                                                    "Inference-Header-Content-Length": str(len(head))})
    at = int(headers["Inference-Header-Content-Length"])
    outputs = []
    for output in json.loads(body[:at])["outputs"]:
        data = body[at:at + output["parameters"]["binary_data_size"]]
        at += len(data)
        format = FORMATS.get(output["datatype"])
        outputs.append((output, format and struct.unpack(f"<{math.prod(output['shape'])}{format}", data)))
    return outputs


def describe(output, values):
    """The three highest, where the values look like scores of classes, else the mean."""
    what = f"{output['name']} {output['datatype']}{output['shape']}".replace(", ", ",")
    if not values:
        return f"{what}: not shown"
    if len(values) >= 5 and len(values) == output["shape"][-1]:
        best = sorted(range(len(values)), key=lambda i: -values[i])[:3]
        return f"{what}: highest " + ", ".join(f"{i} ({values[i]:.3g})" for i in best)
    return f"{what}: mean {sum(values) / len(values):.3g}"


def main(server, model, open_dimension):
    url = f"{server.rstrip('/')}/v2/models/{urllib.parse.quote(model, safe='')}"
    metadata = json.loads(ask(url)[0])
    inputs = [random_input(described, open_dimension) for described in metadata["inputs"]]
    for tensor, _ in inputs:
        print(f"{model}: {tensor['name']} {tensor['datatype']}{tensor['shape']}".replace(", ", ","))
    for way, infer in (("JSON", infer_json), ("binary", infer_binary)):
        begun = time.perf_counter()
        outputs = infer(f"{url}/infer", inputs)
        print(f"{way}: {(time.perf_counter() - begun) * 1e3:.1f} ms")
        for output, values in outputs:
            print(f"  {describe(output, values)}")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    open_dimension = arguments[2] if len(arguments) == 3 else "1"
    if len(arguments) not in (2, 3) or not open_dimension.isdigit() or int(open_dimension) < 1:
        print("usage: python3 infer.py URL MODEL [OPEN-DIMENSION]", file=sys.stderr)
        sys.exit(2)
    try:
        main(arguments[0], arguments[1], int(open_dimension))
    except Refused as refused:
        sys.exit(str(refused))
    except ValueError as wrong:  # no URL, or an answer that is none of the protocol's
        sys.exit(f"{arguments[0]}: {wrong}")
