"""The decoder against Pillow, on real files of every format, and on files that are none."""

from __future__ import annotations

import io
import resource
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image, ImageOps, features

from tlearn.errors import DecodeError
from tlearn.photos import decoding, orientation, pipeline

WIDTH, HEIGHT = 90, 61


def picture(width: int = WIDTH, height: int = HEIGHT) -> Image.Image:
    """Smooth enough for JPEG, and different in all four corners."""
    noise = np.random.default_rng(0).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def transparent() -> Image.Image:
    image = picture()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def sixteen_bits() -> Image.Image:
    values = np.linspace(0, 65535, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).astype(np.uint16)
    return Image.fromarray(values)


def palette() -> Image.Image:
    return picture().quantize(64)


def pillow(data: bytes) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damaged EXIF, and of transparency that is dropped
        return np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))


def graph(data: bytes) -> np.ndarray:
    return decode_in_graph(tf.constant(data)).numpy()


decode_in_graph = tf.function(decoding.decode, input_signature=[tf.TensorSpec((), tf.string)])
read_orientation = tf.function(orientation.read, input_signature=[tf.TensorSpec((), tf.string)])

# What the graph decodes, each to exactly Pillow's pixels.
IN_GRAPH = {
    "jpeg": lambda: encode(picture(), "JPEG", quality=90),
    "jpeg of low quality": lambda: encode(picture(), "JPEG", quality=10, subsampling=2),
    "jpeg 4:4:4": lambda: encode(picture(), "JPEG", subsampling=0),
    "jpeg grey": lambda: encode(picture().convert("L"), "JPEG"),
    "jpeg cmyk": lambda: encode(picture().convert("CMYK"), "JPEG"),
    "jpeg progressive": lambda: encode(picture(), "JPEG", progressive=True),
    "mpo": lambda: encode(picture(), "MPO", save_all=True, append_images=[picture()]),
    "png": lambda: encode(picture(), "PNG"),
    "png rgba": lambda: encode(transparent(), "PNG"),
    "png la": lambda: encode(transparent().convert("LA"), "PNG"),
    "png grey": lambda: encode(picture().convert("L"), "PNG"),
    "png palette": lambda: encode(palette(), "PNG"),
    "png palette, transparent": lambda: encode(palette(), "PNG", transparency=bytes(range(64))),
    "png 1-bit": lambda: encode(picture().convert("1"), "PNG"),
    "gif": lambda: encode(palette(), "GIF"),
    "gif animated": lambda: encode(
        palette(), "GIF", save_all=True, append_images=[palette().rotate(180)]
    ),
}

# What only Pillow decodes.
BY_PILLOW = {
    "bmp": lambda: encode(picture(), "BMP"),
    "bmp palette": lambda: encode(palette(), "BMP"),
    "tiff": lambda: encode(picture(), "TIFF"),
    "tiff lzw": lambda: encode(picture(), "TIFF", compression="tiff_lzw"),
    "tiff cmyk": lambda: encode(picture().convert("CMYK"), "TIFF"),
    "webp animated": lambda: encode(
        picture(), "WEBP", save_all=True, lossless=True, append_images=[picture().rotate(180)]
    ),
    "webp with alpha": lambda: encode(transparent(), "WEBP", lossless=True, exact=True),
    "ppm": lambda: encode(picture(), "PPM"),
    "jpeg 2000": lambda: encode(picture(), "JPEG2000"),
}


