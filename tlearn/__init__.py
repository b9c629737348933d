"""tlearn: transfer learning for Keras that a person with a folder of photos can trust.

Importing tlearn is quick: TensorFlow is loaded by the first name that needs it.

Example:

```python
import tlearn

run = tlearn.finetune("my_photos/", backbone="efficientnet")
print(tlearn.report(run).per_class)
print(tlearn.predict(["photo.jpg"], run=run))
```
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from tlearn.version import __version__

if TYPE_CHECKING:
    from tlearn import errors, recipes, stages
    from tlearn.checking.checker import check
    from tlearn.choosing.backbone.shortlist import shortlist
    from tlearn.choosing.rate.learning_rate import lr_find
    from tlearn.choosing.settings.tuning import tune
    from tlearn.comparing.comparison import compare
    from tlearn.formats.exporting import export_run
    from tlearn.prediction.classifier import load
    from tlearn.prediction.pretrained import classify
    from tlearn.prediction.trained import predict
    from tlearn.reporting import report
    from tlearn.reporting.run import Run, load_run
    from tlearn.workflow import finetune

__all__ = [
    "Run",
    "__version__",
    "check",
    "classify",
    "compare",
    "errors",
    "export_run",
    "finetune",
    "load",
    "load_run",
    "lr_find",
    "predict",
    "recipes",
    "report",
    "shortlist",
    "stages",
    "tune",
]

_HOME = {
    "Run": "tlearn.reporting.run",
    "check": "tlearn.checking.checker",
    "classify": "tlearn.prediction.pretrained",
    "compare": "tlearn.comparing.comparison",
    "export_run": "tlearn.formats.exporting",
    "finetune": "tlearn.workflow",
    "load": "tlearn.prediction.classifier",
    "load_run": "tlearn.reporting.run",
    "lr_find": "tlearn.choosing.rate.learning_rate",
    "predict": "tlearn.prediction.trained",
    "report": "tlearn.reporting",
    "shortlist": "tlearn.choosing.backbone.shortlist",
    "tune": "tlearn.choosing.settings.tuning",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in {"errors", "recipes", "stages"}:
        return importlib.import_module(f"tlearn.{name}")
    raise AttributeError(f"module 'tlearn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
