"""The same as the screen, as plain text: for a pipe, a script, or a terminal that can show no screens."""

from collections.abc import Mapping, Sequence

from jobd.api import board
from jobd.api.board import Picture
from jobd.errors import NoSuchJob
from jobd.progress import Progress
from jobd.tui import facts, hands
from jobd.tui.progresses import progress_in
from jobd.tui.text import cut, fit

COLUMNS = ("JOB", "STATE", "PROCS", "TIME", "END")
ANSWER_S = 10.0


def plain(
    picture: Picture,
    progress: Mapping[int, Progress],
    chosen: facts.Filter,
    *,
    width: int | None,
    now_s: float,
) -> str:
    """The lines, each with its end.

    Args:
        width: of the terminal, in cells; None where lines are not to be cut.
    """
    lines = []
    if picture.status is not None:
        lines.append("".join(text for text, _ in facts.head(picture.status, picture.node)))
        lines.append(facts.counts(picture))
    if chosen.words:
        lines.append(f"only {chosen.words}")
    table = [(*COLUMNS, "NAME", "PROGRESS/REASON")]
    for row, indent in facts.as_tree(row for row in picture.rows if chosen.fits(row)):
        done = progress.get(row.job_id)
        table.append(
            (
                facts.number_of(row),
                facts.word_of(row),
                str(row.nb_proc),
                facts.time_of(row, now_s),
                facts.end_of(row, now_s, done),
                indent + facts.name_of(row),
                facts.progress_text(done, 40) if done is not None else facts.why(row),
            )
        )
    lines += _aligned(table)
    if picture.is_cut:
        lines.append("… and more that wait")
    ended = [row for row in picture.recent if chosen.fits(row)]
    if ended:
        lines.append("")
        lines += _aligned(
            [
                ("ENDED", "JOB", "STATE", "EXIT", "TIME", "NAME", "REASON"),
                *(
                    (
                        facts.end_of(row, now_s),
                        facts.number_of(row),
                        facts.word_of(row),
                        facts.code_of(row),
                        facts.time_of(row, now_s),
                        facts.name_of(row),
                        facts.why(row),
                    )
                    for row in ended
                ),
            ]
        )
    if width is not None:
        lines = [cut(line, width) for line in lines]
    return "".join(line.rstrip() + "\n" for line in lines)


def plain_job(job_id: int, *, now_s: float) -> str:
    """All that is known of a job, each on a line.

    Raises:
        NoSuchJob: it is not known (any more).
    """
    row = hands.job(job_id)
    if row is None:
        raise NoSuchJob(f"no job {job_id} (Squeue lists the living, Sacct the finished)")
    told = facts.facts(row, now_s)
    progress = progress_in(row) if row.started_at is not None else None
    if progress is not None:
        told.insert(3, ("progress", facts.progress_text(progress, 40)))
    return "".join(f"{name:>14}  {value}\n" for name, value in told)


def _aligned(table: Sequence[tuple[str, ...]]) -> list[str]:
    """The rows with their columns below each other; the last one is as long as it is."""
    from rich.cells import cell_len

    widths = [min(60, max(map(cell_len, column))) for column in zip(*table, strict=True)]
    return [
        " ".join([*(fit(cell, width) for cell, width in zip(row[:-1], widths, strict=False)), row[-1]])
        for row in table
    ]


def ask(rows_max: int) -> tuple[Picture, dict[int, Progress]]:
    """How things are now, and how far the running jobs say that they are.

    Raises:
        NoServer: there is none.
    """
    picture = board.ask(rows_max, deadline_s=ANSWER_S)
    found = {row.job_id: progress_in(row) for row in picture.rows if row.started_at is not None}
    return picture, {job_id: one for job_id, one in found.items() if one is not None}
