"""What the info file of a folder asks for: xml or cfg, as QM has them, or the #SBATCH lines of its only script.

Other keys, sections and elements are the script's own and are left alone.
"""

import configparser
import os
import re
from typing import NamedTuple

from jobd.errors import UsageError
from jobd.limits import (
    BATCH_COMMAND_BYTES_MAX,
    LABEL_CHARS_MAX,
    NB_PROC_LIMIT,
    PRIORITY_LIMIT,
    SCRIPT_BYTES_MAX,
)
from jobd.slurm import directives
from jobd.spool.files import PASSING, BadFile, printable, read

SIZE_MAX = 1 << 20  # of an info file
SECTION = "QMOptions"
ROOT = "PARAMETER"
LOG = "process.log"
_PLAIN = re.compile(r"[A-Za-z0-9_./-]+")
STATUS = "status.json"
KEYS = ("script", "nb_proc", "e_mail", "info", "priority", "size")
_LINE_MAX = BATCH_COMMAND_BYTES_MAX - 16384  # the launcher's other words are paths


class NoInfo(BadFile):
    """There is no info file (yet)."""


class Wanted(NamedTuple):
    """What a folder asks for."""

    file: str  # the name of its info file, or of its script
    script: str  # a line of shell
    nb_proc: int = 1
    e_mail: str = ""
    info: str = ""
    priority: int | None = None
    size: str = ""
    directives: str = ""  # the head of a script with #SBATCH lines; then they say the rest