class TestFormats:
    @pytest.mark.parametrize("name", IN_GRAPH)
    def test_the_graph_gives_exactly_the_pixels_of_pillow(self, name: str) -> None:
        data = IN_GRAPH[name]()
        assert decoding.route(data) == "graph"
        assert decoding.check(data, "graph") == "graph"
        assert np.array_equal(graph(data), pillow(data))
        assert np.array_equal(decoding.decode(tf.constant(data)), pillow(data))
        assert np.array_equal(decoding.decode_with_pillow(data), pillow(data))

    @pytest.mark.parametrize("name", BY_PILLOW)
    def test_other_formats_go_to_pillow(self, name: str) -> None:
        data = BY_PILLOW[name]()
        assert decoding.route(data) == "pillow"
        assert decoding.check(data, "pillow") == "pillow"
        assert np.array_equal(decoding.decode_with_pillow(data), pillow(data))

    @pytest.mark.parametrize("name", BY_PILLOW)
    def test_the_graph_refuses_what_it_might_get_wrong(self, name: str) -> None:
        data = BY_PILLOW[name]()
        with pytest.raises(tf.errors.OpError):
            graph(data)
        assert decoding.check(data, "graph") == "pillow"

    @pytest.mark.parametrize("lossless", [True, False])
    def test_still_webp_is_read_alike_by_both(self, lossless: bool) -> None:
        data = encode(picture(), "WEBP", lossless=lossless)
        assert decoding.route(data) == "graph"
        # TensorFlow before 2.20 has no WebP; then it goes to Pillow.
        if decoding.check(data, "graph") == "graph":
            assert np.array_equal(graph(data), pillow(data))
        assert np.array_equal(decoding.decode_with_pillow(data), pillow(data))

    @pytest.mark.parametrize("format", ["HEIF", "AVIF"])
    def test_heic_and_avif_come_out_as_they_went_in(self, format: str) -> None:
        if format == "HEIF":
            pytest.importorskip("pillow_heif").register_heif_opener()
        elif not features.check("avif"):
            pytest.skip("this Pillow has no AVIF")
        data = encode(picture(), format, quality=95)
        assert decoding.route(data) == "pillow"
        assert decoding.check(data, "pillow") == "pillow"
        pixels = decoding.decode_with_pillow(data)
        assert pixels.shape == (HEIGHT, WIDTH, 3)
        # Both formats lose a little: a few levels, on average.
        assert np.abs(pixels.astype(int) - np.asarray(picture())).mean() < 5

    def test_a_png_of_16_bits_is_scaled_not_clipped(self) -> None:
        data = encode(sixteen_bits(), "PNG")
        expected = (np.asarray(sixteen_bits()) >> 8).astype(np.uint8)
        for pixels in (graph(data), decoding.decode_with_pillow(data)):
            assert np.array_equal(pixels, np.repeat(expected[..., None], 3, axis=-1))

    def test_a_tiff_of_16_bits_is_scaled_not_clipped(self) -> None:
        pixels = decoding.decode_with_pillow(encode(sixteen_bits(), "TIFF"))
        assert np.array_equal(pixels[..., 0], np.asarray(sixteen_bits()) >> 8)

    def test_floating_point_is_refused_with_a_reason(self) -> None:
        data = encode(Image.fromarray(np.ones((4, 5), np.float32)), "TIFF")
        with pytest.raises(DecodeError, match="floating-point"):
            decoding.check(data, decoding.route(data))

    def test_whole_numbers_of_32_bits_are_refused_with_a_reason(self) -> None:
        data = encode(Image.fromarray(np.full((4, 5), 70_000, np.int32)), "TIFF")
        with pytest.raises(DecodeError, match="32-bit"):
            decoding.check(data, decoding.route(data))

    def test_only_the_visible_pixels_of_a_transparent_gif_are_those_of_pillow(self) -> None:
        still = Image.fromarray(np.tile(np.arange(60, dtype=np.uint8), (40, 1)))
        still.putpalette(
            [(3 * level + shift) % 256 for level in range(256) for shift in (5, 9, 80)]
        )
        data = encode(still, "GIF", transparency=7)
        hidden = np.asarray(still) == 7
        assert np.array_equal(graph(data)[~hidden], pillow(data)[~hidden])
        assert not graph(data)[hidden].any()

    def test_a_gif_whose_first_frame_is_a_part_goes_to_pillow(self) -> None:
        data = bytearray(encode(palette(), "GIF"))
        data[6:10] = struct.pack("<HH", WIDTH + 20, HEIGHT + 10)
        with pytest.raises(tf.errors.OpError):
            graph(bytes(data))
        assert decoding.check(bytes(data), "graph") == "pillow"

    def test_the_name_of_a_file_plays_no_part(self, tmp_path: Path) -> None:
        path = tmp_path / "photo.jpg"
        path.write_bytes(encode(picture(), "PNG"))
        assert np.array_equal(
            decoding.load(tf.constant(str(path)), tf.constant("graph")), np.asarray(picture())
        )


