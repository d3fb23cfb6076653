#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What fragments cost, beside a machine without nsxdp in the same lab, in turns:
#
#   fragments.sh [ROUNDS]
#
# Prints the time of a ping of 3,000 bytes to the host, and the round trips by a published port
# while fragments of nothing come in: to the host, and, for comparison, to the machine without
# nsxdp.
MODE=tc
T_GROUP=fragments
. "$(dirname "$0")/../tests/harness.sh"
. "$(dirname "$0")/../tests/ports_lab.sh"
FRAGS="/usr/bin/python3 $(dirname "$0")/../tests/frags.py"
ROUNDS=${1:-5}
PLAIN=203.0.114.1

ip netns add "$(lab_ns plain)"
lab_link client eth2 203.0.114.10/24 plain ens5 $PLAIN/24

ping_ms() { on client ping -q -c 300 -i 0.002 -s 3000 "$1" | awk -F/ '/^rtt/ { print $5 }'; }

trips() { # TARGET of the flood: round trips in two seconds, and fragments per second
	on client $FRAGS flood "$1" any 3 > "$LAB_TMP/flood" &
	local pid=$!
	sleep 0.5
	on client /usr/bin/python3 - $HOST 6000 <<-'P'
	import socket, sys, time
	s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
	end, n = time.time() + 2, 0
	while time.time() < end:
	    s.sendall(b"x" * 100)
	    s.recv(100)
	    n += 1
	print(n, end=" ")
	P
	wait $pid
	cat "$LAB_TMP/flood"
}

# First all of these: a flood fills the reassembler of the machine without nsxdp.
{
	for _ in $(seq "$ROUNDS"); do echo "ping $(ping_ms $PLAIN) $(ping_ms $HOST)"; done
	for _ in $(seq "$ROUNDS"); do echo "flood $(trips $PLAIN) $(trips $HOST)"; done
} | /usr/bin/python3 -c '
import statistics, sys
rows = [line.split() for line in sys.stdin]
ping = [float(r[2]) / float(r[1]) for r in rows if r[0] == "ping"]
flood = [float(r[3]) / float(r[1]) for r in rows if r[0] == "flood"]
rates = [int(r[i]) for r in rows if r[0] == "flood" for i in (2, 4)]
print("ping -s 3000 to the host, with nsxdp / without: %.2f (%.2f to %.2f)" % (statistics.median(ping), min(ping), max(ping)))
print("round trips during a flood of %d to %d fragments a second, to the host / elsewhere: %.2f (%.2f to %.2f)" % (
    min(rates), max(rates), statistics.median(flood), min(flood), max(flood)))'
