#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Build nsxdp as another version whose tables have other layouts: fields are added, and some change
# places.
#
#   other_build.sh DIR	DIR/nsxdp
set -e
cd "$(dirname "$0")/.."
rm -rf "$1/src"
mkdir -p "$1/src"
cp -r include bpf user vmlinux Makefile "$1/src"
cd "$1/src"
python3 - << 'END'
import re

TEXT = open("include/nsxdp.h").read()


def change(struct, old, new):
    """Within one struct."""
    global TEXT
    begin = TEXT.index("\nstruct %s {" % struct)
    end = TEXT.index("\n};", begin) + 1
    body = TEXT[begin:end]
    assert old in body, (struct, old)
    TEXT = TEXT[:begin] + body.replace(old, new, 1) + TEXT[end:]


def grow(struct, first):
    change(struct, first, "\t__u64 another_version;\n" + first)


change("nsx_slot", "\t__be16 inside_port;\n\t__be16 remote_port;\n", "\t__be16 remote_port;\n\t__be16 inside_port;\n")
change("nsx_slot", "\tstruct nsx_addr inside;\n", "")
change("nsx_slot", "\t__be16 remote_port;\n", "\tstruct nsx_addr inside;\n\t__be16 remote_port;\n")
change("nsx_reverse", "\t__be16 inside_port;\n\t__be16 outside_port;\n", "\t__be16 outside_port;\n\t__be16 inside_port;\n")
grow("nsx_conf", "\tstruct nsx_addr pool[NSX_FAMILIES];\n")
grow("nsx_learned", "\tstruct nsx_local_addr local[NSX_LOCAL_MAX];\n")
grow("nsx_veth", "\t__u64 egress_cost;")
grow("nsx_ns", "\t__u64 egress_rate;")
grow("nsx_service", "\t__u64 interval;\n")
grow("nsx_target", "\t__u8 mac[6];\n")
grow("nsx_usage", "\t__u64 closed;\n")
grow("nsx_held", "\t__s32 shared[NSX_ROWS];\n")
grow("nsx_published", "\t__u64 counters[NSX_COUNTERS / 64];\n")
DIAL = open("bpf/dial.h").read()
assert "\t__be16 port;\n\t__u16 pad[3];\n};" in DIAL
open("bpf/dial.h", "w").write(DIAL.replace(
    "\t__be16 port;\n\t__u16 pad[3];\n};", "\t__be16 port;\n\t__u16 pad[3];\n\t__u64 another_version;\n};", 1))
TEXT = re.sub(r"\n_Static_assert\(sizeof\(struct nsx_(veth|ns)\).*", "", TEXT)
open("include/nsxdp.h", "w").write(TEXT)
MAKE = open("Makefile").read()
open("Makefile", "w").write(re.sub(r"^VERSION := .*", "VERSION := 9.9.9", MAKE, flags=re.M))
END
make -s -j"$(nproc)" B=.. ../nsxdp
