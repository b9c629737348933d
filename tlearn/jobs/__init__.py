"""A job: a classifier, the photos it is to learn from, and the stages by which it learns."""

from tlearn.jobs.job import Job
from tlearn.jobs.reading import read, stages_for

__all__ = ["Job", "read", "stages_for"]
