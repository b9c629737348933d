"""How a server listens, and what it takes at most. No TensorFlow, no web framework."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from tlearn.errors import ServingError

__all__ = ["MINIMUM_KEY", "Settings", "is_loopback"]

MINIMUM_KEY = 16  # characters; what is shorter can be guessed by trying


@dataclass(frozen=True)
class Settings:
    """How a server listens, and what it takes at most.

    Args:
        host: The address that it listens on.
        port: The port, 0 for any that is free; 8501 is that of TensorFlow Serving's REST interface.
        api_key: What every request must bring; needed where others than this machine can reach it.
        allowed_hosts: Names by which it is called, for a proxy before it. By default any name where
            there is a key, otherwise `localhost` and addresses.
        allowed_origins: Web pages of other servers that may call it, such as `https://example.org`.
        batch_size: The most photos that the model sees at once.
        batch_delay: How long a photo waits for others at most, in seconds.
        queue: How many photos may wait; the next one is refused with 429.
        body_bytes: The most bytes of one request.
        photo_pixels: The most pixels of one photo.
        photos: The most photos in one request.
        timeout: Seconds from when a request has arrived to its answer.
        receive_timeout: Seconds in which a request must arrive.
        reload_every: Seconds between two looks for a newer version; 0 for none.
    """

    host: str = "127.0.0.1"
    port: int = 8501
    api_key: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    batch_size: int = 32
    batch_delay: float = 0.005
    queue: int = 256
    body_bytes: int = 32 * 2**20
    photo_pixels: int = 50_000_000
    photos: int = 64
    timeout: float = 30.0
    receive_timeout: float = 30.0
    reload_every: float = 2.0

    @property
    def body_bytes_at_once(self) -> int:
        """The most bytes of all requests that are being read or answered together."""
        return 8 * self.body_bytes

    @property
    def requests_at_once(self) -> int:
        """The most requests that are being read or answered together."""
        return 4 * self.queue + 64

    def check(self) -> Settings:
        """Raise `ServingError` where this would be open to anyone, or can not work; give it back."""
        if self.api_key is None and not is_loopback(self.host):
            raise ServingError(
                "Anyone who reaches this machine could use the server. Expected an API key where it "
                "listens on more than this machine: --api-key, or better the environment variable "
                "TLEARN_API_KEY, which no list of processes shows. "
                f"Received: host={self.host!r}, api_key=None"
            )
        if self.api_key is not None and len(self.api_key) < MINIMUM_KEY:
            raise ServingError(
                f"The API key is too short. Expected {MINIMUM_KEY} characters or more, such as "
                "`python -c 'import secrets; print(secrets.token_urlsafe())'` gives. "
                f"Received: {len(self.api_key)} characters"
            )
        if self.api_key is not None and not (self.api_key.isascii() and self.api_key.isprintable()):
            raise ServingError(
                "The API key cannot travel in a header. Expected letters, digits and signs of ASCII. "
                f"Received: {len(self.api_key)} characters, others among them"
            )
        for origin in self.allowed_origins:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:
                raise ServingError(
                    "An origin is what stands before the path in a page's address. Expected such as "
                    f"https://example.org. Received: allowed_origins={origin!r}"
                )
        return self


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens on `host`.

    Args:
        host: A name or an address.

    Returns:
        True for `localhost` and the loopback addresses.
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
