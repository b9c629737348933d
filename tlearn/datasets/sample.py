"""A small real data set that comes with a dependency: handwritten digits, a folder for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tlearn.errors import DatasetError
from tlearn.files import cache
from tlearn.progress import SILENT, Progress

__all__ = ["write"]

_MOST_CLASSES = 10
_SIDE = 96


def write(
    directory: str | Path, *, per_class: int = 60, classes: int = 10, progress: Progress = SILENT
) -> int:
    """Write scikit-learn's handwritten digits as photos in a folder per class.

    ```
    digits/
    ├── 0/
    │   ├── 000.png         96x96, greyscale
    │   └── ...
    └── 9/
    ```

    They were written by 43 people on paper forms (E. Alpaydin and C. Kaynak, UCI, 1998) and are
    8x8 pixels with 17 shades; they are enlarged smoothly to a size that backbones take.

    Args:
        directory: The folder to be made. It may stand there already if it is empty.
        per_class: How many photos of each digit, as far as there are so many (174 to 183).
        classes: How many digits, from 0 on, 2 to 10.
        progress: Told of each photo that is written.

    Returns:
        The number of photos.

    Raises:
        ValueError: When there are not as many digits, or no photos are asked for.
        DatasetError: When the folder holds something already, or cannot be written to.

    Example:

    ```python
    write("digits", per_class=20)
    tlearn.datasets.load("digits").class_names  # ("0", "1", ..., "9")
    ```
    """
    _check("per_class", per_class, 1, None)
    _check("classes", classes, 2, _MOST_CLASSES)
    directory = Path(directory).expanduser()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DatasetError(
            f"{directory} is there already and not empty. Expected a new or an empty folder. Name "
            f"another, or empty it. Received: directory={str(directory)!r}"
        )
    # Slow to import, and needed for nothing else here.
    from sklearn.datasets import load_digits

    digits = load_digits()
    chosen = [digits.images[digits.target == digit][:per_class] for digit in range(classes)]
    count = sum(map(len, chosen))
    with (
        cache.whole_folder(directory.absolute()) as partial,
        progress.task("Writing sample photos", total=count) as task,
    ):
        for digit, photos in enumerate(chosen):
            folder = partial / str(digit)
            folder.mkdir()
            for number, pixels in enumerate(photos):
                _enlarged(pixels).save(folder / f"{number:03d}.png")
                task.advance()
    return count


def _enlarged(pixels: np.ndarray) -> Image.Image:
    levels = np.rint(pixels * (255 / 16)).astype(np.uint8)  # 0 to 16 becomes 0 to 255
    return Image.fromarray(levels).resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)


def _check(name: str, value: int, least: int, most: int | None) -> None:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        limit = f"from {least} to {most}" if most is not None else f"of at least {least}"
        raise ValueError(
            f"The digits cannot be written so. Expected a whole number {limit}. "
            f"Received: {name}={value!r}"
        )
