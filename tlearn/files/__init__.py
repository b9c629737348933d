"""Files that are whole or not there, tables as text, and the cache."""

__all__: list[str] = []
