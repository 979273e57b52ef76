"""Sacct's fields: their names and widths, `-o` lists ⇄ fields, and lines of values. Pure text; what a field's value is, the caller says.

Source: sacct(1), --format, --helpformat, --parsable; widths as Slurm 22.05's sacct has them. A width is cut with `+`, a negative one is
justified to the left, and a name may be written in any case and as short as its beginning.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from jobd.errors import UsageError

WIDTH_MAX = 4096  # wider than any line that somebody reads; a longer one is a typing error

DEFAULT = "jobid,jobname,partition,account,alloccpus,state,exitcode"
BRIEF = "jobid,state,exitcode"
LONG = (
    "jobid,jobidraw,jobname,partition,maxvmsize,maxvmsizenode,maxvmsizetask,avevmsize,maxrss,maxrssnode,maxrsstask,averss,maxpages,"
    "maxpagesnode,maxpagestask,avepages,mincpu,mincpunode,mincputask,avecpu,ntasks,alloccpus,elapsed,state,exitcode,avecpufreq,"
    "reqcpufreqmin,reqcpufreqmax,reqcpufreqgov,reqmem,consumedenergy,maxdiskread,maxdiskreadnode,maxdiskreadtask,avediskread,"
    "maxdiskwrite,maxdiskwritenode,maxdiskwritetask,avediskwrite,reqtres,alloctres,tresusageinave,tresusageinmax,tresusageinmaxn,"
    "tresusageinmaxt,tresusageinmin,tresusageinminn,tresusageinmint,tresusageintot,tresusageoutmax,tresusageoutmaxn,tresusageoutmaxt,"
    "tresusageoutave,tresusageouttot"
)

_TABLE = """
Account 10 AdminComment 15 AllocCPUS 10 AllocNodes 10 AllocTRES 10 AssocID 7 AveCPU 10 AveCPUFreq 10 AveDiskRead 14 AveDiskWrite 14
AvePages 10 AveRSS 10 AveVMSize 10 BlockID 16 Cluster 10 Comment 14 Constraints 19 ConsumedEnergy 14 ConsumedEnergyRaw 17 Container 19
CPUTime 10 CPUTimeRAW 10 DBIndex -10 DerivedExitCode 15 Elapsed 10 ElapsedRaw 10 Eligible 19 End 19 ExitCode 8 Flags 19 GID 6 Group 9
JobID -12 JobIDRaw -12 JobName 10 Layout 9 MaxDiskRead 12 MaxDiskReadNode 15 MaxDiskReadTask 15 MaxDiskWrite 12 MaxDiskWriteNode 16
MaxDiskWriteTask 16 MaxPages 8 MaxPagesNode 12 MaxPagesTask 14 MaxRSS 10 MaxRSSNode 10 MaxRSSTask 10 MaxVMSize 10 MaxVMSizeNode 14
MaxVMSizeTask 14 McsLabel 12 MinCPU 10 MinCPUNode 10 MinCPUTask 10 NCPUS 10 NNodes 8 NodeList 15 NTasks 8 Partition 10 Priority 10 QOS 10
QOSRAW 6 Reason 22 ReqCPUFreq 10 ReqCPUFreqGov 13 ReqCPUFreqMax 13 ReqCPUFreqMin 13 ReqCPUS 8 ReqMem 10 ReqNodes 8 ReqTRES 10
Reservation 20 ReservationId 8 Reserved 10 ResvCPU 10 ResvCPURAW 10 Start 19 State 10 Submit 19 SubmitLine 20 Suspended 10
SystemComment 15 SystemCPU 10 Timelimit 10 TimelimitRaw 10 TotalCPU 10 TRESUsageInAve 14 TRESUsageInMax 14 TRESUsageInMaxNode 18
TRESUsageInMaxTask 18 TRESUsageInMin 14 TRESUsageInMinNode 18 TRESUsageInMinTask 18 TRESUsageInTot 14 TRESUsageOutAve 15
TRESUsageOutMax 15 TRESUsageOutMaxNode 19 TRESUsageOutMaxTask 19 TRESUsageOutMin 15 TRESUsageOutMinNode 19 TRESUsageOutMinTask 19
TRESUsageOutTot 15 UID 6 User 9 UserCPU 10 WCKey 10 WCKeyID 10 WorkDir 20
"""

WIDTHS: dict[str, int] = {name: int(width) for name, width in re.findall(r"(\w+) (-?\d+)", _TABLE)}
_LOWER = [(name.lower(), name) for name in WIDTHS]

_PART = re.compile(r"([A-Za-z]+)(?:%(-?)(\d*))?")
_HELP_COLUMNS = 4


class Field(NamedTuple):
    """One column."""

    name: str  # as in WIDTHS
    width: int
    is_left: bool

    def laid_out(self, value: str) -> str:
        """The value, padded to the width, cut with a `+`."""
        if self.width == 0:
            return ""
        if len(value) > self.width:
            value = value[: self.width - 1] + "+"
        return value.ljust(self.width) if self.is_left else value.rjust(self.width)


def parse(text: str) -> list[Field]:
    """The fields of a comma list; `all` is all of them.

    Raises:
        UsageError: a name that is none, or a width beyond all reason.
    """
    fields: list[Field] = []
    for part in text.split(","):
        word = part.strip()
        if not word:
            continue
        if word.lower() == "all":
            fields += [_field(name, "", "") for name in WIDTHS]
            continue
        found = _PART.fullmatch(word)
        name = None if found is None else _named(found[1].lower())
        if found is None or name is None:
            raise UsageError(f'Invalid field requested: "{word[:60]}"')
        fields.append(_field(name, found[2] or "", found[3] or ""))
    if not fields:
        raise UsageError(f"Invalid field requested: {text[:60]!r}")
    return fields


def _named(lower: str) -> str | None:
    return next((name for known, name in _LOWER if known.startswith(lower)), None)


def _field(name: str, minus: str, digits: str) -> Field:
    usual = WIDTHS[name]
    if not digits:
        return Field(name, abs(usual), usual < 0)
    if len(digits) > len(str(WIDTH_MAX)) or not 0 < int(digits) <= WIDTH_MAX:
        raise UsageError(f"width {digits[:20]} of {name}: from 1 to {WIDTH_MAX}")
    return Field(name, int(digits), bool(minus))


def parse_exactly(text: str, widths: Mapping[str, int] = WIDTHS, everything: str = "all") -> list[Field]:
    """The fields of a comma list as Slurm reads it: no field at all is fine, and a width that is no number is 0.

    Args:
        widths: of the fields that there are, in their order.
        everything: the word for all of them, of which a beginning is enough; "" for none.

    Raises:
        UsageError: a name that is none.
    """
    fields: list[Field] = []
    for part in filter(None, text.split(",")):
        word, sign, width = part.lstrip().partition("%")
        lower = word.lower()
        if everything.startswith(lower) and everything:
            fields += [Field(name, abs(usual), usual < 0) for name, usual in widths.items()]
            continue
        name = next((name for name in widths if name.lower().startswith(lower)), None)
        if name is None:
            raise UsageError(f'Invalid field requested: "{word}"')
        if not sign:
            fields.append(Field(name, abs(widths[name]), widths[name] < 0))
            continue
        found = re.match(r"-?0*(\d{0,6})", width, re.ASCII)
        assert found is not None
        fields.append(Field(name, int(found[1] or 0), width.startswith("-")))
    return fields


def help_text(names: Sequence[str] = tuple(WIDTHS)) -> str:
    """--helpformat: all names, four a line."""
    names = [f"{name:<19}" for name in names]
    rows = [names[index : index + _HELP_COLUMNS] for index in range(0, len(names), _HELP_COLUMNS)]
    return "".join(" ".join(row) + "\n" for row in rows)


class Layout(NamedTuple):
    """How the lines of a list are written."""

    fields: Sequence[Field]
    delimiter: str | None = None  # None for columns of fixed width
    is_ended: bool = False  # the delimiter stands behind the last value too

    def header(self) -> str:
        """The names, and below them dashes where columns are of fixed width."""
        if self.delimiter is not None:
            return self._joined([field.name for field in self.fields])
        names = [
            f"{field.name[: field.width]:{'<' if field.is_left else '>'}{field.width}} "
            for field in self.fields
        ]
        dashes = ["-" * field.width + " " for field in self.fields]
        return "".join(names) + "\n" + "".join(dashes) + "\n"

    def line(self, values: Sequence[str]) -> str:
        """The line of one job or step."""
        if self.delimiter is not None:
            return self._joined(values)
        cells = [field.laid_out(value) + " " for field, value in zip(self.fields, values, strict=True)]
        return "".join(cells) + "\n"

    def _joined(self, values: Sequence[str]) -> str:
        between = self.delimiter or ""
        return between.join(values) + (between if self.is_ended else "") + "\n"
