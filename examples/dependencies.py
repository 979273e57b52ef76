"""Jobs after jobs: two that prepare, one that joins what they made, one that cleans up whatever happened."""

import jobd

with jobd.Client() as client:
    left = client.submit("echo left > part.left", stdout="/dev/null")
    right = client.submit("echo right > part.right", stdout="/dev/null")
    # Jobs alone mean that all of them must complete; every form of Slurm's can be written as text.
    joined = client.submit(
        "cat part.left part.right",
        dependency=[left, right],
        kill_on_invalid_dependency=True,
        stdout="joined-%j.out",
    )
    cleaned = client.submit(
        "rm -f part.left part.right", dependency=f"afterany:{joined.id}", stdout="/dev/null"
    )
    for end in client.as_completed([left, right, joined, cleaned], timeout_s=60):
        print(f"job {end.job_id}: {end.state.value}")
    print(joined.output(), end="")
