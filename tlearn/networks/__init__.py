"""The graph of a Keras model: where it can be cut in two, and how its parts are made fast."""

__all__: list[str] = []
