#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What fragments cost, beside a machine without nsxdp in the same lab, in turns:
#
#   fragments.sh [ROUNDS]
#
# Prints, for each family, the time of a ping of 3,000 bytes to the host, and the round trips by a
# published port while fragments of nothing come in: to the host, and, for comparison, to the
# machine without nsxdp.
MODE=tc
T_GROUP=fragments
. "$(dirname "$0")/../tests/harness.sh"
. "$(dirname "$0")/../tests/ports_lab.sh"
FRAGS="/usr/bin/python3 $(dirname "$0")/../tests/frags.py"
ROUNDS=${1:-5}
PLAIN=203.0.114.1 PLAIN6=2001:db8:2::1 HOST6=2001:db8:1::1

ip netns add "$(lab_ns plain)"
lab_link client eth2 203.0.114.10/24 plain ens5 $PLAIN/24
on client ip addr add 2001:db8:1::10/64 dev eth0 nodad
on host ip addr add $HOST6/64 dev ens5 nodad
on host ip -6 route add default via 2001:db8:1::10	# or the new address would not be noticed
on client ip addr add 2001:db8:2::10/64 dev eth2 nodad
on plain ip addr add $PLAIN6/64 dev ens5 nodad
nsxdp map add 6006 "$NS1:8086"
on_bg ns1 $PY tcp_echo_server 8086 ::
lab_listening ns1 8086
sleep 1	# until it is

ping_ms() { on client ping -q -c 300 -i 0.002 -s 3000 "$1" | awk -F/ '/^rtt/ { print $5 }'; }

trips() { # TARGET of the flood, HOST, PORT: round trips in two seconds, and fragments per second
	on client $FRAGS flood "$1" any 3 > "$LAB_TMP/flood" &
	local pid=$!
	sleep 0.5
	on client /usr/bin/python3 - "$2" "$3" <<-'P'
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
	for _ in $(seq "$ROUNDS"); do
		echo "IPv4 ping $(ping_ms $PLAIN) $(ping_ms $HOST)"
		echo "IPv6 ping $(ping_ms $PLAIN6) $(ping_ms $HOST6)"
	done
	for _ in $(seq "$ROUNDS"); do
		echo "IPv4 flood $(trips $PLAIN $HOST 6000) $(trips $HOST $HOST 6000)"
		echo "IPv6 flood $(trips $PLAIN6 $HOST6 6006) $(trips $HOST6 $HOST6 6006)"
	done
} | /usr/bin/python3 -c '
import statistics, sys
rows = [line.split() for line in sys.stdin]
for family in ("IPv4", "IPv6"):
    ping = [float(r[3]) / float(r[2]) for r in rows if r[:2] == [family, "ping"]]
    floods = [r for r in rows if r[:2] == [family, "flood"]]
    flood = [float(r[4]) / float(r[2]) for r in floods]
    rates = [int(r[i]) for r in floods for i in (3, 5)]
    print("%s: ping -s 3000 to the host, with nsxdp / without: %.2f (%.2f to %.2f)" % (family, statistics.median(ping), min(ping), max(ping)))
    print("%s: round trips during a flood of %d to %d fragments a second, to the host / elsewhere: %.2f (%.2f to %.2f)" % (
        family, min(rates), max(rates), statistics.median(flood), min(flood), max(flood)))'
