"""On which devices a run trains: one, several of a machine, or those of several machines."""

__all__: list[str] = []
