"""A server takes no harm of what it is sent: too much, too large, too slow, or wrong."""

from __future__ import annotations

import collections
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import served
from served import Server, photo

from tlearn import runs

sys.path.insert(0, str(served.ROOT / "benchmarks"))
import malformed_requests
from malformed_requests import Malformed, exchange

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def strict(run: runs.Run) -> Iterator[Server]:
    """A server that takes little, and waits for nobody."""
    options = ("--receive-timeout", "1.5", "--max-body", "1MB", "--max-pixels", "0.05")
    with Server(str(run.path), *options) as server:
        yield server


@pytest.fixture(scope="module")
def patient(run: runs.Run) -> Iterator[Server]:
    """A server whose photos wait for each other as long as one more is on its way."""
    with Server(str(run.path), "--batch-delay", "5000", "--timeout", "1") as server:
        yield server


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    return served.write_run(tmp_path_factory.mktemp("serving"))


def test_malformed_requests_are_refused_and_the_next_good_one_is_answered(strict: Server) -> None:
    good = Malformed("good", malformed_requests.post("/predict", photo("red")))
    wrong = []
    whole = photo("red", size=(160, 120))
    for number, one in enumerate(malformed_requests.drawn(160, "colours", whole, seed=7, slow=4)):
        status = exchange("127.0.0.1", strict.port, one)
        if not 400 <= status < 500:
            wrong.append((one.kind, status, one.sent[:300]))
        if number % 10 == 0:
            assert exchange("127.0.0.1", strict.port, good) == 200
    assert wrong == []
    assert 'status="5' not in strict.get("/metrics").text


def test_a_full_queue_is_told_with_when_to_come_again_and_nothing_hangs(run: runs.Run) -> None:
    with Server(str(run.path), "--queue", "2", "--batch-size", "1") as server:
        with ThreadPoolExecutor(48) as clients:
            answers = list(clients.map(lambda _: server.post("/predict", photo("red")), range(300)))
        statuses = collections.Counter(answer.status_code for answer in answers)
        assert set(statuses) == {200, 429}
        for answer in answers:
            if answer.status_code == 429:
                assert 1 <= int(answer.headers["retry-after"]) <= 60
                assert list(answer.json()) == ["error"]
        assert server.upload(photo("blue"))["label"] == "blue"


def test_limits_of_bytes_pixels_and_photos(strict: Server) -> None:
    assert strict.post("/predict", bytes(1_000_001)).status_code == 413
    assert strict.post("/predict", iter([bytes(600_000)] * 2)).status_code == 413  # in chunks
    large = strict.post("/predict", photo("red", size=(300, 200)))
    assert large.status_code == 400
    assert "300 x 200 pixels" in large.json()["error"]
    files = [("file", ("a.jpg", photo("red")))] * 65
    assert strict.post("/predict", files=files).status_code == 413
    assert strict.post("/predict", files=files[:64]).status_code == 200
    rows = [malformed_requests.b64(photo("red"))] * 65
    assert strict.rest("colours", {"instances": rows}).status_code == 413
    assert strict.rest("colours", {"instances": rows[:64]}).status_code == 200
    asked = {"instances": [[[[0, 0, 0]] * 250] * 250], "signature_name": "pixels"}
    assert strict.rest("colours", asked).status_code == 400


def test_pictures_that_are_larger_than_memory_are_not_decoded(strict: Server) -> None:
    for width, height in ((100_000, 100_000), (9_000, 9_000), (2**31 - 1, 1)):
        answer = strict.post("/predict", malformed_requests.png(width, height))
        assert answer.status_code == 400
        assert "pixels" in answer.json()["error"]


def test_who_is_slow_is_sent_away_and_keeps_nobody_waiting(strict: Server) -> None:
    body = photo("red")
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    unfinished = [b"", b"POST /pred", head.encode(), head.encode() + body[:50]]
    slow = [socket.create_connection(("127.0.0.1", strict.port), 30) for _ in unfinished]
    for connection, begun in zip(slow, unfinished, strict=True):
        connection.sendall(begun)
    assert strict.upload(photo("blue"))["label"] == "blue"
    answers = [connection.recv(65536) for connection in slow]
    assert [answer[9:12] for answer in answers] == [b"", b"408", b"408", b"408"]
    for connection in slow:
        connection.close()


def test_a_client_that_leaves_takes_its_photo_with_it(patient: Server) -> None:
    request = malformed_requests.post("/predict", photo("red"))
    with (
        socket.create_connection(("127.0.0.1", patient.port), 30) as other,
        socket.create_connection(("127.0.0.1", patient.port), 30) as leaving,
    ):
        other.sendall(request[:-10])  # on its way, so that the first one is waited with
        leaving.sendall(request)
        patient.until(lambda: "tlearn_queue_photos 1.0" in patient.get("/metrics").text)
        leaving.close()
        patient.until(lambda: "tlearn_queue_photos 0.0" in patient.get("/metrics").text)
        other.sendall(request[-10:])
        assert other.recv(65536).startswith(b"HTTP/1.1 200")
    text = patient.get("/metrics").text
    assert 'tlearn_photos_total{answer="sure",model="colours"} 1.0' in text


def test_an_answer_that_takes_too_long_is_given_up(patient: Server) -> None:
    with socket.create_connection(("127.0.0.1", patient.port), 30) as other:
        other.sendall(malformed_requests.post("/predict", photo("red"))[:-10])
        answer = patient.post("/predict", photo("red"))
        assert answer.status_code == 504
        assert list(answer.json()) == ["error"]
