#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""top-ways.py RUN...: however one comes to the end of a replay, by pauses, seeks, misses, there and back, its numbers are
those of playing it through; and what is counted before r and after it adds up to what is counted without. Six
random ways for each RUN."""
import json
import random
import subprocess
import sys
import tempfile

sums = {"tasks": ["jobs", "missed", "unknown", "met", "excused", "missed_late", "missed_incomplete", "truncated"],
        "servers": ["periods", "depleted", "served", "unknown", "truncated", "unenforced"]}
wrong = 0


def play(run, script):
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as f:
        f.write(script)
        f.flush()
        done = subprocess.run(["vmrt-top", "--no-config", "--script", f.name, run], stdout=subprocess.PIPE, timeout=300, check=True)
    return [json.loads(line)["update"] for line in done.stdout.decode().splitlines()]


def differ(run, script, words):
    global wrong
    print("%s: %s\n%s" % (run, words, script))
    wrong += 1


for run in sys.argv[1:]:
    plain = play(run, ":end\n:tables\n")[-1]
    length = plain["view"]["elapsed_ns"] / 1e6
    for seed in range(6):
        rand = random.Random(seed)
        script = ""
        for _ in range(rand.randint(2, 12)):
            script += rand.choice([":wait %dms\n" % rand.uniform(0, length / 2), "Space\n", "m\n", "M\n", "]\n", "[\n", ". .\n", ", ,\n",
                                   "}\n", "{\n", "t\n:type %dms\nEnter\n" % rand.uniform(0, length * 1.1)])
        script += "t\n:type 100000s\nEnter\n:end\n:tables\n"
        got = play(run, script)[-1]
        for part in ("tasks", "servers", "machines"):
            for a, b in zip(plain[part], got[part]):
                for key in a:
                    # that is of the last second
                    if key != "events_per_s" and json.dumps(a[key]) != json.dumps(b[key]):
                        differ(run, script, "%s is %s, played through %s" % (key, b[key], a[key]))
        script = ":wait %dms\n:tables\nr\n:end\n:tables\n" % rand.uniform(0, length)
        before, after = play(run, script)
        for part, keys in sums.items():
            for a, b, c in zip(before[part], after[part], plain[part]):
                for key in keys:
                    if key in c and (a[key] or 0) + (b[key] or 0) != (c[key] or 0):
                        differ(run, script, "%s: %s and %s are not %s" % (key, a[key], b[key], c[key]))
sys.exit(1 if wrong else 0)
