"""How to train, as functions: from the data set's size to stages.

Importable in any Keras project, without a run folder and without loading TensorFlow:

```python
from tlearn import recipes, stages

stages.run(my_model, recipes.freeze_then_unfreeze(num_examples=3000), train, validation)
```

With which numbers, for which situation, is said by the TOML files in `recipes/`; `recipes.load`
reads one, `recipes.saved` lists them.
"""

from tlearn.recipes.head_only import linear_probe
from tlearn.recipes.saved import FUNCTIONS, Recipe, load, saved
from tlearn.recipes.step_by_step import gradual_unfreeze
from tlearn.recipes.two_stages import freeze_then_unfreeze

__all__ = [
    "FUNCTIONS",
    "Recipe",
    "freeze_then_unfreeze",
    "gradual_unfreeze",
    "linear_probe",
    "load",
    "saved",
]
