"""Several workers of one run, started together, watched, and started again when one is lost."""

__all__: list[str] = []
