"""Downloads that are tried soon given up, and the error that says what to do without them."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from tlearn.backbones.presence import weights_are_here
from tlearn.backbones.table import Backbone, table
from tlearn.errors import BackboneError, WeightsUnavailable

__all__ = ["downloading", "file_needed"]

_SECONDS_OF_SILENCE = 15.0


@contextmanager
def downloading(row: Backbone) -> Iterator[None]:
    """Give up when the network is silent for long, and say what to do instead.

    Keras and KerasHub set no limit of their own: on a network that swallows packets, a download
    would hang for minutes. The bars that they draw go to standard error, so that standard output
    stays the caller's.

    Args:
        row: The backbone whose weights are fetched inside the `with`.

    Raises:
        WeightsUnavailable: If the weights cannot be fetched.
        BackboneError: If they can, and whatever else is inside the `with` fails.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS_OF_SILENCE)
    try:
        with redirect_stdout(sys.stderr):
            yield
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if not _is_about_the_download(error):
            raise BackboneError(
                f"The library that {row.name} comes from failed to build it ({reason[:500]}). Take "
                f"another backbone, or another version of it. Received: backbone={row.name!r}"
            ) from error
        raise WeightsUnavailable(
            f"The pretrained weights of {row.name} are not on this machine and could not be "
            f"downloaded ({reason}). {_without_network(row)}, or take a backbone that needs no "
            f"download: {_ready()}. Received: backbone={row.name!r}, weights='imagenet'"
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def file_needed(row: Backbone) -> WeightsUnavailable:
    """Make the error for a backbone whose weights only the user can bring.

    Args:
        row: A row whose source is `"file"`.

    Returns:
        An error that says which file to get, and how to give it.
    """
    return WeightsUnavailable(
        f"The pretrained weights of {row.name} come from {row.weights_from}. Or take a backbone "
        f"whose weights are here: {_ready()}. Received: backbone={row.name!r}, weights='imagenet'"
    )


def _is_about_the_download(error: Exception) -> bool:
    # Keras raises a bare Exception for a failed download and a ValueError for a damaged one; the
    # libraries of KerasHub raise what is an OSError, or errors of their own.
    home = type(error).__module__.partition(".")[0]
    return (
        type(error) is Exception
        or isinstance(error, OSError)
        or "corrupted" in str(error)
        or home in ("huggingface_hub", "kagglehub", "kagglesdk", "requests")
    )


def _without_network(row: Backbone) -> str:
    if row.source == "keras.applications":
        return "Fetch the file on a machine with a network and give it with --weights FILE"
    prefix = row.name.partition(":")[0]
    return (
        "Save the preset with save_to_preset on a machine with a network and give its folder as "
        f"{prefix}:FOLDER"
    )


def _ready() -> str:
    return ", ".join(row.name for row in table() if weights_are_here(row)) or "none is here"
