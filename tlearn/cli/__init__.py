"""The command line: verbs that read their options, call the library and show the answer.

No verb imports what it does not need, so that `tlearn --help`, `report`, `runs` and `recipes`
start without TensorFlow.
"""

from tlearn.cli.application import app, main

__all__ = ["app", "main"]
