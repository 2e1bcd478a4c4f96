"""What an operator sees on a terminal while gas flows."""

from __future__ import annotations

from typing import Any

import pytest

from doxedge.cli.gateway_calibrate import _now, _with_bar


def check(zero: str, upscale: str, *, over: bool = False, driven: bool = True) -> dict[str, Any]:
    stages = [
        {"quantity": "nox_ppb", "gas": "zero", "stage": zero},
        {"quantity": "nox_ppb", "gas": "upscale", "stage": upscale},
    ]
    wanted = next((one["gas"] for one in stages if one["stage"] == "waiting for the gas"), None)
    return {"over": over, "stages": stages, "wanted": wanted, "driven": driven}


WAITING = "waiting for the gas"


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (check(WAITING, WAITING), "waiting for zero gas"),
        (check(WAITING, WAITING, driven=False), "put zero gas on at the instrument"),
        (check("settling", WAITING), "zero gas: settling"),
        (check("reading", WAITING, driven=False), "zero gas: reading"),
        (check("done", WAITING, driven=False), "put upscale gas on at the instrument"),
        (check("the gas was taken away too early", "settling"), "upscale gas: settling"),
        (check("done", "done"), WAITING),
    ],
)
def test_it_says_what_goes_on_in_as_few_words_as_a_bar_leaves_room_for(
    now: dict[str, Any], words: str
) -> None:
    assert _now(now) == words


def test_the_bar_ends_with_the_check(capsys: pytest.CaptureFixture[str]) -> None:
    course = iter([check("settling", WAITING), check("done", "reading"), check("done", "done", over=True)])
    end = _with_bar(check(WAITING, WAITING), lambda: next(course))
    assert end["over"]
    assert next(course, None) is None, "every look was wanted"
    assert capsys.readouterr().out == "", "results alone go there"
