#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Seeds for the fuzzers: make_corpus.py writes corpus/*/ beside it."""
import base64
import os
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def put(target, name, data):
    os.makedirs(f"{HERE}/{target}", exist_ok=True)
    with open(f"{HERE}/{target}/{name}", "wb") as f:
        f.write(data)


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, str):
        value = value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def model(units=2, weights=True, loops=False):
    layers = [("in", "InputLayer", '{"batch_shape": [null, 3]}'),
              ("d", "Dense", '{"units": %d, "activation": "relu"}' % units)]
    out = field(1, 1) + field(2, "m")
    for name, class_name, config in layers:
        out += field(3, field(1, name) + field(2, class_name) + field(3, config) + field(4, 1))
    out += field(4, field(1, 0))
    out += field(4, field(1, 1) + field(2, field(1, 1 if loops else 0)))
    out += field(5, field(1, 0)) + field(6, field(1, 1))
    if weights:
        out += field(10, 1) + field(100, struct.pack("<8f", *range(8)))
    return out


put("wire", "model", b"\0" + model())
put("wire", "model_no_weights", b"\0" + model(weights=False))
put("wire", "model_huge", b"\0" + model(units=1 << 40, weights=False))
put("wire", "model_loop", b"\0" + model(loops=True))
put("wire", "model_cut", b"\0" + model()[:-5])
put("wire", "update", b"\1" + field(1, "job") + field(3, 7) + field(100, bytes(16)))
put("wire", "values_odd", b"\1" + field(100, bytes(15)))
put("wire", "values_not_last", b"\2" + field(100, bytes(8)) + field(1, 1))
put("wire", "length_lies", b"\2" + varint(100 << 3 | 2) + varint(1 << 62))
# the first byte: format + 5 * header + 0x40 (labels named) + 0x80 (predict)
put("rows", "csv", b"\x40" + b"1,2,3,0,1\n4,5,6e-3,1,0\n")
put("rows", "csv_header", b"\x45" + b"a,b,c,d,e\n1,2,3,0,1\n")
put("rows", "csv_quotes", b"\x40" + b'"1","2",3,0,1\r\n"1,2\n')
put("rows", "csv_numbers", b"\x40" + b"nan,inf,1e999,-0,0x10\n1e-400,.5,5.,1,0\n")
put("rows", "predict", b"\x80" + b"1,2,3\n4,5,x\n")
put("rows", "libsvm", b"\x41" + b"1 1:0.5 3:2\n0 2:1 2:1\n0 99999999999:1\n")
put("rows", "json", b"\x42" + b'[1,2,3,0,1]\n{"a":1,"b":[2,3]}\n[[[[[[[[\n')
put("rows", "b64", b"\x43" + base64.b64encode(struct.pack("<5f", 1, 2, 3, 0, 1)) + b"\n!!!!\n")
put("rows", "first_line", b"\x44" + b"#elephas/1 job=j partition=1 attempt=0 format=csv end=1\n"
    b"1,2,3,0,1\n#elephas/1 end rows=1\n")
put("rows", "first_line_bad", b"\x44" + b"#elephas/1 job= partition=-1 = ==\n")
put("http", "get", b"GET /v1/jobs?after=%31&x HTTP/1.1\r\nHost: a\r\n\r\n")
put("http", "post", b"POST /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
put("http", "chunks", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n")
put("http", "smuggling", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n")
put("http", "escapes", b"GET /%2e%2e/%00/%zz?%=%&&== HTTP/1.1\r\nHost: a\r\n\r\n")
put("http", "frame_pull", b"\x01\0\0\0\x13\0\0\0\0\0\0\0\x0a\x0dstep=3&wait=1\x12\x0217")
put("http", "frame_update", b"\x02\0\0\0\x13\0\0\0\0\0\0\0")
put("http", "no_end", b"GET / HTTP/1.1\r\nA: b")
put("keras", "empty", b"")
put("keras", "text", b"no model")
put("keras", "zip_end_only", b"PK\5\6" + bytes(18))
put("keras", "hdf5_start", b"\x89HDF\r\n\x1a\n" + bytes(64))
put("keras", "json", b'{"class_name": "Sequential", "config": {"name": "m", "layers": ['
    b'{"class_name": "Dense", "config": {"name": "d", "units": 1}}]}}')
# the first byte: float32, fp16, bf16, int8, topk; then the number of values
put("codec", "float32", b"\0" + struct.pack("<H2f", 2, 1, float("nan")))
put("codec", "fp16", b"\1" + struct.pack("<H3eH", 3, 1, 6e-8, -65504, 0))
put("codec", "bf16", b"\2" + struct.pack("<H2H", 2, 0x3f80, 0xff80))
put("codec", "int8", b"\3" + struct.pack("<Hf4b", 3, 0.5, 1, -127, 0, 0))
put("codec", "int8_blocks", b"\3" + struct.pack("<Hf1024sf4s", 1026, 1, bytes(1024), 1e-45, b"\1\2\0\0"))
put("codec", "int8_scale", b"\3" + struct.pack("<Hf4b", 3, float("inf"), 1, 2, 3, 0))
put("codec", "topk", b"\4" + struct.pack("<HII4sff", 300, 2, 3, b"\5\x81\2\0", 1, -2))
put("codec", "topk_past", b"\4" + struct.pack("<HII4sff", 100, 2, 3, b"\5\x81\2\0", 1, -2))
put("codec", "topk_count", b"\4" + struct.pack("<HII4sff", 300, 1 << 31, 3, b"\5\x81\2\0", 1, -2))
put("codec", "topk_bytes", b"\4" + struct.pack("<HII4sff", 300, 2, 0xffffffff, b"\5\x81\2\0", 1, -2))


def elephas(arrays):
    """(shape, type, bytes) of each."""
    out = struct.pack("<I", len(arrays))
    for shape, kind, data in arrays:
        out += struct.pack("<B%dqH" % len(shape), len(shape), *shape, len(kind)) + kind + struct.pack("<Q", len(data)) + data
    return out


# the first byte: what comes at a time, less one
KERNEL = ((2, 3), b"float32", struct.pack("<6f", *range(6)))
put("compat", "float32", b"\4" + elephas([KERNEL, ((3,), b"float32", struct.pack("<3f", 1, -2, 3e38))]))
put("compat", "float16_nan", b"\0" + elephas([KERNEL, ((3,), b"float16", struct.pack("<3e", 1, float("nan"), 3))]))
put("compat", "float64", b"\x20" + elephas([KERNEL, ((3,), b"float64", struct.pack("<3d", 1e300, 2, 3))]))
put("compat", "int64", b"\2" + elephas([KERNEL, ((3,), b"int64", struct.pack("<3q", 1 << 62, 2, -3))]))
put("compat", "cut", b"\2" + elephas([KERNEL, KERNEL])[:-50])
put("compat", "more", b"\2" + elephas([KERNEL, ((3,), b"bfloat16", bytes(6))]) + b"x")
