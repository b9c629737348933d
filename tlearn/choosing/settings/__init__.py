"""Which settings of a recipe: a search whose trials start from kept features."""

__all__: list[str] = []
