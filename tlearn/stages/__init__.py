"""Training by stages, for any Keras model and any tf.data sets.

Nothing here needs a run folder, a command line or tlearn's own pipelines:

```python
from tlearn import recipes, stages

training = stages.run(my_model, recipes.freeze_then_unfreeze(), train, validation)
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tlearn.stages.stage import Stage

if TYPE_CHECKING:
    from tlearn.stages.training import Training, run

__all__ = ["Stage", "Training", "run"]


def __getattr__(name: str) -> Any:
    if name in {"Training", "run"}:  # loads Keras, which those who only read recipes do not need
        from tlearn.stages import training

        return getattr(training, name)
    raise AttributeError(f"module 'tlearn.stages' has no attribute {name!r}")
