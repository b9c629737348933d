"""Pages that are one file: they load nothing, run nothing but their own script, and open from a disk."""

from tlearn.pages.document import fragment, rendered

__all__ = ["fragment", "rendered"]
