"""`tlearn serve`: a real server, asked by clients as they are."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import served
import tensorflow as tf
from google.protobuf import json_format
from served import CLASSES, Server, photo
from typer.testing import CliRunner

from tlearn import runs
from tlearn.cli import app
from tlearn.serving import listening
from tlearn.serving.settings import Settings

FIRST = 1767225600  # 2026-01-01, in seconds


def b64(data: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(data).decode()}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> runs.Run:
    return served.write_run(tmp_path_factory.mktemp("serving") / "saved_models")


@pytest.fixture(scope="module")
def versions(run: runs.Run) -> Path:
    """Numbered versions, as TensorFlow Serving takes them."""
    folder = run.path.parents[1] / "exports" / "numbered"
    shutil.copytree(run.saved_model_path, folder / "9")
    shutil.copytree(run.saved_model_path, folder / "10")
    return folder


@pytest.fixture(scope="module")
def broken(run: runs.Run) -> Path:
    """A run whose model for Keras is none."""
    folder = run.path.with_name("broken")
    shutil.copytree(run.path, folder)
    (folder / "model.keras").write_bytes(b"no model")
    return folder


@pytest.fixture(scope="module")
def server(run: runs.Run, versions: Path, broken: Path) -> Iterator[Server]:
    with Server(str(run.path), str(versions), str(broken), "--reload-every", "0.2") as server:
        yield server


@pytest.fixture(scope="module")
def saved(run: runs.Run) -> Any:
    return tf.saved_model.load(str(run.saved_model_path))


def mistake(*words: str) -> str:
    ran = CliRunner(env={"COLUMNS": "100", "NO_COLOR": "1"}).invoke(app, ["serve", *words])
    assert ran.exit_code == 1, ran.output
    assert ran.stderr.startswith("Error: ")
    assert "bug" not in ran.stderr
    return ran.stderr


# TensorFlow Serving's interface


def test_it_says_what_it_serves_where_and_how_to_end_it(server: Server) -> None:
    first, second, _, last = server.told.splitlines()
    assert first == f"colours, version {FIRST}: 3 classes"
    assert second == "numbered, version 10: 3 classes"
    assert last == f"Serving at http://127.0.0.1:{server.port}/ - stop with Ctrl-C"


def test_a_client_made_for_tensorflow_serving_works_unchanged(
    server: Server, saved: Any, tmp_path: Path
) -> None:
    # Of OpenVINO's makers, "works both with OpenVINO Model Server and TensorFlow Serving". A process of its
    # own, since it brings protocol buffers that have the names of TensorFlow's.
    (tmp_path / "red.jpg").write_bytes(photo("red"))
    program = (
        "import json, sys, ovmsclient\n"
        f"client = ovmsclient.make_http_client('localhost:{server.port}')\n"
        "said = client.predict({'images': [open(sys.argv[1], 'rb').read()]}, 'numbered', 10)\n"
        "missing = None\n"
        "try: client.predict({'images': [b'']}, 'nobody', 1)\n"
        "except ovmsclient.ModelNotFoundError as error: missing = str(error)\n"
        "try: client.predict({'images': [b'no photo']}, 'numbered', 10)\n"
        "except ovmsclient.InvalidInputError as error: wrong = str(error)\n"
        "print(json.dumps({'status': client.get_model_status('numbered', 10),\n"
        "    'metadata': client.get_model_metadata('numbered', 10), 'missing': missing,\n"
        "    'wrong': wrong, 'said': {key: value.tolist() for key, value in said.items()}}))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "red.jpg")], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["status"]["10"] == {"state": "AVAILABLE", "error_code": 0, "error_message": ""}
    assert "serving_default" in json.dumps(found["metadata"])
    assert "nobody" in found["missing"]
    assert "not an image" in found["wrong"]
    own = saved.signatures["serving_default"](images=tf.constant([photo("red")]))
    assert found["said"]["class_name"] == ["red"]
    for name in ("probabilities", "probability", "distance"):
        np.testing.assert_allclose(found["said"][name], own[name].numpy(), rtol=1e-6)


def test_status_and_metadata_are_tensorflow_servings_own_messages(server: Server) -> None:
    from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2

    for path in ("", "/versions/10"):
        text = server.get(f"/v1/models/numbered{path}").text
        status = json_format.Parse(text, get_model_status_pb2.GetModelStatusResponse())
        assert [(one.version, one.state) for one in status.model_version_status] == [(10, 30)]
    metadata = server.get("/v1/models/numbered/metadata").json()
    spec = json_format.ParseDict(metadata["model_spec"], model_pb2.ModelSpec())
    assert (spec.name, spec.version.value) == ("numbered", 10)
    definitions = json_format.ParseDict(
        metadata["metadata"]["signature_def"], get_model_metadata_pb2.SignatureDefMap()
    ).signature_def
    assert {"serving_default", "pixels", "pixels_uint8", "about"} <= set(definitions)
    assert definitions["serving_default"].inputs["images"].dtype == tf.string.as_datatype_enum


@pytest.mark.parametrize("kind", ["instances", "inputs"])
@pytest.mark.parametrize("named", [False, True])
def test_rows_and_columns_are_answered_as_the_saved_model_does(
    server: Server, saved: Any, kind: str, named: bool
) -> None:
    photos = [photo("red"), photo("lime"), photo("grey")]
    given: Any = [b64(one) for one in photos]
    if named:
        given = {"images": given} if kind == "inputs" else [{"images": one} for one in given]
    found = server.rest("colours", {kind: given}).json()
    own = saved.signatures["serving_default"](images=tf.constant(photos))
    if kind == "inputs":
        columns = found["outputs"]
    else:
        columns = {
            key: [row[key] for row in found["predictions"]] for key in found["predictions"][0]
        }
    assert columns["class_name"] == [one.decode() for one in own["class_name"].numpy()]
    assert columns["unsure"] == [False, False, True]
    assert columns["unlike"] == [False, False, True]
    assert columns.keys() == own.keys()
    np.testing.assert_allclose(columns["probabilities"], own["probabilities"].numpy(), rtol=1e-6)


@pytest.mark.parametrize("signature", ["pixels", "pixels_uint8"])
def test_pixels_are_answered(server: Server, signature: str) -> None:
    pixels = np.zeros((2, 20, 30, 3), int)
    pixels[0, ..., 2] = pixels[1, ..., 0] = 255
    asked = {"signature_name": signature, "instances": pixels.tolist()}
    said = server.rest("colours", asked).json()["predictions"]
    assert [row["class_name"] for row in said] == ["blue", "red"]


def test_a_version_may_be_named_and_another_is_not_found(server: Server) -> None:
    asked = json.dumps({"instances": [b64(photo("red"))]})
    assert server.post(f"/v1/models/colours/versions/{FIRST}:predict", asked).status_code == 200
    missing = server.post("/v1/models/colours/versions/9:predict", asked)
    assert missing.status_code == 404
    assert missing.json() == {"error": "Servable not found for request: Specific(colours, 9)"}
    assert server.rest("nobody", {}).json() == {
        "error": "Servable not found for request: Latest(nobody)"
    }
    assert server.get("/v1/models/nobody").status_code == 404


def test_curl_as_tensorflow_serving_documents_it(server: Server) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl on the PATH")
    body = json.dumps({"instances": [b64(photo("blue"))]})
    address = f"{server.url}/v1/models/colours:predict"
    ran = subprocess.run(
        ["curl", "-sS", "-d", body, "-X", "POST", address], capture_output=True, text=True
    )
    assert json.loads(ran.stdout)["predictions"][0]["class_name"] == "blue"


# Uploads


def test_files_are_answered_in_words_and_an_unreadable_one_harms_no_other(server: Server) -> None:
    files = [
        ("file", ("C:\\photos\\a.jpg", photo("red"))),
        ("file", ("../../b.bmp", photo("blue", "BMP"))),
        ("other", ("c.jpg", b"no photo")),
        ("file", ("d.png", photo("grey", "PNG"))),
    ]
    answer = server.post("/predict?top=2&model=numbered", files=files)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["model"], told["version"]) == ("numbered", "10")
    red, blue, broken, grey = told["predictions"]
    assert (red["file"], red["answer"], red["unsure"], red["error"]) == (
        "a.jpg",
        "red",
        False,
        None,
    )
    assert (blue["file"], blue["answer"]) == ("b.bmp", "blue")
    assert broken == {"file": "c.jpg", "error": "not an image"}
    assert (grey["answer"], grey["unsure"], grey["unlike"]) == ("unsure", True, True)
    assert [len(row["top"]) for row in (red, blue, grey)] == [2, 2, 2]
    assert red["top"][0] == {"label": "red", "probability": red["probability"]}


def test_a_photo_may_be_the_whole_body(server: Server) -> None:
    for kind in ("JPEG", "PNG", "GIF", "WEBP", "TIFF"):
        row = server.upload(photo("red", kind))
        assert (row["file"], row["label"], row["error"]) == (None, "red", None)


def test_what_is_no_photo_is_refused_with_the_reason(server: Server) -> None:
    answer = server.post("/predict", b"no photo")
    assert answer.status_code == 400
    assert answer.json()["error"] == "The photo cannot be read: not an image"
    assert server.post("/predict", b"").status_code == 400
    cut = server.post("/predict", photo("red")[:-30])
    assert cut.json()["predictions"][0]["error"] == "the file is truncated"


def test_other_addresses_and_methods_are_refused_in_the_same_form(server: Server) -> None:
    for answer, status in (
        (server.get("/none"), 404),
        (server.get("/predict"), 405),
        (server.post("/models"), 405),
        (server.post("/v1/models/colours"), 400),
        (server.get("/v1/models"), 400),
        (server.get("/v1/models/colours/labels/stable"), 400),
    ):
        assert (answer.status_code, list(answer.json())) == (status, ["error"])


# What watches over it


def test_health_readiness_and_metrics(server: Server) -> None:
    server.upload(photo("red"))
    server.upload(photo("grey"))
    assert server.get("/healthz").json() == {"status": "ok"}
    assert server.get("/readyz").json() == {"status": "ready"}
    answer = server.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    from prometheus_client.parser import text_string_to_metric_families

    samples = {
        (one.name, *sorted(one.labels.values())): one.value
        for family in text_string_to_metric_families(answer.text)
        for one in family.samples
    }
    assert samples["tlearn_photos_total", "colours", "sure"] >= 1
    assert samples["tlearn_photos_total", "colours", "unsure"] >= 1
    assert samples["tlearn_photos_unlike_total", "colours"] >= 1
    assert samples["tlearn_requests_total", "/predict", "200"] >= 2
    assert samples["tlearn_model_version", "numbered"] == 10
    assert samples[("tlearn_queue_photos",)] == 0


def test_requests_that_come_together_are_seen_together(server: Server) -> None:
    def batches() -> tuple[float, float]:
        text = server.get("/metrics").text
        found = [
            float(line.split()[-1])
            for name in ("count", "sum")
            for line in text.splitlines()
            if line.startswith(f'tlearn_batch_photos_{name}{{model="colours"')
        ]
        return found[0], found[1]

    server.upload(photo("red"))
    before = batches()
    with ThreadPoolExecutor(16) as clients:
        rows = list(clients.map(server.upload, [photo("red"), photo("blue")] * 40))
    assert [row["label"] for row in rows] == ["red", "blue"] * 40
    made, seen = (after - then for after, then in zip(batches(), before, strict=True))
    assert seen == 80
    assert made < 80


def test_the_page_and_each_answer_forbid_what_they_do_not_need(server: Server) -> None:
    page = server.get("/")
    assert "default-src 'none'" in page.text
    assert "connect-src 'self'" in page.text
    assert "unsafe" not in page.text
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    for answer in (page, server.get("/models"), server.get("/none")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "server" not in answer.headers


def test_a_stranger_page_in_the_browser_may_not_ask(server: Server) -> None:
    other = {"Host": f"evil.example:{server.port}"}  # a name that leads to 127.0.0.1
    assert server.get("/models", headers=other).status_code == 421
    assert server.get("/models", headers={"Origin": "https://evil.example"}).status_code == 403
    assert server.post("/predict", photo("red"), headers={"Origin": "null"}).status_code == 403
    own = {"Origin": server.url}
    assert server.post("/predict", photo("red"), headers=own).status_code == 200


def test_what_speaks_for_a_class_is_shown_where_there_is_a_keras_model(server: Server) -> None:
    answer = server.post("/activation?model=colours&class=red", photo("red"))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.content[:3] == b"\xff\xd8\xff"
    assert server.post("/activation?model=numbered&class=red", photo("red")).status_code == 404
    assert server.post("/activation?model=colours&class=x", photo("red")).status_code == 400
    assert server.post("/activation?model=colours&class=red", b"x").status_code == 400
    models = {one["name"]: one for one in server.get("/models").json()["models"]}
    assert models["colours"]["activation"]
    assert not models["numbered"]["activation"]
    assert models["colours"]["classes"] == list(CLASSES)


def test_no_answer_ever_holds_a_path_of_this_machine(server: Server, run: runs.Run) -> None:
    answers = [
        *(server.get(path) for path in ("/", "/models", "/metrics", "/v1/models/colours")),
        server.get("/v1/models/colours/metadata"),
        server.get("/v1/models/..%2F..%2Fetc"),
        server.post("/predict", b"no photo"),
        server.post("/activation?model=broken&class=red", photo("red")),
        server.rest("colours", {"instances": ["/etc/passwd"]}),
        server.rest("colours", {"instances": [b64(b"/etc/passwd")]}),
    ]
    assert [answer.status_code for answer in answers[-5:]] == [404, 400, 404, 400, 400]
    for answer in answers:
        told = answer.text + str(answer.headers)
        for place in (str(run.path.parent), "passwd", str(served.ROOT), "site-packages"):
            assert place not in told


# A newer version


def test_a_newer_version_takes_over_and_no_request_is_lost(
    server: Server, versions: Path, run: runs.Run, tmp_path: Path
) -> None:
    newer = served.write_run(tmp_path, class_names=("azure", "lime", "crimson"))
    (versions / "11").mkdir()
    (versions / "11" / "saved_model.pb").write_bytes(b"no model")
    server.until(lambda: len(server.get("/v1/models/numbered").json()["model_version_status"]) == 2)
    answers: list[requests.Response] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            answers.append(server.post("/predict?model=numbered", photo("red")))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        shutil.copytree(newer.saved_model_path, versions / "12")
        server.until(lambda: answers and answers[-1].json()["version"] == "12")
    finally:
        ended.set()
        asking.join()
    assert {answer.status_code for answer in answers} == {200}
    told = [(one.json()["version"], one.json()["predictions"][0]["label"]) for one in answers]
    assert set(told) == {("10", "red"), ("12", "crimson")}
    assert told == sorted(told)
    states = server.get("/v1/models/numbered").json()["model_version_status"]
    assert [(one["version"], one["state"]) for one in states] == [
        ("12", "AVAILABLE"),
        ("11", "END"),
        ("10", "END"),
    ]
    assert str(versions) not in json.dumps(states)


@pytest.mark.slow
def test_a_run_that_was_made_again_takes_over(
    server: Server, run: runs.Run, tmp_path: Path
) -> None:
    again = served.write_run(tmp_path, created="2026-01-01T00:01:00Z")
    run.path.rename(run.path.with_name("before"))
    again.path.rename(run.path)
    path = f"/v1/models/colours/versions/{FIRST + 60}"
    server.until(lambda: server.get(path).status_code == 200 and "AVAIL" in server.get(path).text)
    assert server.upload(photo("red"))["label"] == "red"


# Mistakes


def test_mistakes_are_told_before_anything_is_loaded(run: runs.Run, tmp_path: Path) -> None:
    path = str(run.path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "The port is taken by another program, perhaps another `tlearn serve`" in mistake(
            path, "--port", port
        )
    assert "TLEARN_API_KEY" in mistake(path, "--host", "0.0.0.0")
    assert "too short" in mistake(path, "--api-key", "secret")
    assert "cannot travel" in mistake(path, "--api-key", "ä" * 20)
    assert "no such address" in mistake(path, "--host", "192.0.2.1", "--api-key", "x" * 16)
    assert "An origin" in mistake(path, "--allow-origin", "example.org")
    assert "same name" in mistake(path, path)
    assert "There is no run" in mistake("nothing", "--root", str(tmp_path))
    assert "A size must be" in mistake(path, "--max-body", "large")
    shutil.copytree(run.path, tmp_path / "bare")
    shutil.rmtree(tmp_path / "bare" / "saved_model")
    assert "no SavedModel to be served" in mistake(str(tmp_path / "bare"))


def test_a_missing_extra_is_told_with_the_line_that_installs_it(run: runs.Run) -> None:
    program = (
        "import sys, importlib.util as util\n"
        "found = util.find_spec\n"
        "util.find_spec = lambda name, *more: None if name == 'uvicorn' else found(name, *more)\n"
        "sys.argv = ['tlearn', 'serve', sys.argv[1]]\n"
        "from tlearn.cli import main; main()\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(run.path)], capture_output=True, text=True
    )
    assert ran.returncode == 1
    assert "pip install 'tlearn[serve]'" in ran.stderr


def test_answers_leave_at_once() -> None:
    # asyncio turns Nagle's algorithm off, which would hold each answer back by 40 ms, only for this protocol.
    with listening.listen(Settings(port=0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP


# Coming to an end


@pytest.mark.slow
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_what_was_taken_is_finished_when_it_is_told_to_stop(
    run: runs.Run, kind: signal.Signals
) -> None:
    # A delay that is waited for as long as a second request is on its way, which sends its body slowly.
    with Server(str(run.path), "--batch-delay", "3000") as server:
        slow = socket.create_connection(("127.0.0.1", server.port))
        body = photo("blue")
        head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        slow.sendall(head.encode() + body[:50])
        with ThreadPoolExecutor(4) as clients:
            waiting = [clients.submit(server.upload, photo("red")) for _ in range(4)]
            server.until(lambda: "tlearn_queue_photos 4.0" in server.get("/metrics").text)
            server.process.send_signal(kind)
            slow.sendall(body[50:])
            assert [one.result()["label"] for one in waiting] == ["red"] * 4
        with slow, http.client.HTTPResponse(slow) as answer:
            answer.begin()
            assert answer.status == 200
            assert b'"label":"blue"' in answer.read()
        assert server.ended() == (0, "")


@pytest.mark.slow
def test_with_a_key_nothing_is_told_without_it(run: runs.Run, tmp_path: Path) -> None:
    key = "a-key-of-a-test-0123"
    origin = "https://example.org"
    options = ("--allow-origin", origin, "--allow-host", "photos.example.org", "--open")
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/opened\n')
    browser.chmod(0o755)
    with Server(str(run.path), *options, TLEARN_API_KEY=key, BROWSER=str(browser)) as server:
        assert key not in server.told
        server.until((tmp_path / "opened").exists)
        server.until(lambda: (tmp_path / "opened").read_text() == server.url)
        for path in ("/models", "/metrics", "/v1/models/colours"):
            assert server.get(path).status_code == 401
            assert server.get(path, headers={"X-API-Key": key + "4"}).status_code == 401
            assert server.get(path, headers={"X-API-Key": key}).status_code == 200
            bearer = {"Authorization": f"Bearer {key}"}
            assert server.get(path, headers=bearer).status_code == 200
        assert server.post("/predict", photo("red")).status_code == 401
        for path in ("/", "/healthz", "/readyz"):
            answer = server.get(path)
            assert answer.status_code == 200
            assert "colours" not in answer.text
        allowed = server.get("/models", headers={"X-API-Key": key, "Origin": origin})
        assert allowed.headers["access-control-allow-origin"] == origin
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        preflight = requests.options(server.url + "/predict", headers=asked, timeout=60)
        assert preflight.status_code == 200
        assert server.get("/healthz", headers={"Host": "photos.example.org"}).status_code == 200
        assert server.get("/healthz", headers={"Host": "evil.example"}).status_code == 421
