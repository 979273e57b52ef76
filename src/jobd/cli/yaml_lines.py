"""A JSON document as --yaml of Slurm 22.05 writes it: every value with its type, as libyaml's emitter lays it out. Pure.

Where the JSON document has a text of no length, the other one has null.
"""

import re
from typing import Any

WIDTH = 80  # after which a text is folded at its next blank

_ODD = re.compile(r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]")
_NOT_PLAIN = re.compile(r"^[-?:](\s|$)|^[,\[\]{}#&*!|>'\"%@`]|^---|^\.\.\.|^ | $|: | #|:$")
_ESCAPES = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\", "\r": "\\r", "\0": "\\0", "\x1b": "\\e"}


def text_of(document: dict[str, Any]) -> str:
    """The whole of it."""
    return "\n".join(["%YAML 1.1", "--- !!map", *_mapping(document, 0), "...", ""])


def _mapping(values: dict[str, Any], indent: int) -> list[str]:
    lines: list[str] = []
    for name, value in values.items():
        lines += _value(f"{' ' * indent}!!str {name}: ", value, indent)
    return lines


def _value(head: str, value: Any, indent: int) -> list[str]:
    if isinstance(value, dict):
        return [f"{head}!!map", *_mapping(value, indent + 2)] if value else [f"{head}!!map {{}}"]
    if isinstance(value, list | tuple):
        if not value:
            return [f"{head}!!seq []"]
        lines = [f"{head}!!seq"]
        for one in value:
            lines += _value(f"{' ' * indent}- ", one, indent)
        return lines
    return _scalar(head, value, indent + 2)


def _scalar(head: str, value: Any, indent: int) -> list[str]:
    if value is None or value == "":
        return [f"{head}!!null null"]
    if isinstance(value, bool):
        return [f"{head}!!bool {'true' if value else 'false'}"]
    if isinstance(value, int):
        return [f"{head}!!int {value}"]
    if isinstance(value, float):
        return [f"{head}!!float {value:.6f}"]
    return _folded(f"{head}!!str ", _quoted(str(value)), indent)


def _quoted(text: str) -> str:
    if _ODD.search(text):
        return '"' + "".join(_escaped(char) for char in text) + '"'
    if _NOT_PLAIN.search(text):
        return "'" + text.replace("'", "''") + "'"
    return text


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    if not _ODD.search(char):
        return char
    code = ord(char)
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"


def _folded(head: str, text: str, indent: int) -> list[str]:
    """In lines, where it is long. What is between double quotes is left as it is."""
    if text.startswith('"'):
        return [head + text]
    lines = [head]
    for at, char in enumerate(text):
        is_alone = text[at - 1 : at] != " " and text[at + 1 : at + 2] not in ("", " ")
        if char == " " and is_alone and len(lines[-1]) > WIDTH:
            lines.append(" " * indent)
            continue
        lines[-1] += char
    return lines
