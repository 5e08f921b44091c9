#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""random-keys.py N SEED RUN...: N scripts of random keys, times and sizes for vmrt-top, on each RUN in turn, in the
current folder. A session that does not end with 0, or that prints something no terminal shows, is printed with its
script, and ends this with 1. Of use above all with programs that were made with SANITIZER=address,undefined."""
import os
import random
import re
import subprocess
import sys
import tempfile

sessions, seed, runs = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
source = open(os.path.join(os.path.dirname(__file__), "../../tui/rows/keys.c")).read()
keys = sorted({k for names in re.findall(r'\{TOP_ACT_\w+, TOP_\w+, "((?:[^"\\]|\\.)*)"', source) for k in names.replace("\\\\", "\\").split()}
              - {"q", "F10", "^C", "s", "w"})
sizes = ["80x24", "120x40", "200x60", "40x8", "41x9", "60x14", "39x8", "40x7", "1x1", "2x30", "999x5", "1000x1000", "92x14", "96x16"]


def line(rand):
    kind = rand.random()
    if kind < 0.70:
        return " ".join(rand.choice(keys) for _ in range(rand.randint(1, 12)))
    if kind < 0.80:
        return ":wait %dms" % rand.choice([0, 1, 17, 100, 999, 5000])
    if kind < 0.88:
        return ":size " + (rand.choice(sizes) if rand.random() < 0.7 else "%dx%d" % (rand.randint(1, 250), rand.randint(1, 70)))
    if kind < 0.91:
        return ":type " + "".join(rand.choice("rt_1/0:.5m \\%~x") for _ in range(rand.randint(0, 70)))
    if kind < 0.93:
        return ":ascii " + rand.choice(["yes", "no"])
    if kind < 0.95:
        return ":end"
    return rand.choice([":dump", ":dump color", ":tables", "Enter", "Esc"])


for number in range(sessions):
    rand = random.Random(seed + number)
    # a prompt takes all keys as text: a script does not stay in one
    script = "\n".join(line(rand) for _ in range(rand.randint(5, 60))) + "\n:dump\n"
    with tempfile.NamedTemporaryFile("w", suffix=".keys") as f:
        f.write(script)
        f.flush()
        command = ["vmrt-top", "--no-config", "--script", f.name, "--speed", rand.choice(["1", "0", "0.1", "64"])]
        command += rand.choice([[], ["--ascii"], ["--page", "timeline"], ["-d", "50ms"]]) + [runs[number % len(runs)]]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    shown = done.stdout.decode("utf-8", "replace")
    bad = re.search(r"[\x00-\x09\x0b-\x1a\x1c-\x1f\x7f\ufffd]", shown)
    if done.returncode != 0 or bad:
        print("# %s with seed %d: status %d%s\n# %s\n%s" % (
            " ".join(command), seed + number, done.returncode, ", it printed %r" % bad.group() if bad else "",
            done.stderr.decode("utf-8", "replace")[-3000:].replace("\n", "\n# "), script))
        sys.exit(1)
