"""Pages that are one file: they load nothing, run nothing but their own script, and open from a disk."""

from tlearn.pages.document import rendered

__all__ = ["rendered"]
