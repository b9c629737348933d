"""Requests that no client should send, drawn at random by a seed; also used by tests/test_serving_limits.py.

Only the standard library and Pillow here.
"""

from __future__ import annotations

import base64
import io
import json
import random
import socket
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

_BOUNDARY = "boundary-of-a-test"


@dataclass(frozen=True)
class Malformed:
    """A request as it goes over the wire.

    Attributes:
        kind: What is wrong with it.
        sent: Its bytes.
        stalls: Whether more would have to follow, and never does.
    """

    kind: str
    sent: bytes
    stalls: bool = False


def drawn(
    count: int, model: str, photo: bytes, *, seed: int = 0, slow: int = 5
) -> Iterator[Malformed]:
    """So many requests, `slow` of them from senders that never come to an end.

    Args:
        count: How many.
        model: The name of a model that is served.
        photo: A JPEG that can be read.
        seed: Other seeds give other requests.
        slow: How many senders are slow.
    """
    lot = random.Random(seed)
    makers = (_base64, _types, _json, _sizes, _photos, _paths, _forms, _heads)
    for number in range(count - slow):
        yield makers[number % len(makers)](lot, model, photo)
    for number in range(slow):
        yield _slow(lot, model, photo, number)


def exchange(host: str, port: int, request: Malformed, seconds: float = 30.0) -> int:
    """Send one, and give the status of what comes back; 0 where the connection is closed without."""
    with socket.create_connection((host, port), timeout=seconds) as connection:
        answer = b""
        try:
            connection.sendall(request.sent)
            while b"\r\n" not in answer and (part := connection.recv(65536)):
                answer += part
        except (BrokenPipeError, ConnectionResetError):
            pass
    words = answer.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def post(
    path: str, body: bytes, kind: str = "application/json", length: int | None = None
) -> bytes:
    """A request that a client would send."""
    size = len(body) if length is None else length
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {size}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("utf-8", "surrogateescape") + body


def rows(model: str, instances: object, **more: object) -> bytes:
    """A request of TensorFlow Serving's."""
    body = json.dumps({"instances": instances, **more}).encode()
    return post(f"/v1/models/{model}:predict", body)


def b64(data: bytes) -> dict[str, str]:
    """Bytes as TensorFlow Serving takes them."""
    return {"b64": base64.b64encode(data).decode()}


