"""The lasting store of features."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tlearn.errors import CacheError, SizeError
from tlearn.features import store

KEY = "ab" * 32
SHAPE = (3, 5)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TLEARN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TLEARN_CACHE_SIZE", raising=False)
    return tmp_path / "cache"


def digests(start: int, stop: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(start, stop)]


def rows(start: int, stop: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """Every bit pattern that there is, infinities and NaNs of all kinds included."""
    bits = [
        np.random.default_rng(number).integers(0, 2**16, shape, dtype=np.uint16)
        for number in range(start, stop)
    ]
    return np.stack(bits).view(np.float16)


def same_bits(one: np.ndarray, other: np.ndarray) -> bool:
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def shelf(key: str = KEY, shape: tuple[int, ...] = SHAPE, dtype: str = "float16") -> store.Shelf:
    return store.Shelf(key, shape, dtype, {"backbone": "tiny", "size": 32})


def filled(key: str = KEY, count: int = 20) -> store.Shelf:
    made = shelf(key)
    made.write(digests(0, count), rows(0, count))
    return made


def segments_of(one: store.Shelf) -> list[Path]:
    return sorted(one.folder.glob("[!.]*.rows1"))


def hidden_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


# Keeping and reading back


def test_kept_rows_come_back_bit_for_bit_in_any_order() -> None:
    one = shelf()
    for start in (0, 70, 140):
        one.write(digests(start, start + 70), rows(start, start + 70))
    order = np.random.default_rng(0).permutation(210)
    wanted = digests(0, 210)
    with one.reader([wanted[number] for number in order]) as reader:
        assert (len(reader), reader.shape, reader.dtype) == (210, (210, *SHAPE), np.float16)
        expected = rows(0, 210)[order]
        assert reader.nbytes == expected.nbytes
        assert same_bits(reader.load(), expected)
        positions = np.array([209, 3, 3, 0, 100, 101, 102, -1])
        assert same_bits(reader.read(positions), expected[positions])
        out = np.empty((8, *SHAPE), np.float16)
        assert reader.read(positions, out) is out
        assert same_bits(out, expected[positions])
        assert reader.read(np.array([], dtype=np.int64)).shape == (0, *SHAPE)
        with pytest.raises(IndexError):
            reader.read(np.array([210]))


@pytest.mark.parametrize("shape", [(), (1,), (7, 7, 32)])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_rows_of_other_shapes_and_types(shape: tuple[int, ...], dtype: str) -> None:
    one = shelf(shape=shape, dtype=dtype)
    values = np.arange(4 * int(np.prod(shape))).reshape(4, *shape).astype(dtype)
    one.write(digests(0, 4), values)
    assert same_bits(one.reader(digests(0, 4)[::-1]).load(), values[::-1])


def test_more_rows_than_one_call_of_the_system_takes() -> None:
    one = shelf(shape=(2,))
    one.write(digests(0, 3000), rows(0, 3000, (2,)))
    assert same_bits(one.reader(digests(0, 3000)).load(), rows(0, 3000, (2,)))


def test_it_reads_the_same_where_the_system_has_no_preadv(monkeypatch: pytest.MonkeyPatch) -> None:
    one = filled()
    monkeypatch.delattr(os, "preadv", raising=False)
    assert same_bits(one.reader(digests(0, 20)).load(), rows(0, 20))


def test_a_view_of_every_second_row_is_written_as_it_looks() -> None:
    one = shelf()
    one.write(digests(0, 10), rows(0, 20)[::2])
    assert same_bits(one.reader(digests(0, 10)).load(), rows(0, 20)[::2])


def test_nothing_is_created_before_something_is_kept(own_cache: Path) -> None:
    one = shelf()
    assert one.missing(digests(0, 3)).tolist() == [0, 1, 2]
    one.write([], rows(0, 1)[:0])
    with pytest.raises(CacheError):
        one.reader(digests(0, 3))
    assert len(one.reader([])) == 0
    assert store.trim(0) == []
    assert store.shelves().empty
    assert not own_cache.exists()


def test_added_photos_are_the_only_ones_missing() -> None:
    one = filled(count=20)
    everything = digests(-25, 45)
    lacking = shelf().missing(everything)
    assert lacking.dtype == np.int64
    assert lacking.tolist() == [*range(25), *range(45, 70)]
    one.write([everything[number] for number in lacking], rows(100, 150))
    assert shelf().missing(everything).tolist() == []
    assert same_bits(shelf().reader(digests(0, 20)).load(), rows(0, 20))


def test_a_photo_that_is_there_twice_is_missing_once_and_read_twice() -> None:
    one, two = digests(0, 2)
    kept = shelf()
    assert kept.missing([one, two, one, two]).tolist() == [0, 1]
    kept.write([one, two, one], rows(0, 2)[[0, 1, 0]])
    kept.write([one], rows(0, 1))
    assert same_bits(kept.reader([one, one, two]).load(), rows(0, 2)[[0, 0, 1]])
    assert store.shelves()["photos"].tolist() == [2]


def test_another_key_shares_nothing() -> None:
    filled()
    assert shelf("cd" * 32).missing(digests(0, 3)).tolist() == [0, 1, 2]


def test_a_photo_without_a_row_is_told_by_number() -> None:
    with pytest.raises(CacheError, match="The features of 2 photos are not kept"):
        filled(count=20).reader(digests(18, 22))


def test_many_threads_read_what_is_theirs() -> None:
    one = shelf()
    for start in range(0, 200, 20):
        one.write(digests(start, start + 20), rows(start, start + 20))
    expected, wrong = rows(0, 200), []
    with one.reader(digests(0, 200)) as reader:

        def work(seed: int) -> None:
            rng = np.random.default_rng(seed)
            for _ in range(100):
                positions = rng.integers(0, 200, 32)
                if not same_bits(reader.read(positions), expected[positions]):
                    wrong.append(seed)

        threads = [threading.Thread(target=work, args=[seed]) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_a_closed_reader_says_so() -> None:
    reader = filled().reader(digests(0, 2))
    reader.close()
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.load()


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="nowhere to see open files")
def test_a_closed_reader_holds_no_file_open() -> None:
    one = filled()
    before = open_files()
    with one.reader(digests(0, 20)):
        assert open_files() == before + 1
    assert open_files() == before


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_more_files_than_a_process_may_open_at_first() -> None:
    one = shelf()
    for number in range(60):
        one.write(digests(number, number + 1), rows(number, number + 1))
    code = (
        "import resource, sys; from tlearn.features import store\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (40, hard))\n"
        f"one = store.Shelf({KEY!r}, {SHAPE!r}, 'float16')\n"
        f"sys.stdout.buffer.write(one.reader({digests(0, 60)!r}).load().tobytes())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert ran.stdout == rows(0, 60).tobytes()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: store.Shelf("../up", SHAPE, "float16"),
        lambda: store.Shelf(KEY, SHAPE, "object"),
        lambda: shelf().missing(["no digest"]),
        lambda: shelf().missing(["ab"]),
        lambda: shelf().write(digests(0, 2), rows(0, 3)),
        lambda: shelf().write(digests(0, 2), rows(0, 2).astype("float32")),
        lambda: filled().reader(digests(0, 2)).read([0, 1], np.empty((2, *SHAPE))),
        lambda: filled().reader(digests(0, 2)).read([0, 1], np.empty((3, *SHAPE), np.float16)),
        lambda: filled().reader(digests(0, 2)).read([0], np.empty((1, 5, 3), np.float16).mT),
    ],
)
def test_a_mistake_in_a_program_is_no_trouble_of_the_cache(wrong: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="Received: "):
        wrong()


# Other processes, kills and damage

WRITER = """
import hashlib, sys, time
import numpy as np
from tlearn.features import store
start, stop, step = map(int, sys.argv[1:4])
one = store.Shelf("ab" * 32, (3, 5), "float16")
print("ready", flush=True)
sys.stdin.readline()
for number in range(start, stop, step):
    photos = range(number, number + step)
    digests = [hashlib.sha256(str(photo).encode()).hexdigest() for photo in photos]
    bits = [np.random.default_rng(photo).integers(0, 2**16, (3, 5), np.uint16) for photo in photos]
    one.write(digests, np.stack(bits).view(np.float16))
    print(number, flush=True)
