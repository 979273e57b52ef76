"""jobctl spool that dies by SIGKILL at its N-th step: at any change of a file below its folder, halfway through any write there, before and after
any request to the server. python mortal.py N ARGUMENT…
"""

import os
import signal
import sys
from typing import Any

CHANGES = {
    "os.rename",
    "os.symlink",
    "os.mkdir",
    "os.remove",
    "os.rmdir",
    "os.chmod",
    "os.link",
    "os.truncate",
}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def main() -> int:
    """Run until it dies, or as it would."""
    from jobd import client
    from jobd.spool import main as spool

    left, arguments = int(sys.argv[1]), sys.argv[2:]
    root = os.path.realpath(arguments[0]) + "/"
    real_write, send, receive = os.write, client.Client.send, client.Client.receive

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def is_ours(path: object) -> bool:
        return isinstance(path, str) and path.startswith(root) and not path.endswith("/lock")

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in CHANGES:
            if is_ours(args[0]) or (event in ("os.rename", "os.symlink") and is_ours(args[1])):
                step()
        elif event == "open" and is_ours(args[0]) and args[2] & WRITING:
            step()

    def write(descriptor: int, data: bytes) -> int:
        nonlocal left
        if is_ours(os.readlink(f"/proc/self/fd/{descriptor}")):
            if left == 1:
                real_write(descriptor, data[: len(data) // 2])
            step()
        return real_write(descriptor, data)

    def sending(self: client.Client, request: Any) -> None:
        step()
        send(self, request)

    def receiving(self: client.Client) -> Any:
        answer = receive(self)
        step()
        return answer

    sys.addaudithook(hook)
    os.write = write  # type: ignore[assignment]
    client.Client.send, client.Client.receive = sending, receiving  # type: ignore[method-assign]
    return spool.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
