#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Bytes of kernel memory per namespace with its link and addresses: made by nsxdp, and by hand as
# the seed does.
#
#   [ATTACH=block] memory.sh COUNT      prints "NSXDP BY-HAND"
set -eE
count=$1
. "$(dirname "$0")/../tests/lab.sh"
trap 'echo "memory: failed at line $LINENO: $BASH_COMMAND" >&2' ERR
lab_up
nsxdp up --dev ens5 --mode tc ${ATTACH:+--attach $ATTACH} 2> /dev/null

# What the kernel has allocated for itself, in bytes; after a moment in which it frees what is left
# of processes.
kernel_bytes() { sleep 1; awk '/^(Slab|VmallocUsed|Percpu|KernelStack):/ { sum += $2 } END { print sum * 1024 }' /proc/meminfo; }

by_nsxdp() { nsxdp ns add "$(lab_ns "$1")" --dns 192.0.2.53; }

by_hand() { # NAME NUMBER
	ip netns add "$(lab_ns "$1")"
	on host ip link add "v$2" type veth peer name eth0 netns "$(lab_ns "$1")"
	on host ip addr add "10.9.$2.1/30" dev "v$2"
	on host ip link set "v$2" up
	on "$1" ip link set lo up
	on "$1" ip addr add "10.9.$2.2/30" dev eth0
	on "$1" ip link set eth0 up
	on "$1" ip route add default via "10.9.$2.1"
}

# The first of each kind brings what all share.
by_nsxdp a0
by_hand b0 0
start=$(kernel_bytes)
for i in $(seq "$count"); do by_nsxdp "a$i"; done
middle=$(kernel_bytes)
for i in $(seq "$count"); do by_hand "b$i" "$i"; done
end=$(kernel_bytes)
echo $(((middle - start) / count)) $(((end - middle) / count))
