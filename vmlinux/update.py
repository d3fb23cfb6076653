#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only
"""Regenerate vmlinux/vmlinux.h from the BTF of a kernel: only the types that bpf/ uses.

Usage: vmlinux/update.py [BTF-FILE] > vmlinux/vmlinux.h

The whole dump has more than 130,000 lines and differs between kernels; the types
below are either part of the kernel's user interface, whose layout never changes, or
are read through CO-RE relocations, for which the listed members are enough. So one
small file serves every kernel and every little-endian architecture, and the build
never reads the BTF of the machine it runs on.
"""
import re
import subprocess
import sys

TYPEDEFS = """__s8 __u8 __s16 __u16 __s32 __u32 __s64 __u64 __be16 __be32 __be64 __sum16 __wsum
              s8 u8 s16 u16 s32 u32 s64 u64 bool""".split()
STRUCTS = """ethhdr iphdr in6_addr ipv6hdr udphdr tcphdr icmphdr __sk_buff xdp_md bpf_fib_lookup bpf_redir_neigh
             bpf_sock bpf_sock_tuple bpf_sock_addr bpf_devmap_val bpf_timer""".split()
ENUMS = ["bpf_map_type", "bpf_adj_room_mode"]
# An anonymous enum is found by one of its members.
ENUM_MEMBERS = ["BPF_F_INGRESS", "BPF_FIB_LKUP_RET_SUCCESS", "BPF_ANY", "BPF_FIB_LOOKUP_DIRECT",
                "BPF_F_CURRENT_NETNS", "BPF_F_PSEUDO_HDR", "BPF_MTU_CHK_SEGS", "BPF_F_MMAPABLE",
                "IPPROTO_TCP", "BPF_F_BROADCAST", "false", "BPF_F_ADJ_ROOM_FIXED_GSO"]
ACTION_ENUMS = ["xdp_action"]
# Kernel-internal structs: members read through CO-RE.
PARTIAL = {"sk_buff": ["ip_summed", "csum_start", "csum_offset", "head", "data", "vlan_all"],
           "sk_buff_head": ["next"],
           "bpf_sock_addr_kern": ["sk"],
           "inet_sock": ["local_port_range"]}
FORWARD = """bpf_perf_event_data bpf_pidns_info bpf_sk_lookup bpf_sysctl bpf_tcp_sock bpf_tunnel_key
             bpf_xfrm_state bpf_sock_ops btf_ptr cgroup file inode linux_binprm path pt_regs sk_msg_md
             sk_reuseport_md sock sockaddr socket task_struct tcp6_sock tcp_request_sock tcp_sock
             tcp_timewait_sock udp6_sock unix_sock seq_file mptcp_sock bpf_dynptr bpf_map bpf_spin_lock""".split()


def main():
    btf = sys.argv[1] if len(sys.argv) > 1 else "/sys/kernel/btf/vmlinux"
    text = subprocess.run(["bpftool", "btf", "dump", "file", btf, "format", "c"],
                          check=True, capture_output=True, text=True).stdout
    typedefs = dict((m.group(2), m.group(0)) for m in
                    re.finditer(r"^typedef ([\w ]+) (\w+);$", text, re.M))
    blocks = re.findall(r"^(?:struct|union|enum) ?(?:\w+ )?\{\n(?:.*\n)*?\}[^;\n]*;", text, re.M)
    named = {}
    for block in blocks:
        m = re.match(r"(struct|enum) (\w+) \{", block)
        if m:
            named.setdefault(m.group(2), block)

    out = ["/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */",
           "/* Types of the kernel that the BPF programs use; made by vmlinux/update.py, not by hand. */",
           "#ifndef NSXDP_VMLINUX_H", "#define NSXDP_VMLINUX_H", ""]
    def typedef(name, seen=set()):
        if name in seen:
            return
        seen.add(name)
        base = re.match(r"typedef (.*) \w+;", typedefs[name]).group(1)
        if base in typedefs:
            typedef(base)
        out.append(typedefs[name])
    for name in TYPEDEFS:
        typedef(name)
    out.append("")
    out += ["struct %s;" % s for s in FORWARD]
    out.append("")
    for block in blocks:
        if not block.startswith("enum"):
            continue
        m = re.match(r"enum (\w+) \{", block)
        if (m and m.group(1) in ENUMS + ACTION_ENUMS) or \
           any(re.search(r"^\t%s = " % e, block, re.M) for e in ENUM_MEMBERS):
            out += [block, ""]
    for name in STRUCTS:
        out += [named[name], ""]
    for name, members in PARTIAL.items():
        lines = [re.search(r"^\t+(.*\b%s\b(?: ?: ?\d+)?;)$" % re.escape(m), named[name], re.M).group(1)
                 for m in members]
        out += ["struct %s {" % name] + ["\t" + line for line in lines]
        out += ["} __attribute__((preserve_access_index));", ""]
    out.append("#endif")
    print("\n".join(out))


main()
