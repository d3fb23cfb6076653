#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# One registry of ports: published, masqueraded and the host's own; reachable from everywhere,
# changed while it runs.
#
#   e2e_ports.sh [tc|xdp] [WORD]...
MODE=${1:-tc}
[ $# = 0 ] || shift
T_GROUP="ports, $MODE"
. "$(dirname "$0")/harness.sh"
. "$(dirname "$0")/ports_lab.sh"

# The client is told and does not wait, wherever it is; and nothing for the namespace goes
# elsewhere.
refused_everywhere() {
	refuse 1 "Connection refused" on client timeout $((2 * SLOW)) $PY half_close $HOST 6400
	refuse 1 "Connection refused" on client timeout $((2 * SLOW)) $PY udp_client $HOST 6400 1 100
	refuse 1 "Connection refused" on ns1 timeout $((2 * SLOW)) $PY half_close $HOST 6400
	refuse 1 "Connection refused" on ns1 timeout $((2 * SLOW)) $PY udp_client $HOST 6400 1 100
	refuse 1 "No route to host" on host timeout $((2 * SLOW)) $PY half_close 127.0.0.1 6400
	refuse 1 "No route to host" on host timeout $((2 * SLOW)) $PY udp_client $HOST 6400 1 100
}

t_01_host_reaches_published_ports() {
	local a
	for a in 127.0.0.1 localhost $HOST 127.9.9.9; do
		[ "$(on host $PY half_close $a 6000)" = 192.168.0.1 ]
		on host $PY udp_client $a 6000 1 1000
	done
	[ "$(on host $PY half_close 127.0.0.1 6001)" = 192.168.0.5 ]
	on host $PY dialled 127.0.0.1 6000
	on host $PY dialled $HOST 6000
}

t_02_only_from_the_hosts_own_namespace() {
	refuse 1 "refused" on client $PY half_close 127.0.0.1 6000
	refuse 1 "refused" on ns2 $PY half_close 127.0.0.1 6000
	[ "$(on host cat /proc/sys/net/ipv4/conf/all/route_localnet)" = 0 ]
}

t_03_host_cannot_bind_to_published_ports() {
	refuse 1 "Operation not permitted" on host $PY bind tcp 0.0.0.0 6000
	refuse 1 "Operation not permitted" on host $PY bind tcp $HOST 6000
	refuse 1 "Operation not permitted" on host $PY bind tcp 127.0.0.1 6000
	refuse 1 "Operation not permitted" on host $PY bind udp 0.0.0.0 6000
	refuse 1 "Operation not permitted" on host $PY bind tcp :: 6000
	on host $PY bind udp 0.0.0.0 6001
	on host $PY bind tcp 192.168.0.1 6000
	on client $PY bind tcp 0.0.0.0 6000
	on ns1 $PY bind tcp 0.0.0.0 6000
	nsxdp status | grep -q 'bind guard  yes'
	nsxdp up --dev ens5 --no-bind-guard
	on host $PY bind tcp 0.0.0.0 6000
	nsxdp status | grep -q 'bind guard  no'
}

# As conmon and docker-proxy hold the ports that they publish, before or after.
t_03b_ports_of_a_container_engine() {
	nsxdp up --dev ens5
	on_bg host $PY tcp_echo_server 6301
	lab_listening host 6301
	refuse 1 "taken by the host itself" nsxdp map add 6301 "$NS1:8080"
	nsxdp map add 6301 "$NS1:8080" --owner podman
	nsxdp map add 6302 "$NS1:8080" --owner podman
	on host $PY bind tcp 0.0.0.0 6302
	refuse 1 "Operation not permitted" on host $PY bind tcp 0.0.0.0 6000
	nsxdp -j map list 6301 | grep -q '"owner": "podman"'
	# What arrives goes to the namespace, not to the engine's socket.
	on client $PY half_close $HOST 6301
	[ "$(nsxdp map list 6301 | awk 'NR == 2 { print $NF }')" -gt 3 ]
	nsxdp export | grep -q "^map add 6302 $NS1:8080 --owner podman"
	nsxdp export | nsxdp apply -
	nsxdp map set 6302 --owner none
	refuse 1 "Operation not permitted" on host $PY bind tcp 0.0.0.0 6302
	refuse 2 "not a name of up to 31" nsxdp map add 6303 "$NS1:1" --owner 'a b'
	nsxdp map del 6301
	nsxdp map del 6302
}

t_04_ports_are_listed_with_their_owners() {
	on_bg host $PY tcp_echo_server 9009
	lab_listening host 9009
	on ns1 $PY udp_ports $INET 7 21000 3 x
	nsxdp ports > "$LAB_TMP/ports"
	cat "$LAB_TMP/ports"
	grep -q "^tcp *6000 *$NS1 *ipv4 *published, to port 8080" "$LAB_TMP/ports"
	grep -q "^udp *21001 *$NS1 *ipv4 *masquerades 192.168.0.2:21001" "$LAB_TMP/ports"
	grep -q "^tcp *9009 *host *ipv4 *python3, process [0-9]" "$LAB_TMP/ports"
	nsxdp ports -j | python3 -c 'import json,sys
rows = json.load(sys.stdin)
assert all(set(r) == {"proto", "family", "ports", "port", "owner", "reason"} for r in rows), rows
assert [r for r in rows if r["port"] == 6000 and r["proto"] == "tcp"][0]["reason"] == "published, to port 8080"'
}

# Both ends of the same 4-tuple, in either order: whoever is first keeps its answers, the other gets
# another or is told.
t_05_host_and_masquerade_never_collide() {
	local proto
	for proto in tcp udp; do
		rm -f "$LAB_TMP/first"
		on host $PY same_tuple $proto $INET 7 23000 host "$LAB_TMP/go" > "$LAB_TMP/first" 2>&1 &
		local first=$!
		eventually 5 grep -q open "$LAB_TMP/first"
		on ns1 $PY same_tuple $proto $INET 7 23000 ns
		touch "$LAB_TMP/go"
		wait $first
		rm "$LAB_TMP/go" "$LAB_TMP/first"
		rm -f "$LAB_TMP/first"
		on ns1 $PY same_tuple $proto $INET 7 24000 ns "$LAB_TMP/go" > "$LAB_TMP/first" 2>&1 &
		first=$!
		eventually 5 grep -q open "$LAB_TMP/first"
		refuse 1 "Operation not permitted" on host $PY same_tuple $proto $INET 7 24000 host
		touch "$LAB_TMP/go"
		wait $first
		rm "$LAB_TMP/go" "$LAB_TMP/first"
	done
}

# The kernel gives published ports of its own range to the host's sockets too.
t_06_a_published_port_of_the_hosts_range() {
	nsxdp map add 40000 "$NS1:8080"
	nsxdp map add -p udp 40000 "$NS1:8080"
	on host sysctl -qw net.ipv4.ip_local_port_range="40000 40000"
	on host $PY from_port tcp $INET 7 40000
	on host $PY from_port udp $INET 7 40000
	on host sysctl -qw net.ipv4.ip_local_port_range="32768 60999"
	[ "$(on client $PY half_close $HOST 40000)" = 203.0.113.10 ]
	nsxdp map del 40000
	nsxdp map del -p udp 40000
}

t_07_publishing_ends_a_masqueraded_flow_by_name() {
	on ns2 $PY udp_ports $INET 7 25000 1 x
	nsxdp map add -p udp 25000 "$NS1:9" 2> "$LAB_TMP/said"
	cat "$LAB_TMP/said"
	grep -q "ends a masqueraded flow of 192.168.0.6 that used this port" "$LAB_TMP/said"
	nsxdp map del -p udp 25000
}

t_08_one_address() {
	on host ip addr add 203.0.113.5/24 dev ens5
	[ "$(on ns2 timeout $((2 * SLOW)) $PY half_close 203.0.113.5 6000)" = 192.168.0.6 ]
	nsxdp map add 203.0.113.5:6100 "$NS1:8080"
	nsxdp map list | grep -q '^203.0.113.5 *6100'
	[ "$(on client $PY half_close 203.0.113.5 6100)" = 203.0.113.10 ]
	refuse 1 "refused" on client $PY half_close $HOST 6100
	[ "$(on client $PY half_close 203.0.113.5 6001)" = 203.0.113.10 ]
	refuse 1 "203.0.113.99 is no address of the host" nsxdp map add 203.0.113.99:6101 "$NS1:8080"
	refuse 1 "there is no interface nosuch" nsxdp map add nosuch:6101 "$NS1:8080"
	[ "$(on host $PY half_close 203.0.113.5 6100)" = 192.168.0.1 ]
	nsxdp map del 203.0.113.5:6100
	nsxdp map add 127.0.0.1:6100 "$NS1:8080"
	[ "$(on host $PY half_close 127.0.0.1 6100)" = 192.168.0.1 ]
	refuse 1 "refused" on host $PY half_close 127.0.0.2 6100
	refuse 1 "refused" on client $PY half_close $HOST 6100
	nsxdp map del 127.0.0.1:6100
	refuse 1 "192.168.0.1 is no address of the host" nsxdp map add 192.168.0.1:6100 "$NS1:8080"
	on host ip addr del 203.0.113.5/24 dev ens5
	nsxdp up --dev ens5
}

# As DHCP does it: nothing of nsxdp runs or is run.
t_09_an_address_change_is_followed() {
	local end
	on client ip neigh flush dev eth0
	on host ip addr del $HOST/24 dev ens5
	on host ip addr add 203.0.113.66/24 dev ens5
	on host ip route replace default via 203.0.113.10
	end=$((SECONDS + 2 * SLOW))
	until [ "$(on client timeout $SLOW $PY half_close 203.0.113.66 6000)" = 203.0.113.10 ]; do [ $SECONDS -lt $end ]; done
	until [ "$(on ns1 timeout $SLOW $PY half_close $INET 7)" = 203.0.113.66 ]; do [ $SECONDS -lt $end ]; done
	on client $PY udp_client 203.0.113.66 6000 1 1000
	nsxdp status | grep -q '203.0.113.66'
	on host ip addr add 203.0.113.67/24 dev ens5
	[ "$(on client $PY half_close 203.0.113.67 6000)" = 203.0.113.10 ]
	on host ip addr flush dev ens5
	on host ip addr add $HOST/24 dev ens5
	on host ip route replace default via 203.0.113.10
	nsxdp up --dev ens5
	[ "$(on client $PY half_close $HOST 6000)" = 203.0.113.10 ]
}

t_10_foreign_addresses_are_not_captured() {
	on client ip route add 10.99.0.1/32 via $HOST
	refuse 124 "" on client timeout 1 bash -c "exec 3<>/dev/tcp/10.99.0.1/6000"
	on client ip route del 10.99.0.1/32
}

t_11_flows_beyond_a_quota_are_refused_by_name() {
	local n
	n=$(lab_ns ns8)
	nsxdp up --dev ens5 --timeout udp=2 --timeout udp-oneway=2
	nsxdp ns add "$n" --max-flows 50 --datapath "$MODE"
	nsxdp ns show "$n" | grep -q '^max_flows *50'
	on ns8 $PY udp_open $INET 7 20000 200 > "$LAB_TMP/open" &
	local pid=$!
	on ns1 $PY udp_ports $INET 7 28000 100 x
	wait $pid
	cat "$LAB_TMP/open"
	grep -q 'answered 50 refused 150' "$LAB_TMP/open"
	nsxdp status | grep -q reject-max-flows
	# What is over makes room, though nobody took notice of its end.
	sleep 3
	on ns8 $PY udp_open $INET 7 21000 80 > "$LAB_TMP/open"
	cat "$LAB_TMP/open"
	[ "$(awk '{ print $2 }' "$LAB_TMP/open")" -ge 40 ]
	nsxdp ns del "$n"
	nsxdp up --dev ens5 --timeout udp=300 --timeout udp-oneway=60
	refuse 2 "--max-flows x" nsxdp ns add "$n" --max-flows x
}

rejected() { nsxdp -j status | python3 -c '
import json, sys
print(sum(v["packets"] for v in json.load(sys.stdin)["verdicts"] if v["verdict"] == "reject-egress-denied"))'; }

seen_as() { [ "$(on ns1 $PY half_close $INET 7)" = "$1" ]; }

t_15_the_address_that_a_namespace_leaves_from() {
	refuse 1 "--source: 203.0.113.99 is not an address of this host" nsxdp ns set "$NS1" --source 203.0.113.99
	on host ip addr add 203.0.113.7/24 dev ens5
	seen_as $HOST
	on ns1 $PY udp_ports $INET 7 28000 3 x
	nsxdp ns set "$NS1" --source 203.0.113.7
	nsxdp flow list | not grep -q "192.168.0.2:28001"
	seen_as 203.0.113.7
	on ns1 $PY udp_ports $INET 7 28000 3 x
	nsxdp flow list | grep -q "192.168.0.2:28001 *203.0.113.7:28001"
	on ns1 ping -c1 -W2 $INET
	[ "$(on ns2 $PY half_close $INET 7)" = $HOST ]
	# Published ports answer from the address that was asked.
	on client $PY half_close $HOST 6000
	nsxdp export | grep -q "^ns add $NS1 .*--source 203.0.113.7"
	nsxdp export | nsxdp apply -
	nsxdp -j ns show "$NS1" | grep -q '"source": "203.0.113.7"'
	# Without it nothing leaves, rather than as somebody else.
	on host ip addr del 203.0.113.7/24 dev ens5
	refuse 1 "" on ns1 timeout $((3 * SLOW)) $PY half_close $INET 7
	nsxdp status | grep -q "reject-no-uplink\|drop-no-uplink"
	on host ip addr add 203.0.113.7/24 dev ens5
	eventually 5 seen_as 203.0.113.7
	nsxdp ns set "$NS1" --source none
	seen_as $HOST
	on host ip addr del 203.0.113.7/24 dev ens5
}

t_14_where_a_namespace_may_go() {
	on_bg client $PY tcp_echo_server 9000
	lab_listening client 9000
	on ns1 $PY half_close 203.0.113.10 9000
	nsxdp ns set "$NS1" --egress-allow 198.51.100.0/24
	on ns1 $PY half_close $INET 7
	on ns1 $PY udp_client $INET 7 1 1000
	on ns1 ping -c1 -W2 $INET
	refuse 1 "No route to host" on ns1 timeout $((3 * SLOW)) $PY half_close 203.0.113.10 9000
	refuse 1 "No route to host" on ns1 timeout $((3 * SLOW)) $PY udp_client 203.0.113.10 9000 1 100
	[ "$(rejected)" -ge 2 ]
	refuse 1 "No route to host" on ns1 timeout $((3 * SLOW)) $PY half_close $HOST 6001	# another namespace's port
	on ns1 ping -c1 -W2 192.168.0.1
	# What others begin is answered, wherever they are.
	on client $PY half_close $HOST 6000
	on host $PY half_close 127.0.0.1 6000
	on ns2 $PY half_close $HOST 6000
	on ns2 $PY half_close 203.0.113.10 9000
	# Datagrams do not tell who began, and a published port is no way around the rules.
	refuse 1 "" on client timeout $((3 * SLOW)) $PY udp_client $HOST 6000 1 100
	nsxdp map add 6300 "$NS1:6300"
	nsxdp map add -p udp 6301 "$NS1:6301"
	refuse 1 "No route to host" on ns1 timeout $((3 * SLOW)) $PY half_close 203.0.113.10 9000 6300
	on ns1 $PY half_close $INET 7 6300
	refuse 1 "No route to host" on ns1 timeout $((3 * SLOW)) $PY udp_from 6301 203.0.113.10 9000
	on ns1 timeout $((3 * SLOW)) $PY udp_from 6301 $INET 7
	nsxdp map del 6300
	nsxdp map del -p udp 6301
	# The longest network decides, and a rule ends what runs.
	on ns1 $PY udp_ports $INET 7 28000 3 x
	nsxdp flow list | grep -q "192.168.0.2:28001 .*$NS1"
	nsxdp ns set "$NS1" --egress-deny 0.0.0.0/0 --egress-allow 203.0.113.0/24 --egress-deny 203.0.113.10
	nsxdp flow list | not grep -q "192.168.0.2:28001 .*$NS1"
	refuse 1 "No route to host" on ns1 timeout $((3 * SLOW)) $PY half_close $INET 7
	refuse 1 "No route to host" on ns1 timeout $((3 * SLOW)) $PY half_close 203.0.113.10 9000
	on ns1 $PY half_close $HOST 6001
	nsxdp export > "$LAB_TMP/exported"
	grep -q "ns add $NS1 .*--egress-allow 203.0.113.0/24 --egress-deny 0.0.0.0/0 --egress-deny 203.0.113.10/32" "$LAB_TMP/exported"
	nsxdp apply "$LAB_TMP/exported"
	on host "$(dirname "$NSXDP")/check"
	nsxdp ns set "$NS1" --egress-deny 198.51.100.8
	on ns1 $PY half_close 203.0.113.10 9000
	refuse 1 "No route to host" on ns1 timeout $((3 * SLOW)) $PY half_close $INET 7
	nsxdp ns set "$NS1" --egress-deny any
	refuse 1 "No route to host" on ns1 timeout $((3 * SLOW)) $PY half_close $INET 7
	on client $PY half_close $HOST 6000
	nsxdp ns set "$NS1" --egress-allow any
	on ns1 $PY half_close $INET 7
	refuse 2 "'any' stands alone" nsxdp ns set "$NS1" --egress-allow any --egress-deny 10.0.0.0/8
	refuse 2 "host bits are set" nsxdp ns set "$NS1" --egress-allow 10.0.0.1/8
	refuse 2 "'any' stands alone" nsxdp ns set "$NS1" --egress-allow 10.0.0.0/8 --egress-allow any
}

t_12_egress_rate() {
	local n
	n=$(lab_ns ns9)
	nsxdp ns add "$n" --egress-rate 50mbit
	on_bg inet iperf3 -s
	lab_listening inet 5201
	on ns9 iperf3 -c $INET -t 3 -J | python3 -c 'import json,sys
rate = json.load(sys.stdin)["end"]["sum_received"]["bits_per_second"] / 1e6
print(rate, "Mbit/s")
assert 20 < rate < 60, rate'
	nsxdp status | grep -q drop-egress-rate
	nsxdp ns del "$n"
	refuse 2 "--egress-rate 5" nsxdp ns add "$n" --egress-rate 5
	refuse 2 "not with --datapath xdp" nsxdp ns add "$n" --egress-rate 5mbit --datapath xdp
}

t_13_a_syn_flood_leaves_nothing() {
	nsxdp flow list -j | grep -c '"proto"' > "$LAB_TMP/before" || true
	rm -f "$LAB_TMP/flood"
	on client $PY syn_flood $HOST 6000 3 > "$LAB_TMP/flood" &
	local pid=$!
	sleep 0.5
	on client $PY tcp_many $HOST 6001 200 0.5
	on ns2 $PY tcp_many $INET 7 200 0.5
	wait $pid
	cat "$LAB_TMP/flood"
	[ "$(awk '{ print $2 }' "$LAB_TMP/flood")" -gt $((10000 / SLOW)) ]
	nsxdp flow list | not grep published
	[ "$(on client $PY half_close $HOST 6000)" = 203.0.113.10 ]
}

# A connection of a namespace to itself comes from its gateway's address, as the host's own do.
t_14_host_and_self_hairpin_never_collide() {
	nsxdp map add 6300 "$NS1:9000"
	on ns1 $PY tags $HOST 6300 26000 5
	on host $PY tags 127.0.0.1 6300 26000 5
	on ns1 $PY tags $HOST 6300 26000 5
	nsxdp map del 6300
}

t_15_dead_targets_are_refused_quickly() {
	local n dump
	n=$(lab_ns nsa)
	nsxdp ns add "$n" --datapath "$MODE"
	nsxdp map add 6400 "$n:8080"
	nsxdp map add -p udp 6400 "$n:8080"
	refuse 1 "Connection refused" on client timeout $((2 * SLOW)) $PY half_close $HOST 6400
	refuse 1 "Connection refused" on client timeout $((2 * SLOW)) $PY udp_client $HOST 6400 1 100
	on_bg nsa $PY tcp_echo_server 8080
	on_bg nsa $PY udp_echo_server 8080
	lab_listening nsa 8080
	on nsa ip link set eth0 down
	sleep 0.6
	refused_everywhere
	nsxdp status | grep -q 'from-uplink  *reject-link-down'
	nsxdp status | grep -q 'from-ns  *reject-link-down'
	on nsa ip link set eth0 up
	on nsa ip route replace default via 192.168.0.13
	sleep 0.6
	[ "$(on client $PY half_close $HOST 6400)" = 203.0.113.10 ]
	on client $PY udp_client $HOST 6400 1 100
	on host ip link set "$(nsxdp ns show "$n" | awk '$1 == "host_if" { print $2 }')" down
	sleep 0.6
	refused_everywhere
	# Deleted behind our back; others are served as before.
	ip netns pids "$n" | xargs kill
	rm -f "$LAB_TMP/dump"
	on client timeout $((30 * SLOW)) tcpdump -Uni eth0 -w "$LAB_TMP/leak.pcap" net 192.168.0.0/16 2> "$LAB_TMP/dump" &
	dump=$!
	eventually 5 grep -q listening "$LAB_TMP/dump"
	ip netns del "$n"
	sleep 1
	refused_everywhere
	on ns1 $PY half_close $INET 7
	sleep 0.6
	on ns1 $PY half_close $INET 7
	nsxdp map set 6400 "$NS1:8080" "$NS2:8080"
	[ "$(on client $PY half_close $HOST 6400)" = 203.0.113.10 ]
	nsxdp map del 6400
	nsxdp ns del "$n" --force
	on host ip route show type unreachable | not grep 192.168.0.12
	kill $dump
	wait $dump || true
	tcpdump -nr "$LAB_TMP/leak.pcap" | not grep .
}

# A flood fills the table, and what was not answered has less than half of its time. Once the flood
# is over, that time grows again as the sweeper empties the table: a reader that comes late starts
# over.
flood_shortens_timeouts() {
	on nsb $PY udp_spray $INET 9 1024 28000 && nsxdp flow list > "$LAB_TMP/flows" &&
		awk '/one-way/ { seen = 1 } /one-way/ && $NF > 30 { bad = 1 } END { exit bad || !seen }' "$LAB_TMP/flows"
}

# A flood of flows that nobody answers is soon over, because it fills the table; what is answered
# stays.
t_16_unanswered_flows_shorten_their_timeouts_as_the_table_fills() {
	nsxdp up --dev ens5 --timeout udp-oneway=60 --flows 3000
	on ns1 $PY udp_ports $INET 7 29100 3 x
	on ns1 $PY udp_spray $INET 9 29200 3
	nsxdp flow list | grep -Ec ' one-way *(5[5-9]|60)$' | grep -q '^3$'
	nsxdp ns add "$(lab_ns nsb)" --datapath "$MODE"
	eventually 15 flood_shortens_timeouts
	# After twenty seconds there are as many left as have that time: at nine tenths of the
	# table.
	eventually 30 bash -c "nsenter --net=/run/netns/$(lab_ns host) $NSXDP status | awk '/^table/ { exit \$2 > 2700 }'"
	nsxdp flow list > "$LAB_TMP/flows"
	[ "$(grep -c '2910[0-2].*two-way' "$LAB_TMP/flows")" = 3 ]
	# There is room for the next that comes.
	on ns1 $PY udp_spray $INET 9 29300 1
	nsxdp flow list | grep 29300 | grep -q ' one-way '
	nsxdp ns del "$(lab_ns nsb)"
	nsxdp up --dev ens5 --flows 262144
}

link_of() { nsxdp ns show "$1" | awk '$1 == "host_if" { print $2 }'; }

# Whether a link is up is not asked with a packet that is too large for it, which the kernel would
# answer instead.
t_42_a_large_packet_does_not_set_a_link_down() {
	local n
	n=$(lab_ns nsb)
	nsxdp ns add "$n"
	nsxdp map add -p udp 6401 "$n:8080"
	on_bg nsb $PY udp_echo_server 8080
	lab_listening nsb 8080 --udp
	on host ip link set "$(link_of "$n")" mtu 1300
	on nsb ip link set eth0 mtu 1300
	sleep 1.2
	for i in 1 2 3; do
		refuse 1 "Message too long" on client $PY udp_client $HOST 6401 1440 1440
		on client $PY udp_client $HOST 6401 100
		on client ip route flush cache
		sleep 0.7
	done
	nsxdp ns del --force "$n"
}

# The one call of bpf(2) that fails: COMMAND NTH, then words of nsxdp's.
with_fault() {
	local fault="$1 $2"; shift 2
	on host env LD_PRELOAD="$HERE/../build/faults.so" FAULT="$fault" "$NSXDP" "$@"
}

# What is published at a port is for one client alone, or nothing is.
guarded() { # PORT
	nsxdp map list -j | python3 -c 'import json,sys
maps = [m for m in json.load(sys.stdin) if m["ports"] == sys.argv[1]]
assert all(m["allow"] == ["203.0.113.10/32"] for m in maps), maps' "$1"
}

t_40_an_allowlist_outlives_what_fails() {
	local n failed=0
	nsxdp map add 6210 "$NS1:8080" --allow 203.0.113.10
	for n in $(seq 12); do	# 4: BPF_MAP_GET_NEXT_KEY
		with_fault 4 $n map set 6210 "$NS2:8080" 2> "$LAB_TMP/said" || failed=$((failed + 1))
		guarded 6210
		nsxdp map set 6210 "$NS1:8080" --drain 0
	done
	[ $failed -gt 0 ]
	nsxdp map del 6210
	# Some of the calls may fail: counters. What they are about does not.
	failed=0
	for n in $(seq 1 4 80); do
		with_fault -1 $n map add 6211 "$NS1:8080" --allow 203.0.113.10 2> "$LAB_TMP/said" || failed=$((failed + 1))
		guarded 6211
		nsxdp map add 6211 "$NS1:8080" --allow 203.0.113.10
		guarded 6211
		nsxdp map del 6211
		nsxdp map list -j | not grep '"6211"'
	done
	[ $failed -gt 5 ]
}

t_41_targets_that_are_gone() {
	local n
	n=$(lab_ns nsg)
	nsxdp ns add "$n"
	ip netns del "$n"
	refuse 1 "somebody has deleted the namespace" nsxdp map add 6212 "$n:80"
	nsxdp ns del "$n"
}

run_tests "$@"
