"""How far a job is, read from its output."""

import pytest

from jobd.progress import Progress, progress_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processing 5 / 32", (5, 32)),
        ("processing 5/32\nprocessing 6/32\n", (6, 32)),
        ("Processing col 8154   5 / 32 done", (5, 32)),
        ("[3/10] compiling a.c\n[4/10] compiling", (4, 10)),
        ("epoch (7 / 7): loss 0.3", (7, 7)),
        ("step 1 / 3\rstep 2 / 3\rstep", (2, 3)),
        ("0/4", (0, 4)),
        ("on 2026/11/21 at 3/4/5", None),
        ("see /usr/1/2 and v1/2", None),
        ("rate 3/4s 1.5/3", None),
        ("9 / 4", None),
        ("0 / 0", None),
        ("nothing", None),
        ("", None),
    ],
)
def test_the_last_one_counts(text: str, expected: tuple[int, int] | None) -> None:
    assert progress_of(text) == (Progress(*expected) if expected else None)


def test_what_is_left() -> None:
    assert Progress(1, 4).left_s(10.0) == 30.0
    assert Progress(0, 4).left_s(10.0) is None
    assert Progress(4, 4).left_s(10.0) == 0.0 and Progress(2, 4).share == 0.5
