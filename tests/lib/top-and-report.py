#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""top-and-report.py TOP REPORT: is every figure of the last update that vmrt-top --json wrote into TOP
that of the report (vmrt-report --format json) in REPORT, exactly? Tells how many were compared."""
import json
import sys

# the same by another name
names = {"excused": "explained", "miss_run": "longest_miss_run", "latency_max_ns": "first_supply_max_ns"}
# of now, or of a span of time that the report does not have
other = {"state", "used_ns", "share_ratio", "background_share_ratio", "response_last_ns"}

update = [json.loads(line)["update"] for line in open(sys.argv[1]) if line.startswith("{")][-1]
report = json.load(open(sys.argv[2]))["runs"][0]
compared = wrong = 0


def numbers(text):
    return json.dumps(text)


def compare(what, ours, theirs):
    global compared, wrong
    for key, value in ours.items():
        name = names.get(key, key)
        if key in other or name not in theirs:
            continue
        compared += 1
        if numbers(value) != numbers(theirs[name]):
            print("%s: %s is %s, in the report %s" % (what, key, value, theirs[name]))
            wrong += 1


if not update["view"]["ended"]:
    sys.exit("the last update is not about the end")
tasks = {t["task"]: t for t in report["tasks"]}
for t in update["tasks"]:
    name = "%s/%s" % (t["machine"], t["task"])
    compare(name, {k: v for k, v in t.items() if k not in ("machine", "task")}, tasks[name])
if len(tasks) != len(update["tasks"]):
    sys.exit("%d tasks, in the report %d" % (len(update["tasks"]), len(tasks)))
servers = {s["server"]: s for s in report["servers"]}
for s in update["servers"]:
    # vmrt-top has a line for each VM; the report has only what was declared
    if s["server"] in servers:
        compare(s["server"], s, servers.pop(s["server"]))
if servers:
    sys.exit("not in the update: %s" % ", ".join(servers))
print("%d figures compared, %d differ" % (compared, wrong))
sys.exit(1 if wrong or not compared else 0)
