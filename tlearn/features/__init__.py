"""Features of a frozen backbone, computed once per photo and kept."""

__all__: list[str] = []
