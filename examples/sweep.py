"""Many jobs at once: an array (one job for each index), and a list of commands that are not alike."""

import jobd

with jobd.Client() as client:
    # An array is one request and one row while it waits, however long it is. %8: at most eight run at a time.
    array = client.submit(
        "echo square $((SLURM_ARRAY_TASK_ID * SLURM_ARRAY_TASK_ID))", array="0-9%8", stdout="/dev/null"
    )
    ends = array.ends(timeout_s=60)
    print(f"array: {sum(end.is_ok for end in ends)} of {len(ends)} completed")

    # Options that a command does not give itself are those of all.
    commands = [["sh", "-c", f"exit {code}"] for code in (0, 0, 3)]
    commands.append({"command": ["true"], "name": "wide", "nb_proc": 2})
    jobs = client.submit_many(commands, stdout="/dev/null", time=60)
    for job, end in zip(jobs, client.wait(jobs, timeout_s=60), strict=True):
        print(f"job {job.id}: {end.row.name} ended with {end.code}")
