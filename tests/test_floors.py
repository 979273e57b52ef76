"""The rules of the house, read from the syntax trees: who may import whom, what stays pure, what stays small."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jobd
from jobd.cli.programs import DAEMONS, PROGRAMS
from jobd.wire.verbs import FROM_AGENT, TO_AGENT, VERBS

SRC = Path(jobd.__file__).parent
LINES_MAX = 400

# Room → the rooms that it may import, besides itself. `words` are the modules at the top that belong to nobody.
ALLOWED = {
    "words": set(),
    "wire": {"words"},
    "core": {"words"},
    "slurm": {"words"},
    "journal": {"core", "words"},
    "agent": {"wire", "words"},
    "client": {"wire", "words"},
    "cli": {"client", "slurm", "wire", "words"},
    "api": {"client", "slurm", "wire", "words"},
    **{name: {"api", "client", "slurm", "wire", "words"} for name in ("notify", "web", "tui")},
    "spool": {
        "api",
        "cli",
        "client",
        "slurm",
        "wire",
        "words",
    },  # a script's #SBATCH lines are read as Sbatch reads them
    "daemon": {"core", "journal", "slurm", "wire", "words"},
}
CLIENT_MODULES = {"client", "start", "stream", "waits"}

# What a pure room may have of the standard library: data and text, no clock, file, process, socket or chance.
PURE_STDLIB = {
    "collections",
    "enum",
    "functools",
    "heapq",
    "itertools",
    "math",
    "operator",
    "re",
    "types",
    "typing",
}
PURE_OTHERS = {"core": {"sortedcontainers"}, "wire/codec.py": {"msgpack"}, "slurm": set()}

# What a client's start must not pay for.
HEAVY = {
    "asyncio",
    "dataclasses",
    "psutil",
    "rich",
    "sqlite3",
    "subprocess",
    "logging",
    "inspect",
    "tomllib",
    "shutil",
}

MODULES = sorted(SRC.rglob("*.py"))
NAMES = [str(path.relative_to(SRC)) for path in MODULES]


def imports_of(path: Path) -> list[tuple[str, int]]:
    """(module, line) of all imports, wherever they stand; those for types only do not happen."""
    found: list[tuple[str, int]] = []
    for node in _running(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import"
            assert node.module is not None
            found.append((node.module, node.lineno))
            if node.module == "jobd" or (SRC.parent / node.module.replace(".", "/")).is_dir():
                found += [(f"{node.module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def _running(tree: ast.AST) -> list[ast.AST]:
    nodes: list[ast.AST] = []
    stack: list[ast.AST] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            stack += node.orelse
            continue
        nodes.append(node)
        stack += ast.iter_child_nodes(node)
    return nodes


def room_of(module: str) -> str | None:
    """The room of jobd.x.y; None for what is not ours, and for jobd itself (its version)."""
    parts = module.split(".")
    if parts[0] != "jobd" or len(parts) == 1:
        return None
    if parts[1] in ALLOWED and parts[1] not in CLIENT_MODULES:
        return parts[1]
    if parts[1] in CLIENT_MODULES:
        return "client"
    return "words" if (SRC / f"{parts[1]}.py").exists() else None  # jobd.__version__


def module_of(name: str) -> str:
    return "jobd." + name.removesuffix(".py").replace("/", ".")


@pytest.mark.parametrize("name", NAMES)
def test_a_room_imports_only_what_stands_below_it(name: str) -> None:
    own = room_of(module_of(name))
    if own is None:
        assert name == "__init__.py"
        return
    for module, line in imports_of(SRC / name):
        room = room_of(module)
        if room is not None and room != own:
            assert room in ALLOWED[own], f"{name}:{line}: {own} imports {module}"


def test_every_module_is_in_a_known_room() -> None:
    tops = {Path(name).parts[0].removesuffix(".py") for name in NAMES} - {"__init__"}
    folders = {path.name for path in SRC.iterdir() if path.is_dir() and any(path.glob("*.py"))}
    assert folders <= set(ALLOWED)
    assert tops >= CLIENT_MODULES


def test_nobody_imports_the_daemon_or_the_commands() -> None:
    for name in NAMES:
        own = room_of(module_of(name))
        others = {"daemon", "cli"} - {own} - ALLOWED.get(own, set())
        for module, line in imports_of(SRC / name):
            assert room_of(module) not in others, f"{name}:{line}: {module}"


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name.startswith(("core/", "slurm/")) or name == "wire/codec.py"]
)
def test_a_pure_room_has_no_hands_no_clock_and_no_dice(name: str) -> None:
    allowed = PURE_STDLIB | PURE_OTHERS.get(name, set()) | PURE_OTHERS.get(Path(name).parts[0], set())
    for module, line in imports_of(SRC / name):
        top = module.split(".")[0]
        assert top == "jobd" or top in allowed, f"{name}:{line}: imports {module}"
    for node in ast.walk(ast.parse((SRC / name).read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input", "exec", "eval", "__import__"}, (
                f"{name}:{node.lineno}"
            )


def test_only_apply_makes_a_phase() -> None:
    """Phases are made where a job is made, in its life, and where the journal gives it back."""
    allowed = {"core/life.py", "core/reports.py", "journal/records.py"}
    for name in NAMES:
        for node in ast.walk(ast.parse((SRC / name).read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                is_phase = node.func.id in {"Waiting", "Running", "Completing", "Finished"}
                assert name in allowed or not is_phase, f"{name}:{node.lineno}: makes a {node.func.id}"


STARTED_OFTEN = ("salloc", "sbatch", "srun", "slurm_names", "squeue", "scancel", "sacct", "scontrol", "sinfo")


@pytest.mark.parametrize(
    "module", ["jobd.client", "jobd.wire.codec", *(f"jobd.cli.{name}" for name in STARTED_OFTEN)]
)
def test_a_client_starts_without_what_is_heavy(module: str) -> None:
    code = f"import sys, {module}; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", _path_first() + code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    bare = subprocess.run(
        [sys.executable, "-S", "-c", _path_first() + "print(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
    )
    loaded = {name.split(".")[0] for name in done.stdout.split()} - {
        name.split(".")[0] for name in bare.stdout.split()
    }
    assert not loaded & HEAVY


def test_importing_jobd_loads_nothing_of_it() -> None:
    code = "import sys, jobd; print([name for name in sys.modules if name.startswith('jobd')])"
    done = subprocess.run(
        [sys.executable, "-S", "-c", _path_first() + code], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['jobd']\n"


def test_every_name_of_the_api_is_found_when_it_is_used() -> None:
    tree = ast.parse((SRC / "__init__.py").read_text())
    typed = {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jobd")
        for alias in node.names
    }
    assert typed <= set(dir(jobd)) and len(typed) > 10
    for name in typed:
        assert getattr(jobd, str(name)) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        jobd.nonsense  # noqa: B018


def _path_first() -> str:
    # Without site: what an editable installation or a plugin loads at the start is none of ours.
    return f"import sys; sys.path[:] = {[str(SRC.parent), *sys.path]!r}; "


def test_every_verb_has_its_handler_and_every_handler_its_verb() -> None:
    handlers = {path.stem for path in (SRC / "daemon" / "verbs").glob("*.py")} - {"__init__"}
    assert handlers == set(VERBS)
    requests = [verb.request for verb in VERBS.values()]
    assert len(set(requests)) == len(requests)


@pytest.mark.parametrize("table", [TO_AGENT, FROM_AGENT])
def test_every_message_has_one_name(table: dict[str, type]) -> None:
    assert len(set(table.values())) == len(table)


@pytest.mark.parametrize("module", [row[0] for row in {**PROGRAMS, **DAEMONS}.values()])
def test_every_program_has_its_module(module: str) -> None:
    path = SRC.parent / (module.replace(".", "/") + ".py")
    defined = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
    assert {"build_parser", "main"} <= defined, f"{module}: has no build_parser or main"


def test_init_files_are_empty_but_two() -> None:
    full = {name for name in NAMES if name.endswith("__init__.py") and (SRC / name).read_text().strip()}
    assert full == {"__init__.py", "daemon/verbs/__init__.py"}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_short_and_says_what_it_is(name: str) -> None:
    text = (SRC / name).read_text()
    assert text.count("\n") <= LINES_MAX, f"{name} has {text.count(chr(10))} lines"
    assert not text.strip() or ast.get_docstring(ast.parse(text)), f"{name} has no docstring"


@pytest.mark.parametrize("name", NAMES)
def test_public_functions_say_what_they_do(name: str) -> None:
    for node in ast.parse((SRC / name).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{name}:{node.lineno}: {node.name} has no docstring"
