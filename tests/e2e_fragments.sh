#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Fragments in any order, and packets of sizes that do not fit.
#
#   e2e_fragments.sh [tc|xdp] [WORD]...
MODE=${1:-tc}
[ $# = 0 ] || shift
T_GROUP="fragments, $MODE"
. "$(dirname "$0")/harness.sh"
. "$(dirname "$0")/ports_lab.sh"
FRAGS="/usr/bin/python3 $(dirname "$0")/frags.py"
nsxdp map add -p udp 6001 "$NS2:8080"
on_bg host $PY udp_echo_server 9

# As a NIC does: packets are received by another CPU than the one that sends the next.
receive_on() { # CPU-MASK
	ip netns exec "$(lab_ns host)" sh -c 'for q in /sys/class/net/*/queues/rx-0/rps_cpus; do echo '"$1"' > $q; done'
}

count_of() { nsxdp status | awk '$2 == "'"$1"'" { n += $3 } END { print n + 0 }'; }

# SECONDS that "$@" is tried again for, while it fails.
within() { local end=$((SECONDS + $1 * SLOW)); shift; until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.3; done; }

# What was learnt of paths, once the datapath does not believe it any more.
forget_paths() { sleep 1.2; for n in ns1 ns2 inet client; do on $n ip route flush cache; done; }

t_01_published_in_any_order() { on client $FRAGS any_order $HOST 6000 1473 6000 20000 65507; }
t_02_masqueraded_in_any_order() { on ns1 $FRAGS any_order $INET 7 1473 6000 20000 65507; }
t_03_hairpin_in_any_order() { on ns1 $FRAGS any_order $HOST 6001 1473 6000 65507; }
t_03b_to_itself_in_any_order() { on ns1 $FRAGS any_order $HOST 6000 1473 6000 65507; }
t_04_pings_in_any_order() { on ns1 $FRAGS ping $INET 6000; on client $FRAGS ping $HOST 6000; on ns1 $FRAGS ping 192.168.0.1 6000; }
t_05_many_small_pieces() { on client $FRAGS many_pieces $HOST 6000 3000 8; on ns1 $FRAGS many_pieces $INET 7 8000 200; }

t_06_on_two_cpus() {
	receive_on 2
	for n in 1 2 3; do
		on client taskset -c 0 $FRAGS any_order $HOST 6000 6000 65507
		on ns1 taskset -c 0 $FRAGS any_order $INET 7 6000 65507
	done
	receive_on 0
}

# What two namespaces send must not be mixed up outside, where it has one source.
t_07_one_identification_in_two_namespaces() {
	on ns1 $FRAGS same_ids $INET 7 60 1000 > "$LAB_TMP/one" &
	local pid=$!
	on ns2 $FRAGS same_ids $INET 7 60 1000 > "$LAB_TMP/two"
	wait $pid
	cat "$LAB_TMP/one" "$LAB_TMP/two"
	[ "$(cat "$LAB_TMP/one" "$LAB_TMP/two")" = $'60\n60' ]
}

t_08_overlaps_are_dropped() { on client $FRAGS overlap $HOST 6000; on ns1 $FRAGS overlap $INET 7; }

t_09_the_hosts_own_leave_only_out_of_order() {
	local before
	before=$(count_of defrag)
	on client $PY udp_client $HOST 9 3000 20000
	on client ping -c 5 -i 0.2 -s 3000 $HOST
	on host ping -c 5 -i 0.2 -s 3000 203.0.113.10
	[ "$(count_of defrag)" = "$before" ]
	on ns1 ping -c 5 -i 0.2 -s 3000 192.168.0.1
	on client $FRAGS any_order $HOST 9 3000 20000
	[ "$(count_of defrag)" -gt "$before" ]
}

# The beginning of datagrams to the host, which would wait in its own reassembler.
t_09b_a_namespace_does_not_fill_the_hosts_reassembler() {
	on ns2 $FRAGS flood 192.168.0.5 192.168.0.6 2 first
	on client ping -c 5 -i 0.2 -W 1 -s 3000 $HOST
}

# What a dead namespace left behind is nobody's by the time that its address is another's.
t_09c_an_address_that_comes_again() {
	local n=$(lab_ns frag)
	nsxdp ns add "$n"
	addr=$(nsxdp ns show "$n" | awk '$1 == "address" { sub("/.*", "", $2); print $2 }')
	on frag $FRAGS half $INET 7 last
	nsxdp ns del "$n" --force
	nsxdp ns add "$n"
	[ "$(nsxdp ns show "$n" | awk '$1 == "address" { sub("/.*", "", $2); print $2 }')" = "$addr" ]
	[ "$(on frag $FRAGS half $INET 7 first)" = silence ]
	nsxdp ns del "$n" --force
}

# More than queues hold is lost, but in proportion: what is lost of some datagrams does not refuse
# all others.
t_09d_an_overload_is_not_the_end() {
	receive_on 2
	on_bg inet /usr/bin/python3 "$(dirname "$0")/frags.py" count 5001 4 "$LAB_TMP/count"
	sleep 0.3
	on ns1 taskset -c 0 $FRAGS pour $INET 5001 8000 2 > "$LAB_TMP/sent"
	within 6 [ -s "$LAB_TMP/count" ]
	receive_on 0
	echo "$(cat "$LAB_TMP/sent") sent, $(cat "$LAB_TMP/count") arrived"
	# 3 to 4 percent do, and half a percent where others use this CPU too.
	[ "$(cat "$LAB_TMP/count")" -gt $(($(cat "$LAB_TMP/sent") / 400)) ]
}

t_10_a_flood_of_one_namespace() {
	rm -f "$LAB_TMP/flood"
	on ns2 $FRAGS flood $INET 192.168.0.6 3 > "$LAB_TMP/flood" &
	local pid=$!
	sleep 1
	on ns1 $FRAGS any_order $INET 7 1473 20000
	on client $FRAGS any_order $HOST 6000 6000
	on client $FRAGS any_order $HOST 9 6000
	wait $pid
	[ "$(cat "$LAB_TMP/flood")" -gt $((10000 / SLOW)) ]
}

t_11_a_flood_from_outside() {
	rm -f "$LAB_TMP/flood"
	on client $FRAGS flood $HOST any 3 > "$LAB_TMP/flood" &
	local pid=$!
	sleep 1
	on ns1 $FRAGS any_order $INET 7 1473 20000
	on client $PY udp_client $HOST 6000 1473 20000
	on client $PY udp_client $HOST 9 20000
	wait $pid
	[ "$(cat "$LAB_TMP/flood")" -gt $((10000 / SLOW)) ]
}

ROUTE_BACK="on host ip route change default via 203.0.113.10"
t_20_without_df_it_is_cut() {
	at_end $ROUTE_BACK
	on host ip route change default via 203.0.113.10 mtu lock 1400
	sleep 1.2
	on ns1 $FRAGS sized $INET 7 dont 1372 1373 1472
	on ns1 $FRAGS any_order $INET 7 6000
	on ns1 ping -c 2 -i 0.2 -M dont -s 1472 $INET
	on ns1 $FRAGS without_pmtu_discovery $INET 7
	[ "$(on ns1 $FRAGS told $INET 7 1472)" = 1400 ]
	on host ip route change default via 203.0.113.10
	forget_paths
	within 3 on ns1 $FRAGS sized $INET 7 do 1472
}

# Super-packets of datagrams, without DF.
t_20c_segments_are_cut() {
	[ "$MODE" = tc ] || [ "$(printf '6.11\n%s\n' "$(uname -r)" | sort -V | head -1)" = 6.11 ] ||
		skip "this kernel segments no datagrams where the device computes no checksums (Linux 6.11)"
	on host ip route change default via 203.0.113.10 mtu lock 1400
	at_end $ROUTE_BACK
	sleep 1.2
	on ns1 $FRAGS segments $INET 7 1450 20
	on host ip route change default via 203.0.113.10
	forget_paths
}

# Two namespaces' datagrams that are whole, and cut: with one identification they would be mixed
# outside.
t_20b_what_is_cut_is_not_mixed() {
	local pids=()
	at_end $ROUTE_BACK
	on host ip route change default via 203.0.113.10 mtu lock 1400
	sleep 1.2
	for n in ns1 ns2; do on $n $FRAGS sized_ids $INET 7 1472 50 500 > "$LAB_TMP/$n" & pids+=($!); done
	wait "${pids[@]}"
	cat "$LAB_TMP/ns1" "$LAB_TMP/ns2"
	[ "$(cat "$LAB_TMP/ns1" "$LAB_TMP/ns2")" = $'50\n50' ]
	on host ip route change default via 203.0.113.10
	forget_paths
}

t_21_with_df_it_follows_the_route() {
	within 3 on ns1 $FRAGS sized $INET 7 do 1472
	on host ip route change default via 203.0.113.10 mtu lock 1300
	sleep 1.2
	[ "$(on ns1 $FRAGS told $INET 7 1472)" = 1300 ]
	on host ip route change default via 203.0.113.10
	forget_paths
	within 3 on ns1 $FRAGS sized $INET 7 do 1472
}

t_22_a_namespaces_link_is_smaller() {
	on ns1 ip link set eth0 mtu 1300
	sleep 1.2
	on client $FRAGS sized $HOST 6000 dont 1200 1472
	[ "$(on client $FRAGS told $HOST 6000 1472)" = 1300 ]
	on ns2 $FRAGS sized $HOST 6000 dont 1472
	[ "$(on ns2 $FRAGS told $HOST 6000 1472)" = 1300 ]
	on ns1 ip link set eth0 mtu 1500
	forget_paths
	within 3 on client $FRAGS sized $HOST 6000 do 1472
}

t_23_a_fragment_is_cut_again() {
	on ns1 ip link set eth0 mtu 900
	sleep 1.2
	on client $FRAGS any_order $HOST 6000 6000 65507
	on ns1 ip link set eth0 mtu 1500
	sleep 1.2
}

t_24_links_that_grow() {
	local big=9000
	[ "$MODE" = tc ] || big=3000	# more than a page is not for XDP on a veth
	on client ip link set eth0 mtu $big
	on host ip link set ens5 mtu $big
	on host ip link set "nsx-$NS1" mtu $big
	on ns1 ip link set eth0 mtu $big
	forget_paths
	within 3 on client $FRAGS sized $HOST 6000 do $((big - 100))
	on client ip link set eth1 mtu $big
	on inet ip link set eth0 mtu $big
	forget_paths
	within 3 on ns1 $FRAGS sized $INET 7 do $((big - 100))
	on client ip link set eth0 mtu 1500
	on client ip link set eth1 mtu 1500
	on inet ip link set eth0 mtu 1500
	on host ip link set ens5 mtu 1500
	on ns1 ip link set eth0 mtu 1500
	on host ip link set "nsx-$NS1" mtu 1500
}

# The link to the kernel's reassembly is set down: status says so, and the next command that changes
# something mends it.
t_89_the_link_is_set_down() {
	nsxdp status -j | grep -q "\"reassembly\": *true"
	on host ip link set nsx.fib down
	nsxdp status -j | grep -q "\"reassembly\": *false"
	nsxdp status | grep -q '^fragments .* lost'
	not on ns1 $FRAGS any_order $INET 7 6000
	nsxdp map add 6099 "$NS1:8080"
	nsxdp status -j | grep -q "\"reassembly\": *true"
	nsxdp map del 6099
	on ns1 $FRAGS any_order $INET 7 6000
}

t_90_nothing_is_left() {
	nsxdp down --keep-ns
	on host ip -o link | awk '/nsx.fib/ { exit 1 }'
	for n in 1 2 3; do
		nsxdp up --dev ens5 2>/dev/null
		on host ip link show nsx.fib > /dev/null
		[ -z "$(nsxdp up --dev ens5 2>&1 | grep -v "this kernel lacks" || true)" ]
		nsxdp down
	done
	on host ip -o link | awk '/nsx.fib/ { exit 1 }'
}

# Datagrams that were reassembled come to the host by the uplink that they came by: strict
# reverse-path filtering sees to that.
t_91_by_two_uplinks() {
	lab_kill
	nsxdp down 2> /dev/null || true
	for n in "$NS1" "$NS2" "$NS3"; do ip netns del "$n" 2> /dev/null || true; done
	ip netns add "$(lab_ns far)"
	on far ip link set lo up
	lab_link far eth0 192.0.2.10/24 host ens6 192.0.2.1/24
	nsxdp up --dev ens5 --dev ens6 --mode "$MODE"
	nsxdp ns add "$NS1" --datapath "$MODE"
	nsxdp map add -p udp 6000 "$NS1:8080"
	on_bg ns1 $PY udp_echo_server 8080
	on_bg far $PY udp_echo_server 7
	on_bg inet $PY udp_echo_server 7
	on_bg host $PY udp_echo_server 9
	on host sysctl -qw net.ipv4.conf.all.rp_filter=1
	lab_listening host 9 --udp
	lab_listening ns1 8080 --udp
	lab_listening far 7 --udp
	lab_listening inet 7 --udp
	for n in 1 2; do
		on far $FRAGS any_order 192.0.2.1 9 6000 20000
		on far $FRAGS any_order 192.0.2.1 6000 6000 20000
		on client $FRAGS any_order $HOST 6000 6000 20000
		on ns1 $FRAGS any_order 192.0.2.10 7 6000 20000
		on ns1 $FRAGS any_order $INET 7 6000 20000
	done
	# Answers from the second uplink's address leave by it, though the main route to there is by
	# the first, and fit it.
	on host ip link set ens6 mtu 1400
	on far ip link set eth0 mtu 1400
	on far ip addr add 198.51.100.77/32 dev lo
	on far ip route replace 192.0.2.1 dev eth0 src 198.51.100.77
	on host ip route add default via 192.0.2.10 dev ens6 table 100
	on host ip rule add from 192.0.2.1 lookup 100
	on host sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.ens6.rp_filter=0
	within 5 on far $PY udp_client 192.0.2.1 6000 1000 1440 6000
	lab_kill
	nsxdp down
	ip netns del "$(lab_ns far)"
}

run_tests "$@"
