#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Compare two builds of nsxdp in the closed loop, in interleaved rounds of one run.

Usage: compare.py OLD NEW [--rounds N] [--flows N] [--only WORD]...     OLD and NEW are nsxdp binaries

Prints the median of NEW / OLD over the rounds for each loop and mode, with the least and the most; then that of IPv6 /
IPv4, both of NEW. --flows N adds a loop over that many masqueraded flows that are alive at once.
"""
import os
import statistics
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import lab  # noqa: E402

LOOPS = [
    ("published, 1 flow", "in", 1),
    ("published, 20,000 flows", "in", 20000),
    ("published, new flows", "in", 0),
    ("masqueraded, 200 flows", "out", 200),
    ("masqueraded, 20,000 flows", "out", 20000),
    ("masqueraded, new flows", "out", 0),
]


def option(name, default):
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else default


def main():
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    builds = {"old": sys.argv[1], "new": sys.argv[2]}
    rounds, flows = option("--rounds", 7), option("--flows", 0)
    only = [sys.argv[i + 1] for i, w in enumerate(sys.argv) if w == "--only"]
    loops = LOOPS + ([("masqueraded, %d flows" % flows, "out", flows)] if flows else [])
    for mode in ("tc", "xdp"):
        labs = {}
        try:
            for name, path in builds.items():
                labs[name] = lab.Lab("nsxdp-" + mode, nsxdp=os.path.abspath(path))
            for title, direction, count in loops:
                title = mode + ", " + title
                if only and not any(w in title for w in only):
                    continue
                ratios, kept = [], 1.0
                for _ in range(rounds):
                    rate = {}
                    for name, each in labs.items():
                        each.forget()
                        rate[name], alive = each.loop(direction, count, 64, 0.6)
                        kept = min(kept, alive) if name == "new" else kept
                    ratios.append(rate["new"] / rate["old"])
                print("%-34s %.3f  (%.3f to %.3f; kept %.2f)" % (title, statistics.median(ratios), min(ratios),
                                                                max(ratios), kept), flush=True)
            for title, direction, count in LOOPS:
                title = mode + ", IPv6 / IPv4, " + title
                if only and not any(w in title for w in only):
                    continue
                ratios, kept = [], 1.0
                for _ in range(rounds):
                    labs["new"].forget()
                    four, _ = labs["new"].loop(direction, count, 64, 0.6)
                    labs["new"].forget()
                    six, alive = labs["new"].loop(direction + "6", count, 64, 0.6)
                    kept = min(kept, alive)
                    ratios.append(six / four)
                print("%-40s %.3f  (%.3f to %.3f; kept %.2f)" % (title, statistics.median(ratios), min(ratios), max(ratios),
                                                                kept), flush=True)
        finally:
            for each in labs.values():
                each.close()


main()
