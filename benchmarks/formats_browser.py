"""What an ONNX file answers in a browser, by onnxruntime-web in a headless Chromium. JSON out.

    npm pack onnxruntime-web && tar xzf onnxruntime-web-*.tgz
    python benchmarks/formats_browser.py saved_models/clothing package/dist

Exports the run to ONNX, in full precision and int8, opens `examples/onnx_browser.html` from a server on
loopback, and has it answer every test photo. One JSON object per file: accuracy, changed answers, the
largest difference between two probabilities from the run's, and milliseconds per photo with decoding.
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import formats
import numpy as np

from tlearn import runs
from tlearn.formats import exporting

sys.path.append(str(Path(__file__).parents[1] / "tests"))

_ASK = """(async () => {
  const photo = await (await fetch(%r)).blob();
  const started = performance.now();
  const said = await window.classify(photo);
  return [performance.now() - started, ...said];
})()"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def guess_type(self, path: str) -> str:
        kinds = {".mjs": "text/javascript", ".wasm": "application/wasm"}
        return kinds.get(Path(path).suffix) or super().guess_type(path)

    def log_message(self, *_: object) -> None:
        return


def answers(folder: Path, names: list[Path]) -> np.ndarray:
    """What the page says of each photo: milliseconds, then the probabilities."""
    import headless

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with headless.Chromium(folder) as browser:
        page = f"http://127.0.0.1:{server.server_port}/onnx_browser.html"
        browser.call("Page.navigate", url=page)
        browser.until("document.body && document.body.dataset.ready === 'yes'", 120)
        rows = []
        for name in names:
            answer = browser.call(
                "Runtime.evaluate",
                expression=_ASK % f"photos/{name.as_posix()}",
                awaitPromise=True,
                returnByValue=True,
            )
            rows.append(answer["result"]["value"])
    server.shutdown()
    return np.array(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="a run folder; its photos must be there")
    parser.add_argument("runtime", type=Path, help="the folder dist of onnxruntime-web")
    given = parser.parse_args()
    run = runs.load(given.run.absolute())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        names = formats.linked(run, folder / "photos")
        shutil.copy(formats.EXAMPLES / "onnx_browser.html", folder)
        modules = folder / "node_modules" / "onnxruntime-web"
        modules.mkdir(parents=True)
        (modules / "dist").symlink_to(given.runtime.absolute())
        for quantization in ("none", "int8"):
            done = exporting.export_run(
                run, ["onnx"], quantize=[quantization], max_drop=100, output=folder / "made"
            )
            shutil.copy(done.folder / done.table["file"].iloc[0], folder / "model.onnx")
            shutil.copy(done.folder / "about.json", folder)
            said = answers(folder, names)
            found = {
                "run": run.name,
                "quantization": quantization,
                **formats.beside(run, said[:, 1:]),
                "milliseconds": float(np.median(said[1:, 0])),
            }
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
