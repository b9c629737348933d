"""Unfreeze a few blocks more with each stage."""

from __future__ import annotations

from dataclasses import replace

from tlearn.recipes import schedules
from tlearn.recipes.head_only import linear_probe
from tlearn.stages.stage import Stage

__all__ = ["gradual_unfreeze"]


def gradual_unfreeze(
    num_examples: int = 1000,
    *,
    head_epochs: int | None = None,
    epochs: int | None = None,
    head_learning_rate: float | None = None,
    learning_rate: float = 1e-3,
    unfreeze: float = 1.0,
    steps: int = 3,
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
    """Train the head, then unfreeze the backbone from its end in equal steps (ULMFiT, 2018).

    Gentler than unfreezing at once, for photos far from ImageNet's and for many photos. Each
    step's peak rate is half that of the one before. Source: Howard and Ruder 2018.

    Args:
        num_examples: Photos in the training split; the rules of size start from it.
        head_epochs: Epochs of AdamW for the head; by default it is fitted to convergence on kept
            features, see `linear_probe`.
        epochs: Epochs after the head, shared out over the steps; by default about 430 steps.
        head_learning_rate: Peak rate of AdamW for the head; likewise.
        learning_rate: Peak rate of the first unfrozen step.
        unfreeze: The share of the backbone's blocks that train in the last step.
        steps: How many times more is unfrozen, at least 1.
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
        `steps + 1` stages: `head`, `unfreeze-1`, `unfreeze-2`, ...

    Raises:
        ValueError: There is less than one step.

    Example:

    ```python
    stages.run(model, recipes.gradual_unfreeze(steps=2), train, validation)
    ```
    """
    if steps < 1:
        raise ValueError(f"There must be at least one step. Received: steps={steps}")
    total_epochs = epochs or schedules.unfrozen_epochs(num_examples)
    num_epochs = max(1, round(total_epochs / steps))
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
    unfrozen = (
        replace(
            head,
            name=f"unfreeze-{step}",
            epochs=num_epochs,
            learning_rate=learning_rate / 2 ** (step - 1),
            patience=schedules.patience(num_epochs),
            unfreeze=unfreeze * step / steps,
            layer_decay=layer_decay,
            views=views or schedules.views(num_examples, total_epochs, augmentation),
            solver="adamw",
        )
        for step in range(1, steps + 1)
    )
    return head, *unfrozen