def _base64(lot: random.Random, model: str, photo: bytes) -> Malformed:
    text = base64.b64encode(photo).decode()
    at = lot.randrange(len(text))
    broken = lot.choice(
        [
            text[:at] + lot.choice("!*.\u00e4\n%\x00") + text[at:],
            text.replace("A", "-", 1) if "A" in text else "-",
            text[: 4 * (at // 4) + 1],
            "=" * lot.randrange(1, 9),
            "",
            text[: at // 2],
        ]
    )
    return Malformed("base64", rows(model, [{"b64": broken}]))


def _types(lot: random.Random, model: str, photo: bytes) -> Malformed:
    good = b64(photo)
    wrong: list[bytes] = [
        *(rows(model, one) for one in (None, 5, "text", {}, [], [None], [1.5], [True], [[[]]])),
        *(rows(model, [one]) for one in ({"b64": 5}, {"b64": None}, {"b64": [1]}, {"B64": "aa"})),
        rows(model, [good, 7]),
        rows(model, [{"images": good, "more": 1}]),
        rows(model, [{"other": good}]),
        rows(model, [good, {"images": good}]),
        rows(model, [good], inputs=[good]),
        rows(model, [good], signature_name=lot.choice([5, [], {}, True])),
        rows(model, [good], signature_name=lot.choice(["none", "about", "x" * 9999, "../about"])),
        rows(model, [[[1, 2], [3]]], signature_name="pixels"),
        rows(model, [[["a", "b", "c"]]], signature_name="pixels"),
        rows(model, [[[[300, 0, 0]]]], signature_name="pixels_uint8"),
        rows(model, [[[[0.5, 0, 0]]]], signature_name="pixels_uint8"),
        rows(model, [[[[1, 2, 3, 4]]]], signature_name="pixels"),
        rows(model, [[[[float("nan"), 2, 3]]]], signature_name="pixels"),
        rows(model, [[[[10**400, 2, 3]]]], signature_name="pixels"),
        rows(model, [[[[1e39, 2, 3]]]], signature_name="pixels"),
        rows(model, [[[[]]]], signature_name="pixels"),
        post(f"/v1/models/{model}:predict", json.dumps({"inputs": {"x": [good]}}).encode()),
        post(f"/v1/models/{model}:predict", json.dumps({"inputs": good}).encode()),
        post(f"/v1/models/{model}:predict", json.dumps({"inputs": []}).encode()),
        post(f"/v1/models/{model}:predict", b"{}"),
        post(f"/v1/models/{model}:classify", b"{}"),
        post(f"/v1/models/{model}:regress", b"{}"),
    ]
    return Malformed("types", lot.choice(wrong))


def _json(lot: random.Random, model: str, photo: bytes) -> Malformed:
    whole = json.dumps({"instances": [b64(photo)]}).encode()
    cut = lot.randrange(1, len(whole) - 1)
    body = lot.choice(
        [
            b"",
            b"\x00",
            whole[:cut],
            whole[:cut] + bytes([lot.randrange(128, 256)]) + whole[cut:],
            b"[" * lot.randrange(10, 200_000),
            b'{"instances":' * lot.randrange(10, 50_000),
            b'{"instances": [' + b"9" * lot.randrange(5000, 50_000) + b"]}",
            b"null",
            b'"text"',
            b"[]",
            bytes(lot.randrange(256) for _ in range(lot.randrange(1, 999))),
            b"\xff\xfe" + whole.decode().encode("utf-16-le")[:99],
        ]
    )
    return Malformed("JSON", post(f"/v1/models/{model}:predict", body))


def _sizes(lot: random.Random, model: str, photo: bytes) -> Malformed:
    path = lot.choice([f"/v1/models/{model}:predict", "/predict"])
    sent = lot.choice(
        [
            post(path, b"x", length=10 ** lot.randrange(10, 18)),
            post(path, photo).replace(b"Content-Length: ", b"Content-Length: -"),
            post(path, photo).replace(b"Content-Length: ", b"Content-Length: 9" * 40),
            rows(model, [b64(photo[:10])] * lot.randrange(65, 2000)),
            _form([("a.jpg", photo[:10])] * lot.randrange(65, 500)),
            _chunked(path, lot.randrange(33, 40) * 2**20),
            post("/predict", png(lot.randrange(10_000, 2**31), lot.randrange(10_000, 2**31))),
            post("/predict", png(8_000, 8_000)),
            post(path + "?" + "q" * lot.randrange(70_000, 90_000), photo),
        ]
    )
    return Malformed("sizes", sent)


def _photos(lot: random.Random, model: str, photo: bytes) -> Malformed:
    kind = lot.choice(["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
    encoded = io.BytesIO()
    Image.open(io.BytesIO(photo)).convert("RGB").resize((120, 90)).save(encoded, kind)
    whole = encoded.getvalue()
    wrong = lot.choice(
        [
            photo[: lot.randrange(1, len(photo) * 9 // 10)],
            whole[: lot.randrange(1, len(whole) * 8 // 10)],
            b"",
            bytes(lot.randrange(256) for _ in range(lot.randrange(1, 5000))),
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
            b"%PDF-1.7\n",
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff\xd9",
            b"GIF89a" + bytes(10),
            b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        ]
    )
    sent = lot.choice(
        [
            rows(model, [b64(wrong)]),
            post("/predict", wrong, "image/jpeg"),
            _form([("a.jpg", wrong)]),
            post(f"/activation?model={model}&class=none", wrong, "image/jpeg"),
        ]
    )
    return Malformed("photos", sent)


def _paths(lot: random.Random, model: str, photo: bytes) -> Malformed:
    trick = lot.choice(
        [
            "../../etc/passwd",
            "..%2f..%2fetc%2fpasswd",
            "%2e%2e/%2e%2e/etc/passwd",
            "..\\..\\windows\\win.ini",
            "%00",
            f"{model}%00",
            "x" * lot.randrange(1000, 9000),
            "%c0%ae%c0%ae%c0%af",
            "%E2%80%AE",
            f"{model}/versions/99",
            f"{model}/versions/{'9' * lot.randrange(19, 60)}",
            f"{model}/versions/-1",
            f"{model}/versions/1e3",
            f"{model}/labels/stable",
            f"{model}//",
            "",
        ]
    )
    body = json.dumps({"instances": [b64(photo)]}).encode()
    sent = lot.choice(
        [
            post(f"/v1/models/{trick}:predict", body),
            _get(f"/v1/models/{trick}"),
            _get(f"/v1/models/{trick}/metadata"),
            post(f"/predict?model={trick.replace(chr(92), '/')}", photo),
            _get(f"/{trick}" if trick else "/v1/models"),
            _get(f"/static/{trick}"),
            post(f"/predict?top={lot.choice(['-1', '0', 'x', '9' * 50, '1.5', '%00'])}", photo),
        ]
    )
    return Malformed("paths", sent)


def _forms(lot: random.Random, model: str, photo: bytes) -> Malformed:
    whole = _form([("../../etc/passwd", photo)])
    _, _, body = whole.partition(b"\r\n\r\n")
    cut = body[: lot.randrange(1, 40)]
    kind = f"multipart/form-data; boundary={_BOUNDARY}"
    sent = lot.choice(
        [
            post("/predict", body, "multipart/form-data"),
            post("/predict", body, "multipart/form-data; boundary="),
            post("/predict", body, "multipart/form-data; boundary=other"),
            post("/predict", body, "multipart/form-data; boundary=" + "x" * 5000),
            post("/predict", cut, kind),
            post("/predict", b"", kind),
            post("/predict", f"--{_BOUNDARY}--\r\n".encode(), kind),
            post("/predict", body.replace(b'name="file"; ', b""), kind),
            post("/predict", body.replace(b"Content-Disposition", b"X" * 9000), kind),
            post("/predict", body.replace(b"filename", b"nothing"), kind),
            _form([("a.jpg", b"")]),
        ]
    )
    return Malformed("forms", sent)


def _heads(lot: random.Random, model: str, photo: bytes) -> Malformed:
    good = post("/predict", photo)
    sent = lot.choice(
        [
            good.replace(
                b"POST", lot.choice([b"DELETE", b"PUT", b"PATCH", b"TRACE", b"BREW", b"GET"])
            ),
            good.replace(b"HTTP/1.1", lot.choice([b"HTTP/9.9", b"HTTQ/1.1", b""])),
            good.replace(b"Host: localhost\r\n", b""),
            good.replace(
                b"localhost", lot.choice([b"evil.example", b"[::", b"a@b:c:d", b"\xff\xfe"])
            ),
            good.replace(b"Connection", b"Origin: https://evil.example\r\nConnection"),
            good.replace(b"Connection", b"Origin: null\r\nConnection"),
            good.replace(b"Connection", b"X: " + b"y" * 90_000 + b"\r\nConnection"),
            good.replace(b"Connection", b"Content-Length: 5\r\nConnection"),
            good.replace(b"Connection", b"Transfer-Encoding: magic\r\nConnection"),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
            b"\r\n" * 5 + b"nonsense\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: localhost\r\n: empty\r\n\r\n",
        ]
    )
    return Malformed("heads", sent)


def _slow(lot: random.Random, model: str, photo: bytes, number: int) -> Malformed:
    whole = lot.choice([rows(model, [b64(photo)]), post("/predict", photo), _form([("a", photo)])])
    end = whole.index(b"\r\n\r\n")
    cut = lot.randrange(5, end) if number % 2 else lot.randrange(end + 4, len(whole) - 1)
    return Malformed("slow", whole[:cut], stalls=True)


def _get(path: str) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    return head.encode("utf-8", "surrogateescape")


def _form(files: list[tuple[str, bytes]]) -> bytes:
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in files
    ]
    body = b"".join(parts) + f"--{_BOUNDARY}--\r\n".encode()
    return post("/predict", body, f"multipart/form-data; boundary={_BOUNDARY}")


def _chunked(path: str, size: int) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        "Connection: close\r\n\r\n"
    )
    part = b"x" * 2**20
    chunks = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for _ in range(size // 2**20))
    return head.encode() + chunks + b"0\r\n\r\n"


def png(width: int, height: int) -> bytes:
    """A PNG that says it is so large; there is next to nothing in it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows_ = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows_) + chunk(b"IEND", b"")
