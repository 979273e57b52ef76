"""The rows on size: what a batch job costs with a long queue before it, and with a long history behind it."""

import os
import sqlite3
import statistics
import time
from typing import NamedTuple

import msgpack
from bench_batch import Ears, submit, until_empty
from bench_peers import TRUE, Server, cpu_s, memory_mb, program, server, timed, until
from bench_rows import Row, Size, ms

from jobd.limits import ITEMS_MAX
from jobd.wire import messages as m

SHORT = 100  # waiting jobs of the short queue
SUBMISSION = 2000  # jobs of one submission of the past
EVENTS = 100_000  # that a server keeps
APART_S = 0.5  # between the ends of two jobs of the past


# ---- a long queue ---------------------------------------------------------------------------------------------
class Turn(NamedTuple):
    """What one job of a turn took: wall time, and processor time of server and agent."""

    wall_s: float
    server_s: float
    agent_s: float


def row_batch_queue(size: Size) -> list[Row]:
    """What a start costs with a long queue of batch jobs, against a short one; they take turns."""
    with server(1) as short, server(1) as long:
        for own, count in ((short, SHORT), (long, size.queue)):
            own.ask(m.SetLimits(0, None))
            for begin in range(0, count, ITEMS_MAX):
                submit(own, [[TRUE]] * min(ITEMS_MAX, count - begin))
        memory = memory_mb(long.pid)[0]
        ears = {own: Ears(own) for own in (short, long)}
        turns: dict[Server, list[Turn]] = {short: [], long: []}
        for _ in range(size.chain_turns + 1):  # the first one warms up
            for own in (short, long):
                submit(own, [[TRUE]] * size.chain)
                turns[own].append(_chain(own, ears[own], size.chain))
        for each in ears.values():
            each.close()
        for own in (short, long):
            own.ask(m.SetLimits(0, None))
    ratios = {
        what: statistics.median(
            getattr(many, what) / getattr(few, what)
            for few, many in zip(turns[short][1:], turns[long][1:], strict=True)
        )
        for what in Turn._fields
    }
    few_s, many_s = (statistics.median(turn.server_s for turn in turns[own][1:]) for own in (short, long))
    few_wall_s, many_wall_s = (
        statistics.median(turn.wall_s for turn in turns[own][1:]) for own in (short, long)
    )
    return [
        Row(
            "batch-queue",
            f"server's cost of a job, {size.queue:,} queued",
            ms(many_s, 2),
            f"{SHORT} queued {ms(few_s, 2)}",
            ratios["server_s"],
            "≤ 1.2",
            ratios["server_s"] <= 1.2,
            f"processor time; median of {size.chain_turns} turns of {size.chain} jobs, one against one; "
            f"server {memory:.0f} MB",
        ),
        Row(
            "batch-queue",
            f"from start to start, {size.queue:,} queued",
            ms(many_wall_s, 2),
            f"{SHORT} queued {ms(few_wall_s, 2)}",
            ratios["wall_s"],
            "≤ 1.2",
            ratios["wall_s"] <= 1.2,
            f"wall time of a job on one proc; agent's processor time {ratios['agent_s']:.2f}",
        ),
    ]


def _chain(own: Server, ears: Ears, count: int) -> Turn:
    """Let that many run, one after the other."""
    before = cpu_s(own.pid), cpu_s(own.agent_pid)
    began_s = time.perf_counter()
    own.ask(m.SetLimits(1, None))
    ears.until("ended", count)
    took_s = time.perf_counter() - began_s
    own.ask(m.SetLimits(0, None))
    until(lambda: own.status().running == 0, "a job runs on")
    after = cpu_s(own.pid), cpu_s(own.agent_pid)
    done = count
    while ears.socket.poll(50):  # what ended meanwhile has cost too
        done += ears.next()[1] == "ended"
    return Turn(took_s / count, (after[0] - before[0]) / done, (after[1] - before[1]) / done)


