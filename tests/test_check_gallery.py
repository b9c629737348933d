"""The gallery, in a real browser: nothing but the file, decided by keyboard, saved as a table."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from headless import Chromium
from test_check_dirt import picture

from tlearn import datasets
from tlearn.checking.finding import Finding
from tlearn.checking.gallery import page
from tlearn.checking.verdict import Check
from tlearn.pages import thumbnails

NAMES = (
    "quo\"ted'.jpg",
    "<img src=x onerror=alert(1)>.jpg",
    "🐱 and, comma.jpg",
    "plain.jpg",
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for number, label in enumerate(("cat", "dog", "<owl>")):
        (root / label).mkdir()
        for place, name in enumerate(NAMES):
            picture(10 * number + place).save(root / label / name, "JPEG")
    return root


def check_of(root: Path) -> Check:
    """A check with suspect labels, as a backbone would give them."""
    data = datasets.load(root)
    rows = data.examples.assign(width=160, height=160)
    cats = rows[rows["label"] == "cat"]
    suspects = pd.DataFrame(
        {
            "path": cats["path"], "split": None, "given": "cat", "suggested": "dog",
            "confidence": 0.9, "score": 0.95, "suspect": True, "same_as": None,
            "digest": cats["digest"],
        }
    ).reset_index(drop=True)  # fmt: skip
    pair = tuple(rows["path"][:2])
    return Check(
        dataset="<script>alert(1)</script>",
        source=str(root),
        class_names=data.class_names,
        found=(
            Finding("suspect-label", tuple((path,) for path in suspects["path"]), "cat or dog"),
            Finding("near-duplicates", (pair,), "2 photos", notes=("resized",)),
            Finding("unreadable", ((str(root / "cat" / "gone.jpg"),),), "1 file"),
        ),
        photos=rows,
        pairs=pd.DataFrame(),
        leaks=pd.DataFrame(),
        shortcuts=pd.DataFrame(),
        skipped=data.skipped,
        suspects=suspects,
    )


@pytest.fixture(scope="module")
def gallery(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return check_of(photos).gallery(tmp_path_factory.mktemp("page") / "check.html")


@pytest.fixture
def browser(gallery: Path, tmp_path: Path) -> Iterator[Chromium]:
    with Chromium(tmp_path) as browser:
        browser.open(gallery)
        yield browser


# The file


def test_the_page_is_one_file_that_may_load_and_run_nothing_else(gallery: Path) -> None:
    text = gallery.read_text(encoding="utf-8")
    assert "default-src 'none'; img-src data:" in text
    assert "unsafe" not in text
    sources = re.findall(r'<(?:img|script|link|iframe|source)[^>]*?(?:src|href)="([^"]*)"', text)
    assert all(source.startswith("data:") for source in sources)
    assert "http" not in re.sub(r"http-equiv", "", text)


def test_no_name_becomes_markup(gallery: Path) -> None:
    text = gallery.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert "<owl>" not in text


def test_of_many_photos_the_first_are_shown_and_the_rest_counted(photos: Path) -> None:
    path = str(photos / "cat" / "plain.jpg")
    text = page.html(
        "many",
        [Finding("blurred", ((path,),) * 500, "all of them")],
        root=str(photos), photos={}, suspects=pd.DataFrame(), class_names=("cat", "dog"),
    )  # fmt: skip
    assert text.count("<figure>") == page.MOST_PHOTOS
    assert f"And {500 - page.MOST_PHOTOS} more photos" in text
    assert len(text) < 16_000 * page.MOST_PHOTOS


def test_a_thumbnail_is_small_and_upright(tmp_path: Path) -> None:
    from PIL import Image

    big = Image.new("RGB", (3000, 1000), "red")
    exif = Image.Exif()
    exif[0x0112] = 6
    big.save(tmp_path / "turned.jpg", exif=exif)
    uri = thumbnails.data_uri(str(tmp_path / "turned.jpg"))
    assert uri is not None
    assert len(uri) < 12_000
    import base64
    import io

    small = Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))
    assert small.size == (64, 192)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16", "CMYK", "F"])
def test_every_kind_of_pixels_has_a_thumbnail(tmp_path: Path, mode: str) -> None:
    from PIL import Image

    file = tmp_path / ("photo.tif" if mode in {"F", "CMYK"} else "photo.png")
    Image.new(mode, (30, 20)).save(file)
    assert thumbnails.data_uri(str(file)) is not None


# In the browser


def test_nothing_is_asked_of_any_network_and_nothing_goes_wrong(browser: Chromium) -> None:
    browser.until("[...document.images].every((one) => one.complete && one.naturalWidth)")
    browser.press("Tab", "a", "a", "u")
    assert browser.complaints == []
    assert {url.split(":")[0] for url in browser.requests} <= {"file", "data"}
    assert browser.value("document.querySelectorAll('.none').length") == 1


def test_suspects_are_decided_by_keyboard_and_saved_as_a_table_that_finetune_takes(
    browser: Chromium, photos: Path, tmp_path: Path
) -> None:
    # From elsewhere the first key only leads to the first suspect.
    browser.press("a")
    assert browser.value("document.querySelectorAll('[data-choice]').length") == 0
    browser.press("a", "r", "x", "a", "u")
    assert "3 of 4 decided" in browser.value("document.getElementById('said').textContent")
    browser.press("ArrowLeft", "ArrowLeft", "ArrowLeft")
    assert browser.value("document.activeElement.dataset.choice") == "relabel"
    browser.downloads_to(tmp_path)
    browser.value("document.getElementById('save').focus()")
    browser.press("Enter")
    file = tmp_path / "corrections.csv"
    end = time.monotonic() + 20
    while not file.is_file() and time.monotonic() < end:
        time.sleep(0.05)
    rows = pd.read_csv(file, keep_default_na=False)
    assert list(rows.columns) == ["path", "label", "digest", "action"]
    assert list(rows["action"]) == ["relabel", "keep", "remove"]
    assert list(rows["label"]) == ["dog", "", ""]
    mended = datasets.load(photos, corrections=file)
    assert {key: mended.corrections[key] for key in ("relabelled", "kept", "removed")} == {
        "relabelled": 1, "kept": 1, "removed": 1,
    }  # fmt: skip


def test_what_has_the_focus_is_seen_whole_above_the_bar(browser: Chromium) -> None:
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=420,
        height=700,
        deviceScaleFactor=1,
        mobile=False,
    )
    for key in ("a", "ArrowRight", "ArrowRight", "End", "Home"):
        browser.press(key)
        assert browser.value(
            "(() => { const one = document.activeElement.getBoundingClientRect();"
            "const bar = document.getElementById('bar').getBoundingClientRect();"
            "return one.top >= 0 && one.bottom <= bar.top; })()"
        ), key


def test_another_class_than_the_suggested_one_can_be_chosen(browser: Chromium) -> None:
    browser.value(
        "(() => { const one = document.querySelector('.suspect select');"
        "one.focus(); one.value = '<owl>'; one.dispatchEvent(new Event('change')); })()"
    )
    assert browser.value("document.querySelector('.suspect').dataset.choice") == "relabel"
    assert "becomes <owl>" in browser.value("document.getElementById('said').textContent")


def test_leaving_what_is_not_saved_is_asked_about_and_loses_nothing(
    browser: Chromium, gallery: Path
) -> None:
    browser.press("a", "a")
    browser.call("Page.navigate", url="about:blank")
    browser.until("location.href === 'about:blank'")
    assert browser.dialogs == ["beforeunload"]
    browser.open(gallery)
    browser.until("document.querySelectorAll('[data-choice]').length === 1")


def test_a_screen_reader_is_told_what_each_thing_is(browser: Chromium) -> None:
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    told = {
        (node["role"]["value"], node["name"]["value"])
        for node in nodes
        if not node.get("ignored") and "name" in node
    }
    roles = {role for role, _ in told}
    assert {"main", "table", "heading", "list", "status"} <= roles | {
        node["role"]["value"] for node in nodes if "role" in node
    }
    assert ("group", "cat/plain.jpg: cat, or dog?") in told
    assert ("image", "cat/plain.jpg") in told
    assert {("button", "Accept"), ("button", "Reject"), ("combobox", "Right class")} <= told


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_can_be_read_in_both_themes(browser: Chromium, theme: str) -> None:
    browser.theme(theme)
    assert browser.poorest_contrast() >= 4.5  # WCAG 2.2, level AA
