"""The progress of an exchange, and of a rebuild: a line on a terminal that is gone at the end, and nothing anywhere else. Needs a pseudo-terminal, as python3 has."""
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile

BUILD = os.environ["PROPHET_BUILD_DIR"]
ENV = {k: v for k, v in os.environ.items() if k not in ("LUA_PATH", "LUA_CPATH", "PROPHET_DB")}
CLEAR = b"\r\x1b[K"


def fill(directory):
    code = """local db = require"prophet".open("%s", { create = true, durability = "relaxed", user = "ann@example.org" })
    local f = require "prophet.fields"
    db:define(f.record "ticket" { f.string "summary" })
    for i = 1, 2000 do db.types.ticket:create { summary = "number " .. i } end""" % directory
    subprocess.run([BUILD + "/prophet-lua", "-e", code], check=True, env=ENV)


def on_terminal(args, interrupt=False):
    """Runs prophet with standard error on a terminal: status, what it printed, what the terminal got."""
    ours, theirs = pty.openpty()
    run = subprocess.Popen([BUILD + "/prophet"] + args, stdout=subprocess.PIPE, stderr=theirs, env=ENV)
    os.close(theirs)
    shown = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # how the end of a terminal reads
            break
        if not part:
            break
        shown += part
        if interrupt and b"\x1b[K" in shown:  # a terminal may hand out a line in parts, and a signal cuts off the rest
            run.send_signal(signal.SIGINT)
            interrupt = False
    os.close(ours)
    out = run.stdout.read().decode()
    return run.wait(timeout=60), out, shown


def check(what, condition, *seen):
    if not condition:
        sys.exit("%s: %r" % (what, seen))


def main():
    top = os.environ.get("PROPHET_TEST_DIR") or None
    if top:
        os.makedirs(top, exist_ok=True)
    work = tempfile.mkdtemp(prefix="prophet-progress-", dir=top)
    try:
        os.chdir(work)
        fill("ann")
        status, out, shown = on_terminal(["clone", "ann", "bob"])
        check("a clone", status == 0 and "2001 changesets" in out, status, out, shown)
        check("a bar", re.search(rb"\rchangesets \[#*\.*\] +\d+ % \d+ of 2001\x1b\[K", shown), shown)
        check("gone at the end", shown.endswith(CLEAR), shown)
        check("nothing else", b"\n" not in shown, shown)

        status, out, shown = on_terminal(["--db", "bob", "rebuild"])
        check("a rebuild", status == 0 and out == "the index is new\n", status, out, shown)
        check("a bar of bytes", re.search(rb"\rrebuild \[#+\.*\] +\d+ % [\d.]+ KB of [\d.]+ KB\x1b\[K", shown), shown)
        check("gone at the end of a rebuild", shown.endswith(CLEAR) and b"\n" not in shown, shown)
        for quiet in ("--quiet", "--json"):
            status, out, shown = on_terminal(["--db", "bob", "rebuild", quiet])
            check("a rebuild with " + quiet, status == 0 and shown == b"", status, shown)

        for quiet in ("--quiet", "--json"):
            status, out, shown = on_terminal(["clone", "ann", "bob" + quiet, quiet])
            check("none with " + quiet, status == 0 and shown == b"", status, shown)
        plain = subprocess.run([BUILD + "/prophet", "clone", "ann", "carol"], capture_output=True, env=ENV, check=True)
        check("none without a terminal", plain.stderr == b"" and b"\x1b" not in plain.stdout, plain)

        # A depot that never answers: the bar waits, an interrupt ends it, the line is gone and nothing is left behind.
        import socket
        silent = socket.create_server(("127.0.0.1", 0))
        url = "http://127.0.0.1:%d/" % silent.getsockname()[1]
        status, out, shown = on_terminal(["clone", url, "dave"], interrupt=True)
        check("an interrupt", status == 130, status, out, shown)
        head, tail = shown.split(CLEAR)[0], shown.split(CLEAR)[-1]
        check("what waits", b"wait" in head, shown)
        check("the message comes after the line", tail.strip() == b"prophet: interrupted", shown)
        check("nothing is left", sorted(n for n in os.listdir(".") if n.startswith("dave")) == [], os.listdir("."))
    finally:
        shutil.rmtree(work, ignore_errors=True)


main()
