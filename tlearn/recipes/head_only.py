"""Train a new head on a frozen backbone, and nothing else."""

from __future__ import annotations

from tlearn.recipes import schedules
from tlearn.stages.stage import Stage

__all__ = ["linear_probe"]


def linear_probe(
    num_examples: int = 1000,
    *,
    epochs: int | None = None,
    learning_rate: float | None = None,
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
    """Train the head alone; the backbone stays as ImageNet left it.

    The quickest recipe, hard to overfit, and the yardstick for the others: what a backbone's
    features are worth as they are.

    Args:
        num_examples: Photos in the training split; the rules of size start from it.
        epochs: Epochs of AdamW. By default there are none where features are kept: the head is
            fitted to convergence on them. Elsewhere about 300 steps, see `schedules.head_epochs`.
        learning_rate: Peak rate of AdamW, 3e-3 where it is not given; likewise.
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
        One stage, `head`.

    Example:

    ```python
    stages.run(model, recipes.linear_probe(num_examples=400), train, validation)
    ```
    """
    num_epochs = epochs or schedules.head_epochs(num_examples)
    # Mixed photos are new in each batch, and a rate or a number of epochs is meant for AdamW.
    is_plain = epochs is None and learning_rate is None and not mixup and not cutmix
    sampled = balance == "sampling"
    head = Stage(
        name="head",
        epochs=num_epochs,
        learning_rate=3e-3 if learning_rate is None else learning_rate,
        patience=schedules.patience(num_epochs),
        weight_decay=weight_decay,
        label_smoothing=label_smoothing,
        augmentation=augmentation,
        mirror=mirror,
        hue=hue,
        mixup=mixup,
        cutmix=cutmix,
        balance=balance,
        views=views or schedules.views(num_examples, num_epochs, augmentation),
        solver="lbfgs" if is_plain and not sampled else "adamw",
    )
    return (head,)
