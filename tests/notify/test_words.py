"""The text of notices, and the mail made of them."""

import email
import os
import socket
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobd.errors import UsageError
from jobd.notify import message, tails, words
from jobd.wire.rows import JobRow
from notify.rows import row

# The lines of Slurm's own mails (22.05), with jobd's name.
SUBJECTS = [
    ("BEGIN", row(state="RUNNING", ended_at=None), "jobd Job_id=8 Name=x Began, Queued time 00:00:10"),
    ("END", row(), "jobd Job_id=8 Name=x Ended, Run time 00:01:40, COMPLETED, ExitCode 0"),
    ("FAIL", row(state="FAILED", exit_code=3), "jobd Job_id=8 Name=x Failed, Run time 00:01:40, FAILED, ExitCode 3"),
    ("FAIL", row(state="FAILED", exit_code=None, signal=11), "jobd Job_id=8 Name=x Failed, Run time 00:01:40, FAILED"),
    ("FAIL", row(state="TIMEOUT", exit_code=None, signal=15), "jobd Job_id=8 Name=x Failed, Run time 00:01:40, TIMEOUT, ExitCode 0"),
    ("END", row(state="CANCELLED", signal=9), "jobd Job_id=8 Name=x Ended, Run time 00:01:40, CANCELLED, ExitCode 0"),
    ("REQUEUE", row(), "jobd Job_id=8 Name=x Requeued, Run time 00:01:40"),
    ("TIME_LIMIT", row(state="TIMEOUT"), "jobd Job_id=8 Name=x Reached time limit, Run time 00:01:40"),
    ("TIME_LIMIT_80", row(state="RUNNING", ended_at=None), "jobd Job_id=8 Name=x Reached 80% of time limit, Run time 00:01:00"),
    ("INVALID_DEPEND", row(state="PENDING", started_at=None), "jobd Job_id=8 Name=x Invalid dependency"),
    (
        "END",
        row({"array_id": 5, "array_index": 3, "paused_s": 40.0}),
        "jobd Array Task Job_id=5_3 (8) Name=x Ended, Run time 00:01:00, COMPLETED, ExitCode 0",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "found", "subject"), SUBJECTS)
def test_the_line_is_slurms(kind: str, found: JobRow, subject: str) -> None:
    assert words.subject_of(kind, found, 1070.0) == subject


def test_asked_against_used_is_said_with_advice() -> None:
    text = words.body_of("END", row(nb_proc=4), 1110.0, 20)
    assert (
        "Processors:   4 processors asked for, 1.5 busy on average (38%; 00:02:30 of processor time)\n"
        in text
    )
    assert "Memory:       1.00 GB asked for, 512.00 MB used at most (50%)\n" in text
    assert "Time:         00:01:40 of 01:00:00\n" in text
    assert "Advice:       it kept 1.5 of its 4 procs busy, so 2 procs would do.\n" in text
    assert "Output:       /nowhere/out\n" in text and "last lines" not in text


def test_a_job_that_never_ran_is_said_to_have_not() -> None:
    found = row(state="CANCELLED", started_at=None, reason="deleted")
    text = words.body_of("END", found, 1110.0, 20)
    assert text.startswith("Job 8 (x) is over without having run: deleted.\n")


def test_the_last_lines_are_those_of_the_end(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(100_000)))
    assert tails.tail_lines(str(path), 3) == ["line 99997", "line 99998", "line 99999"]
    path.write_bytes(b"x" * 1_000_000)
    (line,) = tails.tail_lines(str(path), 3)
    assert len(line) == tails.LINE_CHARS_MAX
    path.write_bytes(b"\n\n")
    assert tails.tail_lines(str(path), 3) == []
    os.mkfifo(tmp_path / "pipe")
    for other in (str(tmp_path / "pipe"), str(tmp_path), str(tmp_path / "none"), "/dev/zero", "\0", ""):
        assert tails.tail_lines(other, 3) == []


