"""--yaml, as libyaml's emitter writes it in Slurm 22.05."""

from jobd.cli.yaml_lines import text_of


def test_every_value_has_its_type_and_its_place() -> None:
    document = {
        "meta": {"plugin": {"type": "openapi/v0.0.38"}},
        "errors": [],
        "nodes": [{"os": "Linux 6.1 #1 SMP", "partitions": ["main"], "cpus": 4, "load": 0.0, "reason": "", "up": True}],
    }  # fmt: skip
    assert text_of(document) == (
        "%YAML 1.1\n"
        "--- !!map\n"
        "!!str meta: !!map\n"
        "  !!str plugin: !!map\n"
        "    !!str type: !!str openapi/v0.0.38\n"
        "!!str errors: !!seq []\n"
        "!!str nodes: !!seq\n"
        "- !!map\n"
        "  !!str os: !!str 'Linux 6.1 #1 SMP'\n"
        "  !!str partitions: !!seq\n"
        "  - !!str main\n"
        "  !!str cpus: !!int 4\n"
        "  !!str load: !!float 0.000000\n"
        "  !!str reason: !!null null\n"
        "  !!str up: !!bool true\n"
        "...\n"
    )


def test_what_is_no_plain_text_is_quoted() -> None:
    lines = text_of({"a": "it's: so", "b": "two\nlines", "c": "-", "d": "/dev/null"}).splitlines()
    assert lines[2:-1] == [
        "!!str a: !!str 'it''s: so'",
        '!!str b: !!str "two\\nlines"',
        "!!str c: !!str '-'",
        "!!str d: !!str /dev/null",
    ]
