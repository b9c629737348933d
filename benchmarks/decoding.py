"""What decoding and resizing cost beside the bare decoders, and what decoding small changes.

    python benchmarks/decoding.py ../shared/data/clothing [--only speed] [--output FILE]

`speed`: photos per CPU second on one thread, from bytes to a square of 224 pixels, of tlearn and of
others, for JPEGs as they are, of 1000 x 750 and of 4000 x 3000. simplejpeg is measured if installed.

`closeness`: how far the square is from that of a full decode, in levels of 255, where a JPEG's
shorter side keeps 1, 1.5, 2 or 3 pixels for one of the square (the worst case of each factor), and
how far ImageNet's probabilities of `efficientnet_lite0` are then. About three minutes on two cores.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from tlearn import backbones
from tlearn.photos import decoding, orientation

SIZE = 224
FACTORS = (1, 1.5, 2, 3)
LARGE = (4000, 3000)


def encode(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=92)
    return stream.getvalue()


def enlarged(photo: Image.Image, size: tuple[int, int]) -> Image.Image:
    lying = photo.width >= photo.height
    return photo.resize(size if lying else size[::-1], Image.Resampling.LANCZOS)


def mosaic(photos: list[Image.Image], seed: int) -> Image.Image:
    """As large as a phone's photo, and with detail down to its pixels."""
    chance = np.random.default_rng(seed)
    whole = Image.new("RGB", LARGE)
    for place in np.ndindex(LARGE[0] // 250 + 1, LARGE[1] // 250 + 1):
        whole.paste(photos[chance.integers(len(photos))], (place[0] * 250, place[1] * 250))
    return whole


def noise(seed: int) -> Image.Image:
    """Detail of every size alike, as in foliage: amplitude falls with frequency."""
    chance = np.random.default_rng(seed)
    width, height = LARGE
    across, down = np.fft.rfftfreq(width)[np.newaxis], np.fft.fftfreq(height)[:, np.newaxis]
    amplitude = 1 / np.maximum(np.hypot(across, down), 1 / width)
    planes = []
    for _ in range(3):
        turns = np.exp(2j * np.pi * chance.random(amplitude.shape))
        plane = np.fft.irfft2(amplitude * turns, (height, width))
        planes.append(np.clip(plane / plane.std() * 50 + 128, 0, 255).astype(np.uint8))
    return Image.fromarray(np.stack(planes, axis=-1))


def full(data: tf.Tensor, ratio: int = 1) -> tf.Tensor:
    return tf.io.decode_jpeg(data, 3, ratio=ratio, dct_method="INTEGER_ACCURATE")


def middle(image: tf.Tensor) -> tf.Tensor:
    height, width = tf.unstack(tf.shape(image)[:2])
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return image[top : top + side, left : left + side]


def by_tensorflow(data: tf.Tensor, *, antialias: bool, upright: bool = False) -> tf.Tensor:
    image = full(data)
    if upright:
        image = orientation.apply(image, orientation.read(data))
    return tf.image.resize(middle(image), (SIZE, SIZE), antialias=antialias)


def finish(image: Image.Image) -> np.ndarray:
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box), np.float32)


def by_pillow(data: bytes, *, draft: bool) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        if draft:
            image.draft("RGB", (decoding.smallest_for(SIZE),) * 2)
        return finish(image.convert("RGB"))


def by_simplejpeg(data: bytes) -> np.ndarray:
    import simplejpeg

    least = decoding.smallest_for(SIZE)
    pixels = simplejpeg.decode_jpeg(data, min_height=least, min_width=least, min_factor=1)
    return finish(Image.fromarray(pixels))


def in_pipeline(function: Callable[[tf.Tensor], tf.Tensor]) -> Callable[[list[bytes]], float]:
    def seconds(photos: list[bytes]) -> float:
        options = tf.data.Options()
        options.threading.private_threadpool_size = 1
        options.threading.max_intra_op_parallelism = 1
        # One more at the start, which pays for the start.
        dataset = tf.data.Dataset.from_tensor_slices([photos[0], *photos])
        dataset = dataset.map(tf.autograph.experimental.do_not_convert(function))
        steps = iter(dataset.with_options(options))
        next(steps)
        began = time.process_time()
        for _ in steps:
            pass
        return time.process_time() - began

    return seconds


def in_python(function: Callable[[bytes], np.ndarray]) -> Callable[[list[bytes]], float]:
    def seconds(photos: list[bytes]) -> float:
        began = time.process_time()
        for photo in photos:
            function(photo)
        return time.process_time() - began

    return seconds


