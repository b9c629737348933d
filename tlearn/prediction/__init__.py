"""Photos to answers: by a run's SavedModel (`trained`), or by ImageNet's own head (`pretrained`)."""

__all__: list[str] = []
