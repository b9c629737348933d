"""The report as a page, in a real browser: nothing but the file, and every number the tables'."""

from __future__ import annotations

import io
import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import run_folders
from headless import Chromium
from PIL import Image
from typer.testing import CliRunner

import tlearn
from tlearn import runs
from tlearn.cli.application import app
from tlearn.evaluation.ranked import average_precision
from tlearn.reporting import Report
from tlearn.reporting.page import matrix

CLASSES = ("quo\"ted'", "<script>alert(1)</script>", "plain", "日本語 🌷")


def jpeg(colour: tuple[int, int, int]) -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (16, 12), colour).save(written, "JPEG")
    return written.getvalue()


def write_run(root: Path, *, pictures: bool = True, temperature: float | None = 1.5) -> runs.Run:
    """A run with photos: some mistakes with what the model looked at."""
    figures = {"before": (0.11, 0.12, 0.9, 0.5), "after": (0.021, 0.03, 0.8, 0.4)}
    names = ("ece", "adaptive_ece", "nll", "brier")
    calibrated = {when: dict(zip(names, told, strict=True)) for when, told in figures.items()}
    calibrated |= {"temperature": temperature, "mistakes": 9}
    changes = {} if temperature is None else {"calibration": calibrated}
    with runs.unfinished(root, "flowers") as folder:
        run_folders.fill(folder, class_names=CLASSES, photos=400, changes=changes)
        if pictures:
            table = run_folders.predictions(CLASSES, 400).query("split == 'test'")
            shades = [jpeg((5 * (place % 50), 90, 90)) for place in range(len(table))]
            small = pd.DataFrame({"path": table["path"].to_numpy(), "jpeg": shades})
            folder.write_table("thumbnails", small)
            wrong = table[~table["correct"]].nlargest(3, "probability")["path"].to_numpy()
            over = {
                name: [jpeg((200, 0, 0))] * 3 for name in ("crop", "for_predicted", "for_label")
            }
            folder.write_table("overlays", pd.DataFrame({"path": wrong, **over}))
    assert folder.run is not None
    return folder.run


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return tlearn.report(write_run(tmp_path_factory.mktemp("runs")))


