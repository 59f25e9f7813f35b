# SPDX-License-Identifier: MIT
"""HTTP/1.1 over a plain socket, for what client libraries do not send."""
import socket
import threading


def dial(address):
    """To "HOST:PORT", "[HOST]:PORT" or such a URL."""
    host, port = address.split("//")[-1].rsplit(":", 1)
    return socket.create_connection((host.strip("[]"), int(port)), timeout=30)


def chunked(body, size, trailers=()):
    """The body in chunks, and fields behind them."""
    out = b"".join(b"%x;note=1\r\n%s\r\n" % (len(body[i:i + size]), body[i:i + size]) for i in range(0, len(body), size))
    return out + b"0\r\n" + b"".join(t.encode() + b"\r\n" for t in trailers) + b"\r\n"


def request(method, path, *headers, body=None):
    """Bytes of a request; the length of a body that is not chunked is said."""
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body is not None and not any(h.startswith("Transfer-Encoding") for h in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def answer(stream):
    """Status, headers, body of the next answer in a file of the socket; None at its end."""
    line = stream.readline()
    if not line:
        return None
    headers = {}
    while (field := stream.readline()) != b"\r\n":
        assert field, "the head is cut off"
        name, value = field.decode().split(":", 1)
        headers[name.lower()] = value.strip()
    body = stream.read(int(headers.get("content-length", 0)))
    assert len(body) == int(headers.get("content-length", 0)), "the body is cut off"
    return int(line.split()[1]), headers, body


def all_answers(address, *requests):
    """To requests that are sent at once, with nothing behind them."""
    def send(c):
        try:
            c.sendall(b"".join(requests))
            c.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the answers say why

    with dial(address) as c, c.makefile("rb") as stream:
        sender = threading.Thread(target=send, args=(c,), daemon=True)
        sender.start()
        answers = []
        while (one := answer(stream)) is not None:
            answers.append(one)
        sender.join()
        return answers


def asks_first(address, method, path, body, *headers):
    """Status and body of a request with Expect: 100-continue, which is said before the body is sent."""
    with dial(address) as c, c.makefile("rb") as stream:
        c.sendall(request(method, path, *headers, "Expect: 100-continue", f"Content-Length: {len(body)}"))
        assert answer(stream)[0] == 100
        c.sendall(body)
        status, _, text = answer(stream)
        return status, text
