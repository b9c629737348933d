"""The gallery: each finding with its photos, in one file that needs nothing else."""

__all__: list[str] = []
