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
    num_classes: int | None = None,
    head_epochs: int | None = None,
    epochs: int | None = None,
    head_learning_rate: float | None = None,
    learning_rate: float | None = None,
    unfreeze: float | None = None,
    layer_decay: float = 0.9,
    weight_decay: float = 1e-4,
    label_smoothing: float = 0.1,
    average: float | None = None,
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
    and Ruder 2018); BatchNorm stays in inference mode; with few photos the weights after the last
    epochs are averaged (Izmailov et al. 2018).

    Args:
        num_examples: Photos in the training split; the rules of size start from it.
        num_classes: Number of classes. Where there are too few photos of each for anything to be
            unfrozen, see `schedules.is_head_alone`, the head alone trains, unless `epochs`,
            `learning_rate` or `unfreeze` asks for more. `None`: they are not counted.
        head_epochs: Epochs of AdamW for the head; by default it is fitted to convergence on kept
            features, see `linear_probe`.
        epochs: Epochs after unfreezing; by default about 430 steps.
        head_learning_rate: Peak rate of AdamW for the head; likewise.
        learning_rate: Peak rate after unfreezing, of the head and the last block; by default by
            the photos per step, see `schedules.unfrozen_rate`.
        unfreeze: The share of the backbone's blocks that train, above 0 up to 1; by default 0.35.
        layer_decay: The rate of each earlier block is multiplied by this.
        weight_decay: Decoupled weight decay of AdamW, on kernels only.
        label_smoothing: 0 to below 1.
        average: The share of the epochs after unfreezing, counted from the end, after which the
            weights are averaged, 0 to 1; by default by the number of photos, see
            `schedules.average`.
        augmentation: `"none"`, `"light"` or `"strong"`.
        mirror: Whether photos may be mirrored.
        hue: Whether hues may be shifted.
        mixup: The alpha of mixup; 0 turns it off.
        cutmix: The alpha of cutmix; 0 turns it off.
        balance: Against imbalance: `"none"`, `"weights"` or `"sampling"`.
        views: Views of each photo that are kept; by default by the number of photos, see
            `schedules.views`.

    Returns:
        Two stages, `head` and `unfreeze`; of few photos of each class `head` alone.

    Example:

    ```python
    recipe = recipes.freeze_then_unfreeze(num_examples=3000, unfreeze=0.5)
    stages.run(model, recipe, train, validation)
    ```
    """
    asked = epochs is not None or learning_rate is not None or unfreeze is not None
    rate = schedules.unfrozen_rate(num_examples) if learning_rate is None else learning_rate
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
    if not asked and schedules.is_head_alone(num_examples, num_classes):
        return (head,)
    unfrozen = replace(
        head,
        name="unfreeze",
        epochs=num_epochs,
        learning_rate=rate,
        patience=schedules.patience(num_epochs),
        average=schedules.average(num_examples) if average is None else average,
        unfreeze=0.35 if unfreeze is None else unfreeze,
        layer_decay=layer_decay,
        views=views or schedules.views(num_examples, num_epochs, augmentation),
        solver="adamw",
    )
    return head, unfrozen
