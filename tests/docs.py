#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""What a page of docs/ shows, for tests to run.

Usage: docs.py FILE commands       the lines that begin with "nsxdp", in their order
       docs.py FILE units DIR      writes each systemd unit that the page shows into DIR, by its name
"""
import os
import re
import sys

path, what = sys.argv[1:3]
with open(path, encoding="utf-8") as page:
    shown = [line[4:].rstrip() if line.startswith("    ") else None if line.strip() else ""
             for line in page]

if what == "commands":
    print("\n".join(line for line in shown if line and line.startswith("nsxdp ")))
else:
    unit = None
    for line in shown:
        begin = re.fullmatch(r"# /etc/systemd/system/(\S+\.service)", line or "")
        if begin:
            unit = open(os.path.join(sys.argv[3], begin[1]), "w", encoding="utf-8")
        elif line is None:
            unit = None
        elif unit:
            unit.write(line + "\n")
            unit.flush()
