"""Which backbone: heads on frozen features of the user's own photos."""

__all__: list[str] = []
