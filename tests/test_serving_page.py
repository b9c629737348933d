"""The page of `tlearn serve` in a real browser: by mouse, by keyboard, by webcam, on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import served
from headless import Chromium
from served import CLASSES, Server, photo

pytestmark = pytest.mark.slow

CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
HEADINGS = "[...document.querySelectorAll('#answers h2')].map((one) => one.textContent)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("serving")
    first = served.write_run(root)
    second = served.write_run(root, "names", class_names=("<b>bold</b>", 'quo"ted', "日本語"))
    with Server(str(first.path), str(second.path)) as server:
        yield server


@pytest.fixture(scope="module")
def one_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("browser"), *CAMERA) as browser:
        yield browser


@pytest.fixture
def browser(one_browser: Chromium, server: Server) -> Chromium:
    one_browser.complaints.clear()
    one_browser.requests.clear()
    one_browser.call("Emulation.clearDeviceMetricsOverride")
    one_browser.visit(server.url)
    one_browser.until("!document.getElementById('ask').hidden")
    return one_browser


@pytest.fixture
def photos(tmp_path: Path) -> dict[str, Path]:
    files = {}
    for colour in ("red", "blue", "grey"):
        files[colour] = tmp_path / f"{colour}.jpg"
        files[colour].write_bytes(photo(colour, size=(300, 200)))
    return files


def answered(browser: Chromium, count: int = 1) -> list[str]:
    browser.until(f"document.querySelectorAll('#answers .bars li').length === {3 * count}")
    return browser.value(HEADINGS)


def test_chosen_photos_are_answered_and_doubts_are_shown_as_such(
    browser: Chromium, photos: dict[str, Path]
) -> None:
    browser.choose_files("#files", photos["red"], photos["grey"])
    grey, red = answered(browser, 2)
    assert red.startswith("red 98.")
    assert grey == "Unsure"
    seen = "document.querySelector('#answers li .{}').checkVisibility()"
    assert browser.value(seen.format("unsure"))
    assert browser.value(seen.format("unlike"))
    text = browser.value("document.querySelector('#answers li .unsure').textContent")
    assert "only with 33.3\u00a0%" in text
    last = "document.querySelector('#answers li:last-child .{}').checkVisibility()"
    assert not browser.value(last.format("unsure"))
    assert not browser.value(last.format("unlike"))
    names = browser.value(
        "[...document.querySelectorAll('li li .name')].map((one) => one.textContent)"
    )
    assert set(names) == set(CLASSES)
    widths = browser.value(
        "[...document.querySelectorAll('#answers > li:last-child .bar')].map((one) => one.offsetWidth)"
    )
    assert widths[0] > 20 * max(1, widths[1])
    assert browser.value("document.querySelector('canvas.photo').width") == 300


def test_a_photo_can_be_pasted(browser: Chromium) -> None:
    for name in ("clipboardReadWrite", "clipboardSanitizedWrite"):
        browser.call("Browser.grantPermissions", permissions=[name])
    browser.call(
        "Runtime.evaluate",
        awaitPromise=True,
        userGesture=True,
        expression="""(async () => {
          const canvas = document.createElement("canvas");
          canvas.width = canvas.height = 40;
          const brush = canvas.getContext("2d");
          brush.fillStyle = "blue";
          brush.fillRect(0, 0, 40, 40);
          const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
          await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
        })()""",
    )
    browser.call(
        "Input.dispatchKeyEvent",
        type="keyDown", key="v", code="KeyV", modifiers=2, windowsVirtualKeyCode=86, commands=["paste"],
    )  # fmt: skip
    assert answered(browser)[0].startswith("blue ")


def test_a_photo_can_be_dropped(browser: Chromium, photos: dict[str, Path]) -> None:
    data = {"items": [], "files": [str(photos["red"])], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver"):
        browser.call("Input.dispatchDragEvent", type=kind, x=300, y=170, data=data)
    browser.until("document.getElementById('drop').classList.contains('over')")
    browser.call("Input.dispatchDragEvent", type="drop", x=300, y=170, data=data)
    assert answered(browser)[0].startswith("red ")
    assert not browser.value("document.getElementById('drop').classList.contains('over')")


def test_the_webcam_gives_a_photo_and_is_turned_off(browser: Chromium) -> None:
    browser.value("document.getElementById('webcam').click()")
    browser.until("document.getElementById('video').videoWidth > 0")
    browser.until("document.activeElement.id === 'take'")
    browser.press("Enter")
    answered(browser)
    browser.value("document.getElementById('stop').click()")
    assert browser.value("document.getElementById('camera').hidden")
    assert browser.value("document.activeElement.id") == "webcam"


def test_all_of_it_by_keyboard_alone(browser: Chromium, photos: dict[str, Path]) -> None:
    reached = []
    for _ in range(6):
        browser.press("Tab")
        reached.append(
            browser.value("document.activeElement.id || document.activeElement.className")
        )
    assert reached[:5] == ["skip", "theme", "model", "choose", "webcam"]
    browser.value("document.getElementById('choose').focus()")
    browser.call("Page.setInterceptFileChooserDialog", enabled=True)
    opened = "window.asked = false; document.getElementById('files').addEventListener('click', () => { window.asked = true; })"
    browser.value(opened)
    browser.press("Enter")
    browser.until("window.asked")
    browser.call("Page.setInterceptFileChooserDialog", enabled=False)
    browser.choose_files("#files", photos["red"])
    answered(browser)
    assert "red.jpg: red, " in browser.value("document.getElementById('status').textContent")
    browser.value("document.querySelector('button.row').focus()")
    browser.press("Enter")
    browser.until("document.querySelector('.over').naturalWidth > 0")
    assert (
        browser.value("document.querySelector('.over').alt")
        == "Bright where the photo speaks for red"
    )
    assert browser.value("document.querySelector('button.row').ariaPressed") == "true"
    assert browser.value("document.querySelector('canvas.photo').hidden")
    browser.press("Enter")
    browser.until("document.querySelector('.over').hidden")


def test_what_cannot_be_read_is_told_beside_the_photo(browser: Chromium, tmp_path: Path) -> None:
    (tmp_path / "<i>no photo.jpg").write_bytes(b"no photo")
    browser.choose_files("#files", tmp_path / "<i>no photo.jpg")
    browser.until("document.querySelector('#answers .error:not([hidden])') !== null")
    text = browser.value("document.querySelector('#answers .error').textContent")
    assert text == "The photo cannot be read: not an image"
    assert browser.value("document.querySelector('figcaption').textContent") == "<i>no photo.jpg"
    # The browser notes every answer that is no success.
    assert all("400" in one for one in browser.complaints)


def test_names_of_classes_are_text_and_nothing_else(
    browser: Chromium, photos: dict[str, Path]
) -> None:
    browser.value(
        "(() => { const one = document.getElementById('model'); one.value = 'names';"
        "one.dispatchEvent(new Event('change')); })()"
    )
    browser.choose_files("#files", photos["blue"])
    (heading,) = answered(browser)
    assert heading.startswith("<b>bold</b> 98.")
    assert browser.value("document.querySelectorAll('b').length") == 0
    browser.value("document.querySelector('button.row').click()")
    browser.until("document.querySelector('.over').naturalWidth > 0")


def test_nothing_goes_wrong_and_nothing_is_asked_of_any_other_server(
    browser: Chromium, server: Server, photos: dict[str, Path]
) -> None:
    browser.choose_files("#files", *photos.values())
    answered(browser, 3)
    browser.value("document.querySelector('button.row').click()")
    browser.until("document.querySelector('.over').naturalWidth > 0")
    browser.value("document.getElementById('theme').click()")
    assert browser.complaints == []
    assert all(url.startswith((server.url + "/", "data:")) for url in browser.requests)


def test_nothing_is_wider_than_a_narrow_screen_and_buttons_are_for_fingers(
    browser: Chromium, photos: dict[str, Path]
) -> None:
    browser.choose_files("#files", photos["red"])
    answered(browser)
    for width in (320, 390, 800):
        browser.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=800, deviceScaleFactor=2, mobile=True,
        )  # fmt: skip
        assert browser.value("document.documentElement.scrollWidth") <= width
        heights = browser.value(
            "[...document.querySelectorAll('#ask button, button.row')]"
            ".filter((one) => one.checkVisibility()).map((one) => one.offsetHeight)"
        )
        assert min(heights) >= 40


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_can_be_read_in_both_themes(
    browser: Chromium, photos: dict[str, Path], theme: str
) -> None:
    browser.theme(theme)
    browser.choose_files("#files", photos["red"], photos["grey"])
    answered(browser, 2)
    assert browser.poorest_contrast() >= 4.5  # WCAG 2.2, level AA


def test_a_screen_reader_is_told_what_each_thing_is(
    browser: Chromium, photos: dict[str, Path]
) -> None:
    browser.choose_files("#files", photos["red"])
    answered(browser)
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    told = {
        (node["role"]["value"], node["name"]["value"])
        for node in nodes
        if not node.get("ignored") and "name" in node
    }
    assert {("button", "Choose photos"), ("combobox", "Model"), ("image", "red.jpg")} <= told
    assert any(role == "button" and name.startswith("red 9") for role, name in told)
    roles = {node["role"]["value"] for node in nodes if "role" in node}
    assert {"banner", "main", "status", "article", "list", "heading"} <= roles


def test_where_there_is_a_key_the_page_asks_for_it(
    one_browser: Chromium, tmp_path: Path, photos: dict[str, Path]
) -> None:
    key = "a-key-of-a-test-0123"
    run = served.write_run(tmp_path / "runs")
    with Server(str(run.path), TLEARN_API_KEY=key) as server:
        one_browser.visit(server.url)
        one_browser.until("!document.getElementById('key-form').hidden")
        assert one_browser.value("document.activeElement.id") == "key"
        one_browser.press(*"wrong", "Enter")
        one_browser.until(
            "document.getElementById('key-told').textContent.startsWith('That is not')"
        )
        one_browser.value("document.getElementById('key').value = ''")
        one_browser.press(*key, "Enter")
        one_browser.until("!document.getElementById('ask').hidden")
        one_browser.choose_files("#files", photos["red"])
        assert answered(one_browser)[0].startswith("red ")
