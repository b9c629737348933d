"""What is wrong with a data set's photos, before anything is trained: findings, shortcuts, a gallery.

Importing this loads neither TensorFlow nor pandas; checking does. See docs/check.md.
"""

__all__: list[str] = []
