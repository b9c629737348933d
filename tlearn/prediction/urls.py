"""Photos that lie at a URL, such as `s3://bucket/photos/`: listed and read through fsspec."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import fsspec
from fsspec.registry import known_implementations

from tlearn.errors import DatasetError, DecodeError
from tlearn.files.names import is_hidden, natural_key

__all__ = ["is_url", "listed", "read"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")
# Their listings are pages for people, and `?` begins what is asked for.
_WEB = ("http", "https")
_FOR_THE_WEB = {"http": "aiohttp", "https": "aiohttp", "sftp": "paramiko", "ssh": "paramiko"}
_PAUSES = (0.5, 2.0)  # seconds before a URL that failed is asked again


def is_url(place: object) -> bool:
    """Say whether something is a URL and no path.

    Args:
        place: A text such as `"s3://bucket/1.jpg"`, or anything else.

    Returns:
        Whether it begins with a scheme of two letters or more, so that `C:/` is none.
    """
    return isinstance(place, str) and _SCHEME.match(place) is not None


def listed(url: str) -> Iterator[str]:
    """List the files that a URL means, one after the other.

    Args:
        url: A file, a folder (everything below it, hidden files left out) or a glob. What `http`
            and `https` name is always a file.

    Returns:
        An iterator of URLs. A folder is listed as it is walked through; a glob all at once.

    Raises:
        DatasetError: The package that reads such URLs is not installed, the place cannot be
            listed, or the glob matches nothing.
    """
    system, path = _system(url)
    if url.partition("://")[0].lower() in _WEB:
        yield url
        return
    try:
        if _has_magic(path) and not system.exists(path):
            yield from _matching(system, path, url)
        elif system.isdir(path):
            for parent, folders, names in system.walk(path):
                folders[:] = sorted((name for name in folders if not is_hidden(name)), key=_natural)
                for name in sorted(names, key=_natural):
                    if not is_hidden(name):
                        yield system.unstrip_protocol(f"{parent.rstrip('/')}/{name}")
        else:
            yield url  # what cannot be read is told where it is read
    except OSError as error:
        raise DatasetError(
            "The photos at a URL cannot be listed. Expected a place that exists and that you may "
            f"read; check its spelling and your credentials. Received: paths={url!r} "
            f"({type(error).__name__}: {error})"
        ) from error


def read(url: str, most: int) -> bytes:
    """Read a file at a URL; what fails for the moment is tried three times.

    Args:
        url: The file.
        most: How many bytes are taken for a photo.

    Returns:
        Its bytes.

    Raises:
        DecodeError: It cannot be read, or is larger; the message is the reason in plain words.
        DatasetError: The package that reads such URLs is not installed.
    """
    for pause in (*_PAUSES, None):
        system, path = _system(url)
        try:
            with system.open(path, "rb") as file:
                data: bytes = file.read(most + 1)
            if len(data) > most:
                raise DecodeError("larger than 1 GiB, which no photo is")
            return data
        except FileNotFoundError as error:
            raise DecodeError("there is no such file") from error
        except (DecodeError, PermissionError, IsADirectoryError) as error:
            raise DecodeError(str(error)) from error
        # Each file system has errors of its own.
        except Exception as error:
            if pause is None:
                raise DecodeError(
                    f"it cannot be fetched ({type(error).__name__}: {error})"
                ) from error
        time.sleep(pause)
    raise AssertionError("the last try returns or raises")


def _matching(system: Any, path: str, url: str) -> Iterator[str]:
    found = [one for one in system.glob(path) if not is_hidden(one.rpartition("/")[2])]
    if not found:
        raise DatasetError(
            "The glob matches nothing. Expected at least one file; check its folder and spelling, "
            f"and that suffixes have the right case. Received: paths={url!r}"
        )
    for one in sorted(found, key=_natural):
        if not system.isdir(one):
            yield system.unstrip_protocol(one)


def _system(url: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, which it keeps, and the path within."""
    scheme = url.partition("://")[0].lower()
    try:
        system, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        module = known_implementations.get(scheme, {}).get("class", "").partition(".")[0]
        package = _FOR_THE_WEB.get(scheme, module)
        remedy = f"pip install {package}" if package not in ("", "fsspec") else str(error)
        raise DatasetError(
            f"Photos at {scheme}:// are read by a package that is not installed. Expected it "
            f"beside tlearn: {remedy}. Received: paths={url!r}"
        ) from error
    except ValueError as error:
        raise DatasetError(
            f"There is no way to read photos at {scheme}://. Expected a scheme that fsspec knows, "
            f"such as s3://, gs://, abfs:// or https://. Received: paths={url!r} ({error})"
        ) from error
    return system, path


def _has_magic(path: str) -> bool:
    return any(letter in path for letter in "*?[")


def _natural(name: str) -> list[tuple[object, ...]]:
    return [natural_key(part) for part in name.split("/")]