@given(data=st.binary(max_size=300))
def test_no_output_can_act_on_who_reads_it(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(data)
    for line in tails.tail_lines(str(path), 20):
        assert all(char.isprintable() or char == "\t" for char in line)


def test_a_long_name_leaves_what_happened_on_the_screen() -> None:
    found = row(name="n" * 256, state="FAILED", exit_code=1, reason="exit code 1")
    first = words.body_of("FAIL", found, 1110.0, 20).split("\n")[0]
    assert first.endswith("…) failed after 00:01:40: exit code 1.") and len(first) < 140
    assert len(words.subject_of("FAIL", found, 1110.0)) < 160


def test_the_machine_is_named() -> None:
    for text in (
        words.body_of("FAIL", row(state="FAILED", exit_code=1), 1110.0, 0),
        words.array_body("BEGIN", 5, [row({"array_id": 5, "array_index": 0})], 1110.0, 0, False),
    ):
        assert f"\nMachine:      {socket.gethostname()}\n" in text


def test_a_requeue_says_how_the_attempt_ended() -> None:
    found = row({"attempt": 2}, state="FAILED", exit_code=75, reason="exit code 75")
    text = words.body_of("REQUEUE", found, 1110.0, 0)
    assert text.startswith(
        "Job 8 (x) is queued again, after attempt 2 that ran for 00:01:40: exit code 75.\n"
    )


def test_a_dependency_that_cannot_be_met_is_named() -> None:
    found = row({"dependency": "afterok:7"}, state="PENDING", started_at=None, ended_at=None)
    assert "\nWaits for:    afterok:7\n" in words.body_of("INVALID_DEPEND", found, 1110.0, 20)


def test_the_elements_of_an_array_are_told_by_how_they_ended() -> None:
    def element(index: int, **fields: Any) -> JobRow:
        return row({"array_id": 5, "array_index": index}, job_id=6 + index, **fields)

    rows = [element(index) for index in range(10_000)]
    for index in (*range(100, 200), 777, 9999):
        rows[index] = element(index, state="FAILED", exit_code=3)
    for index in range(1000, 1200, 2):
        rows[index] = element(index, state="FAILED", exit_code=None, signal=11)
    rows[5] = element(5, state="TIMEOUT", signal=15)
    text = words.array_body("FAIL", 5, rows, 1110.0, 0, False)
    assert text.startswith("The array 5 (x) is over: 9797 COMPLETED, 202 FAILED, 1 TIMEOUT.\n")
    assert "\nCode 3:       100-199, 777, 9999\n" in text
    assert "\nSignal 11:    1000, 1002, 1004," in text and " 1058 and 70 more\n" in text
    assert "\nTIMEOUT:      5\n" in text
    assert len(text) < 2000


def test_an_output_that_is_no_text_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(os.urandom(100_000))
    assert tails.tail_lines(str(path), 20) == ["(100000 bytes that are no text)"]
    path.write_bytes(b"\0" * 5000)
    assert tails.tail_lines(str(path), 20) == ["(5000 bytes that are no text)"]
    path.write_bytes("Größe: 5 µm\n".encode("latin-1"))
    assert tails.tail_lines(str(path), 20) == [
        "Gr\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}e: 5 \N{REPLACEMENT CHARACTER}m"
    ]


# ---- as mail
def mail_of(subject: str, body: str = "x\n", receiver: str = "a@example.org") -> EmailMessage:
    made = message.mail_of(
        key="k", receiver=receiver, sender="jobd@example.org", subject=subject, body=body, at_s=0.0
    )
    read = email.message_from_bytes(made.as_bytes(), policy=default)
    assert isinstance(read, EmailMessage)
    return read


NAMES = st.text(st.characters(codec=None, exclude_categories=()), max_size=300)


@given(name=NAMES, body=NAMES)
def test_no_name_and_no_text_can_make_a_header(name: str, body: str) -> None:
    mail = mail_of(f"jobd {name}", body)
    assert sorted(mail.keys()) == sorted(
        [
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "References",
            "Auto-Submitted",
            "Content-Type",
            "Content-Transfer-Encoding",
            "MIME-Version",
        ]
    )
    assert mail["To"].addresses[0].addr_spec == "a@example.org"
    assert "\n" not in str(mail["Subject"])


@given(body=st.text(max_size=2000))
def test_the_bytes_of_a_mail_are_ascii_in_short_lines(body: str) -> None:
    made = message.mail_of(
        key="k", receiver="a@b.org", sender="j@b.org", subject="ü" * 150, body=body, at_s=0.0
    )
    data = made.as_bytes()
    assert data.isascii() and max(map(len, data.split(b"\r\n"))) <= 998


def test_the_number_of_a_mail_is_of_what_it_tells_and_to_whom() -> None:
    one = message.message_id("key", "a@b.org", "jobd@host")
    assert one == message.message_id("key", "a@b.org", "jobd@host") and one.endswith("@host>")
    assert (
        len(
            {
                one,
                message.message_id("key2", "a@b.org", "jobd@host"),
                message.message_id("key", "b@b.org", "jobd@host"),
            }
        )
        == 3
    )


def test_the_mails_of_one_job_stand_together() -> None:
    def reference(key: str) -> str:
        made = message.mail_of(
            key=key, receiver="a@b.org", sender="jobd@host", subject="x", body="x\n", at_s=0.0
        )
        assert made["References"] != made["Message-ID"]
        return str(made["References"])

    of_one = [
        reference(f"token/3/{number}/{kind}/5") for number, kind in ((8, "BEGIN"), (8, "END"), ("8_*", "END"))
    ]
    assert len(set(of_one)) == 1 and reference("token/4/9/END/5") not in of_one


@pytest.mark.parametrize("text", ["a@b.org", "me", "first.last+tag@sub.example.org", "x@y"])
def test_addresses(text: str) -> None:
    assert message.checked_address(text) == text


def test_a_domain_in_other_letters_is_written_as_every_server_takes_it() -> None:
    assert message.checked_address("me@müller.example") == "me@xn--mller-kva.example"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-X/tmp/log",
        "a@b.org\nBcc: c",
        "a b@c.org",
        "a@",
        "@b",
        "<a@b.org>",
        "a@b@c",
        "a,b@c.org",
        "jürgen@example.org",
        "x" * 300,
        "\x1b[0m",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no address"):
        message.checked_address(text)
