"""Downloads that are tried soon given up, and the error that says what to do without them."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from tlearn.backbones.presence import weights_are_here
from tlearn.backbones.table import Backbone, table
from tlearn.errors import WeightsUnavailable

__all__ = ["downloading"]

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
        WeightsUnavailable: If whatever is inside the `with` fails.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS_OF_SILENCE)
    try:
        with redirect_stdout(sys.stderr):
            yield
    # Keras raises bare Exceptions here, its helpers whatever their network library raises.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WeightsUnavailable(
            f"The pretrained weights of {row.name} are not on this machine and could not be "
            f"downloaded ({reason}). Fetch the file on a machine with a network and give it with "
            f"--weights FILE, or take a backbone that needs no download: {_ready()}. "
            f"Received: backbone={row.name!r}, weights='imagenet'"
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def _ready() -> str:
    return ", ".join(row.name for row in table() if weights_are_here(row)) or "none is here"
