"""One stage of training, as a plain value."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Stage"]

_AUGMENTATIONS = ("none", "light", "strong")
_SOLVERS = ("adamw", "lbfgs")
_BALANCES = ("none", "weights", "sampling")


@dataclass(frozen=True)
class Stage:
    """What trains, for how long, how fast, and on what view of the photos.

    Args:
        name: Shown in progress and in the history, such as `"head"`.
        epochs: How often each training photo is seen, at least 1.
        learning_rate: The peak rate, of the head and of the last block; above 0.
        unfreeze: The share of the backbone's blocks that train besides the head, 0 to 1.
        layer_decay: The rate of each block further from the output is multiplied by this,
            above 0 to 1 (discriminative rates, Howard and Ruder 2018).
        warmup: The share of steps over which the rate rises to its peak; then it falls to 0 along
            a cosine. 0 to below 1.
        weight_decay: Decoupled weight decay of AdamW, on kernels only.
        label_smoothing: 0 to below 1.
        average: The share of the epochs, counted from the end, after which the weights are averaged
            (stochastic weight averaging, Izmailov et al. 2018), 0 to 1; 0 averages nothing. The
            average is kept unless it is worse on validation than the best epoch by more than
            noise.
        patience: Epochs without a better validation log loss after which the stage stops;
            `None` never stops.
        augmentation: `"none"`, `"light"` or `"strong"`.
        mirror: Whether augmentation may mirror a photo. Not for text or medical scans.
        hue: Whether augmentation may shift colours' hue. Not where colour is what tells.
        mixup: The alpha of mixup (Zhang et al. 2018); 0 turns it off.
        cutmix: The alpha of cutmix (Yun et al. 2019); 0 turns it off.
        balance: Against imbalance: `"none"`, `"weights"` (a class's loss is weighted by the
            inverse of its frequency) or `"sampling"` (classes are drawn equally often).
        views: How many views of each photo are made where a frozen trunk's features are kept, at
            least 1; more than `epochs` are of no use. The first is the photo as it is.
        solver: `"adamw"`, or for a stage that trains the head alone `"lbfgs"`: fitted to
            convergence on kept features of the photos as they are. Where no features are kept,
            AdamW takes its place.

    Raises:
        ValueError: A value is outside its range.
    """

    name: str
    epochs: int
    learning_rate: float
    unfreeze: float = 0.0
    layer_decay: float = 1.0
    warmup: float = 0.1
    weight_decay: float = 1e-4
    label_smoothing: float = 0.1
    average: float = 0.0
    patience: int | None = None
    augmentation: str = "light"
    mirror: bool = True
    hue: bool = True
    mixup: float = 0.0
    cutmix: float = 0.0
    balance: str = "none"
    views: int = 1
    solver: str = "adamw"

    def __post_init__(self) -> None:
        self._require("epochs", self.epochs >= 1, "at least 1")
        self._require("learning_rate", self.learning_rate > 0, "above 0")
        self._require("unfreeze", 0 <= self.unfreeze <= 1, "from 0 to 1")
        self._require("layer_decay", 0 < self.layer_decay <= 1, "above 0, up to 1")
        self._require("warmup", 0 <= self.warmup < 1, "from 0 to below 1")
        self._require("weight_decay", self.weight_decay >= 0, "0 or more")
        self._require("label_smoothing", 0 <= self.label_smoothing < 1, "from 0 to below 1")
        self._require("average", 0 <= self.average <= 1, "from 0 to 1")
        self._require("patience", self.patience is None or self.patience >= 1, "None or 1 or more")
        self._require("augmentation", self.augmentation in _AUGMENTATIONS, _or(_AUGMENTATIONS))
        self._require("mixup", self.mixup >= 0, "0 or more")
        self._require("cutmix", self.cutmix >= 0, "0 or more")
        self._require("balance", self.balance in _BALANCES, _or(_BALANCES))
        self._require("views", self.views >= 1, "at least 1")
        self._require("solver", self.solver in _SOLVERS, _or(_SOLVERS))

    def _require(self, field: str, holds: bool, expected: str) -> None:
        if not holds:
            raise ValueError(
                f"A stage's {field} must be {expected}. Received: {field}={getattr(self, field)!r}"
            )


def _or(choices: tuple[str, ...]) -> str:
    return " or ".join(repr(choice) for choice in choices)
