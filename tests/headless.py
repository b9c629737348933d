"""A real headless Chromium, driven over a pipe by its DevTools protocol; nothing to install for it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


class Chromium:
    """One browser with one page; a context manager.

    It keeps what the page complains of and what it asks for. Skips the test where there is no
    Chromium on this machine.
    """

    def __init__(self, home: Path, *more: str) -> None:
        program = next((found for name in _NAMES if (found := shutil.which(name))), None)
        if program is None:
            pytest.skip(f"there is no Chromium here: none of {', '.join(_NAMES)} is on the PATH")
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []
        self._home = home
        self._buffer = b""
        self._number = 0
        reading, self._to = os.pipe()
        self._from, writing = os.pipe()
        # Chromium reads commands from file 3 and answers on file 4; out of the way of both first.
        high = [fcntl.fcntl(one, fcntl.F_DUPFD, 20) for one in (reading, writing)]
        options = "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run"
        self._process = subprocess.Popen(
            [
                program,
                *options.split(),
                "--disable-background-networking",
                "--remote-debugging-pipe",
                f"--user-data-dir={home / 'profile'}",
                *more,
                "--window-size=1100,900",
                "about:blank",
            ],
            pass_fds=(3, 4),
            preexec_fn=lambda: [os.dup2(one, place) for place, one in enumerate(high, 3)] and None,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for one in (reading, writing, *high):
            os.close(one)
        self._session = ""

    def __enter__(self) -> Chromium:
        try:
            self._begin()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def open(self, page: Path) -> None:
        """Show a file."""
        self.call("Page.navigate", url=page.absolute().as_uri())
        self.until("document.readyState === 'complete' && location.protocol === 'file:'")

    def visit(self, address: str) -> None:
        """Show a page of a server."""
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && location.protocol === 'http:'")

    def choose_files(self, selector: str, *files: Path) -> None:
        """Put files into an `<input type=file>`, as its dialog does."""
        node = self.call("Runtime.evaluate", expression=f"document.querySelector({selector!r})")[
            "result"
        ]["objectId"]
        paths = [str(file.absolute()) for file in files]
        self.call("DOM.setFileInputFiles", files=paths, objectId=node)

    def value(self, expression: str) -> Any:
        """What a JavaScript expression gives."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, expression: str, seconds: float = 30) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < end, f"never came true: {expression}"
            time.sleep(0.05)

    def press(self, *keys: str) -> None:
        """Press keys one after the other: letters, or names such as `ArrowRight`, `Tab`."""
        for key in keys:
            text = {"text": key} if len(key) == 1 else {}
            code = {"Tab": 9, "Enter": 13, "Escape": 27}.get(key, 0)
            if key == "Enter":
                text = {"text": "\r"}
            self.call(
                "Input.dispatchKeyEvent",
                type="keyDown",
                key=key,
                windowsVirtualKeyCode=code,
                **text,
            )
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def downloads_to(self, folder: Path) -> None:
        """Where what the page offers is saved."""
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def theme(self, name: str) -> None:
        """`"light"` or `"dark"`, as the user's system has it."""
        features = [{"name": "prefers-color-scheme", "value": name}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def poorest_contrast(self) -> float:
        """The lowest contrast of any text that is seen with what is behind it, 1 to 21."""
        return self.value(
            """(() => {
            const options = { willReadFrequently: true };
            const pixel = document.createElement("canvas").getContext("2d", options);
            const light = (colour) => {
              // Drawn, since a mixed colour is not told in red, green and blue.
              pixel.fillStyle = colour;
              pixel.fillRect(0, 0, 1, 1);
              const [r, g, b] = [...pixel.getImageData(0, 0, 1, 1).data].map((one) => one / 255)
                .map((one) => one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
              return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            const ground = (one) => {
              for (; one; one = one.parentElement) {
                const colour = getComputedStyle(one).backgroundColor;
                if (!colour.endsWith(", 0)")) return colour;
              }
              return "rgb(255, 255, 255)";
            };
            let poorest = 21;
            for (const one of document.querySelectorAll("body *")) {
              const has = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
              if (!has || !one.checkVisibility()) continue;
              const ink = getComputedStyle(one)[one.ownerSVGElement ? "fill" : "color"];
              const [a, b] = [light(ink), light(ground(one))];
              poorest = Math.min(poorest, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
            }
            return poorest;
            })()"""
        )

    def screenshot(self, file: Path, *, whole: bool = False) -> None:
        """A picture of the page as it is seen, or of all of it."""
        answer = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(answer["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Ask the browser for something, and wait for its answer."""
        number = self._send(method, parameters)
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self._hear(answer)

    def _send(self, method: str, parameters: dict[str, Any]) -> int:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        return self._number

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._from], [], [], 60)
            part = os.read(self._from, 1 << 16) if ready else b""
            assert part, "Chromium does not answer"
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    def _hear(self, event: dict[str, Any]) -> None:
        what, told = event.get("method"), event.get("params", {})
        if what == "Page.javascriptDialogOpening":
            self.dialogs.append(told["type"])
            self._send("Page.handleJavaScriptDialog", {"accept": True})
        elif what == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif what == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(told["exceptionDetails"]))
        elif what == "Runtime.consoleAPICalled" and told["type"] in {"error", "warning"}:
            self.complaints.append(json.dumps(told["args"]))
        elif what == "Log.entryAdded" and told["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(told["entry"]["text"])
