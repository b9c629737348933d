"""Which dtype policy on which device."""

from __future__ import annotations

import keras
import pytest

from tlearn import precision


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        ([], "float32"),
        ([(6, 1)], "float32"),
        ([(7, 0)], "mixed_float16"),
        ([(7, 5)], "mixed_float16"),
        ([(8, 0)], "mixed_bfloat16"),
        ([(9, 0), (9, 0)], "mixed_bfloat16"),
        ([(9, 0), (7, 5)], "mixed_float16"),
    ],
)
def test_auto_takes_what_every_device_is_fast_in(capabilities, expected):
    assert precision.choose("auto", capabilities) == expected


def test_a_named_precision_is_taken_as_it_is():
    assert precision.choose("mixed_float16", []) == "mixed_float16"


def test_an_unknown_precision_names_the_known_ones():
    with pytest.raises(ValueError, match="mixed_bfloat16.*Received: precision='half'"):
        precision.choose("half")


def test_a_policy_holds_for_one_piece_of_work_also_when_it_fails():
    before = keras.config.dtype_policy().name
    with precision.policy("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == before
    with pytest.raises(ZeroDivisionError), precision.policy("mixed_bfloat16"):
        1 / 0  # noqa: B018
    assert keras.config.dtype_policy().name == before
