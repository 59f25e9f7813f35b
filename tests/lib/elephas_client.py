# SPDX-License-Identifier: MIT
"""A client of the Elephas 7.3.0 protocol (docs/PROTOCOL.md section 8), written from its description."""
import socket
import struct
import urllib.request


def pack(arrays):
    """arrays: (shape, dtype name, bytes) each."""
    out = [struct.pack("<I", len(arrays))]
    for shape, dtype, data in arrays:
        out.append(struct.pack(f"<B{len(shape)}q", len(shape), *shape))
        out.append(struct.pack("<H", len(dtype)) + dtype.encode())
        out.append(struct.pack("<Q", len(data)) + data)
    return b"".join(out)


def unpack(blob):
    count, = struct.unpack_from("<I", blob)
    at, arrays = 4, []
    for _ in range(count):
        rank = blob[at]
        shape = struct.unpack_from(f"<{rank}q", blob, at + 1)
        at += 1 + 8 * rank
        n, = struct.unpack_from("<H", blob, at)
        dtype = blob[at + 2:at + 2 + n].decode()
        at += 2 + n
        size, = struct.unpack_from("<Q", blob, at)
        arrays.append((shape, dtype, blob[at + 8:at + 8 + size]))
        at += 8 + size
    assert at == len(blob), (at, len(blob))
    return arrays


class Http:
    def __init__(self, address):
        self.url = f"http://{address}"

    def get(self):
        with urllib.request.urlopen(f"{self.url}/parameters", timeout=30) as r:
            assert r.headers["Content-Type"] == "application/octet-stream", r.headers
            return unpack(r.read())

    def update(self, arrays):
        request = urllib.request.Request(f"{self.url}/update", data=pack(arrays),
                                         headers={"Content-Type": "application/elephas"})
        with urllib.request.urlopen(request, timeout=30) as r:
            return r.read()


class Socket:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.address = (host.strip("[]"), int(port))

    def connect(self):
        return socket.create_connection(self.address, timeout=30)

    @staticmethod
    def receive(s, n):
        out = bytearray()
        while len(out) < n:
            piece = s.recv(n - len(out))
            assert piece, f"closed after {len(out)} of {n} bytes"
            out += piece
        return bytes(out)

    def get(self, s=None):
        own = s is None
        s = s or self.connect()
        s.sendall(b"g")
        n, = struct.unpack(">I", self.receive(s, 4))
        blob = self.receive(s, n)
        if own:
            s.close()
        return unpack(blob)

    def update(self, arrays, s=None):
        own = s is None
        s = s or self.connect()
        blob = pack(arrays)
        s.sendall(b"u" + struct.pack(">I", len(blob)) + blob)
        if own:
            s.close()
