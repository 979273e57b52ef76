"""sacctmgr, as Slurm's, as far as scripts ask it: show (or list) of clusters, accounts, users, associations, qualities of service and TRES.

There is one cluster and one user; the accounts are those of the configuration and the user's own. What would change anything is refused.
"""

import re
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

from jobd.cli import tres
from jobd.cli.dialect import RELEASE, Said
from jobd.cli.getopt import Option, Table
from jobd.cli.listing import Options, my_name
from jobd.client import Client
from jobd.slurm.fields import Field, Layout
from jobd.wire.batch import AskNode, Node

TABLE = Table(
    (
        Option("help", "h", help="show this and leave"),
        Option("usage", "", help="show this and leave"),
        Option("immediate", "i", help="without asking"),
        Option("noheader", "n", help="without the line of names"),
        Option("oneliner", "o", help="a line for each"),
        Option("parsable", "p", help="with | behind each value"),
        Option("parsable2", "P", help="with | between the values"),
        Option("quiet", "Q", help="say less"),
        Option("readonly", "r", help="change nothing"),
        Option("associations", "s", help="with the associations"),
        Option("verbose", "v", help="say more"),
        Option("version", "V", help="show the version and leave"),
    )
)
USAGE = "Usage: sacctmgr [-n] [-p | -P] [-s] show|list cluster|account|user|association|qos|tres [NAME=VALUE …] [format=FIELDS]"

# What Slurm's keywords for changes are; a beginning is enough.
CHANGES = (
    "add",
    "archive",
    "clear",
    "create",
    "delete",
    "load",
    "modify",
    "reconfigure",
    "remove",
    "shutdown",
    "update",
)
SHOWING = ("show", "list")
NO_ENTITY = (
    "No valid entity in list command",
    'Input line must include "Account", "Association", "Cluster", "Configuration",',
    '"Event", "Federation", "Problem", "QOS", "Resource", "Reservation",',
    '"RunAwayJobs", "Stats", "Transaction", "TRES", "User", or "WCKey"',
)
QOS_USUAL = "normal"

Line = dict[str, str]


class Entity(NamedTuple):
    """What can be shown."""

    columns: str  # of the list without format=
    lines: Callable[[Node], list[Line]]
    name: str  # what a word without `=` names
    conditions: dict[str, str]  # beginning of a condition → the column that it is about


# key:title:width; the key is the whole name that format= takes, or the beginning of
_TABLE = """
cluster:Cluster:10 controlhost:ControlHost:15 controlport:ControlPort:12 rpc:RPC:5 fairshare:Share:9 share:Share:9 grpjobs:GrpJobs:7
grptres:GrpTRES:13 grpsubmitjobs:GrpSubmit:9 maxjobs:MaxJobs:7 maxtresperjob:MaxTRES:13 maxsubmitjobs:MaxSubmit:9
maxwalldurationperjob:MaxWall:11 qos:QOS:20 defaultqos:Def_QOS:9 account:Account:10 description:Descr:20 organization:Org:20 user:User:10
defaultaccount:Def_Acct:10 adminlevel:Admin:9 partition:Partition:10 priority:Priority:10 grpwall:GrpWall:11 grptresmins:GrpTRESMins:13
maxtrespernode:MaxTRESPerNode:14 maxtresminsperjob:MaxTRESMins:13 grptresrunmins:GrpTRESRunMins:13 name:Name:10 gracetime:GraceTime:10
preempt:Preempt:10 preemptexempttime:PreemptExemptTime:19 preemptmode:PreemptMode:11 flags:Flags:40 usagethreshold:UsageThres:10
usagefactor:UsageFactor:11 maxtresperuser:MaxTRESPU:13 maxjobsperuser:MaxJobsPU:9 maxsubmitjobsperuser:MaxSubmitPU:11
maxtresperaccount:MaxTRESPA:13 maxjobsperaccount:MaxJobsPA:9 maxsubmitjobsperaccount:MaxSubmitPA:11 mintresperjob:MinTRES:13 type:Type:8
id:ID:6 coordinators:Coord_Accounts:20 defaultwckey:Def_WCKey:10 parentname:Par_Name:10 parentid:Par_ID:6 classification:Class:9
clusternodes:Cluster_Nodes:20 tres:TRES:20 nodecount:NodeCount:9
"""
_COLUMNS: dict[str, tuple[str, int]] = {
    key: (title.replace("_", " "), int(width))
    for key, title, width in re.findall(r"(\w+):(\w+):(\d+)", _TABLE)
}

_LIMITS = "grpjobs,grptres,grpsubmitjobs,maxjobs,maxtresperjob,maxsubmitjobs,maxwalldurationperjob"
_ASSOCIATION = (
    "cluster,account,user,partition,share,priority,grpjobs,grptres,grpsubmitjobs,grpwall,grptresmins,maxjobs,maxtresperjob,"
    "maxtrespernode,maxsubmitjobs,maxwalldurationperjob,maxtresminsperjob,qos,defaultqos,grptresrunmins"
)


