"""Train a new head on a frozen backbone, and nothing else."""

from __future__ import annotations

from tlearn.recipes import schedules
from tlearn.stages.stage import Stage

__all__ = ["linear_probe"]


def linear_probe(
    num_examples: int = 1000,
    *,
    epochs: int | None = None,
    learning_rate: float = 3e-3,
    weight_decay: float = 1e-4,
    label_smoothing: float = 0.1,
    augmentation: str = "light",
    mirror: bool = True,
    hue: bool = True,
    mixup: float = 0.0,
    cutmix: float = 0.0,
    balance: str = "none",
) -> tuple[Stage, ...]:
    """Train the head alone; the backbone stays as ImageNet left it.

    The quickest recipe, hard to overfit, and the yardstick for the others: what a backbone's
    features are worth as they are.

    Args:
        num_examples: Photos in the training split; the rules of size start from it.
        epochs: Epochs; by default about 300 steps, see `schedules.head_epochs`.
        learning_rate: Peak rate of AdamW.
        weight_decay: Decoupled weight decay of AdamW, on kernels only.
        label_smoothing: 0 to below 1.
        augmentation: `"none"`, `"light"` or `"strong"`.
        mirror: Whether photos may be mirrored.
        hue: Whether hues may be shifted.
        mixup: The alpha of mixup; 0 turns it off.
        cutmix: The alpha of cutmix; 0 turns it off.
        balance: Against imbalance: `"none"`, `"weights"` or `"sampling"`.

    Returns:
        One stage, `head`.

    Example:

    ```python
    stages.run(model, recipes.linear_probe(num_examples=400), train, validation)
    ```
    """
    num_epochs = epochs or schedules.head_epochs(num_examples)
    head = Stage(
        name="head",
        epochs=num_epochs,
        learning_rate=learning_rate,
        patience=schedules.patience(num_epochs),
        weight_decay=weight_decay,
        label_smoothing=label_smoothing,
        augmentation=augmentation,
        mirror=mirror,
        hue=hue,
        mixup=mixup,
        cutmix=cutmix,
        balance=balance,
    )
    return (head,)