def contenders() -> dict[str, Callable[[list[bytes]], float]]:
    found = {
        "tlearn": in_pipeline(
            lambda data: decoding.resize(decoding.decode(data, decoding.smallest_for(SIZE)), SIZE)
        ),
        "tlearn, nothing scaled": in_pipeline(
            lambda data: decoding.resize(decoding.decode(data), SIZE)
        ),
        "tf.io.decode_jpeg alone": in_pipeline(full),
        "decode_jpeg, tf.image.resize": in_pipeline(
            lambda data: by_tensorflow(data, antialias=False)
        ),
        "decode_jpeg, tf.image.resize antialiased": in_pipeline(
            lambda data: by_tensorflow(data, antialias=True)
        ),
        "the same, turned upright": in_pipeline(
            lambda data: by_tensorflow(data, antialias=True, upright=True)
        ),
        "Pillow": in_python(lambda data: by_pillow(data, draft=False)),
        "Pillow with draft": in_python(lambda data: by_pillow(data, draft=True)),
    }
    if importlib.util.find_spec("simplejpeg"):
        found["simplejpeg scaled, Pillow's resize"] = in_python(by_simplejpeg)
    return found


def speed(files: list[bytes], photos: list[Image.Image], rounds: int) -> dict[str, object]:
    sets = {
        "as they are": files,
        "1000 x 750": [encode(enlarged(photo, (1000, 750))) for photo in photos[:16]],
        "4000 x 3000": [encode(enlarged(photo, LARGE)) for photo in photos[:4]],
        "4000 x 3000, detailed": [encode(mosaic(photos, seed)) for seed in range(4)],
    }
    report: dict[str, object] = {}
    for name, data in sets.items():
        # In turn, so that other work on the machine troubles all alike; the least counts.
        best = dict.fromkeys(contenders(), float("inf"))
        for _ in range(rounds):
            for contender, seconds in contenders().items():
                best[contender] = min(best[contender], seconds(data) / len(data))
        report[name] = {
            "kilobytes": round(sum(map(len, data)) / len(data) / 1000),
            "photos_per_cpu_second": {one: round(1 / cost, 1) for one, cost in best.items()},
            "tlearn_is_faster_by": {
                one: round(cost / best["tlearn"], 2) for one, cost in best.items()
            },
        }
    return report


def closeness(photos: list[Image.Image]) -> list[dict[str, object]]:
    groups = {
        "photos, enlarged": [enlarged(photo, LARGE) for photo in photos[::6]],
        "mosaics of photos": [mosaic(photos, seed) for seed in range(4)],
        "noise of all sizes": [noise(seed) for seed in range(2)],
    }
    rows = [
        row
        for name, images in groups.items()
        for mode in ("stretch", "crop")
        for row in distances(name, [encode(image) for image in images], mode)
    ]
    return rows


def distances(name: str, data: list[bytes], mode: str) -> list[dict[str, object]]:
    network = backbones.build("efficientnet_lite0", include_top=True)
    rows = []
    for factor in FACTORS:
        for ratio in (4, 8):
            # The size of the square for which this factor leaves just as many pixels.
            size = round(min(LARGE) / ratio / factor)
            pairs = [
                [decoding.resize(full(item, one), size, mode).numpy() for one in (1, ratio)]
                for item in data
            ]
            levels = [np.abs(whole - small) for whole, small in pairs]
            views = tf.image.resize(np.concatenate(pairs), (SIZE, SIZE), antialias=True)
            answers = np.asarray(network(views)).reshape(len(pairs), 2, -1)
            rows.append(
                {
                    "photos": name,
                    "mode": mode,
                    "factor": factor,
                    "ratio": ratio,
                    "mean_levels": round(float(np.mean(levels)), 2),
                    "max_levels": round(float(np.max(levels)), 1),
                    "probability_moved": round(
                        float(np.abs(answers[:, 0] - answers[:, 1]).sum(-1).mean() / 2), 4
                    ),
                    "another_first_class": int((np.ptp(answers.argmax(-1), axis=-1) > 0).sum()),
                    "of": len(pairs),
                }
            )
            print(json.dumps(rows[-1]), file=sys.stderr)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="a folder with JPEGs, at any depth")
    parser.add_argument("--only", choices=("speed", "closeness"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    paths = sorted(
        path for path in given.photos.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"}
    )
    # Spread over all classes.
    files = [path.read_bytes() for path in paths[:: max(1, len(paths) // 60)]][:60]
    photos = [Image.open(io.BytesIO(data)).convert("RGB") for data in files]
    report: dict[str, object] = {"photos": str(given.photos), "cores": os.cpu_count()}
    if given.only != "closeness":
        report["speed"] = speed(files, photos, given.rounds)
    if given.only != "speed":
        report["closeness"] = closeness(photos)
    text = json.dumps(report, indent=2)
    if given.output:
        given.output.write_text(text + "\n")
    else:
        sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