def exif_block(order: str, entries: list[tuple[int, int, int, bytes]], offset: int = 8) -> bytes:
    """A TIFF block with one directory of `(tag, kind, count, four bytes)`."""
    start = {"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, offset)
    directory = struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        directory += struct.pack(order + "HHI", tag, kind, count) + value.ljust(4, b"\0")
    return b"Exif\0\0" + start + b"\0" * (offset - 8) + directory + struct.pack(order + "I", 0)


def oriented(order: str, value: int, **changes: int) -> bytes:
    fields = {"kind": 3, "count": 1, "others": 0, "offset": 8} | changes
    letter = {1: "B", 3: "H", 4: "I", 9: "i"}[fields["kind"]]
    others = [(0x8000 + place, 4, 1, b"\1\0\0\1") for place in range(fields["others"])]
    tag = (0x0112, fields["kind"], fields["count"], struct.pack(order + letter, value))
    return exif_block(order, [*others, tag], fields["offset"])


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def with_segments(*segments: bytes) -> bytes:
    data = encode(picture(), "JPEG")
    return data[:2] + b"".join(segments) + data[2:]


class TestOrientation:
    @pytest.mark.parametrize("value", range(1, 9))
    @pytest.mark.parametrize("order", ["<", ">"])
    def test_all_eight_are_applied_as_pillow_does(self, value: int, order: str) -> None:
        data = with_segments(segment(0xE1, oriented(order, value)))
        assert read_orientation(tf.constant(data)) == value
        assert decoding.route(data) == "graph"
        expected = pillow(data)
        assert expected.shape == ((HEIGHT, WIDTH, 3) if value < 5 else (WIDTH, HEIGHT, 3))
        assert np.array_equal(graph(data), expected)
        assert np.array_equal(decoding.decode_with_pillow(data), expected)

    @pytest.mark.parametrize(
        "segments",
        [
            [segment(0xE1, oriented("<", 6, others=60))],
            [segment(0xE1, oriented(">", 6, offset=200))],
            [segment(0xE1, oriented(">", 6, kind=4))],
            [segment(0xE1, oriented("<", 6, kind=9))],
            [segment(0xE0, b"JFIF\0" + b"\0" * 9), segment(0xE1, oriented("<", 6))],
            [segment(0xE2, b"ICC_PROFILE\0" + b"\1" * 60_000)] * 9
            + [segment(0xE1, oriented("<", 6))],
            [segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>"), segment(0xE1, oriented("<", 6))],
            [b"\xff\xff\xff", segment(0xE1, oriented(">", 6))],
        ],
        ids=[
            "late tag",
            "far directory",
            "long",
            "signed",
            "after jfif",
            "after 540 KB",
            "xmp",
            "fill",
        ],
    )
    def test_the_tag_is_found_where_cameras_put_it(self, segments: list[bytes]) -> None:
        data = with_segments(*segments)
        assert np.array_equal(pillow(data), pillow(with_segments(segment(0xE1, oriented("<", 6)))))
        assert read_orientation(tf.constant(data)) == 6
        assert np.array_equal(graph(data), pillow(data))

    @pytest.mark.parametrize(
        "block",
        [
            b"Exif\0\0",
            b"Exif\0\0II*\0",
            b"Exif\0\0XX*\0\x08\0\0\0",
            oriented("<", 6)[:18],
            oriented("<", 6)[:24],
            b"Exif\0\0II*\0\xff\xff\xff\xff" + b"\0" * 40,
            exif_block("<", [(0x0112, 2, 1, b"6")]),
            oriented("<", 6, count=3),
            oriented("<", 6, kind=1),
            oriented("<", 0),
            oriented("<", 9),
            oriented(">", 65535),
            b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\x01" * 20,
        ],
    )
    def test_damaged_exif_means_upright(self, block: bytes) -> None:
        data = with_segments(segment(0xE1, block))
        assert read_orientation(tf.constant(data)) == 1
        upright = pillow(encode(picture(), "JPEG"))
        assert np.array_equal(graph(data), upright)
        assert np.array_equal(decoding.decode_with_pillow(data), upright)

    @pytest.mark.parametrize(
        "data", [b"", b"\xff\xd8\xff", b"\xff\xd8\xff\xe1\xff\xff", b"no JPEG"]
    )
    def test_what_is_no_jpeg_is_upright(self, data: bytes) -> None:
        assert read_orientation(tf.constant(data)) == 1

    def test_noise_in_the_exif_never_fails(self) -> None:
        chance = np.random.default_rng(0)
        start = with_segments(segment(0xE1, oriented("<", 6, others=3)))
        for _ in range(300):
            data = bytearray(start)
            for place in chance.integers(2, 80, 3):
                data[place] = chance.integers(256)
            assert 1 <= read_orientation(tf.constant(bytes(data))) <= 8

    def test_a_jpeg_turned_by_xmp_alone_goes_to_pillow(self) -> None:
        xmp = b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'
        data = with_segments(segment(0xE1, xmp))
        if pillow(data).shape == (HEIGHT, WIDTH, 3):
            pytest.skip("this Pillow does not read XMP")
        assert decoding.route(data) == "pillow"
        assert np.array_equal(decoding.decode_with_pillow(data), pillow(data))

    @pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
    def test_other_formats_are_turned_by_pillow(self, format: str) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        data = encode(picture(), format, exif=exif)
        assert decoding.route(data) == "pillow"
        pixels = decoding.decode_with_pillow(data)
        assert pixels.shape == (WIDTH, HEIGHT, 3)
        assert np.array_equal(pixels, pillow(data))


def bomb() -> bytes:
    """The header of a PNG of 20,000 x 20,000 pixels, and next to nothing after it."""

    def chunk(kind: bytes, payload: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + payload))
        return struct.pack(">I", len(payload)) + kind + payload + check

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


UNREADABLE = {
    "empty": (lambda: b"", "the file is empty"),
    "text": (lambda: b"These are not the photos you are looking for.", "not an image"),
    "html": (lambda: b"<html><body>404 Not Found</body></html>", "not an image"),
    "zeros": (lambda: bytes(5000), "not an image"),
    "jpeg cut in half": (lambda: encode(picture(), "JPEG")[:1200], "truncated"),
    "jpeg without its end": (lambda: encode(picture(), "JPEG")[:-2], "truncated"),
    "progressive jpeg cut": (
        lambda: encode(picture(400, 300), "JPEG", progressive=True)[:3000],
        "truncated",
    ),
    "jpeg header": (lambda: encode(picture(), "JPEG")[:100], "truncated"),
    "three bytes of jpeg": (lambda: b"\xff\xd8\xff", "truncated"),
    "png cut in half": (lambda: encode(picture(), "PNG")[:2000], "truncated"),
    "png header": (lambda: encode(picture(), "PNG")[:20], "truncated"),
    "gif cut in half": (lambda: encode(palette(), "GIF")[:1500], "truncated|damaged"),
    "bmp cut in half": (lambda: encode(picture(), "BMP")[:5000], "truncated"),
    "webp cut in half": (lambda: encode(picture(), "WEBP")[:200], "damaged|truncated"),
    "tiff cut in half": (lambda: encode(picture(), "TIFF")[:5000], "truncated|damaged|not an"),
    "bomb": (bomb, "a decompression bomb: 20000 x 20000 pixels"),
}


class TestUnreadable:
    @pytest.mark.parametrize("name", UNREADABLE)
    def test_the_reason_is_in_plain_words(self, name: str) -> None:
        make, reason = UNREADABLE[name]
        data = make()
        with pytest.raises(DecodeError, match=reason):
            decoding.check(data, decoding.route(data))
        with pytest.raises(DecodeError, match=reason):
            decoding.decode_with_pillow(data)
        with pytest.raises(tf.errors.OpError):
            graph(data)

    def test_heic_without_its_extra_says_what_to_install(self) -> None:
        data = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
        code = (
            "import importlib.util, sys\n"
            "find = importlib.util.find_spec\n"
            "importlib.util.find_spec = lambda name: None if name == 'pillow_heif' else find(name)\n"
            "from tlearn.photos.pillow_decoding import route\n"
            f"try: route({data!r})\n"
            "except ValueError as error: print(error)\n"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "pip install 'tlearn[heic]'" in done.stdout

    def test_a_bomb_takes_no_memory(self) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(DecodeError):
            decoding.check(bomb(), "graph")
        _, readable = decoding.decode_batch(tf.constant([bomb()]), 8)
        assert not readable.numpy().any()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert after - before < 200 * 1024  # KiB; its pixels would be 1.2 GB

    def test_what_pillow_only_warns_of_is_silent(self) -> None:
        large = Image.new("1", (10_000, 10_000))  # above Pillow's limit for a warning
        data = encode(large, "PNG")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert decoding.route(data) == "graph"

    def test_damaged_jpegs_are_judged_alike_by_both_decoders(self) -> None:
        chance = np.random.default_rng(1)
        whole = [encode(picture(), "JPEG", progressive=progressive) for progressive in (0, 1)]
        verdicts = []
        for turn in range(150):
            data = bytearray(whole[turn % 2])
            for place in chance.integers(2, len(data), 3):
                data[place] = chance.integers(256)
            verdicts.append((_reads(graph, bytes(data)), _reads(pillow, bytes(data))))
        assert {first for first, _ in verdicts} == {True, False}
        assert all(first == second for first, second in verdicts)

    def test_many_threads_may_check_at_once(self) -> None:
        whole, cut = encode(picture(), "JPEG"), encode(picture(), "PNG")[:900]
        bitmap = encode(picture(), "TIFF")
        files = [whole, cut, bitmap, b"text", b""] * 40

        def verdict(data: bytes) -> str:
            try:
                return decoding.check(data, decoding.route(data))
            except DecodeError as error:
                return str(error)

        filters = list(warnings.filters)
        with ThreadPoolExecutor(8) as pool:
            verdicts = list(pool.map(verdict, files))
        assert verdicts == [verdict(data) for data in files[:5]] * 40
        assert warnings.filters == filters
        assert threading.active_count() < 100


def _reads(decode: object, data: bytes) -> bool:
    try:
        decode(data)
    except Exception:
        return False
    return True


class TestLoad:
    def test_both_decoders_serve_one_pipeline(self, tmp_path: Path) -> None:
        files = {"a.jpg": "JPEG", "bé.bmp": "BMP", "c.tif": "TIFF", "d.png": "PNG"}
        paths, decoders = [], []
        for name, format in files.items():
            path = tmp_path / name
            path.write_bytes(encode(picture(), format))
            paths.append(str(path))
            decoders.append(decoding.route(path.read_bytes()))
        assert decoders == ["graph", "pillow", "pillow", "graph"]
        photos = tf.data.Dataset.from_tensor_slices((paths, decoders)).map(decoding.load)
        for path, photo in zip(paths, photos, strict=True):
            assert np.array_equal(photo, pillow(Path(path).read_bytes()))

    def test_a_file_that_went_bad_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "gone bad.bmp"
        path.write_bytes(encode(picture(), "BMP")[:3000])
        photos = tf.data.Dataset.from_tensors((str(path), "pillow")).map(decoding.load)
        with pytest.raises(tf.errors.OpError, match=r"gone bad\.bmp.*truncated"):
            next(iter(photos))


LARGE, SMALLEST = (512, 384), 48
# Each shorter side and the size it is decoded at when at least 48 pixels are asked for.
RATIOS = {95: 1, 96: 2, 191: 2, 192: 4, 383: 4, 384: 8, 2000: 8}

# JPEGs of every kind, large enough to be decoded at an eighth.
LARGE_JPEGS = {
    "lying": lambda: encode(picture(*LARGE), "JPEG", quality=92),
    "upright": lambda: encode(picture(*LARGE[::-1]), "JPEG", quality=92),
    "4:4:4": lambda: encode(picture(*LARGE), "JPEG", quality=92, subsampling=0),
    "grey": lambda: encode(picture(*LARGE).convert("L"), "JPEG", quality=92),
    "cmyk": lambda: encode(picture(*LARGE).convert("CMYK"), "JPEG", quality=92),
    "progressive": lambda: encode(picture(*LARGE), "JPEG", quality=92, progressive=True),
    "mpo": lambda: encode(
        picture(*LARGE), "MPO", quality=92, save_all=True, append_images=[picture(*LARGE)]
    ),
}


class TestScaledDecoding:
    @pytest.mark.parametrize(("shorter", "ratio"), RATIOS.items())
    @pytest.mark.parametrize("lying", [True, False])
    def test_the_shorter_side_keeps_what_is_asked_for(
        self, shorter: int, ratio: int, lying: bool
    ) -> None:
        sides = (shorter + 40, shorter) if lying else (shorter, shorter + 40)
        data = encode(Image.new("RGB", sides, "teal"), "JPEG")
        pixels = decoding.decode(tf.constant(data), SMALLEST)
        assert pixels.shape == (-(-sides[1] // ratio), -(-sides[0] // ratio), 3)
        assert decoding.decode_with_pillow(data, SMALLEST).shape == pixels.shape
        assert min(pixels.shape[:2]) >= min(SMALLEST, shorter)

    @pytest.mark.parametrize("name", IN_GRAPH)
    def test_small_photos_are_decoded_as_they_are(self, name: str) -> None:
        data = IN_GRAPH[name]()
        assert np.array_equal(decoding.decode(tf.constant(data), HEIGHT // 2 + 1), graph(data))

    @pytest.mark.parametrize("format", ["PNG", "BMP"])
    def test_other_formats_are_decoded_as_they_are(self, format: str, tmp_path: Path) -> None:
        path = tmp_path / "large"
        path.write_bytes(encode(picture(*LARGE), format))
        decoder = decoding.route(path.read_bytes())
        pixels = decoding.load(tf.constant(str(path)), tf.constant(decoder), SMALLEST)
        assert np.array_equal(pixels, np.asarray(picture(*LARGE)))

    @pytest.mark.parametrize("name", LARGE_JPEGS)
    @pytest.mark.parametrize("mode", decoding.RESIZE_MODES)
    def test_large_photos_become_nearly_the_same_square(self, name: str, mode: str) -> None:
        data = LARGE_JPEGS[name]()
        size = 24
        small = decoding.decode(tf.constant(data), decoding.smallest_for(size))
        assert small.shape[0] < graph(data).shape[0]
        whole = decoding.resize(graph(data), size, mode)
        assert np.abs(decoding.resize(small, size, mode) - whole).mean() < 1.5

    @pytest.mark.parametrize("name", LARGE_JPEGS)
    def test_pillow_gives_the_same_pixels(self, name: str) -> None:
        data = LARGE_JPEGS[name]()
        small = decoding.decode(tf.constant(data), SMALLEST)
        assert np.array_equal(decoding.decode_with_pillow(data, SMALLEST), small)

    @pytest.mark.parametrize("value", range(1, 9))
    def test_it_is_turned_upright(self, value: int) -> None:
        plain = LARGE_JPEGS["lying"]()
        data = plain[:2] + segment(0xE1, oriented("<", value)) + plain[2:]
        small = decoding.decode(tf.constant(data), SMALLEST)
        assert small.shape == ((48, 64, 3) if value < 5 else (64, 48, 3))
        assert np.array_equal(decoding.decode_with_pillow(data, SMALLEST), small)
        difference = decoding.resize(small, 24) - decoding.resize(pillow(data), 24)
        assert np.abs(difference).mean() < 1.5

    @pytest.mark.parametrize("size", [40_000, 65_000])
    def test_the_tag_is_found_in_small_files_and_large(self, size: int) -> None:
        comment = segment(0xFE, bytes(size))
        for value in (6, None):
            exif = segment(0xE1, oriented("<", value)) if value else b""
            data = with_segments(comment, exif)
            assert (len(data) <= 65536) == (size == 40_000)
            assert np.array_equal(graph(data), pillow(data))

    def test_a_damaged_large_photo_spoils_no_other(self) -> None:
        good = LARGE_JPEGS["lying"]()
        files = [good, good[:20], good]
        pixels, readable = decoding.decode_batch(tf.constant(files), 24)
        assert readable.numpy().tolist() == [True, False, True]
        assert np.array_equal(pixels[0], pixels[2])

    @pytest.mark.parametrize("mode", decoding.RESIZE_MODES)
    def test_what_trains_is_what_is_served(self, mode: str, tmp_path: Path) -> None:
        files = [*LARGE_JPEGS.values(), IN_GRAPH["png"]]
        data = [make() for make in files]
        paths = [tmp_path / f"{number}.jpg" for number in range(len(data))]
        for path, item in zip(paths, data, strict=True):
            path.write_bytes(item)
        examples = pd.DataFrame({"path": map(str, paths), "decoder": "graph"})
        trained = np.concatenate(
            [
                images
                for images, _ in pipeline.batches(examples, (), image_size=24, resize_mode=mode)
            ]
        )
        served, readable = decoding.decode_batch(tf.constant(data), 24, mode)
        assert readable.numpy().all()
        assert np.allclose(trained, served, atol=1e-3)
        whole = [decoding.resize(graph(item), 24, mode) for item in data]
        assert np.abs(served[0] - whole[0]).max() > 0.1, "a large photo is decoded small"

    def test_less_than_a_pixel_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r"at least 1.*smallest=0"):
            decoding.decode(tf.constant(b""), 0)


class TestResize:
    @pytest.mark.parametrize("mode", decoding.RESIZE_MODES)
    @pytest.mark.parametrize("shape", [(300, 200), (200, 300), (64, 64), (1, 500), (7, 3)])
    def test_any_shape_becomes_the_square(self, mode: str, shape: tuple[int, int]) -> None:
        image = np.asarray(picture(*shape))
        square = decoding.resize(image, 64, mode)
        assert square.shape == (64, 64, 3)
        assert square.dtype == tf.float32
        assert 0 <= np.min(square) <= np.max(square) <= 255
        batch = decoding.resize(np.stack([image, image]), 64, mode)
        assert np.allclose(batch[1], square, atol=1e-3)

    @pytest.mark.parametrize("mode", decoding.RESIZE_MODES)
    def test_a_square_of_that_size_is_left_as_it_is(self, mode: str) -> None:
        image = np.asarray(picture(64, 64))
        assert np.allclose(decoding.resize(image, 64, mode), image, atol=1e-3)

    def test_it_is_antialiased_as_pillow_is(self) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
        expected = Image.fromarray(noise).resize((50, 50), Image.Resampling.BILINEAR)
        square = decoding.resize(noise, 50, "stretch").numpy()
        # Pillow rounds to whole levels; without antialiasing this is about 60 levels.
        assert np.abs(square - np.asarray(expected)).mean() < 1

    def test_crop_keeps_the_middle(self) -> None:
        image = np.zeros((100, 300, 3), np.uint8)
        image[:, 100:200] = 255
        assert np.min(decoding.resize(image, 50, "crop")) > 254.9

    def test_pad_keeps_everything_between_grey_bars(self) -> None:
        image = np.full((100, 200, 3), 255, np.uint8)
        padded = decoding.resize(image, 60, "pad").numpy()
        assert (padded[:15] == 127).all()
        assert (padded[45:] == 127).all()
        assert (padded[15:45] > 254.9).all()

    def test_stretch_keeps_the_edges(self) -> None:
        image = np.zeros((100, 300, 3), np.uint8)
        image[:, :30] = 255
        square = decoding.resize(image, 50, "stretch").numpy()
        assert (square[:, :4] > 254.9).all()
        assert (square[:, 7:] == 0).all()

    def test_an_unknown_mode_names_those_there_are(self) -> None:
        with pytest.raises(ValueError, match=r"crop.*Received: mode='squash'"):
            decoding.resize(np.zeros((4, 4, 3), np.uint8), 4, "squash")


class Server(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
    def serve(self, encoded: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels, readable = decoding.decode_batch(encoded, 32, "crop")
        return {"pixels": pixels, "readable": readable}


class TestDecodeBatch:
    @pytest.mark.parametrize("mode", decoding.RESIZE_MODES)
    def test_each_photo_comes_out_as_it_does_alone(self, mode: str) -> None:
        files = [IN_GRAPH[name]() for name in IN_GRAPH]
        pixels, readable = decoding.decode_batch(tf.constant(files), 32, mode)
        assert readable.numpy().all()
        for data, square in zip(files, pixels, strict=True):
            expected = decoding.resize(decoding.decode(tf.constant(data)), 32, mode)
            assert np.allclose(square, expected, atol=1e-3)

    def test_a_bad_photo_spoils_no_other(self) -> None:
        good = encode(picture(), "JPEG")
        bad = [make() for make, _ in UNREADABLE.values()] + [make() for make in BY_PILLOW.values()]
        files = [item for pair in zip(bad, [good] * len(bad), strict=True) for item in pair]
        pixels, readable = decoding.decode_batch(tf.constant(files), 32, "crop")
        assert readable.numpy().tolist() == [False, True] * len(bad)
        assert not pixels.numpy()[::2].any()
        expected = decoding.resize(decoding.decode(tf.constant(good)), 32, "crop")
        assert np.allclose(pixels.numpy()[1::2], expected, atol=1e-3)

    def test_it_serves_from_a_saved_model_in_a_fresh_process(self, tmp_path: Path) -> None:
        tf.saved_model.save(Server(), str(tmp_path / "model"))
        good = encode(picture(), "JPEG")
        turned = with_segments(segment(0xE1, oriented(">", 6)))
        batches = [[], [good], [turned], [good, b"text", b""] * 11, [b"", b"no photo"]]
        for number, batch in enumerate(batches):
            for place, data in enumerate(batch):
                (tmp_path / f"{number}-{place:02}").write_bytes(data)
        code = (
            "import sys, pathlib\n"
            "sys.modules['keras'] = sys.modules['tlearn'] = None  # importing either fails\n"
            "import numpy as np, tensorflow as tf\n"
            "folder = pathlib.Path(sys.argv[1])\n"
            "loaded = tf.saved_model.load(str(folder / 'model'))\n"
            "for number in range(5):\n"
            "    files = [path.read_bytes() for path in sorted(folder.glob(f'{number}-*'))]\n"
            "    answer = loaded.serve(tf.constant(files, tf.string, (len(files),)))\n"
            "    np.savez(folder / f'answer{number}.npz', **answer)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            env={"TF_CPP_MIN_LOG_LEVEL": "3", "PATH": "", "CUDA_VISIBLE_DEVICES": "-1"},
        )
        assert done.returncode == 0, done.stderr
        spoken = [line for line in done.stderr.splitlines() if "absl" not in line]
        assert not [line for line in spoken if not line.startswith(("I0000", "E0000"))]
        assert "Premature" not in done.stderr

        answers = [np.load(tmp_path / f"answer{number}.npz") for number in range(5)]
        assert answers[0]["pixels"].shape == (0, 32, 32, 3)
        assert answers[3]["readable"].tolist() == [True, False, False] * 11
        assert answers[4]["readable"].tolist() == [False, False]
        assert not answers[4]["pixels"].any()
        for number, data in ((1, good), (2, turned), (3, good)):
            expected = decoding.resize(pillow(data), 32, "crop")
            assert np.allclose(answers[number]["pixels"][0], expected, atol=1e-3)


@pytest.mark.slow
def test_real_photos_come_out_as_from_pillow(shared_data: Path) -> None:
    for path in sorted(shared_data.glob("*/test/*/*"))[::5]:
        data = path.read_bytes()
        assert decoding.check(data, decoding.route(data)) == "graph"
        assert np.array_equal(graph(data), pillow(data)), path
