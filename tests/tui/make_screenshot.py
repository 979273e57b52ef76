"""Makes docs/img/top.svg: the program as it is, with a queue that is made up. Run it from the sources: python tests/tui/make_screenshot.py"""

import asyncio
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from jobd.api.board import Picture  # noqa: E402
from jobd.progress import Progress  # noqa: E402
from jobd.tui import facts  # noqa: E402
from jobd.tui.app import Top  # noqa: E402
from tui.rows import NOW_S, picture, row, status  # noqa: E402

SIZE = (100, 26)


def queue() -> Picture:
    """Some hours at a small machine."""
    simulate = row(
        41, "RUNNING", name="simulate", nb_proc=1, started_at=NOW_S - 2460, command=["simulate", "--fast"]
    )
    make = row(44, "SUSPENDED", name="make", kind="salloc", children=[46, 47], started_at=NOW_S - 95)
    return picture(
        simulate,
        row(46, "RUNNING", name="cc", kind="salloc", parent_id=44, root_id=44, started_at=NOW_S - 3),
        row(47, "RUNNING", name="cc", kind="salloc", parent_id=44, root_id=44, started_at=NOW_S - 1),
        make,
        row(
            45,
            name="train",
            nb_proc=4,
            time_limit_s=7200,
            batch={"expected_start_at": NOW_S + 1680},
            reason="3 of 4 procs missing, in use by job 41 (simulate: 1), job 46 (cc: 1), job 47 (cc: 1)",
        ),
        row(
            48, name="sweep", batch={"array_id": 48, "tasks": "0-99", "array_limit": 8}, reason="1 job ahead"
        ),
        row(
            49,
            name="collect",
            batch={"dependency": "afterok:48"},
            reason="it waits for the success of job 48",
        ),
        row(50, name="report", batch={"is_held": True}, reason="held (jobctl release 50)"),
        status=status(running=3, suspended=1, waiting=103),
        recent=(
            row(
                43,
                "COMPLETED",
                name="prepare",
                started_at=NOW_S - 260,
                ended_at=NOW_S - 200,
                reason="exit code 0",
            ),
            row(
                42,
                "TIMEOUT",
                name="scan",
                started_at=NOW_S - 7000,
                ended_at=NOW_S - 900,
                reason="time limit reached (signal 15)",
            ),
            row(
                40,
                "FAILED",
                name="convert",
                started_at=NOW_S - 4215,
                ended_at=NOW_S - 3000,
                reason="exit code 3",
            ),
        ),
    )


async def draw() -> str:
    """The picture as SVG."""
    top = Top(facts.Filter(), user="ann", is_following=False)
    async with top.run_test(size=SIZE) as pilot:
        top.show(queue())
        top.progresses.known[41] = Progress(19, 32)
        await pilot.press("down")
        await pilot.pause()
        svg = top.export_screenshot(title="jobctl top")
        top.exit()
    # The fonts are those of who looks at it; nothing is fetched from elsewhere.
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    # The names in it are random; so they would be others each time.
    mark = re.search(r"terminal-(\d+)-", svg)
    return svg.replace(f"terminal-{mark[1]}-", "terminal-top-") if mark else svg


def main() -> None:
    """Write it."""
    path = ROOT / "docs" / "img" / "top.svg"
    path.parent.mkdir(exist_ok=True)
    path.write_text(asyncio.run(draw()))
    print(path)


if __name__ == "__main__":
    main()
