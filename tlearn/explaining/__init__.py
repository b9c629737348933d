"""What a report shows of photos: small pictures, and what the model looked at in its mistakes.

Made at the end of a training, where photos and model are at hand, and kept in the run folder.
"""

__all__: list[str] = []
