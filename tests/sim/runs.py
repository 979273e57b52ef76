"""An attempt of a batch job as it really was: its main process, and what that left behind. What the journal says is held against it."""

from typing import TYPE_CHECKING

from jobd.wire import batch as b
from sim.faults import promise
from sim.sallocs import TICKS, FakeSalloc

if TYPE_CHECKING:
    from sim.simulator import Simulation

End = tuple[int | None, int | None]  # exit code, signal

FIRST_PID = 500_000


class FakeRun:
    """The processes of one attempt. Sallocs may be called inside, so it has what they ask of whom they are called by."""

    def __init__(self, sim: "Simulation", launch: b.Launch) -> None:
        rng = sim.rng
        self.sim = sim
        self.launch = launch
        self.job_id = launch.job_id
        self.key = (launch.job_id, launch.attempt)
        self.pid = self.command_pid = FIRST_PID + len(sim.runs)
        self.depth = 1
        self.children: list[FakeSalloc] = []
        self.natural_end: End = rng.choice(
            ((0, None), (0, None), (0, None), (rng.randrange(256), None), (2, None), (None, 11), (None, 9))
        )
        self.on_term = rng.choice(("die", "die", "die", "exit 0", "ignore"))
        self.leaves_behind = rng.choice((0, 0, 0, 0, 1, 2))
        self.is_command_alive = True
        self.leftovers: list[str] = []  # living processes in the background: how each takes a TERM
        self.is_stopped = False
        self.takes_too_much = False  # memory
        self.end: End | None = None
        self.reported: End = (None, None)  # what an agent could learn of the end
        self.hit = ""  # the cause for which an agent ended it by itself
        self.is_start_uncertain = False  # an agent died about it
        self.steps: list[str] = []  # tokens of its Sruns
        sim.processes[self.pid] = (1, TICKS)

    def main_ends(self, end: End) -> None:
        """The main process is over."""
        promise(self.is_command_alive, f"attempt {self.key} ends twice")
        self.is_command_alive = False
        self.end = end
        self.sim.processes.pop(self.pid, None)
        self.leftovers += [
            "die" if self.sim.rng.random() < 0.7 else "ignore" for _ in range(self.leaves_behind)
        ]
        self.leaves_behind = 0

    @property
    def has_members(self) -> bool:
        """Whether a process of it lives."""
        return self.is_command_alive or bool(self.leftovers) or any(child.is_alive for child in self.children)

    def signal_members(self, *, hard: bool) -> None:
        """TERM (with CONT before it) or KILL to all of them."""
        self.is_stopped = False
        for child in list(self.children):
            if child.is_alive:
                child.kill() if hard else child.term()
                child.signal_members(hard=hard)
        self.leftovers = [] if hard else [how for how in self.leftovers if how == "ignore"]
        if self.is_command_alive and hard:
            self.main_ends((None, 9))
            self.leftovers = []
        elif self.is_command_alive and self.on_term != "ignore":
            self.main_ends((None, 15) if self.on_term == "die" else (0, None))

    def vanish(self) -> None:
        """The machine is switched off."""
        self.is_command_alive = False
        self.leftovers = []
        self.sim.processes.pop(self.pid, None)