def main(argv: Sequence[str]) -> int:
    """Do it; the exit code."""
    options = Options(TABLE, argv)
    words = options.words
    if options.has("version") or words[:1] == ["version"]:
        print(RELEASE)
        return 0
    if options.has("help", "usage") or words[:1] == ["help"]:
        from jobd.cli.slurm_help import text_of

        print(text_of("sacctmgr"), end="")
        return 0
    if not words or words[0] in ("exit", "quit"):
        return 0
    keyword = words[0].lower()
    if any(change.startswith(keyword) for change in CHANGES) and len(keyword) >= 2:
        raise Said(
            f"sacctmgr: error: {words[0]}: accounts and limits are set in jobd's configuration (jobctl config)"
        )
    if not any(verb.startswith(keyword) for verb in SHOWING):
        raise Said(f"invalid keyword: {words[0]}")
    _show(options, words[1:], argv)
    return 0


def _show(options: Options, words: list[str], argv: Sequence[str]) -> None:
    entity = _entity(words[0] if words else "")
    is_with_associations = options.has("associations")
    conditions: list[tuple[str, set[str]]] = []
    columns = ""
    for word in words[1:]:
        name, sign, value = word.partition("=")
        lower = name.lower()
        if not sign and lower in (
            "where",
            "tree",
            "wopinfo",
            "woplimits",
            "wolimits",
            "withdeleted",
            "withcoordinators",
            "withrawqos",
        ):
            continue
        if not sign and lower == "withassoc":
            is_with_associations = True
        elif sign and lower and "format".startswith(lower):
            columns = value
            if not value:
                raise Said("Unknown field ''")
        else:
            conditions.append(_condition(entity, name if sign else "", value if sign else word, word))
    node: Node = Client().request(AskNode())
    lines = _with_associations(entity, node) if is_with_associations else entity.lines(node)
    chosen = entity.columns
    if is_with_associations and entity.name in ("user", "account"):
        chosen += "," + ",".join(key for key in _ASSOCIATION.split(",") if key not in chosen.split(","))
    keys, layout = _layout(columns or chosen, options, argv)
    if not options.has("noheader"):
        sys.stdout.write(layout.header())
    for line in lines:
        if all(line.get(key, "").lower() in values for key, values in conditions):
            sys.stdout.write(layout.line([line.get(key, "") for key in keys]))


def _entity(word: str) -> Entity:
    lower = word.lower()
    for name, entity in _ENTITIES.items():
        if lower and (name.startswith(lower) or f"{name}s" == lower):
            return entity
    raise Said(*NO_ENTITY)


def _condition(entity: Entity, name: str, value: str, word: str) -> tuple[str, set[str]]:
    values = {one.lower() for one in value.split(",")}
    if not name:
        return entity.name, values
    for beginning, key in entity.conditions.items():
        if beginning.startswith(name.lower()) or name.lower() == f"{beginning}s":
            return key, values
    raise Said(f" Unknown condition: {word}")


def _layout(text: str, options: Options, argv: Sequence[str]) -> tuple[list[str], Layout]:
    """The columns' keys, and how they are laid out."""
    keys, fields = [], []
    for part in text.split(","):
        word, _, width = part.partition("%")
        lower = word.strip().lower()
        if not lower:
            continue
        key = next(
            (
                key
                for key in (_ALIASES.get(lower, ""), *_COLUMNS)
                if key and key.startswith(_ALIASES.get(lower, lower))
            ),
            None,
        )
        if key is None:
            raise Said(f"Unknown field '{word}'")
        title, usual = _COLUMNS[key]
        digits = width.lstrip("-")
        keys.append(key)
        size = int(digits) if digits.isdigit() and digits.isascii() else usual
        fields.append(Field(title, size, width.startswith("-")))
    given = TABLE.parse(argv, is_mixed=True).given
    ways = [one.option.name for one in given if one.option.name in ("parsable", "parsable2")]
    return keys, Layout(fields, "|", ways[-1] == "parsable") if ways else Layout(fields)


# ---- what there is
def _qos_names(node: Node) -> list[str]:
    return sorted({QOS_USUAL, *node.qos})


def _limitless(node: Node) -> Line:
    return {"cluster": node.cluster, "fairshare": "1", "share": "1", "qos": ",".join(_qos_names(node))}


def _clusters(node: Node) -> list[Line]:
    here: Line = {
        "controlhost": "127.0.0.1",
        "controlport": "0",
        "rpc": "9728",
        "clusternodes": node.name,
        "nodecount": "1",
    }
    return [{**_limitless(node), **here, "tres": tres.node_tres(node, is_used=False, is_with_node=True)}]


