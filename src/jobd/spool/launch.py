"""The launcher: what the job itself does before its script runs. It moves its folder to the running ones, so that a script never runs in a
folder that waits, and goes on also when no spool runs.

It travels with the job as its script, so an upgrade of jobd changes nothing for jobs that wait. Its folder is already the current one: the
agent entered it by its link. In order:

    1. is it our folder (the mark's token), and still in the queue?          no, and not ours already: nothing is run
    2. write the number of the job into the mark                             dies here: the folder waits, its job is over, and never ran
    3. turn the link to the running ones, rename the folder there            the one step that counts; a name that is taken gets a number
    4. a line in process.log, and the script in the job's place
"""

from jobd.spool.info import quoted

_HEAD = r"""
# Moves the folder of a job of jobctl spool to the running ones, and runs its script there: $1 the script, a line of shell; $2 the folder's token.
"""
_BODY = r"""
line=$1 token=$2
give_up() {
    printf 'jobd: %s\n' "$1" >>process.log
    exit 1
}
turn() {
    ln -sfnT -- "../${running##*/}/${place##*/}" "$links/$token"
}
found=
read -r found <.jobd-spool 2>/dev/null
[ "$found" = "$token" ] || give_up "this folder is not the one of job $JOBD_JOB_ID, or its job is over: move it to $queue to run it"
here=$(pwd -P; printf .)
here=${here%??} # also of a name that ends with a line's end
name=${here##*/}
if [ "$queue/$name" -ef . ]; then
    printf '\njob %s\n' "$JOBD_JOB_ID" >>.jobd-spool || give_up "cannot write into the folder"
    [ -d "$running" ] || mkdir -- "$running" || give_up "cannot make $running"
    place=$running/$name number=1
    while :; do
        if ! [ -e "$place" ] && ! [ -L "$place" ]; then
            turn 2>/dev/null || turn || give_up "cannot turn $links/$token"
            why=$(mv -T -- "$queue/$name" "$place" 2>&1) && break
            [ "$queue/$name" -ef . ] || give_up "the folder was taken away"
            [ "$place" != "$running/$token" ] || give_up "$why"
            [ -e "$place" ] || place=$running/$token # the name is too long for a number behind it
        fi
        [ "$place" = "$running/$token" ] || { number=$((number + 1)) && place=$running/$name.$number; }
    done
else
    [ "$running/$name" -ef . ] || give_up "the folder was taken away"
    place=$running/$name
fi
cd -P -- "$place" || give_up "cannot enter $place"
printf 'Job started by jobd at:  %s\n' "$(date +%Y-%m-%dT%H:%M:%S)" >>process.log
unset queue running links token found here name number why place OLDPWD
exec /bin/sh -c " $line"
"""


def launcher(queue: str, running: str, links: str) -> str:
    """The text of the launcher, to stand below a script's first line.

    Args:
        queue, running, links: absolute paths of the folders.
    """
    return f"{_HEAD}queue={quoted(queue)} running={quoted(running)} links={quoted(links)}{_BODY}"
