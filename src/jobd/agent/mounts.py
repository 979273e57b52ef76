"""Where the agent stands in the tree of control groups, and whether that place is its to use. Reads only."""

import os

_CGROUP2 = "cgroup2"


def mount_point() -> str | None:
    """Where version 2 is mounted as far as we may see it (also the `unified` folder of a hybrid layout); None if it is not."""
    found = _mount()
    return found[0] if found is not None else None


def group_of(pid: int | str) -> str | None:
    """The group of a process in version 2, as /proc tells it, relative to the mount; None if it is outside of our view."""
    found = _mount()
    try:
        with open(f"/proc/{pid}/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            lines = [line.rstrip("\n") for line in file if line.startswith("0::/")]
    except OSError:
        return None
    if found is None or not lines:
        return None
    path, root = lines[0][3:].removesuffix(" (deleted)"), found[1]
    if path.startswith("/.."):
        return None  # above the root of our namespace
    if root != "/":
        if path != root and not path.startswith(f"{root}/"):
            return None
        path = path[len(root) :] or "/"
    return path


def own_group() -> str | None:
    """The folder of the group that this process is in; None where there is none, or where it is the root group of the machine."""
    mount, path = mount_point(), group_of("self")
    if mount is None or path is None:
        return None
    folder = (mount.rstrip("/") + path).rstrip("/")
    # The root group of the machine is the only one without a type (cgroups(7)).
    return folder if os.path.exists(f"{folder}/cgroup.type") else None


def is_for_us(folder: str) -> bool:
    """Whether we may write there, and nobody else counts on it: we are alone in it, or it was delegated, or it is a container's."""
    if not is_writable(folder):
        return False
    try:
        with open(f"{folder}/cgroup.procs", encoding="ascii") as file:
            pids = file.read().split()
    except OSError:
        return False
    is_alone = pids == [str(os.getpid())]
    return is_alone or _is_delegated(folder) or folder == mount_point()


def is_writable(folder: str) -> bool:
    """Whether we may make groups there: an ordinary group, not the root group of the machine, and its files are open to us."""
    try:
        with open(f"{folder}/cgroup.type", encoding="ascii") as file:
            if file.read().strip() != "domain":
                return False
    except OSError:
        return False
    names = ("", "/cgroup.procs", "/cgroup.subtree_control")
    return all(os.access(folder + name, os.W_OK) for name in names)


def _is_delegated(folder: str) -> bool:
    """Whether systemd says that it keeps its hands off (systemd.resource-control(5), Delegate=)."""
    for name in ("user.delegate", "trusted.delegate"):
        try:
            if os.getxattr(folder, name) == b"1":
                return True
        except OSError:
            continue
    return False


def _mount() -> tuple[str, str] | None:
    """(mount point, the group that is its root) of version 2 (proc(5), mountinfo). Of several the last, which lies on top."""
    found = None
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                fields, _, rest = line.partition(" - ")
                if rest.split(" ")[0] == _CGROUP2:
                    words = fields.split(" ")
                    found = (_unescape(words[4]), _unescape(words[3]))
    except OSError:
        return None
    return found


def _unescape(text: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
