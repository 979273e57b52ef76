"""The configuration: defaults, what is accepted, and what is named when it is refused."""

from pathlib import Path

import pytest

from jobd.errors import ConfigError
from jobd.settings import SETTINGS, Config, from_table, load, toml_of
from jobd.states import OnKill


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    config = load(str(tmp_path / "none.toml"))
    assert config == from_table({})
    assert (config.on_kill, config.kill_grace_s, config.bypass_max, config.bypass_s) == (
        OnKill.TREE,
        5.0,
        16,
        60.0,
    )
    assert config.autostart is True


def test_every_setting_has_its_field_and_its_meaning() -> None:
    assert tuple(SETTINGS) == Config._fields
    assert all(setting.meaning for setting in SETTINGS.values())


def test_a_file_changes_what_it_names(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('on_kill = "below"\nkill_grace_s = 1\nautostart = false\nthread_variables = ["A"]\n')
    config = load(str(path))
    assert (config.on_kill, config.kill_grace_s, config.autostart) == (OnKill.BELOW, 1, False)
    assert config.thread_variables == ["A"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kil_grace_s = 1", "no setting 'kil_grace_s'"),
        ("kill_grace_s = -1", "kill_grace_s is from 0.0 to 3600.0, not -1"),
        ("kill_grace_s = nan", "kill_grace_s is from"),
        ('kill_grace_s = "5"', "kill_grace_s is a number"),
        ("kill_grace_s = true", "kill_grace_s is a number"),
        ("bypass_max = 1.5", "bypass_max is a number"),
        ("bypass_max = 257", "bypass_max is from 0 to 256"),
        ('on_kill = "all"', "on_kill is one of tree, below, not 'all'"),
        ("on_kill = 3", "on_kill is one of"),
        ("autostart = 1", "autostart is true or false"),
        ("thread_variables = [1]", "thread_variables is a list of names"),
        ('thread_variables = "A"', "thread_variables is a list of names"),
        ("on_kill = ", "no TOML"),
        ('memory = "24"', "memory is a size with its unit"),
        ('memory = "0G"', "memory is more than nothing"),
        ('memory = "99999999P"', "beyond any machine"),
        ("memory = 24", "memory is a text"),
        ("gpus = -2", "gpus is from -1 to 4096"),
        ("gpus = true", "gpus is a number"),
        ("gres = 3", "gres is a table"),
        ("gres = { fpga = -1 }", "fpga is a count"),
        ("gres = { fpga = true }", "fpga is a count"),
        ("gres = { 'a b' = 1 }", "'a b' is no name"),
        ("gres = { gpu = 2 }", "gpu is counted by the setting gpus"),
        ("gres = { a = 1 }\nlicenses = { a = 1 }", "'a' is both a gres and a license"),
        ("array_max = 0", "array_max is from 1"),
        ("partitions = []", "partitions needs at least one name"),
        ("partitions = ['a,b']", "'a,b' is no name"),
        ("qos = []", "qos needs at least one name"),
        ("accounts = ['']", "accounts is a list of names"),
        ('cluster = ""', "cluster: '' is no name"),
        ("min_job_age_s = -1", "min_job_age_s is from 0.0 to 86400.0"),
        (f"accounts = {['a'] * 1001}", "accounts has 1001 names"),
        ("\udcff", "no TOML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConfigError, match=words) as caught:
        load(str(path))
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load(str(tmp_path))


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("24G", 24 << 30), ("512m", 512 << 20), ("1.5TiB", 3 << 39), ("7KB", 7 << 10)],
)
def test_memory_is_a_size_with_its_unit(text: str, count: int) -> None:
    assert from_table({"memory": text}).memory_bytes == count


def test_gres_and_licenses_are_counted_alike_by_name() -> None:
    config = from_table({"gres": {"fpga": 2, "bandwidth:lustre": 400}, "licenses": {"matlab": 3}})
    assert config.counted == (("bandwidth:lustre", 400), ("fpga", 2), ("matlab", 3))
    assert from_table({}).counted == ()


def test_values_are_written_as_they_are_read(tmp_path: Path) -> None:
    table = {
        "gres": {"a": 1, "b:c": 2},
        "licenses": {},
        "memory": "24G",
        "on_kill": "below",
        "requeue": False,
        "accounts": ["caf", "x.y"],
        "kill_grace_s": 2.5,
    }
    config = from_table(table)
    path = tmp_path / "config.toml"
    path.write_text("".join(f"{key} = {toml_of(getattr(config, key))}\n" for key in SETTINGS))
    assert load(str(path)) == config
