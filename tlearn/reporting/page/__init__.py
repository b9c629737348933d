"""A report as a page: one file that a person opens from a mail."""

from tlearn.reporting.page.layout import html

__all__ = ["html"]
