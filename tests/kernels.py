#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run tests under several kernels at a time, each in an emulated machine, and say what each has and how it went.

   tests/kernels.py [--readme] KERNEL... -- WORD...     KERNEL as in 6.1 or 6.12-arm64; words as of tests/guest.sh

The log of each goes to build/kernels/KERNEL.log. --readme puts the table of kernels and features into README.md.
"""
import concurrent.futures
import json
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(TOP, "build", "kernels")
NO_PACKAGE = 77  # of tests/vm.sh
OTHER_WORDS = ("unit", "packets", "packets-few")  # what needs no programs but those of "make arm64"
BEGIN, END = "<!-- kernels:begin -->\n", "<!-- kernels:end -->\n"


def read_guest(lines):
    """What tests/guest.sh has printed."""
    result = {"kernel": "?", "features": [], "verifier": [], "up": None, "demo": None, "counts": None, "failed": [],
              "skipped": []}
    for line in lines:
        word, _, rest = line.rstrip("\n").partition(" ")
        if word == "@kernel":
            result["kernel"] = rest
        elif word == "@features":
            result["features"] = json.loads(rest)
        elif word == "@verifier":
            name, instructions, states = rest.split()
            result["verifier"].append((name, int(instructions), int(states)))
        elif word == "@up":
            result["up"] = int(rest)
        elif word == "@demo":
            result["demo"] = rest == "yes"
        elif line.startswith("not ok"):
            result["failed"].append(rest.partition(" ")[2])
        elif line.startswith("ok") and "# SKIP" in line:
            result["skipped"].append(rest)
        else:
            counts = re.match(r"(\d+) passed, (\d+) failed, (\d+) skipped$", line)
            if counts:
                result["counts"] = tuple(map(int, counts.groups()))
    return result


def run_guest(kernel, words):
    """The lines of a run under a kernel, shown as they come, its status, and which words ran; None without a package."""
    version, _, arch = kernel.partition("-")
    env = dict(os.environ, VM_ARCH=arch) if arch else None
    words = [w for w in words if not arch or w in OTHER_WORDS]
    command = [os.path.join(TOP, "tests", "vm.sh"), version, os.path.join(TOP, "tests", "guest.sh")] + words
    lines = []
    with open(os.path.join(LOGS, kernel + ".log"), "w", encoding="utf-8", errors="replace") as log:
        guest = subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 errors="replace", env=env)
        for line in guest.stdout:
            log.write(line)
            log.flush()
            lines.append(line)
            if not line.startswith(("@", "ok ")):
                sys.stdout.write("%s: %s" % (kernel, line))
                sys.stdout.flush()
        status = guest.wait()
    return None if status == NO_PACKAGE else (lines, status, words)


def table(results, words):
    """The table of the README."""
    tests = [w for w in words if w != "demo"]
    names = [r["kernel"] for r in results]
    rows = [["", *names], ["---", *["---"] * len(names)]]
    for i, feature in enumerate(results[0]["features"]):
        rows.append(["%s (%s)" % (feature["feature"], feature["since"]),
                     *["yes" if r["features"][i]["here"] else feature["instead"] for r in results]])
    rows.append(["`make demo`", *["every step held" if r["demo"] else "-" for r in results]])
    rows.append(["the first `up`, emulated", *["%.1f s" % (r["up"] / 1000) if r["up"] else "-" for r in results]])
    rows.append(["tests (%s; arm64: %s): passed, failed, skipped" % (
        ", ".join(tests), ", ".join(w for w in tests if w in OTHER_WORDS)),
                 *["%d, %d, %d" % r["counts"] if r["counts"] else "-" for r in results]])
    rows.append(["instructions that the verifier walks, at most, of 1,000,000",
                 *["{:,} ({})".format(*max((n, name) for name, n, _ in r["verifier"])) if r["verifier"] else "-"
                   for r in results]])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def write_readme(text):
    path = os.path.join(TOP, "README.md")
    with open(path, encoding="utf-8") as f:
        readme = f.read()
    begin, end = readme.index(BEGIN) + len(BEGIN), readme.index(END)
    with open(path, "w", encoding="utf-8") as f:
        f.write(readme[:begin] + text + readme[end:])


def passed(result, words, status):
    """All that was asked for has run, and nothing of it failed."""
    tests = [w for w in words if w != "demo"]
    return bool(status == 0 and result["verifier"] and not result["failed"] and result["demo"] is not False
                and (not tests or (result["counts"] and not result["counts"][1])))


def main(argv):
    readme = "--readme" in argv
    argv = [a for a in argv if a != "--readme"]
    split = argv.index("--") if "--" in argv else len(argv)
    kernels, words = argv[:split], argv[split + 1:]
    os.makedirs(LOGS, exist_ok=True)
    results, good, silent = [], True, 0
    # An emulated machine mostly keeps one processor busy, whatever it has itself.
    with concurrent.futures.ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as pool:
        runs = list(pool.map(lambda kernel: run_guest(kernel, words), kernels))
    for kernel, run in zip(kernels, runs):
        if run is None:
            print("skipped: Linux %s: its package cannot be had here" % kernel)
            continue
        result = read_guest(run[0])
        results.append(result)
        if not passed(result, run[2], run[1]):
            good = False
            # A machine that died, or a demo that failed, is not among the counts of tests.
            silent += not (result["counts"] and result["counts"][1])
        print("Linux %s: %s; demo: %s; up: %s ms, emulated" % (
            result["kernel"], "%d passed, %d failed, %d skipped" % result["counts"] if result["counts"] else "no tests ran",
            {True: "every step held", False: "failed", None: "not run"}[result["demo"]], result["up"]))
        for skipped in result["skipped"]:
            print("  skipped:", skipped)
        for name, instructions, states in result["verifier"]:
            print("  verifier: %-22s %8d instructions %6d states" % (name, instructions, states))
    if results and len({len(r["features"]) for r in results}) == 1:
        text = table(results, words)
        print(text)
        if readme and good:
            write_readme(text)
    counts = [sum(r["counts"][i] for r in results if r["counts"]) for i in range(3)]
    print("%d passed, %d failed, %d skipped" % (counts[0], counts[1] + silent, counts[2]))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
