"""The run folder: written so that it is whole or not there, found, listed and read.

```
saved_models/
├── clothing-efficientnet_lite0/             a finished run, file by file in docs/run-folder.md
├── clothing-efficientnet_lite0-2/           the same command once more
└── .clothing-resnet50.unfinished-4711/      being written, or killed while it was
```

This package alone knows the file names inside a run folder.
"""

from tlearn.runs.following import awaited
from tlearn.runs.layout import check_name
from tlearn.runs.listing import ROOT, latest, load, table
from tlearn.runs.reading import Run, is_run
from tlearn.runs.unfinished import unfinished
from tlearn.runs.writing import RunFolder, check_writable

__all__ = [
    "ROOT",
    "Run",
    "RunFolder",
    "awaited",
    "check_name",
    "check_writable",
    "is_run",
    "latest",
    "load",
    "table",
    "unfinished",
]
