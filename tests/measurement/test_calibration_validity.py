"""Whether a monitor is in control, hour by hour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doxedge.measurement.calibration_validity import CalibrationValidity, Outcome, Standing
from doxedge.quantity import HOUR_MS, MINUTE_MS

SIGNS = {
    Standing.IN_CONTROL: "C",
    Standing.GRACE: "G",
    Standing.EXPIRED: "x",
    Standing.FAILED: "F",
    Standing.ABORTED: "A",
    Standing.NO_PRIOR_TEST: "n",
    Standing.EVENT: "E",
}
TOLD = {"p": Outcome.PASSED, "f": Outcome.FAILED, "a": Outcome.ABORTED}


def story(hours: list[str], monitor: CalibrationValidity | None = None) -> str:
    """Each word is an hour: `r` runs or `-` stands, after `p`, `f`, `a` (tests) or `e` (event) within it."""
    monitor = monitor or CalibrationValidity()
    signs = []
    for n, word in enumerate(hours):
        for minute, letter in enumerate(word[:-1], start=5):
            at_ms = n * HOUR_MS + minute * MINUTE_MS
            if letter == "e":
                monitor.event(at_ms)
            else:
                monitor.test(at_ms, TOLD[letter])
        signs.append(SIGNS[monitor.hour(n * HOUR_MS, operating=word[-1] == "r")])
    return "".join(signs)


def test_before_the_first_test_nothing_is_in_control() -> None:
    assert story(["r", "r", "pr", "r"]) == "nnCC"


def test_a_pass_is_good_for_26_clock_hours_its_own_among_them() -> None:
    assert story(["pr"] + ["r"] * 27) == "C" * 26 + "xx"


def test_hours_of_standstill_use_up_the_26_hours_too() -> None:
    assert story(["r", "pr", *["-"] * 24, "r", "r"])[-2:] == "CG"


@pytest.mark.parametrize(("letter", "sign"), [("f", "F"), ("a", "A"), ("e", "E")])
def test_what_is_not_a_pass_is_out_of_control_until_a_pass(letter: str, sign: str) -> None:
    assert story(["pr", "r", f"{letter}r", "r", "pr", "r"]) == f"CC{sign}{sign}CC"


def test_of_several_tests_in_an_hour_the_last_stands() -> None:
    assert story(["pr", "fpr", "pfr", "r"]) == "CCFF"


def test_a_failed_check_does_not_expire_into_something_milder() -> None:
    assert story(["pfr"] + ["r"] * 40) == "F" * 41


def test_after_an_outage_there_are_eight_operating_hours_of_grace() -> None:
    outage = ["pr", *["-"] * 30]
    assert story([*outage, *["r"] * 10])[-10:] == "G" * 8 + "xx"


def test_the_grace_runs_from_the_restart_also_while_the_pass_still_holds() -> None:
    # passed in hour 0; restart in hour 22: four hours by the pass, four by the grace
    assert story(["pr", *["-"] * 21, *["r"] * 10])[-10:] == "CCCCGGGGxx"


def test_any_test_ends_the_grace() -> None:
    outage = ["pr", *["-"] * 30]
    assert story([*outage, "r", "fr", "r", "pr"])[-4:] == "GFFC"
    assert story([*outage, "r", "pr", *["r"] * 26])[-27:] == "C" * 26 + "x"


def test_an_outage_does_not_refresh_a_grace() -> None:
    outage = ["pr", *["-"] * 30]
    assert story([*outage, *["r"] * 5, "-", "-", *["r"] * 5])[-5:] == "GGGxx"


def test_who_was_out_of_control_before_the_outage_has_no_grace() -> None:
    expired = ["pr", *["r"] * 26]
    assert story([*expired, "-", "r"])[-3:] == "xxx"
    assert story(["pfr", "-", "r"])[-1] == "F"
    assert story(["-", "r"])[-1] == "n"


def test_standing_still_is_no_reason_to_lose_a_grace_that_was_earned_before() -> None:
    assert story(["pr", *["-"] * 300, "r"])[-1] == "G"


def test_the_last_pass_is_where_suspicion_begins() -> None:
    monitor = CalibrationValidity()
    assert monitor.suspect_from_ms is None
    story(["r", "pr", "r", "fr"], monitor)
    assert monitor.suspect_from_ms == HOUR_MS


def test_what_is_told_out_of_order_is_refused() -> None:
    monitor = CalibrationValidity()
    monitor.hour(5 * HOUR_MS, operating=True)
    for told in (
        lambda: monitor.test(5 * HOUR_MS, Outcome.PASSED),
        lambda: monitor.event(0),
        lambda: monitor.hour(4 * HOUR_MS, operating=True),
    ):
        with pytest.raises(ValueError, match="is told after"):
            told()
    with pytest.raises(ValueError, match="not the beginning"):
        monitor.hour(6 * HOUR_MS + 1, operating=True)


def twin(hours: list[str]) -> str:
    """Each hour judged from all that was told up to it."""
    signs = ""
    for n, word in enumerate(hours):
        last = next((k for k in range(n, -1, -1) if len(hours[k]) > 1), None)
        if last is None:
            signs += "n"
            continue
        letter = hours[last][-2]
        if letter != "p":
            signs += {"f": "F", "a": "A", "e": "E"}[letter]
        elif n < last + 26:
            signs += "C"
        else:
            signs += twin_grace(hours, signs, n, last) if word == "r" else "x"
    return signs


def twin_grace(hours: list[str], signs: str, n: int, last: int) -> str:
    """A restart after the last test, from an hour of operation in control, fewer than eight operating hours ago."""
    ran_at = [k for k in range(n + 1) if hours[k][-1] == "r"]
    for restart in reversed([k for k in ran_at if k > last and hours[k - 1][-1] == "-"]):
        before = [k for k in ran_at if k < restart]
        if before and signs[before[-1]] == "G":
            continue  # only what was left of an earlier one
        if before and signs[before[-1]] == "C":
            return "G" if sum(restart <= k <= n for k in ran_at) <= 8 else "x"
        return "x"
    return "x"


WORDS = st.sampled_from(["r"] * 12 + ["-"] * 8 + ["pr", "p-", "fr", "ar", "er"])


@given(st.lists(st.tuples(WORDS, st.integers(1, 12)), max_size=25))
def test_every_hour_of_operation_stands_as_a_twin_finds_it(drawn: list[tuple[str, int]]) -> None:
    hours = [word for word, run in drawn for word in [word] + [word[-1]] * (run - 1)]
    told, expected = story(hours), twin(hours)
    assert [told[n] for n, word in enumerate(hours) if word[-1] == "r"] == [
        expected[n] for n, word in enumerate(hours) if word[-1] == "r"
    ]


def test_a_standing_that_was_stored_goes_on_as_if_nothing_had_happened() -> None:
    """Step by step beside one that was never stored: expiry, outage, grace."""
    kept, stored = CalibrationValidity(), CalibrationValidity()
    kept.test(0, Outcome.PASSED)
    stored.test(0, Outcome.PASSED)
    for hour in range(60):
        operating = not 20 <= hour < 30
        stored = CalibrationValidity.from_dict(stored.as_dict())
        start_ms = hour * HOUR_MS
        assert stored.hour(start_ms, operating=operating) is kept.hour(start_ms, operating=operating)
    assert stored.valid_until_ms == kept.valid_until_ms == 26 * HOUR_MS


@pytest.mark.parametrize(
    "broken", [{"cause": "never heard of"}, {"last_ms": "1"}, {"operated": 1}, {"grace_hours": None}]
)
def test_a_stored_standing_that_is_none_is_refused(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"."):
        CalibrationValidity.from_dict({**CalibrationValidity().as_dict(), **broken})
