#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""keys.py SECONDS WORD COMMAND...: runs vmrt-top in a pseudo terminal of 120x40, waits until WORD is shown, then
goes from page to page with Tab, twice a second for SECONDS, and prints how long each took from the key to
the last byte of the new page: median, 99th percentile and most in ms, and how many; then q."""
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
import time

pages = ["overview", "server", "task", "timeline", "misses", "system"]
seconds, word, command = float(sys.argv[1]), sys.argv[2], sys.argv[3:]
pid, fd = pty.fork()
if pid == 0:
    os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
    os.execvp(command[0], command)
# what is measured is vmrt-top, not how long a terminal waits for a CPU on a busy machine
try:
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
except PermissionError:
    pass
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
escape = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]")


def read(until, deadline):
    """Everything up to the time when text @until has come; when its last byte came."""
    got = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            sys.exit("'%s' was not shown: %r" % (until, got[-300:]))
        if not select.select([fd], [], [], left)[0]:
            continue
        try:
            got += os.read(fd, 65536)
        except OSError:
            sys.exit("vmrt-top has ended: %r" % got[-300:])
        if until.encode() in escape.sub(b"", got):
            return time.monotonic()


read(word, time.monotonic() + 30)
time.sleep(0.5)
times, page, end = [], 0, time.monotonic() + seconds
while time.monotonic() < end:
    while select.select([fd], [], [], 0)[0]:
        os.read(fd, 65536)
    page = (page + 1) % len(pages)
    begin = time.monotonic()
    os.write(fd, b"\t")
    times.append(1e3 * (read("[%d %s" % (page + 1, pages[page]), begin + 10) - begin))
    time.sleep(max(0, begin + 0.5 - time.monotonic()))
os.write(fd, b"q")
while True:
    try:
        if not os.read(fd, 65536):
            break
    except OSError:
        break
status = os.waitpid(pid, 0)[1]
times.sort()
print("%.1f %.1f %.1f %d" % (times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))], times[-1], len(times)))
sys.exit(0 if status == 0 else 1)
