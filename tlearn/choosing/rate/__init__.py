"""Which learning rate: a range test on kept features."""

__all__: list[str] = []