@pytest.fixture(scope="module")
def page(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.page(tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture
def browser(page: Path, tmp_path: Path) -> Iterator[Chromium]:
    with Chromium(tmp_path) as browser:
        browser.open(page)
        yield browser


# The file


def test_the_page_is_one_file_that_may_load_and_run_nothing_else(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "default-src 'none'; img-src data:; style-src 'sha256-" in text
    assert "unsafe" not in text
    assert " style=" not in text  # which the policy forbids
    sources = re.findall(r'<(?:img|script|link|iframe|source)[^>]*?(?:src|href)="([^"]*)"', text)
    assert all(source.startswith("data:") for source in sources)
    assert not re.search(r"https?://", text)


def test_no_name_becomes_markup(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "quo&#34;ted&#39;" in text
    # Neither in the list of photos that the script reads.
    assert text.count("</script>") == text.count("<script")


def test_a_photo_is_in_the_page_once(report: Report, page: Path) -> None:
    held = re.findall(r"data:image/jpeg;base64,[\w+/=]+", page.read_text(encoding="utf-8"))
    overlays = 3 * len(report.run.overlays)
    assert len(held) <= len(report.run.thumbnails) + overlays
    assert f"of {len(report.predictions)} test photos are in this page" in page.read_text("utf-8")


def test_where_a_person_keeps_their_photos_is_not_told_beside_each(page: Path) -> None:
    # The command that made the run names the data set, as it was given.
    assert page.read_text(encoding="utf-8").count("/photos/") == 0


def test_a_run_of_an_older_version_has_a_page_that_says_what_is_missing(tmp_path: Path) -> None:
    run = write_run(tmp_path, pictures=False, temperature=None)
    text = tlearn.report(run).page(tmp_path / "old.html").read_text(encoding="utf-8")
    for missing in ("thumbnails.parquet", "overlays.parquet", "no temperature", "suspects.parquet"):
        assert missing in text
    assert text.count("<img") == 0


def test_a_network_without_a_feature_map_is_said_to_have_none(tmp_path: Path) -> None:
    run = write_run(tmp_path)
    run.overlays.head(0).to_parquet(run.path / "overlays.parquet")
    text = tlearn.report(runs.load(run.path)).page(tmp_path / "a.html").read_text("utf-8")
    assert "no feature map with height and width" in text


def test_without_a_mistake_there_is_a_page(tmp_path: Path) -> None:
    table = run_folders.predictions(run_folders.CLASSES, 120, skill=60.0)
    run = run_folders.write_run(tmp_path, table=table)
    text = tlearn.report(run).page(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "No test photo was taken for another class" in text
    assert "Needs help most" not in text


def test_of_many_classes_those_that_are_confused_most_are_shown(tmp_path: Path) -> None:
    names = tuple(f"class {number}" for number in range(matrix.ALL_CLASSES + 20))
    run = run_folders.write_run(tmp_path, class_names=names, photos=20 * len(names))
    found = tlearn.report(run)
    view = matrix.of(found)
    assert len(view["names"]) == matrix.MOST_CLASSES
    assert all(
        sum(cell["count"] for cell in row["cells"] if cell) + row["rest"] == row["photos"]
        for row in view["rows"]
    )
    text = found.page(tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"Of {len(names)} classes the {matrix.MOST_CLASSES} with the most mistakes" in text


def test_the_command_makes_the_run_again(report: Report, tmp_path: Path) -> None:
    from tlearn.reporting.page.making import command

    info = {
        "arguments": {
            "dataset": "my photos/",
            "backbone": "efficientnet",
            "group": False,
            "target_precision": 0.99,
        },
        "recipe_options": {"epochs": 3, "mirror": False},
        "batch_size": 32,
        "seed": 7,
    }
    assert command(info) == (
        "tlearn finetune --dataset 'my photos/' --backbone efficientnet "
        "--target-precision 0.99 --epochs 3 --no-mirror "
        "--no-group --batch-size 32 --seed 7"
    )
    # What has no option stands in the run's own recipe.
    given_in_python = command(info | {"recipe_options": {"head_epochs": 3}})
    assert "--recipe recipe.toml" in given_in_python
    assert "head" not in given_in_python


def test_the_command_line_writes_the_page_and_nothing_else(report: Report, tmp_path: Path) -> None:
    file = tmp_path / "out.html"
    ran = CliRunner().invoke(app, ["report", str(report.run.path), "--html", str(file)])
    assert (ran.exit_code, ran.stdout) == (0, "")
    assert file.is_file()
    ran = CliRunner().invoke(app, ["report", str(report.run.path), "--open"])
    assert ran.exit_code == 2


# Numbers


def texts(browser: Chromium, selector: str) -> list[str]:
    return browser.value(
        f"[...document.querySelectorAll({selector!r})].map((one) => one.textContent.trim())"
    )


def test_every_number_is_that_of_the_tables(browser: Chromium, report: Report) -> None:
    for row in report.summary.to_dict("records"):
        (told,) = texts(browser, f"[data-metric={row['metric']}]")
        assert f"{100 * row['value']:.1f} %" in told
        assert f"{100 * row['low']:.1f} to {100 * row['high']:.1f}" in told
    cells = texts(browser, "#per-class tbody td.count")
    expected = []
    for row in report.per_class.to_dict("records"):
        shares = [f"{100 * row[name]:.1f}" for name in ("precision", "recall", "f1")]
        expected += [str(row["support"]), *shares]
    assert cells == expected
    counts = report.confusion.to_numpy()
    shown = browser.value(
        "[...document.querySelectorAll('.matrix tbody tr')].map((row) =>"
        "[...row.querySelectorAll('td')].map((one) => Number(one.textContent)))"
    )
    assert np.array_equal(np.array(shown), counts)
    share = report.coverage[report.coverage["coverage"] >= 0.9].iloc[0]
    assert f"{100 * share['accuracy']:.1f}" in texts(browser, "#trust details td")
    calibration = report.run.info["calibration"]
    assert texts(browser, "#trust > .wide td.count") == [
        f"{calibration[when][name]:.3f}"
        for name in ("ece", "adaptive_ece", "nll", "brier")
        for when in ("before", "after")
    ]
    areas = average_precision(report.precision_recall)["average_precision"]
    assert texts(browser, "#ranked td.count") == [f"{100 * area:.1f}" for area in areas]
    stages = texts(browser, "#training > .wide tbody td.count")
    assert [stages[6 * row + 3] for row in range(len(report.stages))] == [
        f"{100 * accuracy:.1f}" for accuracy in report.stages["validation_accuracy"]
    ]
    epochs = np.array(texts(browser, "#training details tbody td")).reshape(len(report.history), -1)
    for place, name in ((-2, "val_accuracy"), (-3, "accuracy")):
        told = [f"{100 * value:.1f}" for value in report.history[name]]
        assert list(epochs[:, place]) == told


def test_the_reliability_diagram_shows_both_before_and_after(report: Report) -> None:
    table = report.reliability
    assert list(dict.fromkeys(table["probabilities"])) == ["as trained", "calibrated"]
    before, after = (
        float((part["confidence"] * part["photos"]).sum() / part["photos"].sum())
        for _, part in table.groupby("probabilities", sort=False)
    )
    assert before > after  # a temperature above 1 has made answers less sure
    np.testing.assert_allclose(after, report.predictions["probability"].mean(), rtol=1e-6)


def test_precision_and_recall_are_those_of_scikit_learn(report: Report) -> None:
    from sklearn.metrics import average_precision_score

    test = report.run.predictions.query("split == 'test'")
    found = average_precision(report.precision_recall).set_index("class")["average_precision"]
    assert set(found.index) == set(CLASSES)
    for name in CLASSES:
        expected = average_precision_score(test["label"] == name, test[f"p[{name}]"])
        assert found[name] == pytest.approx(expected)


# In the browser


def test_nothing_is_asked_of_any_network_and_nothing_goes_wrong(browser: Chromium) -> None:
    browser.until("[...document.images].every((one) => one.complete && one.naturalWidth)")
    browser.value("document.querySelector('.sort').click()")
    browser.value("document.querySelector('.matrix td.wrong button').click()")
    browser.value("document.getElementById('theme').click()")
    assert browser.complaints == []
    assert {url.split(":")[0] for url in browser.requests} <= {"file", "data"}
    # No font, colour or place was refused by the policy.
    assert browser.value("getComputedStyle(document.querySelector('.matrix td.right')).background")


def test_a_cell_opens_its_photos_and_gives_the_focus_back(
    browser: Chromium, report: Report
) -> None:
    browser.value("document.querySelector('.matrix td.wrong button').focus()")
    browser.press("Enter")
    assert browser.value("document.getElementById('cell').open")
    count = int(browser.value("document.querySelector('.matrix td.wrong button').dataset.count"))
    assert browser.value("document.querySelectorAll('#cell-photos img').length") == count
    browser.until("[...document.querySelectorAll('#cell img')].every((one) => one.naturalWidth)")
    title = browser.value("document.getElementById('cell-title').textContent")
    assert f"{count} of " in title
    assert "taken for" in title
    browser.press("Escape")
    browser.until("!document.getElementById('cell').open")
    assert browser.value("document.activeElement.matches('.matrix td.wrong button')")


def test_the_matrix_is_walked_by_arrow_keys(browser: Chromium) -> None:
    assert browser.value("document.querySelectorAll('.matrix button[tabindex=\"0\"]').length") == 1
    browser.value("document.querySelector('.matrix button').focus()")
    browser.press("ArrowRight", "ArrowDown")
    assert browser.value("document.activeElement.closest('.matrix') !== null")
    assert browser.value("document.activeElement !== document.querySelector('.matrix button')")


def test_cells_say_photos_or_shares(browser: Chromium) -> None:
    before = texts(browser, ".matrix td.right")
    browser.value("document.querySelector('[data-show=share]').click()")
    shares = [int(text) for text in texts(browser, ".matrix td.right")]
    assert all(share <= 100 for share in shares)
    assert browser.value("document.querySelector('[data-show=share]').ariaPressed") == "true"
    browser.value("document.querySelector('[data-show=count]').click()")
    assert texts(browser, ".matrix td.right") == before


def test_a_column_is_sorted_by_mouse_and_by_keyboard(browser: Chromium, report: Report) -> None:
    names = [row["class"] for row in report.per_class.sort_values("recall").to_dict("records")]
    button = "document.querySelectorAll('#per-class .sort')[3]"
    browser.value(f"{button}.click()")
    assert browser.value(f"{button}.parentElement.ariaSort") == "descending"
    assert texts(browser, "#per-class tbody th") == names[::-1]
    browser.value(f"{button}.focus()")
    browser.press("Enter")
    assert browser.value(f"{button}.parentElement.ariaSort") == "ascending"
    assert texts(browser, "#per-class tbody th") == names
    assert browser.value("document.querySelectorAll('[aria-sort]').length") == 1


def test_the_theme_is_switched_and_forgotten_with_the_page(browser: Chromium, page: Path) -> None:
    browser.theme("light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = browser.value(ground)
    browser.value("document.getElementById('theme').click()")
    assert browser.value(ground) != light
    plot = "getComputedStyle(document.querySelector('#reliability-title').closest('svg')).color"
    assert browser.value(plot) == browser.value("getComputedStyle(document.body).color")
    browser.open(page)
    assert browser.value(ground) == light
    assert browser.value("localStorage.length") == 0


def test_a_screen_reader_is_told_what_each_thing_is(browser: Chromium) -> None:
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    told = {
        (node["role"]["value"], node["name"]["value"])
        for node in nodes
        if not node.get("ignored") and "name" in node
    }
    roles = {role for role, _ in told} | {node["role"]["value"] for node in nodes if "role" in node}
    assert {"banner", "main", "navigation", "table", "region", "heading", "columnheader"} <= roles
    assert any(role == "button" and "photos of plain known" in name for role, name in told)
    assert any(role == "image" and name.startswith("How often answers") for role, name in told)
    levels = [
        int(level) for level in re.findall(r"<h(\d)", browser.value("document.body.innerHTML"))
    ]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert browser.value("[...document.images].every((one) => one.alt)")
    assert browser.value("[...document.querySelectorAll('table')].every((one) => one.caption)")


def test_nothing_is_wider_than_a_narrow_screen(browser: Chromium) -> None:
    for width in (360, 400, 800):
        browser.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=800, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        assert browser.value("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_all_text_can_be_read_in_both_themes(browser: Chromium, theme: str) -> None:
    browser.theme(theme)
    browser.value("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.poorest_contrast() >= 4.5  # WCAG 2.2, level AA


def test_on_paper_everything_is_open_and_nothing_is_lost(browser: Chromium) -> None:
    printed = browser.call("Page.printToPDF")
    assert len(printed["data"]) > 10_000
    assert browser.value("document.querySelectorAll('details[open]').length") == 0


# Elsewhere than in the browser


def test_a_notebook_shows_a_report_whose_style_reaches_nothing_else(report: Report) -> None:
    text = report._repr_html_()
    assert "<style" not in text
    assert "<script" not in text
    assert " class=" not in text
    assert " id=" not in text
    for row in report.per_class.to_dict("records"):
        assert f"{100 * row['recall']:.1f}" in text
    assert len(text) < 20_000


def test_a_run_reports_and_draws_itself(report: Report, tmp_path: Path) -> None:
    root = tmp_path / "saved"
    shutil.copytree(report.run.path, root / "flowers")
    run = tlearn.load_run(root=root)
    assert isinstance(run, tlearn.Run)
    pd.testing.assert_frame_equal(run.report().per_class, report.per_class)
    names = ("confusion", "reliability", "coverage", "learning_curves", "precision_recall")
    for name in (*names, "per_class"):
        picture = getattr(run.plot, name)()._repr_png_()
        assert Image.open(io.BytesIO(picture)).format == "PNG"


def test_plots_are_not_loaded_before_they_are_asked_for() -> None:
    import subprocess
    import sys

    program = "import sys, tlearn.runs, tlearn.reporting.run; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
