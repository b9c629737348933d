"""Have TFDS download and prepare a data set, or say soon and clearly that it cannot be had here."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tlearn.errors import DatasetError
from tlearn.progress import SILENT, Progress

__all__ = ["prepared"]

# TFDS itself tries ten times, for over three minutes, before it says that there is no network.
_SECONDS_TO_CONNECT = 5.0
_SECONDS_TO_ANSWER = 15.0


def prepared(builder: Any, *, source: str, progress: Progress = SILENT) -> Any:
    """Give a builder whose data set is on the disk.

    Args:
        builder: A TFDS builder.
        source: What the user called it.
        progress: Told of the download.

    Returns:
        The builder.

    Raises:
        DatasetError: When the data set is not there and cannot be downloaded and prepared.
    """
    # `builder.is_prepared()` asks the same, and logs a warning when it is not.
    if (builder.data_path / "dataset_info.json").exists():
        return builder
    urls = _urls(builder)
    if urls and not _has_downloads(builder) and not any(map(_is_reachable, urls)):
        hosts = ", ".join(str(urlsplit(url).hostname) for url in urls)
        raise DatasetError(_message(source, builder, f"{hosts} cannot be reached from here"))
    size = builder.info.download_size
    progress.say(f"Downloading {source} ({size or 'size unknown'}) to {builder.data_path}")
    try:
        with progress.task(f"Downloading {source}", unit="steps"), _quiet():
            builder.download_and_prepare()
    except Exception as error:  # every data set has code of its own, which raises what it likes
        lines = str(error).strip().splitlines()
        reason = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        if manual := builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
            reason += f". It must be downloaded by hand: {' '.join(manual.split())}"
        raise DatasetError(_message(source, builder, reason)) from error
    return builder


def _message(source: str, builder: Any, reason: str) -> str:
    return (
        f"The TFDS data set {source!r} is not prepared in {builder.data_path} and cannot be "
        f"downloaded: {reason.rstrip('.')}. Expected it on this machine, or a network that leads "
        "to it. Prepare it where there is one, with `tfds build` or "
        f"`tensorflow_datasets.load({source!r})`, copy its folder and name the folder it lies in "
        "with --data-dir; or give a folder of photos instead. "
        f"Received: dataset={source!r}"
    )


def _urls(builder: Any) -> list[str]:
    """One address on each of the first hosts that its files come from."""
    try:
        known = list(type(builder).url_infos or ())
    except Exception:  # some data sets of old have no list, or a damaged one
        return []
    by_host = {urlsplit(url).hostname: url for url in reversed(known) if url.startswith("http")}
    return list(by_host.values())[-2:]


def _is_reachable(url: str) -> bool:
    # As TFDS does, and so by the same proxies.
    import requests

    try:
        with requests.get(url, stream=True, timeout=(_SECONDS_TO_CONNECT, _SECONDS_TO_ANSWER)):
            return True
    except (requests.ConnectionError, requests.Timeout):
        return False
    except requests.RequestException:
        return True  # it answered; let TFDS say what is wrong


def _has_downloads(builder: Any) -> bool:
    """Whether some of its files may have been downloaded before, so that no network is needed."""
    # data_path is ROOT/NAME[/CONFIG]/VERSION, and the downloads lie in ROOT/downloads/NAME.
    name = builder.info.name
    above = [path for path in Path(os.fspath(builder.data_path)).parents if path.name == name]
    files = (path for top in above for path in (top.parent / "downloads" / name).glob("**/*"))
    return any(path.is_file() and ".tmp." not in str(path) for path in files)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """TFDS draws bars of its own and prints on standard output, which belongs to the caller."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    with contextlib.redirect_stdout(io.StringIO()):
        yield
