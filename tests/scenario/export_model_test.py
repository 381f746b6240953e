#!/usr/bin/python3
"""The export of random histories, computed from their logs by the independent program of export_model.py, is the engine's.
PROPHET_TEST_SEED=N runs one history; PROPHET_TEST_SEEDS / 50 of them otherwise, at least 4."""
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import export_model  # noqa: E402

build = os.environ.get("PROPHET_BUILD_DIR", "build/release")
here = os.path.dirname(os.path.abspath(__file__))
base = os.environ.get("PROPHET_TEST_DIR")


def run_one(seed):
    with tempfile.TemporaryDirectory(dir=base if base and os.path.isdir(base) else None) as scratch:
        subprocess.run([build + "/prophet-lua", here + "/export_histories.lua", str(seed), scratch], check=True)
        with open(scratch + "/log.jsonl", encoding="utf-8") as log:
            computed = export_model.Database(log).export()
        with open(scratch + "/export.jsonl", encoding="utf-8") as export:
            rows = [export_model.parse(line) for line in export]
    given = {(r["type"], r["record"]): r["fields"] for r in rows}
    faults = []
    order = [(r["type"], r["record"]) for r in rows]
    if order != sorted(order):
        faults.append("the export is not sorted by type and id")
    for record in sorted(set(computed) | set(given)):
        ours, theirs = computed.get(record), given.get(record)
        if ours is None or theirs is None or export_model.text_of(ours) != export_model.text_of(theirs):
            faults.append("%s %s:\n    computed %s\n    exported %s" % (*record, ours, theirs))
    for fault in faults:
        print("seed %d: %s" % (seed, fault))
    return len(rows), not faults


def main():
    one = os.environ.get("PROPHET_TEST_SEED")
    count = max(4, int(os.environ.get("PROPHET_TEST_SEEDS", "100")) // 50)
    seeds = [int(one)] if one else [random.randrange(1 << 31) for _ in range(count)]
    results = [run_one(seed) for seed in seeds]
    good = sum(ok for _, ok in results)
    print("%d histories, %d records: %d passed, %d failed" % (len(seeds), sum(n for n, _ in results), good, len(seeds) - good))
    return 0 if good == len(seeds) else 1


if __name__ == "__main__":
    sys.exit(main())
