#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Crowds of masqueraded flows through one competitor, in a lab of its own. Prints lines "KEY GOOD
# WANTED SECONDS".
#
#   capacity.sh iptables|nsxdp-tc|nsxdp-xdp [fleet]
#
# short: six namespaces, each 8,000 connections to one server, one after the other, as fast as they
# go hold: eight namespaces, each 7,500 UDP sockets at once, each to one of four ports of a server;
# how many were answered told: how many of them the server reached later, unasked fleet: 1,000
# namespaces, in turn, 200,000 connections to eight ports of a server
set -eE
name=$1 fleet=$2
. "$(dirname "$0")/../tests/lab.sh"
CROWD=$(dirname "$0")/../build/crowd
trap 'echo "capacity $name: failed at line $LINENO: $BASH_COMMAND" >&2' ERR
INET=198.51.100.8
lab_up
count=8
[ -z "$fleet" ] || count=1000

names() { seq -f "n%.0f-$LAB_ID" "$count"; }

case $name in
iptables)
	# Permanent neighbours, as nsxdp has them: 1,000 namespaces would overflow the kernel's
	# table of those that it learns.
	near=02:00:00:00:00:01 far=02:00:00:00:00:02
	i=0
	for n in $(names); do
		i=$((i + 4))
		ip netns add "$n"
		echo "link add v$i address $near type veth peer name eth0 address $far netns $n"
		echo "addr add 192.168.$((i / 256)).$((i % 256 + 1))/30 dev v$i"
		echo "link set v$i up"
		echo "neigh add 192.168.$((i / 256)).$((i % 256 + 2)) lladdr $far dev v$i"
	done | on host ip -batch -
	i=0
	for n in $(names); do
		i=$((i + 4))
		ip -n "$n" addr add "192.168.$((i / 256)).$((i % 256 + 2))/30" dev eth0
		ip -n "$n" link set eth0 up
		ip -n "$n" neigh add "192.168.$((i / 256)).$((i % 256 + 1))" lladdr $near dev eth0
		ip -n "$n" route add default via "192.168.$((i / 256)).$((i % 256 + 1))"
	done
	on host sysctl -qw net.ipv4.ip_forward=1
	on host iptables -t nat -A POSTROUTING -s 192.168.0.0/16 -o ens5 -j MASQUERADE
	on host sysctl -qw net.netfilter.nf_conntrack_max=262144 2> /dev/null || true
	;;
nsxdp-*)
	mode=${name#nsxdp-}
	nsxdp up --dev ens5 --mode "$mode" 2> /dev/null
	for n in $(names); do nsxdp ns add "$n" --dns 192.0.2.53 --datapath "$mode"; done
	;;
esac
case $name in *-xdp) on client ethtool -K eth0 tx off gro on > /dev/null ;; esac

mkfifo "$LAB_TMP/tell" "$LAB_TMP/go"
on inet true
nsenter --net="/run/netns/$(lab_ns inet)" "$CROWD" serve $INET 7 8 9 10 11 12 13 14 <> "$LAB_TMP/tell" > "$LAB_TMP/told" 2>&1 &
echo $! >> "$LAB_TMP/pids"
lab_listening inet 7

# The numbers before "of" in files, and the largest before "s"
sums() { awk '{ for (i = 2; i <= NF; i++) { if ($i == "of") { good += $(i - 1); all += $(i + 1) } if ($i == "s" && $(i - 1) > time) time = $(i - 1) } } END { print good + 0, all + 0, time + 0 }' "$@"; }

if [ "$fleet" ]; then
	names | split -n r/2 - "$LAB_TMP/names."
	for part in "$LAB_TMP"/names.*; do
		"$CROWD" fleet $INET 100000 7 8 9 10 11 12 13 14 < "$part" > "$part.out" 2> /dev/null &
		pids="$pids $!"
	done
	wait $pids || true
	echo "fleet $(sums "$LAB_TMP"/names.*.out)"
	exit 0
fi
for n in $(names | head -6); do
	nsenter --net="/run/netns/$n" "$CROWD" connect $INET 7 8000 20000 > "$LAB_TMP/short.$n" 2> /dev/null &
	pids="$pids $!"
done
wait $pids || true
echo "short $(sums "$LAB_TMP"/short.*)"
exec 9<> "$LAB_TMP/go"
pids=
for n in $(names); do
	nsenter --net="/run/netns/$n" "$CROWD" hold $INET 7500 20000 7 8 9 10 < "$LAB_TMP/go" 9>&- > "$LAB_TMP/hold.$n" 2> /dev/null &
	pids="$pids $!"
	echo $! >> "$LAB_TMP/pids"
done
for _ in $(seq 600); do
	[ "$(grep -l answered "$LAB_TMP"/hold.* | wc -l)" = 8 ] && break
	sleep 0.1
done
echo "hold $(sums "$LAB_TMP"/hold.*)"
echo > "$LAB_TMP/tell"
while ! grep -q told "$LAB_TMP/told"; do sleep 0.1; done
for n in $(names); do echo >&9; done
wait $pids || true
exec 9>&-
grep -h told "$LAB_TMP"/hold.* > "$LAB_TMP/after"
echo "told $(sums "$LAB_TMP/after")"