# ---- a long history -------------------------------------------------------------------------------------------
def row_history(size: Size) -> list[Row]:
    """What a job costs, and what Sacct of one takes, with many finished jobs in the journal, against an empty one."""
    with server(2) as empty, server(2) as full:
        for own in (empty, full):
            submit(own, [[TRUE]])
            until_empty(own)
        full.end("-1")
        began_s = time.perf_counter()
        first = fill(os.path.join(full.folder, "s", "jobd", "journal.sqlite"), size.history)
        fill_s = time.perf_counter() - began_s
        bytes_each = os.path.getsize(os.path.join(full.folder, "s", "jobd", "journal.sqlite")) / size.history
        began_s = time.perf_counter()
        full.run("Sserver", str(full.nb_proc))
        start_s = time.perf_counter() - began_s
        full.start()
        full.agent_pid = full.status().agent_pid  # the last one had nothing to do and left
        turns: dict[Server, list[Turn]] = {empty: [], full: []}
        for _ in range(size.history_turns + 1):  # the first one warms up
            for own in (empty, full):
                turns[own].append(_together(own, size.history_jobs))
        job_ids = {empty: 1, full: first + size.history // 2}
        sacct: dict[Server, list[float]] = {empty: [], full: []}
        for _ in range(min(size.runs, 20)):
            for own in (empty, full):
                words = [program("Sacct"), "-j", str(job_ids[own])]
                sacct[own].append(timed(words, own.environment))
        shown = full.run("Sacct", "-n", "-j", str(job_ids[full])).split()
        is_shown = bool(shown) and shown[0] == str(job_ids[full])
    ratio = statistics.median(
        many.server_s / few.server_s for few, many in zip(turns[empty][1:], turns[full][1:], strict=True)
    )
    wall = statistics.median(
        many.wall_s / few.wall_s for few, many in zip(turns[empty][1:], turns[full][1:], strict=True)
    )
    few_s, many_s = (statistics.median(turn.server_s for turn in turns[own][1:]) for own in (empty, full))
    few_sacct_s, many_sacct_s = (statistics.median(sacct[own]) for own in (empty, full))
    return [
        Row(
            "history",
            f"server's cost of a job, {size.history:,} finished",
            ms(many_s, 2),
            f"none {ms(few_s, 2)}",
            ratio,
            "≤ 1.1",
            ratio <= 1.1,
            f"processor time; median of {size.history_turns} turns of {size.history_jobs} jobs, one against one; by wall time "
            f"{wall:.2f}; journal {bytes_each:.0f} bytes a job, filled in {fill_s:.0f} s; start with it {start_s:.2f} s",
        ),
        Row(
            "history",
            f"Sacct -j ID, {size.history:,} finished",
            ms(many_sacct_s),
            f"none {ms(few_sacct_s)}",
            many_sacct_s / few_sacct_s,
            "≤ 2",
            many_sacct_s / few_sacct_s <= 2 and is_shown,
            "medians, from spawn to reaping" + ("" if is_shown else "; IT DID NOT SHOW THE JOB"),
        ),
    ]


def _together(own: Server, count: int) -> Turn:
    """That many jobs in one request, until the last has ended."""
    before = cpu_s(own.pid), cpu_s(own.agent_pid)
    began_s = time.perf_counter()
    submit(own, [[TRUE]] * count, stdout="/dev/null")
    until_empty(own)
    took_s = time.perf_counter() - began_s
    after = cpu_s(own.pid), cpu_s(own.agent_pid)
    return Turn(took_s / count, (after[0] - before[0]) / count, (after[1] - before[1]) / count)


def fill(path: str, count: int) -> int:
    """Put that many finished jobs into the journal of a stopped server, like the one that is in it; the first one's number."""
    journal = sqlite3.connect(path, isolation_level=None)
    journal.execute("PRAGMA synchronous = OFF")
    journal.execute("PRAGMA cache_size = -500000")
    columns = [row[1] for row in journal.execute("PRAGMA table_info(jobs)")]
    (base,) = journal.execute("SELECT max(job_id) FROM jobs").fetchone()
    age = f"- ({count} - i) * {APART_S} - 60"
    values = {
        "job_id": "i",
        "root_id": "i",
        "token": "'old' || i",
        "submitted_at": f"submitted_at {age}",
        "started_at": f"started_at {age}",
        "ended_at": f"ended_at {age}",
    }
    numbers = (
        f"WITH RECURSIVE n(i) AS (SELECT {base + 1} UNION ALL SELECT i + 1 FROM n WHERE i < {base + count})"
    )
    journal.execute("BEGIN")
    journal.execute(
        f"INSERT INTO jobs ({', '.join(columns)}) {numbers} "
        f"SELECT {', '.join(values.get(column, column) for column in columns)} "
        "FROM n, (SELECT * FROM jobs WHERE phase >= 3 LIMIT 1)"
    )
    journal.executemany(
        "INSERT INTO submissions VALUES (?, ?, ?, ?)",
        (
            (first, f"old{first}", time.time() - count * APART_S, msgpack.packb([first, SUBMISSION]))
            for first in range(base + 1, base + count + 1, SUBMISSION)
        ),
    )
    journal.execute("UPDATE blobs SET uses = uses + ?", (count,))
    (seq,) = journal.execute("SELECT max(seq) FROM events").fetchone()
    numbers = f"WITH RECURSIVE n(i) AS (SELECT {seq + 1} UNION ALL SELECT i + 1 FROM n WHERE i < {seq + min(count, EVENTS)})"
    journal.execute(
        f"INSERT INTO events (seq, at, body) {numbers} SELECT i, at, body FROM n, (SELECT * FROM events WHERE seq = {seq})"
    )
    journal.execute("COMMIT")
    journal.close()
    return int(base) + 1
