"""What nobody knows of any more is ended by the next agent, on a server that has never seen a Salloc, too."""

import os
import subprocess
from typing import Any

import pytest

from jobd import locks
from live.batches import configured, kill_hard, submit


@pytest.mark.parametrize("leftovers", ["kill", "leave"])
def test_a_new_agent_ends_what_nobody_knows_of(house: Any, leftovers: str) -> None:
    configured(house, f'leftovers = "{leftovers}"\n')
    house.server()
    house.until_state(submit(house, "--", "true"), "COMPLETED")
    marks = {
        "JOBD_SERVER": house.request_status()["server_id"],
        "JOBD_JOB_ID": "1",
        "JOBD_ATTEMPT": "1",
    }
    stray = subprocess.Popen(["sleep", "600"], env=house.env | marks, start_new_session=True)
    try:
        lock = str(house.runtime / "jobd/agent.lock")
        agent = locks.holder(lock)
        assert agent is not None
        kill_hard(agent)
        house.until(lambda: house.request_status()["agent_pid"] not in (None, 0, agent))
        if leftovers == "kill":
            assert stray.wait(30) < 0
        else:
            house.until_state(submit(house, "--", "sleep", "1.5"), "COMPLETED")
            assert stray.poll() is None
    finally:
        stray.kill()
        stray.wait()
        assert not os.path.exists(f"/proc/{stray.pid}")