"""


def writer(start: int, stop: int, step: int) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(start), str(stop), str(step)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_two_processes_write_the_same_and_different_rows_at_once() -> None:
    with writer(0, 200, 10) as one, writer(100, 300, 10) as two:
        go(one)
        go(two)
        for process in (one, two):
            process.communicate()
            assert process.returncode == 0
    kept = shelf()
    assert kept.missing(digests(0, 300)).tolist() == []
    assert same_bits(kept.reader(digests(0, 300)).load(), rows(0, 300))
    assert store.shelves()["photos"].tolist() == [300]
    assert hidden_in(kept.folder) == []


def test_a_process_that_is_killed_while_it_writes_leaves_a_store_that_can_be_read() -> None:
    for attempt in range(3):
        with writer(1000 * attempt, 1000 * attempt + 1000, 2) as process:
            go(process)
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.01 * attempt)
            process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
    kept, wanted = shelf(), digests(0, 3000)
    lacking = kept.missing(wanted)
    assert 0 < len(lacking) < 3000
    there = np.setdiff1d(np.arange(3000), lacking)
    loaded = kept.reader([wanted[number] for number in there]).load()
    assert same_bits(loaded, np.stack([rows(number, number + 1)[0] for number in there]))


def test_a_file_that_was_never_finished_goes_after_a_day() -> None:
    one = filled(count=2)
    [whole] = segments_of(one)
    old, new = (one.folder / f".{number}.rows1-aa.unfinished" for number in (1, 2))
    for leftover in (old, new):
        leftover.write_bytes(whole.read_bytes()[:100])
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    assert one.missing(digests(0, 4)).tolist() == [2, 3]
    one.write(digests(2, 4), rows(2, 4))
    assert not old.exists()
    assert new.exists()


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def make_longer(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def cut_to_nothing(path: Path) -> None:
    os.truncate(path, 0)


def change(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        cut_short,
        make_longer,
        cut_to_nothing,
        lambda path: change(path, 0),
        lambda path: change(path, 20),
        lambda path: change(path, 520),
    ],
    ids=["cut", "longer", "empty", "magic", "header", "ids"],
)
def test_a_damaged_file_counts_as_not_there_and_is_computed_again(
    damage: Callable[[Path], None],
) -> None:
    one = filled(count=10)
    [path] = segments_of(one)
    one.write(digests(10, 20), rows(10, 20))
    damage(path)
    assert store.shelves()["photos"].tolist() == [10]
    assert one.missing(digests(0, 20)).tolist() == list(range(10))
    assert not path.exists()
    one.write(digests(0, 10), rows(0, 10))
    assert same_bits(one.reader(digests(0, 20)).load(), rows(0, 20))


@pytest.mark.parametrize(("shape", "dtype"), [((5, 3), "float16"), (SHAPE, "uint16")])
def test_rows_of_another_shape_or_type_count_as_not_there(
    shape: tuple[int, ...], dtype: str
) -> None:
    filled()
    assert len(shelf(shape=shape, dtype=dtype).missing(digests(0, 20))) == 20


def test_a_file_that_is_cut_short_under_a_reader_is_told() -> None:
    one = filled()
    reader = one.reader(digests(0, 20))
    cut_short(segments_of(one)[0])
    with pytest.raises(CacheError, match="cut short.*Start again"):
        reader.load()


# A disk that is full or read-only


def test_a_full_disk_is_told_and_leaves_nothing_half_written(
    small_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = small_disk(200)
    monkeypatch.setenv("TLEARN_CACHE", str(disk / "cache"))
    one = shelf(shape=(1000,))
    one.write(digests(0, 50), rows(0, 50, (1000,)))
    with pytest.raises(CacheError, match="full.*TLEARN_CACHE .*TLEARN_CACHE_SIZE") as caught:
        one.write(digests(50, 150), rows(50, 150, (1000,)))
    assert str(disk / "cache" / "features") in str(caught.value)
    with pytest.raises(CacheError):
        shelf("cd" * 32, shape=(1000,)).write(digests(50, 150), rows(50, 150, (1000,)))
    assert hidden_in(disk) == []
    assert [path.name for path in store.directory().iterdir()] == [KEY]
    assert one.missing(digests(0, 60)).tolist() == list(range(50, 60))
    assert same_bits(one.reader(digests(0, 50)).load(), rows(0, 50, (1000,)))


def test_a_read_only_place_is_told_and_what_it_holds_can_be_used(
    small_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = small_disk(1000)
    monkeypatch.setenv("TLEARN_CACHE", str(disk / "cache"))
    one = filled()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(CacheError, match="read-only.*TLEARN_CACHE "):
        one.write(digests(20, 30), rows(20, 30))
    assert same_bits(one.reader(digests(0, 20)).load(), rows(0, 20))
    assert store.trim(0) == []


def test_a_file_in_place_of_the_folder_is_told(own_cache: Path) -> None:
    own_cache.write_text("mine")
    assert len(shelf().missing(digests(0, 2))) == 2
    with pytest.raises(CacheError, match="a file stands where a folder is needed"):
        filled()
    assert own_cache.read_text() == "mine"


# How much is kept


def three() -> list[store.Shelf]:
    """Of equal size, the first used longest ago."""
    made = []
    for number, letter in enumerate("abc"):
        made.append(filled(letter * 64))
        long_ago = time.time() - 1000 + number
        os.utime(made[-1].folder / "used", (long_ago, long_ago))
    return made


def keys() -> list[str]:
    return store.shelves()["key"].tolist()


def test_the_longest_unused_go_first_and_only_as_many_as_must() -> None:
    a, b, c = three()
    size = int(store.shelves()["bytes"].iloc[0])
    assert store.trim(3 * size) == []
    assert store.trim(2 * size) == [a.key]
    assert keys() == [c.key, b.key]
    assert store.trim(0) == [b.key, c.key]
    assert list(store.directory().iterdir()) == []


@pytest.mark.parametrize(
    "use",
    [
        lambda one: one.reader(digests(0, 2)),
        lambda one: one.missing(digests(0, 2)),
        lambda one: one.write(digests(90, 91), rows(90, 91)),
    ],
    ids=["reading", "looking", "writing"],
)
def test_use_keeps_a_shelf_alive(use: Callable[[store.Shelf], object]) -> None:
    a, b, c = three()
    use(a)
    size = int(store.shelves()["bytes"].max())
    assert store.trim(2 * size) == [b.key]
    assert keys() == [a.key, c.key]


def test_what_is_in_use_here_stays_however_large() -> None:
    a, b, c = three()
    assert store.trim(0, keep={a.key}) == [b.key, c.key]
    assert keys() == [a.key]


def test_the_limit_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.limit() == 20 * 10**9
    three()
    assert store.trim() == []
    monkeypatch.setenv("TLEARN_CACHE_SIZE", "3 kB")
    assert store.limit() == 3000
    assert len(store.trim()) == 2
    monkeypatch.setenv("TLEARN_CACHE_SIZE", "plenty")
    with pytest.raises(SizeError, match="TLEARN_CACHE_SIZE='plenty'"):
        store.trim()


def test_a_reader_outlives_the_removal_of_its_shelf_by_another_process() -> None:
    one = filled()
    with one.reader(digests(0, 20)) as reader:
        code = "from tlearn.features import store; print(store.trim(0))"
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert ran.stdout == f"{[KEY]}\n"
        assert not one.folder.exists()
        assert same_bits(reader.load(), rows(0, 20))
    assert len(one.missing(digests(0, 20))) == 20
    one.write(digests(0, 20), rows(0, 20))
    assert same_bits(one.reader(digests(0, 20)).load(), rows(0, 20))


def test_writers_and_removers_at_once_lose_no_more_than_was_removed() -> None:
    over, failed = threading.Event(), []

    def remove() -> None:
        while not over.is_set():
            store.trim(0)

    def write(start: int) -> None:
        try:
            for number in range(start, start + 40):
                shelf().write(digests(number, number + 1), rows(number, number + 1))
        except Exception as error:
            failed.append(error)

    remover = threading.Thread(target=remove)
    writers = [threading.Thread(target=write, args=[start]) for start in (0, 40)]
    for thread in (remover, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    over.set()
    remover.join()
    assert [error for error in failed if not isinstance(error, CacheError)] == []
    filled()
    assert same_bits(shelf().reader(digests(0, 20)).load(), rows(0, 20))


def test_what_a_killed_remover_left_is_removed_by_the_next() -> None:
    one = filled()
    aside = one.folder.rename(one.folder.with_name(f".{KEY}.unfinished-1"))
    assert store.shelves().empty
    store.trim()
    assert not aside.exists()


def test_shelves_are_listed_in_words() -> None:
    three()
    filled("d" * 64, count=7)
    shutil.copytree(store.directory() / ("d" * 64), store.directory() / "not a shelf")
    table = store.shelves()
    assert list(table.columns) == ["kind", "photos", "bytes", "last_used", "key"]
    assert table["key"].str[0].tolist() == ["d", "c", "b", "a"]
    assert table["kind"].unique().tolist() == ["backbone tiny, size 32"]
    assert table["photos"].tolist() == [7, 20, 20, 20]
    assert (table["bytes"] > 512 + 20 * (32 + 15 * 2)).tolist() == [False, True, True, True]
    assert str(table["last_used"].dtype).endswith("UTC]")
    assert abs(table["last_used"].iloc[0].timestamp() - time.time()) < 60
