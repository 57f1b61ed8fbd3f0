"""UIDs, dates and words, whatever is put in."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from medprep.confidentiality.dates import earlier, is_moment
from medprep.confidentiality.secrets import FARTHEST_DAYS, days_earlier, file_name, replaced_uid
from medprep.confidentiality.words import imaging_words, tells, vocabulary, words_of

UIDS = st.from_regex(r"[0-2](\.(0|[1-9]\d{0,6})){1,7}", fullmatch=True)
KEYS = st.binary(min_size=16, max_size=40)


@given(UIDS, UIDS, KEYS)
def test_uids_are_valid_consistent_and_apart(one: str, other: str, key: bytes) -> None:
    new = replaced_uid(one, key)
    assert UID(new).is_valid
    assert new.startswith("2.25.")
    assert (replaced_uid(other, key) == new) == (one == other)
    assert replaced_uid(one, key + b"x") != new
    number = int(new.removeprefix("2.25."))
    assert (number >> 76 & 0xF, number >> 62 & 3) == (8, 2)  # RFC 9562: version and variant


@given(st.text(max_size=30), KEYS)
def test_days_are_the_same_for_a_patient(patient: str, key: bytes) -> None:
    days = days_earlier(patient, key)
    assert 1 <= days <= FARTHEST_DAYS
    assert days_earlier(patient, key) == days


@given(
    st.dates(date(20, 1, 1)), st.dates(date(20, 1, 1)), st.integers(1, FARTHEST_DAYS),
    st.times(), st.sampled_from(["", "+0100", "-0530"]),
)  # fmt: skip
def test_moving_keeps_intervals_times_and_zones(
    one: date, other: date, days: int, time: object, zone: str
) -> None:
    def moved(day: date) -> date:
        text = earlier(f"{day.year:04d}{day.month:02d}{day.day:02d}", "DA", days)
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))

    assert moved(one) == one - timedelta(days=days)
    assert moved(one) - moved(other) == one - other
    clock = f"{time:%H%M%S.%f}{zone}"
    stamp = f"{one.year:04d}{one.month:02d}{one.day:02d}{clock}"
    back = earlier(stamp, "DT", days)
    assert back[8:] == clock
    assert back[:8] == earlier(stamp[:8], "DA", days)
    assert earlier(f"{time:%H%M%S.%f}", "TM", days) == f"{time:%H%M%S.%f}"


@given(st.text(max_size=20), st.sampled_from(["DA", "TM", "DT"]), st.integers(1, FARTHEST_DAYS))
def test_what_is_no_date_gives_nothing(text: str, vr: str, days: int) -> None:
    moved = earlier(text, vr, days)
    assert is_moment(text, vr) or moved == ""
    assert moved == "" or is_moment(moved, vr)


def test_dates_that_cannot_be_moved_go() -> None:
    assert earlier("00010101", "DA", 1) == ""
    assert earlier("20230231", "DA", 1) == ""
    assert earlier("2023", "DT", 1) == ""
    assert earlier("20230301-20230401", "DA", 1) == ""


@given(st.text(max_size=80), st.text(max_size=20))
def test_only_known_words_come_out(text: str, name: str) -> None:
    named = words_of([name])
    for word in imaging_words(text, named, 64).split():
        known = word.casefold() in vocabulary() or any(sign.isdigit() for sign in word)
        assert known
        assert not tells(word, named)


@given(st.text(min_size=1, max_size=30), KEYS)
def test_names_of_files_are_plain(text: str, key: bytes) -> None:
    name = file_name(text, key, 16)
    assert len(name) == 16
    assert set(name) <= set("0123456789abcdef")
