"""The list behind Browse: filter, order, and what changes when files do."""

import fakes
import msgspec
import pytest

from spivae_tui.listing import SORT_KEYS, Listing
from spivae_tui.widgets.entry_list import left_words, state_cell


@pytest.fixture
def listing() -> Listing:
    listing = Listing()
    listing.update(fakes.ENTRIES)
    return listing


def names(listing: Listing) -> list[str]:
    return [entry.name for entry in listing.visible]


def test_the_newest_stand_first(listing: Listing) -> None:
    assert names(listing)[:2] == ["20270114-0932-sbm", "20270114-0932-sbm/phase-1"]
    assert names(listing)[-1] == "original_sbm_trained"


@pytest.mark.parametrize("column", SORT_KEYS)
def test_any_column_sorts_and_what_has_no_value_stands_last(listing: Listing, column: str) -> None:
    if column != listing.sorted_by:
        listing.sort_by(column)
    for _ in range(2):
        values = [SORT_KEYS[column](entry) for entry in listing.visible]
        known = [value for value in values if value is not None]
        assert values[: len(known)] == known
        assert known == sorted(known, reverse=listing.descending)
        listing.reverse()


@pytest.mark.parametrize(
    ("text", "count"), [("SBM", 5), ("fbm", 2), ("running", 1), ("broken", 1), ("#paper", 1), ("zz", 0)]
)
def test_a_filter_looks_at_name_process_kind_state_and_tags(listing: Listing, text: str, count: int) -> None:
    listing.set_filter(text)
    assert len(listing.visible) == count


def test_the_same_entries_change_nothing(listing: Listing) -> None:
    assert listing.update(fakes.ENTRIES) is False
    changed = msgspec.structs.replace(fakes.ENTRIES[0], size=1)
    assert listing.update([changed]) is True
    assert len(listing.entries) == len(fakes.ENTRIES)


def test_what_a_scan_has_not_found_is_forgotten(listing: Listing) -> None:
    paths = {entry.path for entry in fakes.ENTRIES[1:]}
    assert listing.keep_only(paths) is True
    assert listing.keep_only(paths) is False
    assert "sbm" not in names(listing)


def test_a_failed_run_is_not_counted_as_broken(listing: Listing) -> None:
    assert listing.counts() == (6, 3, 1)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5.0, "soon done"),
        (20.0, "soon done"),
        (700.0, "12 min left"),
        (3580.0, "1.0 h left"),
        (6600.0, "1.8 h left"),
        (110_000.0, "31 h left"),
        (1e6, "12 d left"),
    ],
)
def test_the_time_that_is_left_fits_its_column(seconds: float, words: str) -> None:
    assert left_words(seconds) == words
    assert len(words) <= 11


def test_a_run_at_work_shows_how_far_it_is() -> None:
    assert [state_cell("running", share).text for share in (0.0, 0.43, 0.999, 1.0)] == [
        "┄┄┄┄┄   0%", "━━┄┄┄  43%", "━━━━━  99%", "━━━━━  99%",
    ]  # fmt: skip
    assert state_cell("running", None).text == "running"
    assert state_cell("finished", 1.0).text == "finished"
