#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# IPv6 without translation: first with a network that is part of the uplink's, whose neighbours ask
# for the addresses of namespaces, then with one that is routed to the host.
#
#   e2e_routed.sh [tc|xdp] [WORD]...
MODE=${1:-tc}
[ $# = 0 ] || shift
T_GROUP="routed, $MODE"
. "$(dirname "$0")/harness.sh"

PY6="/usr/bin/python3 $HERE/net6.py"
lab_up
lab_ipv6
NS1=$(lab_ns ns1) NS2=$(lab_ns ns2)
HOST=2001:db8:1::1 CLIENT=2001:db8:1::10 INET=2001:db8:8::8
# The client routes too, so what is on its link must be asked for there.
on inet ip -6 route replace default via 2001:db8:8::1
on host ip maddr show dev ens5 > "$LAB_TMP/maddr"

look() { A1=$(address6 "$NS1") A2=$(address6 "$NS2"); }
start() { # POOL
	nsxdp up --dev ens5 --mode "$MODE" --ipv6 routed --pool6 "$1" || exit 1
	for n in "$NS1" "$NS2"; do nsxdp ns add "$n" --datapath "${MODE%-generic}"; done
	[ "$MODE" = tc ] || on client ethtool -K eth0 tx off gro on > /dev/null
	nsxdp map add 6000 "$NS1:8080"
	nsxdp map add 6001 "$NS2:8080"
	nsxdp map add -p udp 6000 "$NS1:8080"
	nsxdp map add 6080 "$NS1:8081"
	for n in ns1 ns2; do
		on_bg $n $PY6 server 8080
		on_bg $n $PY6 server 8080 udp
	done
	on_bg ns1 $PY6 server 8089
	on_bg ns1 /usr/bin/python3 -m http.server 8081 -b :: -d "$LAB_TMP/www"
	lab_listening ns1 8080 && lab_listening ns2 8080 && lab_listening ns1 8081 && lab_listening ns1 8089
}
mkdir "$LAB_TMP/www"
head -c "$((32 / SLOW))M" /dev/urandom > "$LAB_TMP/www/big"
sha256sum < "$LAB_TMP/www/big" > "$LAB_TMP/sum"
on_bg inet $PY6 server 7
on_bg inet $PY6 server 7 udp
on_bg client $PY6 server 7
on_bg inet /usr/bin/python3 -m http.server 80 -b :: -d "$LAB_TMP/www"
lab_listening inet 7 && lab_listening inet 80 && lab_listening client 7
start 2001:db8:1:0:1::/80
look

nsxdp_then_sleep() { nsxdp "$@"; sleep 1; }

leaves_from_its_own_address() {
	on ns1 ip -6 route show default | grep 'via fe80::1 '
	[ "$(on ns1 $PY6 client $INET 7)" = "$A1" ]
	[ "$(on ns2 $PY6 client $INET 7)" = "$A2" ]
	[ "$(on ns1 $PY6 client $CLIENT 7)" = "$A1" ]
	on ns1 ping -c2 -i0.2 -W2 $INET
	on ns1 ping -c1 -W2 -s 4000 $INET
	on ns1 $PY6 udp $INET 7 1000
	on ns1 $PY6 udp $INET 7 6000
	nsxdp flow list | grep "$A1" | grep -w routed
}

is_closed() {
	grows drop-pool on client ping -c1 -W1 "$A1"
	grows drop-pool on client curl -gsS -m 1 "http://[$A1]:8089/"
	refuse 28 "" on inet curl -gsS -m 1 "http://[$A1]:8089/"
}

published_ports_are_open() {
	[ "$(on client $PY6 client "$A1" 8080)" = $CLIENT ]
	[ "$(on inet $PY6 client "$A2" 8080)" = $INET ]
	on inet $PY6 udp "$A1" 8080 500
	on inet $PY6 udp "$A1" 8080 6000
	[ "$(on client curl -gsS -m 60 "http://[$A1]:8081/big" | sha256sum)" = "$(cat "$LAB_TMP/sum")" ]
	[ "$(on ns2 curl -gsS -m 60 "http://[$INET]/big" | sha256sum)" = "$(cat "$LAB_TMP/sum")" ]
}

t_01_out() { leaves_from_its_own_address; }
t_02_closed() { is_closed; }
t_03_published() { published_ports_are_open; }

t_04_and_at_the_hosts_address() {
	[ "$(on client $PY6 client $HOST 6000)" = $CLIENT ]
	[ "$(on inet $PY6 client $HOST 6001)" = $INET ]
	on inet $PY6 udp $HOST 6000 500
	[ "$(on client $PY6 client 203.0.113.1 6000)" = 203.0.113.10 ]
	[ "$(on host $PY6 client ::1 6000)" != "" ]
	[ "$(on host $PY6 client "$A1" 8080)" != "" ]
	on host ping -c1 -W2 "$A1"
	on ns1 ping -c1 -W2 $HOST
}

t_05_conditions_hold_at_either_address() {
	nsxdp map set 6001 "$NS2:8080" --allow 2001:db8:8::/64
	[ "$(on inet $PY6 client "$A2" 8080)" = $INET ]
	grows drop-not-allowed on client curl -gsS -m 1 "http://[$A2]:8080/"
	nsxdp map set 6001 "$NS2:8080" --allow any --rate 1/s
	grows drop-rate on client sh -c "for i in 1 2 3 4; do curl -gsS -m 1 'http://[$A2]:8080/' & done; wait"
	nsxdp map set 6001 "$NS2:8080" --rate none
	[ "$(on client $PY6 client "$A2" 8080)" = $CLIENT ]
}

# At the host's address these are served by the table of services.
t_05b_services_at_the_hosts_address() {
	nsxdp map set 6001 "$NS2:8080" --allow ::/0 --rate 100/s
	[ "$(on client $PY6 client $HOST 6001)" = $CLIENT ]
	nsxdp map set 6001 "$NS2:8080" "$NS1:8080" --allow any --rate none
	for _ in 1 2 3 4; do [ "$(on inet $PY6 client $HOST 6001)" = $INET ]; done
	nsxdp map set 6001 "$NS2:8080" --drain 0
	[ "$(on client $PY6 client "$A2" 8080)" = $CLIENT ]
}

t_05c_every_datagram_keeps_to_the_conditions() {
	nsxdp map set -p udp 6000 "$NS1:8080" --rate 2/s
	grows drop-rate on client $PY6 udp "$A1" 8080 10 20
	nsxdp map set -p udp 6000 "$NS1:8080" --rate none
	on_bg client $PY6 udp_for "$A1" 8080 4
	sleep 1
	grows drop-not-allowed nsxdp_then_sleep map set -p udp 6000 "$NS1:8080" --allow 2001:db8:8::/64
	nsxdp map set -p udp 6000 "$NS1:8080" --allow any
}

t_05d_the_hosts_address_is_no_source() {
	local mac; mac=$(on host ip -o link show dev ens5 | sed 's/.*ether \([^ ]*\).*/\1/')
	grows drop-local-source on client $PY6 forge eth0 "$mac" $HOST "$A1" 6702 8080
	grows drop-link-local on client $PY6 forge eth0 "$mac" fe80::77 "$A1" 6702 8080
}

t_06_what_is_published_at_one_address_is_not_open() {
	nsxdp map add "[$HOST]:6089" "$NS1:8089"
	[ "$(on client $PY6 client $HOST 6089)" = $CLIENT ]
	grows drop-pool on client curl -gsS -m 1 "http://[$A1]:8089/"
	# Nor where each address has another one.
	on host ip addr add 2001:db8:1::2/64 dev ens5 nodad
	sleep 1
	nsxdp map add "[2001:db8:1::2]:6089" "$NS2:8089"
	[ "$(on client $PY6 client $HOST 6089)" = $CLIENT ]
	grows drop-pool on client curl -gsS -m 1 "http://[$A1]:8089/"
	nsxdp map del "[2001:db8:1::2]:6089"
	nsxdp status | grep "^addresses .*2001:db8:1::2"
	on host ip addr del 2001:db8:1::2/64 dev ens5
	nsxdp status | not grep "^addresses .*2001:db8:1::2"
	nsxdp map del "[$HOST]:6089"
}

t_07_between_namespaces() {
	[ "$(on ns2 $PY6 client "$A1" 8080)" = "$A2" ]
	[ "$(on ns2 $PY6 client $HOST 6000)" = "$A2" ]
	on ns2 $PY6 udp "$A1" 8080 100
	on ns1 $PY6 client $HOST 6000
	[ "$(on ns2 curl -gsS -m 60 "http://[$A1]:8081/big" | sha256sum)" = "$(cat "$LAB_TMP/sum")" ]
	grows drop-isolated on ns2 curl -gsS -m 1 "http://[$A1]:8089/"
	grows drop-isolated on ns2 ping -c1 -W1 "$A1"
}

t_08_ends_with_the_publication() {
	on_bg ns1 $PY6 server 8090
	lab_listening ns1 8090
	nsxdp map add 6090 "$NS1:8090"
	[ "$(on client $PY6 client "$A1" 8090)" = $CLIENT ]
	nsxdp map del 6090
	grows drop-pool on client curl -gsS -m 1 "http://[$A1]:8090/"
	refuse 28 "" on client curl -gsS -m 1 "http://[$A1]:8090/"
}

# What the server still sends does not open it again.
t_08b_a_connection_ends_with_the_publication() {
	on_bg ns1 $PY6 talker 8091
	lab_listening ns1 8091
	nsxdp map add 6091 "$NS1:8091"
	on client $PY6 listener "$A1" 8091 "$LAB_TMP/heard" &
	sleep 1
	nsxdp map del 6091
	sleep 0.3
	local before; before=$(stat -c %s "$LAB_TMP/heard")
	[ "$before" -gt 0 ]
	sleep 1
	[ "$(stat -c %s "$LAB_TMP/heard")" = "$before" ]
	kill $!
}

t_09_neighbours_find_it() {
	local mac; mac=$(on host ip -o link show dev ens5 | sed 's/.*ether \([^ ]*\).*/\1/')
	on client ip -6 neigh flush dev eth0
	grows nd-answer on client $PY6 client "$A1" 8080
	on client ip -6 neigh show "$A1" | grep "$mac"
	on host ip maddr show dev ens5 | grep "33:33:ff"
	# Nobody answers for what is no namespace's.
	on client ping -c1 -W1 "${A1%:*}:ffff" > /dev/null || true
	on client ip -6 neigh show "${A1%:*}:ffff" | not grep "$mac"
}

t_09b_solicitations_that_are_none() {
	local mac; mac=$(on host ip -o link show dev ens5 | sed 's/.*ether \([^ ]*\).*/\1/')
	for right in none long free; do
		grows nd-answer on client $PY6 solicit eth0 "$mac" $CLIENT "$A1" $right
	done
	for wrong in sum hops option second cut source itself nobody group hidden; do
		not grows nd-answer on client $PY6 solicit eth0 "$mac" $CLIENT "$A1" $wrong
	done
}

# A neighbour that takes such an address is told that it is in use.
t_10_duplicate_addresses_are_found() {
	on client sysctl -qw net.ipv6.conf.eth0.accept_dad=1
	on client ip -6 addr add "$A1/64" dev eth0
	eventually 5 eval 'on client ip -6 addr show dev eth0 dadfailed | grep -q "$A1"'
	on client ip -6 addr del "$A1/64" dev eth0
}

t_11_paths_that_take_less() {
	on client ip link set eth1 mtu 1400
	[ "$(on inet curl -gsS -m 60 "http://[$A1]:8081/big" | sha256sum)" = "$(cat "$LAB_TMP/sum")" ]
	on client ip link set eth1 mtu 1500
	on ns1 ip link set eth0 mtu 1300
	eventually 4 grows icmp-frag-needed on inet $PY6 udp "$A1" 8080 1400
	on ns1 ip link set eth0 mtu 1500
}

t_12_a_limit_of_flows() {
	nsxdp ns set "$NS2" --max-flows 3
	for port in 1 2 3 4 5 6; do on ns2 $PY6 udp $INET "$port" 10 > /dev/null 2>&1 & done
	wait
	grows reject-max-flows on ns2 $PY6 udp $INET 99 10
	nsxdp ns set "$NS2" --max-flows none
}

# Somebody speaks to a port from which the namespace has sent to another. Flows stay as they began.
t_12b_filtering_that_lets_others_in() {
	local port=$((4440 + RANDOM % 1000 * 3))
	sends() { on ns2 $PY6 listen "$1" $CLIENT 7 & sleep 0.5; on inet $PY6 stranger "$A2" "$1"; wait $!; }
	not sends $port
	nsxdp ns set "$NS2" --filtering endpoint-independent
	sends $((port + 1))
	nsxdp ns set "$NS2" --filtering address-and-port-dependent
	not sends $((port + 2))
}

t_12c_where_a_namespace_may_go() {
	nsxdp ns set "$NS2" --egress-allow 2001:db8:8::/64
	[ "$(on ns2 $PY6 client $INET 7)" = "$A2" ]
	grows reject-egress-denied on ns2 $PY6 client $CLIENT 7
	grows reject-egress-denied on ns2 $PY6 client "$A1" 8080
	# What answers over TCP may go anywhere.
	[ "$(on client $PY6 client "$A2" 8080)" = $CLIENT ]
	[ "$(on client $PY6 client $HOST 6001)" = $CLIENT ]
	nsxdp ns set "$NS2" --egress-allow any
}

# That takes it from the device that routes are asked from, too.
t_12d_the_hosts_forwarding_comes_and_goes() {
	on host sysctl -qw net.ipv6.conf.all.forwarding=1
	on host sysctl -qw net.ipv6.conf.all.forwarding=0
	[ "$(on ns1 $PY6 client $INET 7)" = "$A1" ]
	[ "$(on client $PY6 client "$A1" 8080)" = $CLIENT ]
	nsxdp up --dev ens5
}

t_13_a_link_that_is_down_says_so() {
	on ns1 ip link set eth0 down
	sleep 1
	grows reject-link-down on client curl -gsS -m 2 "http://[$A1]:8080/"
	on ns1 ip link set eth0 up
	on ns1 ip -6 route replace default via fe80::1 dev eth0
}

t_14_what_makes_no_sense_is_refused() {
	refuse 2 "--pool6 ADDR/LEN is missing" nsxdp up --dev ens5 --ipv6 routed
	refuse 2 "nat, routed or off" nsxdp up --dev ens5 --ipv6 bridged
	refuse 1 "keep their own addresses" nsxdp ns set "$NS1" --source $HOST
	refuse 1 "keep their own addresses" nsxdp up --dev ens5 --snat $HOST
	refuse 1 "already up with --ipv6 routed" nsxdp up --dev ens5 --ipv6 nat
	nsxdp export | grep -- '--ipv6 routed --pool6 2001:db8:1:0:1::/80'
	nsxdp status | grep 'pool6 *2001:db8:1:0:1::/80, routed$'
}

t_15_up_again_and_from_a_file() {
	nsxdp up --dev ens5
	nsxdp export > "$LAB_TMP/file"
	nsxdp apply --dry-run "$LAB_TMP/file" | not grep .
	nsxdp apply "$LAB_TMP/file"
	[ "$(on client $PY6 client "$A1" 8080)" = $CLIENT ]
}

t_20_down_leaves_nothing() {
	nsxdp down
	on host ip maddr show dev ens5 | diff "$LAB_TMP/maddr" -
	refuse 1 "overlaps the host's network" nsxdp up --dev ens5 --ipv6 routed --pool6 2001:db8:1::/64
	refuse 1 "overlaps the host's network" nsxdp up --dev ens5 --ipv6 routed --pool6 2001:db8:1::/80
	refuse 1 "overlaps the host's network" nsxdp up --dev ens5 --pool6 2001:db8:1:0:1::/80
	on host ip addr add 2001:db8:f::5/128 dev lo
	refuse 1 "overlaps the host's network" nsxdp up --dev ens5 --ipv6 routed --pool6 2001:db8:f::/48
	on host ip addr del 2001:db8:f::5/128 dev lo
}

# By now the host has no global address at all: none is needed.
t_21_a_network_that_is_routed_to_the_host() {
	local ll; ll=$(on host ip -6 -o addr show dev ens5 scope link | sed 's/.*inet6 \([^/]*\).*/\1/')
	on host ip addr del $HOST/64 dev ens5
	on host ip -6 route replace default via fe80::99 dev ens5
	on client ip addr add fe80::99/64 dev eth0 nodad
	on client ip -6 route add 2001:db8:f::/48 via "$ll" dev eth0
	start 2001:db8:f::/48
	on ns1 ip -6 addr show | grep 2001:db8:f:
}
# Each test is a process of its own.
t_22_out() { look; leaves_from_its_own_address; }
t_23_closed() {
	look
	is_closed
	grows drop-pool on client curl -gsS -m 1 "http://[${A1%:*}:ffff]:8080/"
}
t_24_published() { look; published_ports_are_open; }

t_25_another_uplink_in_its_place() {
	on host ip link add other type veth peer name other-far
	on host ip addr add 198.18.0.1/24 dev other
	on host ip link set other up
	look
	nsxdp up --dev other --replace-dev ens5=other
	on host ip maddr show dev ens5 | not grep 33:33:ff:a8
	on host ip maddr show dev other | grep 33:33:ff:a8:00:02
	nsxdp up --dev ens5 --replace-dev other=ens5
	on host ip link del other
	[ "$(on client $PY6 client "$A1" 8080)" = $CLIENT ]
}

run_tests "$@"
