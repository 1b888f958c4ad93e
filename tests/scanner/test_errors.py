"""What is said of errors that other libraries raise."""

from __future__ import annotations

import pytest

from premir.scanner.errors import line_of


@pytest.mark.parametrize(
    "text, first, last",
    [
        ("", "ValueError", "ValueError"),
        (" \n\n", "ValueError", "ValueError"),
        ("one", "one", "one"),
        ("\none\ntwo\nthree\n", "one", "three"),
    ],
)
def test_one_line_of_an_error_whatever_it_says(text: str, first: str, last: str) -> None:
    error = ValueError(text)
    assert (line_of(error), line_of(error, -1)) == (first, last)
