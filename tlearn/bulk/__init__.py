"""Photos in any number to answers in parts of a table, each whole or not there; no list is held."""

__all__: list[str] = []
