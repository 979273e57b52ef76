"""Hear of everything that happens, and take up later where one has stopped."""

import jobd

with jobd.Client() as client:
    with client.events() as events:
        job = client.submit(["true"], stdout="/dev/null")
        for event in events:
            if event.job is not None and event.job.job_id == job.id:
                print(f"{event.kind}: {event.job.state}")
                if event.kind == "ended":
                    break
        last_seq = events.last_seq

    client.submit(["true"], name="later", stdout="/dev/null").wait(timeout_s=60)

    # What was in between is told too, also after a restart of the server.
    with client.events(last_seq, timeout_s=1.0) as events:
        print(
            "meanwhile:",
            *(event.kind for event in events if event.job is not None and event.job.name == "later"),
        )
