"""sacctmgr: what scripts ask it, of a fresh cluster."""

from conformance.harness import Row, Scene

SCENES = [
    Scene(
        "sacctmgr",
        setup="""
            true
        """,
        rows=[
            Row("the cluster", "sacctmgr -nP show cluster format=cluster", "mini\n"),
            Row(
                "the cluster, by name",
                "sacctmgr -n list cluster mini format=cluster%20",
                "                mini \n",
            ),
            Row(
                "the header of clusters",
                "sacctmgr show cluster where cluster=nosuch",
                (
                    "   Cluster     ControlHost  ControlPort   RPC     Share GrpJobs       GrpTRES GrpSubmit MaxJobs       MaxTRES MaxSubmit     MaxWall                  QOS   Def QOS \n"
                    "---------- --------------- ------------ ----- --------- ------- ------------- --------- ------- ------------- --------- ----------- -------------------- --------- \n"
                ),
            ),
            Row("clusters", "sacctmgr -nP list clusters format=cluster,rpc,qos", "mini|9728|normal\n"),
            Row(
                "accounts",
                "sacctmgr show account",
                (
                    "   Account                Descr                  Org \n"
                    "---------- -------------------- -------------------- \n"
                    " <user> default <user> account <user> \n"
                ),
            ),
            Row(
                "accounts, bars",
                "sacctmgr -p show acc",
                ("Account|Descr|Org|\n<user>|default <user> account|<user>|\n"),
            ),
            Row("an account", "sacctmgr -nP show account $USER format=account,org", "<user>|<user>\n"),
            Row("no such account", "sacctmgr -nP show account nosuch"),
            Row(
                "accounts with users",
                "sacctmgr -nP show account withassoc format=account,user",
                ("<user>|\n<user>|<user>\n"),
            ),
            Row(
                "users",
                "sacctmgr show user",
                (
                    "      User   Def Acct     Admin \n"
                    "---------- ---------- --------- \n"
                    " <user> <user> Administ+ \n"
                ),
            ),
            Row(
                "users, bars",
                "sacctmgr -P show users",
                ("User|Def Acct|Admin\n<user>|<user>|Administrator\n"),
            ),
            Row("a user", "sacctmgr -nP show user name=$USER format=user,account", "<user>|\n"),
            Row(
                "a user's accounts",
                "sacctmgr -nP show user $USER withassoc format=user,account,qos,defaultaccount",
                "<user>|<user>|normal|<user>\n",
            ),
            Row(
                "a user's accounts, -s",
                "sacctmgr -s -nP list user where user=$USER format=user,account",
                "<user>|<user>\n",
            ),
            Row("no such user", "sacctmgr -nP show user nosuch"),
            Row(
                "associations",
                "sacctmgr show assoc",
                (
                    "   Cluster    Account       User  Partition     Share   Priority GrpJobs       GrpTRES GrpSubmit     GrpWall   GrpTRESMins MaxJobs       MaxTRES MaxTRESPerNode MaxSubmit     MaxWall   MaxTRESMins                  QOS   Def QOS GrpTRESRunMin \n"
                    "---------- ---------- ---------- ---------- --------- ---------- ------- ------------- --------- ----------- ------------- ------- ------------- -------------- --------- ----------- ------------- -------------------- --------- ------------- \n"
                    "      mini <user> 1                                                                                                                                                             normal                         \n"
                    "      mini <user> <user> 1                                                                                                                                                             normal                         \n"
                ),
            ),
            Row(
                "associations, bars",
                "sacctmgr -P show associations",
                (
                    "Cluster|Account|User|Partition|Share|Priority|GrpJobs|GrpTRES|GrpSubmit|GrpWall|GrpTRESMins|MaxJobs|MaxTRES|MaxTRESPerNode|MaxSubmit|MaxWall|MaxTRESMins|QOS|Def QOS|GrpTRESRunMins\n"
                    "mini|<user>|||1|||||||||||||normal||\n"
                    "mini|<user>|<user>||1|||||||||||||normal||\n"
                ),
            ),
            Row(
                "a user's associations",
                "sacctmgr -nP show assoc where user=$USER format=account,qos",
                "<user>|normal\n",
            ),
            Row(
                "a user's associations, without where",
                "sacctmgr -nP list association user=$USER format=account,partition,qos",
                "<user>||normal\n",
            ),
            Row(
                "by account and cluster",
                "sacctmgr -nP show assoc account=$USER cluster=mini format=cluster,account,user",
                ("mini|<user>|\nmini|<user>|<user>\n"),
            ),
            Row("no such cluster", "sacctmgr -nP show assoc cluster=nosuch"),
            Row(
                "widths",
                "sacctmgr show assoc format=account%30,user%-10,qos",
                (
                    "                       Account User                        QOS \n"
                    "------------------------------ ---------- -------------------- \n"
                    " <user> normal \n"
                    " <user> <user> normal \n"
                ),
            ),
            Row(
                "qualities of service",
                "sacctmgr show qos",
                (
                    "      Name   Priority  GraceTime    Preempt   PreemptExemptTime PreemptMode                                    Flags UsageThres UsageFactor       GrpTRES   GrpTRESMins GrpTRESRunMin GrpJobs GrpSubmit     GrpWall       MaxTRES MaxTRESPerNode   MaxTRESMins     MaxWall     MaxTRESPU MaxJobsPU MaxSubmitPU     MaxTRESPA MaxJobsPA MaxSubmitPA       MinTRES \n"
                    "---------- ---------- ---------- ---------- ------------------- ----------- ---------------------------------------- ---------- ----------- ------------- ------------- ------------- ------- --------- ----------- ------------- -------------- ------------- ----------- ------------- --------- ----------- ------------- --------- ----------- ------------- \n"
                    "    normal          0 <span>                                    cluster                                                        1.000000                                                                                                                                                                                                                      \n"
                ),
            ),
            Row(
                "qualities of service, bars",
                "sacctmgr -P show qos",
                (
                    "Name|Priority|GraceTime|Preempt|PreemptExemptTime|PreemptMode|Flags|UsageThres|UsageFactor|GrpTRES|GrpTRESMins|GrpTRESRunMins|GrpJobs|GrpSubmit|GrpWall|MaxTRES|MaxTRESPerNode|MaxTRESMins|MaxWall|MaxTRESPU|MaxJobsPU|MaxSubmitPU|MaxTRESPA|MaxJobsPA|MaxSubmitPA|MinTRES\n"
                    "normal|0|<span>|||cluster|||1.000000|||||||||||||||||\n"
                ),
            ),
            Row("the names of qos", "sacctmgr -nP show qos format=name", "normal\n"),
            Row(
                "fields of qos",
                "sacctmgr -nP show qos normal format=name,priority,maxwall,maxtresperuser",
                "normal|0||\n",
            ),
            Row("no such qos", "sacctmgr -nP show qos nosuch format=name"),
            Row(
                "TRES",
                "sacctmgr show tres",
                (
                    "    Type            Name     ID \n"
                    "-------- --------------- ------ \n"
                    "     cpu                      1 \n"
                    "     mem                      2 \n"
                    "  energy                      3 \n"
                    "    node                      4 \n"
                    " billing                      5 \n"
                    "      fs            disk      6 \n"
                    "    vmem                      7 \n"
                    "   pages                      8 \n"
                ),
            ),
            Row(
                "wckeys",
                "sacctmgr show wckey",
                ("     WCKey    Cluster       User \n---------- ---------- ---------- \n"),
            ),
            Row("the header after the words", "sacctmgr show cluster mini format=cluster -nP", "mini\n"),
            Row(
                "a field that is none",
                "sacctmgr show assoc format=account,bogus",
                err="Unknown field 'bogus'\n",
                code=1,
            ),
            Row(
                "a condition that is none",
                "sacctmgr show assoc where bogus=1",
                err=" Unknown condition: bogus=1\n",
                code=1,
            ),
            Row(
                "an entity that is none",
                "sacctmgr show bogus",
                err=(
                    "No valid entity in list command\n"
                    'Input line must include "Account", "Association", "Cluster", "Configuration",\n'
                    '"Event", "Federation", "Problem", "QOS", "Resource", "Reservation",\n'
                    '"RunAwayJobs", "Stats", "Transaction", "TRES", "User", or "WCKey"\n'
                ),
                code=1,
            ),
            Row(
                "no entity",
                "sacctmgr list",
                err=(
                    "No valid entity in list command\n"
                    'Input line must include "Account", "Association", "Cluster", "Configuration",\n'
                    '"Event", "Federation", "Problem", "QOS", "Resource", "Reservation",\n'
                    '"RunAwayJobs", "Stats", "Transaction", "TRES", "User", or "WCKey"\n'
                ),
                code=1,
            ),
            Row("a keyword that is none", "sacctmgr bogus", err="invalid keyword: bogus\n", code=1),
            Row("the version", "sacctmgr -V; sacctmgr version", ("slurm-wlm 22.05.8\nslurm-wlm 22.05.8\n")),
            Row(
                "an option that is none",
                "sacctmgr --nosuch",
                err=(
                    "sacctmgr: unrecognized option '--nosuch'\nTry \"sacctmgr --help\" for more information\n"
                ),
                code=1,
            ),
            Row(
                "a letter that is none",
                "sacctmgr -Z",
                err=("sacctmgr: invalid option -- 'Z'\nTry \"sacctmgr --help\" for more information\n"),
                code=1,
            ),
        ],
    ),
]