def _account_names(node: Node) -> list[str]:
    """The user's own account, and those of the configuration."""
    return sorted({my_name(), *node.accounts})


def _accounts(node: Node) -> list[Line]:
    own = my_name()
    return [
        {
            "account": name,
            "description": "default root account" if name == "root" else name,
            "organization": "root" if name in ("root", own) and own == "root" else name,
        }
        for name in _account_names(node)
    ]


def _users(node: Node) -> list[Line]:
    return [{"user": my_name(), "defaultaccount": my_name(), "adminlevel": "Administrator"}]


def _associations(node: Node) -> list[Line]:
    lines = []
    for name in _account_names(node):
        lines += [{**_limitless(node), "account": name, "user": user} for user in ("", my_name())]
    return [{**line, "id": str(number), "parentname": ""} for number, line in enumerate(lines, 1)]


def _with_associations(entity: Entity, node: Node) -> list[Line]:
    """Users or accounts, a line for each of their associations."""
    associations = _associations(node)
    if entity.name == "user":
        return [
            {**user, **one} for user in _users(node) for one in associations if one["user"] == user["user"]
        ]
    if entity.name == "account":
        return [
            {**line, **one}
            for line in _accounts(node)
            for one in associations
            if one["account"] == line["account"]
        ]
    return entity.lines(node)


def _qos(node: Node) -> list[Line]:
    usual: Line = {
        "priority": "0",
        "gracetime": "00:00:00",
        "preemptmode": "cluster",
        "usagefactor": "1.000000",
    }
    return [
        {
            "name": name,
            **usual,
            "description": f"{name.capitalize()} QOS default" if name == QOS_USUAL else name,
            "id": str(number),
        }
        for number, name in enumerate(_qos_names(node), 1)
    ]


def _tres(_: Node) -> list[Line]:
    names = (
        ("cpu", ""),
        ("mem", ""),
        ("energy", ""),
        ("node", ""),
        ("billing", ""),
        ("fs", "disk"),
        ("vmem", ""),
        ("pages", ""),
    )
    return [
        {"type": kind, "tresname": name, "id": str(number)} for number, (kind, name) in enumerate(names, 1)
    ]


def _nothing(_: Node) -> list[Line]:
    return []


_COLUMNS["tresname"] = ("Name", 15)
_ALIASES = {
    "acct": "account",
    "desc": "description",
    "org": "organization",
    "admin": "adminlevel",
    "names": "name",
    "maxwall": "maxwalldurationperjob",
    "maxtres": "maxtresperjob",
    "maxsubmit": "maxsubmitjobs",
    "grpsubmit": "grpsubmitjobs",
    "maxjobspu": "maxjobsperuser",
    "maxtrespu": "maxtresperuser",
    "maxsubmitpu": "maxsubmitjobsperuser",
    "defacct": "defaultaccount",
    "def": "defaultaccount",
}
_BY_ASSOCIATION = {
    "account": "account",
    "acct": "account",
    "cluster": "cluster",
    "user": "user",
    "partition": "partition",
    "qoslevel": "qos",
    "id": "id",
    "parent": "parentname",
}
_ENTITIES: dict[str, Entity] = {
    "account": Entity(
        "account,description,organization", _accounts, "account", {"name": "account", **_BY_ASSOCIATION}
    ),
    "association": Entity(_ASSOCIATION, _associations, "account", _BY_ASSOCIATION),
    "cluster": Entity(
        f"cluster,controlhost,controlport,rpc,fairshare,{_LIMITS},qos,defaultqos",
        _clusters,
        "cluster",
        {"name": "cluster", "cluster": "cluster"},
    ),
    "qos": Entity(
        "name,priority,gracetime,preempt,preemptexempttime,preemptmode,flags,usagethreshold,usagefactor,grptres,grptresmins,grptresrunmins,"
        "grpjobs,grpsubmitjobs,grpwall,maxtresperjob,maxtrespernode,maxtresminsperjob,maxwalldurationperjob,maxtresperuser,maxjobsperuser,"
        "maxsubmitjobsperuser,maxtresperaccount,maxjobsperaccount,maxsubmitjobsperaccount,mintresperjob",
        _qos,
        "name",
        {"name": "name", "id": "id"},
    ),
    "tres": Entity("type,tresname,id", _tres, "type", {"type": "type", "name": "tresname", "id": "id"}),
    "user": Entity(
        "user,defaultaccount,adminlevel",
        _users,
        "user",
        {"name": "user", "defaultaccount": "defaultaccount", **_BY_ASSOCIATION},
    ),
    "wckey": Entity(
        "wckeyname,cluster,user",
        _nothing,
        "wckeyname",
        {"name": "wckeyname", "cluster": "cluster", "user": "user"},
    ),
}
_COLUMNS["wckeyname"] = ("WCKey", 10)
