"""Queue a job, sleep until it is over, look at what it wrote."""

import jobd

with jobd.Client() as client:
    job = client.submit(
        "echo $(hostname) has $NB_PROC procs for me",
        name="hello",
        nb_proc=1,
        memory="200M",
        time="1:00",
        stdout="hello-%j.out",
    )
    print(f"queued job {job.id}")
    end = job.wait(timeout_s=60)
    print(f"{end.state.value}, exit code {end.exit_code}, {end.cpu_s:.2f} s of processor time")
    print(job.output(), end="")