def wanted_of(folder: str, job_file: str = "") -> Wanted:
    """What a folder asks for.

    Args:
        job_file: the name of the info file; "": the only file that is one.

    Raises:
        NoInfo: nothing in it says so.
        BadFile: what says so makes no sense.
        OSError: it cannot be looked at now.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        if error.errno in PASSING:
            raise
        raise BadFile(f"the folder cannot be read: {error.strerror}") from error
    if job_file:
        if job_file in names:
            return _of_file(folder, job_file)
    else:
        found = [name for name in names if _is_info(folder, name)]
        if len(found) > 1:
            raise BadFile(
                f"{', '.join(map(printable, found[:5]))}: which is the info file? (the setting job_file)"
            )
        if found:
            return _of_file(folder, found[0])
    scripts = [name for name in names if name.endswith(".sh") and not name.startswith(".")]
    if not scripts:  # one that came without a folder is in one of its name
        visible = [name for name in names if not name.startswith(".") and name not in (LOG, STATUS)]
        scripts = [name for name in visible if name == os.path.basename(folder)] or visible[
            : len(visible) == 1
        ]
    heads = [(name, head) for name in scripts if (head := head_of(folder, name))]
    if len(heads) > 1:
        raise BadFile(f"{', '.join(printable(name) for name, _ in heads[:5])}: which is the script?")
    if heads:
        name, head = heads[0]
        return Wanted(name, f"exec ./{quoted(name)}", directives=head)
    looked_for = job_file or f"*.cfg with [{SECTION}], *.xml with <{ROOT}>"
    raise NoInfo(f"there is no info file ({looked_for}), and no single script with #SBATCH lines")


def quoted(word: str) -> str:
    """One word for a shell."""
    if _PLAIN.fullmatch(word):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def head_of(folder: str, name: str) -> str:
    """The lines of a script above its first command, if it has #SBATCH lines; "" if it has none or is no script.

    Raises:
        BadFile: it has some, and cannot be a script.
    """
    path = os.path.join(folder, name)
    if not os.path.isfile(path):
        return ""
    try:
        data = read(path, folder, SCRIPT_BYTES_MAX)
    except BadFile:
        return ""
    if b"#SBATCH" not in data:
        return ""
    text = data.decode("utf-8", "surrogateescape")
    try:
        found = directives.read(text)
    except UsageError as error:
        raise BadFile(f"{printable(name)}: {error}") from error
    if not found:
        return ""
    if not data.startswith(b"#!"):
        raise BadFile(
            f"{printable(name)}: the first line of a script is #! with its interpreter, as #!/bin/sh"
        )
    if b"\0" in data or b"\r\n" in data:
        raise BadFile(f"{printable(name)}: it has zero bytes, or lines that end as in DOS (\\r\\n)")
    for line, words in found:
        if any(word.startswith(("-a", "--ar")) for word in words):
            raise BadFile(f"{printable(name)}, line {line}: a folder is one job, not an array")
    return "".join(f"{line}\n" for line in text.split("\n")[: found[-1].line])


def _is_info(folder: str, name: str) -> bool:
    lower = name.lower()
    if not lower.endswith((".cfg", ".xml")) or name.startswith("."):
        return False
    try:
        head = read(os.path.join(folder, name), folder, SIZE_MAX)
    except BadFile:
        # It bears the name of one: what is wrong with it is said, unless another is the one.
        return lower in ("proc_config.cfg", "infos.xml")
    return (b"[" + SECTION.encode().lower() if lower.endswith(".cfg") else b"<parameter") in head.lower()


def _of_file(folder: str, name: str) -> Wanted:
    data = read(os.path.join(folder, name), folder, SIZE_MAX)
    values = (_of_xml if name.lower().endswith(".xml") else _of_cfg)(printable(name), data)
    where = printable(name)
    script = values.get("script", "")
    if not script:
        raise BadFile(f"{where}: no script in it")
    if "\0" in script or len(os.fsencode(script)) > _LINE_MAX:
        raise BadFile(
            f"{where}: the script is a line of shell, at most {_LINE_MAX} bytes, without zero bytes"
        )
    texts = {key: values.get(key, "") for key in ("e_mail", "info", "size")}
    for key, text in texts.items():
        if len(text) > LABEL_CHARS_MAX or "\0" in text:
            raise BadFile(f"{where}: {key} has at most {LABEL_CHARS_MAX} characters, and no zero byte")
    if not texts["e_mail"].isprintable():
        raise BadFile(f"{where}: e_mail {texts['e_mail'][:60]!r} is no address")
    return Wanted(
        name,
        script,
        _number(where, "nb_proc", values, 1, NB_PROC_LIMIT) or 1,
        priority=_number(where, "priority", values, -PRIORITY_LIMIT, PRIORITY_LIMIT),
        **texts,
    )


def _number(where: str, key: str, values: dict[str, str], low: int, high: int) -> int | None:
    text = values.get(key, "")
    if not text:
        return None
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or not low <= int(text[:15]) <= high:
        raise BadFile(f"{where}: {key} is a whole number from {low} to {high}, not {text[:60]!r}")
    return int(text)


def _text_of(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # of old files; any bytes are some text of it


def _of_cfg(where: str, data: bytes) -> dict[str, str]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(_text_of(data))
    except configparser.Error as error:
        raise BadFile(f"{where}: {' '.join(str(error).split())[:300]}") from error
    for section in parser.sections():
        if section.lower() == SECTION.lower():
            pairs = {key.replace("-", "_"): (value or "").strip() for key, value in parser[section].items()}
            return {key: pairs[key] for key in KEYS if key in pairs}
    raise BadFile(f"{where}: no section [{SECTION}]")


def _of_xml(where: str, data: bytes) -> dict[str, str]:
    from xml.etree.ElementTree import ParseError

    from defusedxml import DefusedXmlException  # type: ignore[import-untyped]
    from defusedxml.ElementTree import fromstring  # type: ignore[import-untyped]

    try:
        root = fromstring(data, forbid_dtd=False)
    except DefusedXmlException as error:
        raise BadFile(
            f"{where}: entities and external parts are not read ({type(error).__name__})"
        ) from error
    except (ParseError, ValueError, LookupError, RecursionError) as error:
        raise BadFile(f"{where}: no xml: {str(error)[:200]}") from error
    found: dict[str, str] = {}
    for element in root.iter():
        key = element.tag.replace("-", "_") if isinstance(element.tag, str) else ""
        value = element.get("value")
        if key in KEYS and value is not None:
            found[key] = value.strip()
    return found
