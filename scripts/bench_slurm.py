"""The rows of Slurm's names: what their commands cost, and submitit's array against the same on a real Slurm."""

import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator

from bench_batch import until_empty
from bench_peers import PYTHON, Server, server, timed
from bench_rows import Row, Size, ms

# What any Python program must pay that talks over ZeroMQ and MessagePack and reads options; here no command is run.
FLOOR = [PYTHON, "-c", "import zmq, msgpack, argparse"]
CLUSTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slurm-cluster")
SLURM_PATH = "/usr/bin:/bin:/usr/sbin:/sbin"
DAEMONS = ("slurmctld", "slurmd", "slurmdbd", "munged", "mariadbd", "sbatch")
CPUS = 2

# Run in a process of its own: submitit calls sbatch by the environment. Prints the seconds from the call to the last result.
ARRAY = textwrap.dedent("""
    import sys, time
    import submitit
    count = int(sys.argv[1])
    executor = submitit.AutoExecutor("log/%j", cluster="slurm")
    executor.update_parameters(timeout_min=10, slurm_job_name="bench")
    began_s = time.perf_counter()
    jobs = executor.map_array(lambda x: x * x, range(count))
    waiting = jobs
    while waiting:
        time.sleep(0.02)
        waiting = [job for job in waiting if not job.paths.result_pickle.exists()]
    took_s = time.perf_counter() - began_s
    assert [job.result() for job in jobs] == [x * x for x in range(count)]
    print(took_s)
""")


def row_slurm(size: Size) -> list[Row]:
    """The commands by Slurm's names, and submitit's array; a real Slurm beside them where one is installed."""
    with server(CPUS) as own, real_slurm() as (real, why):
        environment = named(own)
        rows = command_rows(own, environment, real, size)
        rows.append(array_row(own, environment, real, why, size))
    return rows


def named(own: Server) -> dict[str, str]:
    """The environment that has Slurm's names before all others."""
    names = os.path.join(own.folder, "names")
    own.run("jobctl", "slurm-names", "--force", names)
    work = os.path.join(own.folder, "work")
    os.makedirs(work, exist_ok=True)
    return {**own.environment, "PATH": f"{names}:{own.environment.get('PATH', os.defpath)}", "HOME": work}


@contextlib.contextmanager
def real_slurm() -> Iterator[tuple[dict[str, str] | None, str]]:
    """The environment of a private cluster of two processors; None, and why, where it cannot be."""
    missing = [name for name in DAEMONS if shutil.which(name, path=SLURM_PATH) is None]
    if missing:
        yield None, f"no Slurm: {', '.join(missing)} missing"
        return
    folder = tempfile.mkdtemp(prefix="slurm-", dir="/tmp")
    own = {"PATH": SLURM_PATH, "HOME": folder, "CPUS": str(CPUS), "LANG": "C.UTF-8"}
    try:
        cluster("start", folder, own)
        work = os.path.join(folder, "work")
        os.mkdir(work)
        yield {**own, "HOME": work, "SLURM_CONF": os.path.join(folder, "etc", "slurm.conf")}, ""
    finally:
        cluster("stop", folder, own)
        shutil.rmtree(folder, ignore_errors=True)


def cluster(verb: str, folder: str, environment: dict[str, str]) -> None:
    """Start or stop it; what its daemons say goes to a file, since they would hold a pipe open."""
    path = os.path.join(folder, f"{verb}.log")
    with open(path, "w") as log:
        done = subprocess.run(
            [CLUSTER, verb, folder],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )
    if done.returncode:
        with open(path) as log:
            sys.exit(f"bench: {CLUSTER} {verb}: {log.read()}")


def command_rows(
    own: Server, environment: dict[str, str], real: dict[str, str] | None, size: Size
) -> list[Row]:
    """squeue, sacct and sbatch, by turns with the floor and with the real ones."""
    rows = []
    names = os.path.dirname(shutil.which("squeue", path=environment["PATH"]) or "")
    first = submitted(os.path.join(names, "sbatch"), environment)
    real_first = submitted("/usr/bin/sbatch", real) if real else ""
    for name, words, real_words in (
        ("squeue", [], []),
        ("sacct -j ID", ["-j", first], ["-j", real_first]),
        # The real one's jobs are held: they would run in the turns of the others.
        ("sbatch --wrap true", ["-o", "/dev/null", "--wrap", "true"], ["-H", "--wrap", "true"]),
    ):
        command = name.split()[0]
        ours = [os.path.join(names, command), *words]
        theirs = [os.path.join("/usr/bin", command), *real_words]
        spans: dict[str, list[float]] = {"ours": [], "floor": [], "theirs": []}
        for number in range(-3, size.runs):
            taken = {"ours": timed(ours, environment)}
            until_empty(own)
            taken["floor"] = timed(FLOOR, environment)
            if real:
                taken["theirs"] = timed(theirs, real)
            if number >= 0:
                for who, span in taken.items():
                    spans[who].append(span)
        median_s, floor_s = statistics.median(spans["ours"]), statistics.median(spans["floor"])
        note = f"medians of {size.runs}; the fastest: {ms(min(spans['ours']))} and {ms(min(spans['floor']))}"
        if real:
            note += f"; real Slurm's {command}: {ms(statistics.median(spans['theirs']))}"
        rows.append(
            Row(
                "slurm",
                f"{name}, by Slurm's name",
                ms(median_s),
                f"floor {ms(floor_s)}",
                median_s / floor_s,
                "≤ 1.5",
                median_s / floor_s <= 1.5,
                note,
            )
        )
    return rows


def submitted(sbatch: str, environment: dict[str, str]) -> str:
    """A job that is over; its number."""
    words = [sbatch, "--parsable", "--wait", "-o", "/dev/null", "--wrap", "true"]
    done = subprocess.run(
        words, env=environment, cwd=environment["HOME"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def array_row(
    own: Server, environment: dict[str, str], real: dict[str, str] | None, why: str, size: Size
) -> Row:
    """submitit's array of `lambda x: x * x`, from the call until the last result is there."""
    what = f"submitit: array of {size.submitit_array}, {CPUS} procs"
    goal = "≥ 3 × as fast"
    try:
        ours_s = array_s(environment, size.submitit_array)
    except ModuleNotFoundError as error:
        return Row("slurm", what, "", str(error), None, goal, None)
    rate = size.submitit_array / ours_s
    errors = own.errors()
    note = f"{rate:.1f} elements/s" + "".join(f"; LOG: {line}" for line in errors[:3])
    if real is None:
        return Row("slurm", what, f"{ours_s:.1f} s", why, None, goal, None, note)
    theirs_s = array_s(real, size.submitit_array)
    ratio = theirs_s / ours_s
    return Row(
        "slurm",
        what,
        f"{ours_s:.1f} s",
        f"real Slurm {theirs_s:.1f} s",
        ratio,
        goal,
        ratio >= 3 and not errors,
        note,
    )


def array_s(environment: dict[str, str], count: int) -> float:
    """Seconds of one array.

    Raises:
        ModuleNotFoundError: submitit is not installed here.
    """
    import importlib.util

    if importlib.util.find_spec("submitit") is None:
        raise ModuleNotFoundError("submitit is not installed")
    folder = tempfile.mkdtemp(dir=environment["HOME"])
    began_s = time.perf_counter()
    done = subprocess.run(
        [PYTHON, "-c", ARRAY, str(count)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"bench: submitit failed after {time.perf_counter() - began_s:.0f} s: {done.stderr}")
    return float(done.stdout)
