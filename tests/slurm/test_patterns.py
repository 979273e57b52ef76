"""Names of output files: each of Slurm's letters, and nothing else, stands for something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.slurm.patterns import DEFAULT, DEFAULT_ARRAY, Values, expand

PLAIN = Values(12, None, None, "fit", "me", "vm.example.org")
ELEMENT = Values(15, 12, 3, "fit", "me", "vm")
TASK = PLAIN._replace(step_id="0", task_id=7)


@pytest.mark.parametrize(
    ("pattern", "values", "name"),
    [
        (DEFAULT, PLAIN, "slurm-12.out"),
        (DEFAULT_ARRAY, ELEMENT, "slurm-12_3.out"),
        ("%x-%u@%N.%n", PLAIN, "fit-me@vm.0"),
        ("%j %A %a %b", ELEMENT, "15 12 3 3"),
        ("%A", PLAIN, "12"),
        ("%a", PLAIN, "4294967294"),
        ("%4j_%03a", ELEMENT, "0015_003"),
        ("%99j", PLAIN, "0000000012"),
        ("%J.%t", PLAIN, "12.0"),
        ("%J.%2t.%s", TASK, "12.0.07.0"),
        ("%s", PLAIN, "batch"),
        ("100%%", PLAIN, "100%"),
        ("%%j", PLAIN, "%j"),
        ("%5x", PLAIN, "fit"),
        ("%q%", PLAIN, "%q%"),
        ("a\\%j", PLAIN, "a%j"),
        ("/dev/null", PLAIN, "/dev/null"),
    ],
)
def test_a_letter_stands_for_its_value(pattern: str, values: Values, name: str) -> None:
    assert expand(pattern, values) == name


def test_a_name_with_a_slash_opens_no_other_folder() -> None:
    assert expand("%x.out", PLAIN._replace(name="a/../b")) == "a_.._b.out"


@given(st.text(max_size=40))
def test_any_text_is_a_pattern(pattern: str) -> None:
    expand(pattern, ELEMENT)


@given(st.text(alphabet=st.characters(exclude_characters="%\\"), max_size=40))
def test_a_name_without_letters_stays_as_it_is(name: str) -> None:
    assert expand(name, PLAIN) == name
