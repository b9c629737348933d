"""Train a new head first, then the last blocks with it."""

from __future__ import annotations

from dataclasses import replace

from tlearn.recipes import schedules
from tlearn.recipes.head_only import linear_probe
from tlearn.stages.stage import Stage

__all__ = ["freeze_then_unfreeze"]


def freeze_then_unfreeze(
    num_examples: int = 1000,
    *,
    head_epochs: int | None = None,
    epochs: int | None = None,
    head_learning_rate: float | None = None,
    learning_rate: float = 1e-3,
    unfreeze: float = 0.35,
    layer_decay: float = 0.9,
    weight_decay: float = 1e-4,
    label_smoothing: float = 0.1,
    augmentation: str = "light",
    mirror: bool = True,
    hue: bool = True,
    mixup: float = 0.0,
    cutmix: float = 0.0,
    balance: str = "none",
    views: int | None = None,
) -> tuple[Stage, ...]:
    """Train the head on a frozen backbone, then unfreeze the last blocks and train both.

    The default. The head comes first so that its random start does not tear up what the backbone
    knows (LP-FT, Kumar et al. 2022); deeper blocks move more slowly (discriminative rates, Howard
    and Ruder 2018); BatchNorm stays in inference mode.

    Args:
        num_examples: Photos in the training split; the rules of size start from it.
        head_epochs: Epochs of AdamW for the head; by default it is fitted to convergence on kept
            features, see `linear_probe`.
        epochs: Epochs after unfreezing; by default about 430 steps.
        head_learning_rate: Peak rate of AdamW for the head; likewise.
        learning_rate: Peak rate after unfreezing, of the head and the last block.
        unfreeze: The share of the backbone's blocks that train, above 0 up to 1.
        layer_decay: The rate of each earlier block is multiplied by this.
        weight_decay: Decoupled weight decay of AdamW, on kernels only.
        label_smoothing: 0 to below 1.
        augmentation: `"none"`, `"light"` or `"strong"`.
        mirror: Whether photos may be mirrored.
        hue: Whether hues may be shifted.
        mixup: The alpha of mixup; 0 turns it off.
        cutmix: The alpha of cutmix; 0 turns it off.
        balance: Against imbalance: `"none"`, `"weights"` or `"sampling"`.
        views: Views of each photo that are kept; by default by the number of photos, see
            `schedules.views`.

    Returns:
        Two stages, `head` and `unfreeze`.

    Example:

    ```python
    recipe = recipes.freeze_then_unfreeze(num_examples=3000, unfreeze=0.5)
    stages.run(model, recipe, train, validation)
    ```
    """
    num_epochs = epochs or schedules.unfrozen_epochs(num_examples)
    (head,) = linear_probe(
        num_examples,
        epochs=head_epochs,
        learning_rate=head_learning_rate,
        weight_decay=weight_decay,
        label_smoothing=label_smoothing,
        augmentation=augmentation,
        mirror=mirror,
        hue=hue,
        mixup=mixup,
        cutmix=cutmix,
        balance=balance,
        views=views,
    )
    unfrozen = replace(
        head,
        name="unfreeze",
        epochs=num_epochs,
        learning_rate=learning_rate,
        patience=schedules.patience(num_epochs),
        unfreeze=unfreeze,
        layer_decay=layer_decay,
        views=views or schedules.views(num_examples, num_epochs, augmentation),
        solver="adamw",
    )
    return head, unfrozen
