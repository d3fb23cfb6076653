#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# IPv6 beside IPv4: real programs, and what only IPv6 has.
#
#   e2e_ipv6.sh [tc|xdp] [WORD]...
MODE=${1:-tc}
[ $# = 0 ] || shift
T_GROUP="ipv6, $MODE"
. "$(dirname "$0")/harness.sh"

PY6="/usr/bin/python3 $HERE/net6.py"
lab_up
lab_ipv6
NS1=$(lab_ns ns1) NS2=$(lab_ns ns2)
HOST=2001:db8:1::1 CLIENT=2001:db8:1::10 INET=2001:db8:8::8

# The host's own IPv6 stays: what "up" and namespaces may not touch.
own() { on host sysctl -a 2> /dev/null | grep -E '^net\.ipv6\.conf\.(all|default|ens5|lo)\.(forwarding|accept_ra|disable_ipv6) '; }
own > "$LAB_TMP/own"

nsxdp up --dev ens5 --mode "$MODE"
for n in "$NS1" "$NS2"; do nsxdp ns add "$n" --datapath "${MODE%-generic}"; done
[ "$MODE" = tc ] || on client ethtool -K eth0 tx off gro on > /dev/null
gateway6() { nsxdp -j status | sed -n 's/.*"pool6": "\(.*\):\/48".*/\1:1/p'; }
A1=$(address6 "$NS1") A2=$(address6 "$NS2") GW=$(gateway6)
nsxdp map add 6000 "$NS1:8080"
nsxdp map add 6001 "$NS2:8080"
nsxdp map add -p udp 6000 "$NS1:8080"
for n in ns1 ns2; do
	on_bg $n $PY6 server 8080
	on_bg $n $PY6 server 8080 udp
done
on_bg inet $PY6 server 7
on_bg inet $PY6 server 7 udp
mkdir "$LAB_TMP/www"
head -c "$((64 / SLOW))M" /dev/urandom > "$LAB_TMP/www/big"
sha256sum < "$LAB_TMP/www/big" > "$LAB_TMP/sum"
on_bg ns1 /usr/bin/python3 -m http.server 8081 -b :: -d "$LAB_TMP/www"
on_bg inet /usr/bin/python3 -m http.server 80 -b :: -d "$LAB_TMP/www"
nsxdp map add 6080 "$NS1:8081"
lab_listening ns1 8080 && lab_listening ns2 8080 && lab_listening inet 7 && lab_listening ns1 8081 && lab_listening inet 80
MAC=$(on host ip -o link show dev ens5 | sed 's/.*ether \([^ ]*\).*/\1/')

t_01_the_namespace() {
	on ns1 ip -6 addr show dev eth0 | grep "inet6 $A1/128"
	on ns1 ip -6 route show default | grep 'via fe80::1 '
	[ "$(on ns1 cat /proc/sys/net/ipv6/conf/eth0/accept_ra)" = 0 ]
	on ns1 ping -c1 -W2 fe80::1%eth0
	on ns1 ping -c1 -W2 "$GW"
	on ns1 ping -c1 -W2 $HOST
	on host ping -c1 -W2 "$A1"
}

t_02_both_families_are_published_and_the_client_is_seen() {
	[ "$(on client $PY6 client $HOST 6000)" = $CLIENT ]
	[ "$(on client $PY6 client 203.0.113.1 6000)" = 203.0.113.10 ]
	[ "$(on client $PY6 client $HOST 6001)" = $CLIENT ]
	[ "$(on inet $PY6 client $HOST 6000)" = $INET ]
	on client $PY6 udp $HOST 6000 500
}

t_03_masquerade_has_the_hosts_address() {
	[ "$(on ns1 $PY6 client $INET 7)" = $HOST ]
	[ "$(on ns2 $PY6 client $INET 7)" = $HOST ]
	on ns1 ping -c2 -i0.2 -W2 $INET
	on ns1 ping -c1 -W2 -s 1400 $INET
	on ns1 $PY6 udp $INET 7 1000
}

t_04_the_host_reaches_published_ports() {
	[ "$(on host $PY6 client ::1 6000)" = "$GW" ]
	[ "$(on host $PY6 client $HOST 6001)" = "$GW" ]
	on host curl -gsS -m 5 'http://[::1]:6080/' | grep big
	on host curl -sS -m 5 'http://127.0.0.1:6080/' | grep big
	on host $PY6 udp ::1 6000 100
}

t_05_hairpin() {
	[ "$(on ns2 $PY6 client $HOST 6000)" = "$A2" ]
	[ "$(on ns1 $PY6 client $HOST 6000)" = "$GW" ]
	on ns2 $PY6 udp $HOST 6000 100
}

t_06_nothing_else_is_forwarded() {
	refuse 1 "" on ns1 ping -c1 -W1 "$A2"
	on client ip -6 route add "${A1%%::*}::/48" via $HOST
	refuse 1 "" on client ping -c1 -W1 "$A1"
	on client ip -6 route del "${A1%%::*}::/48"
	[ "$(own)" = "$(cat "$LAB_TMP/own")" ]
	refuse 7 "" on client curl -gsS -m 2 "http://[$HOST]:6999/"
}

t_07_bulk_by_digest() {
	[ "$(on client curl -gsS -m 60 "http://[$HOST]:6080/big" | sha256sum)" = "$(cat "$LAB_TMP/sum")" ]
	[ "$(on ns2 curl -gsS -m 60 "http://[$INET]/big" | sha256sum)" = "$(cat "$LAB_TMP/sum")" ]
	[ "$(on ns2 curl -gsS -m 60 "http://[$HOST]:6080/big" | sha256sum)" = "$(cat "$LAB_TMP/sum")" ]
}

t_08_checksums_are_right_on_the_wire() {
	on_bg client timeout $((30 * SLOW)) tcpdump -U -i eth0 -w "$LAB_TMP/pcap" ip6
	sleep 1
	on ns1 ethtool -K eth0 tx off > /dev/null
	on client $PY6 client $HOST 6000
	on ns1 $PY6 client $INET 7
	on ns1 $PY6 udp $INET 7 99
	on ns1 ping -c1 -W2 $INET
	[ "$MODE" != tc ] || on ns1 ethtool -K eth0 tx on > /dev/null	# XDP needs it off
	sleep 1
	not grep -E 'incorrect|bad (udp|icmp6)? ?(cksum|sum)' <(tcpdump -vvnr "$LAB_TMP/pcap" "src $HOST and not icmp6[0] == 135" 2> /dev/null)
	tcpdump -nr "$LAB_TMP/pcap" "src $HOST and ip6[6] == 6" 2> /dev/null | grep -q .
}

t_09_no_checksum_stays_none() {
	on ns1 $PY6 udp $INET 7 99 1 0 || on ns1 $PY6 udp $INET 7 99
	on client $PY6 udp $HOST 6000 99 1 1
}

t_10_fragments() {
	for size in 3000 9000 40000; do
		on client $PY6 udp $HOST 6000 $size 5
		on ns2 $PY6 udp $INET 7 $size 5
		on ns2 $PY6 udp $HOST 6000 $size 5
	done
	on ns1 ping -c2 -i0.2 -W2 -s 3000 $INET
	on client ping -c2 -i0.2 -W2 -s 3000 $HOST
	on host ping -c2 -i0.2 -W2 -s 3000 $INET
}

received() { # ORDER [OVERLAP]: the datagram of net6.py fragments
	nsxdp map add -p udp 6005 "$NS1:8085" > /dev/null
	on ns1 $PY6 receive 8085 5000 > "$LAB_TMP/received" 2>&1 &
	local pid=$! rc=0
	eventually 5 grep -q ready "$LAB_TMP/received" || rc=1
	on client $PY6 fragments eth0 "$MAC" $CLIENT $HOST 999 6005 5000 "$@"
	wait $pid || rc=1
	nsxdp map del -p udp 6005
	grep -q "^$CLIENT\$" "$LAB_TMP/received" && return $rc
	return 1
}

t_11_fragments_in_any_order() {
	received forward
	received backward
	received last-first
}

t_12_fragments_that_overlap_are_no_datagram() {
	not received forward 1
}

t_13_path_mtu_from_a_router() {
	on client ip -6 route add $INET dev eth1 mtu lock 1300
	refuse 1 "" on ns1 ping -c1 -W2 -M do -s 1400 $INET
	on ns1 ping -c1 -W2 -M do -s 1400 $INET 2>&1 | grep -i 'mtu[=: ]*1300\|message too long' || true
	on ns1 ping -c1 -W2 -s 1200 $INET
	[ "$(on inet curl -gsS -m 60 "http://[$HOST]:6080/big" | sha256sum)" = "$(cat "$LAB_TMP/sum")" ]
	on ns1 ip -6 route get $INET | grep 'mtu 1300'
	on client ip -6 route del $INET dev eth1
	on ns1 ip -6 route flush cache
	on inet ip -6 route flush cache
}

t_14_packet_too_big_from_the_host() {
	on host ip -6 route add 2001:db8:8::/64 via $CLIENT mtu lock 1350
	nsxdp up --dev ens5
	# Routes are looked up again after half a second.
	eventually 3 grows icmp-frag-needed on ns2 ping -c1 -W1 -M do -s 1400 $INET
	on ns2 ping -c1 -W1 -M do -s 1400 $INET > "$LAB_TMP/ping" 2>&1 || true
	grep -i "mtu.*1350" "$LAB_TMP/ping"
	[ "$(on ns1 curl -gsS -m 60 "http://[$INET]/big" | sha256sum)" = "$(cat "$LAB_TMP/sum")" ]
	on host ip -6 route del 2001:db8:8::/64 via $CLIENT mtu lock 1350
	nsxdp up --dev ens5
	on ns1 ip -6 route flush cache
	on ns2 ip -6 route flush cache
}

t_15_traceroute_shows_the_host() {
	on ns1 traceroute -6 -n -q1 -w2 $INET > "$LAB_TMP/trace"
	grep -E "^ *1 +$GW " "$LAB_TMP/trace"
	grep -E "^ *3 +$INET " "$LAB_TMP/trace"
	on inet traceroute -6 -n -q1 -w2 -T -p 6000 $HOST | grep -F $HOST
}

t_16_extension_headers() {
	[ "$(on client $PY6 syn_ext eth0 "$MAC" $CLIENT $HOST 6000 h)" = SYN-ACK ]
	[ "$(on client $PY6 syn_ext eth0 "$MAC" $CLIENT $HOST 6000 hd)" = SYN-ACK ]
	[ "$(on client $PY6 syn_ext eth0 "$MAC" $CLIENT $HOST 6000 0)" != SYN-ACK ]
	[ "$(on client $PY6 syn_ext eth0 "$MAC" $CLIENT $HOST 6000 hddddddddddd)" != SYN-ACK ]
}

t_17_a_server_that_is_not_there_says_so() {
	nsxdp map add 6009 "$NS1:9999"
	nsxdp map add -p udp 6009 "$NS1:9999"
	refuse 7 "" on client curl -gsS -m 3 "http://[$HOST]:6009/"
	refuse 1 "refused" on client $PY6 udp $HOST 6009 10
	nsxdp map del 6009
	nsxdp map del -p udp 6009
}

t_20_families_by_themselves() {
	nsxdp map add -4 6010 "$NS1:8080"
	nsxdp map add -6 6010 "$NS2:8080"
	[ "$(on client $PY6 client 203.0.113.1 6010)" = 203.0.113.10 ]
	nsxdp map list 6010 | grep -c "$NS1\|$NS2" | grep 2
	nsxdp export | grep -F "map add -6 6010 $NS2:8080"
	nsxdp map del -4 6010
	refuse 1 "" on client $PY6 client 203.0.113.1 6010
	[ "$(on client $PY6 client $HOST 6010)" = $CLIENT ]
	nsxdp map del 6010
	refuse 1 "" on client $PY6 client $HOST 6010
}

t_21_one_address() {
	on host ip addr add 2001:db8:1::5/64 dev ens5 nodad
	nsxdp map add "[2001:db8:1::5]:6011" "$NS1:8080"
	[ "$(on client $PY6 client 2001:db8:1::5 6011)" = $CLIENT ]
	refuse 1 "" on client $PY6 client $HOST 6011
	nsxdp map add "[$HOST]:6011" "$NS2:8080"
	[ "$(on client $PY6 client $HOST 6011)" = $CLIENT ]
	nsxdp export | grep -F "map add [2001:db8:1::5]:6011 $NS1:8080"
	nsxdp map list | grep -F 2001:db8:1::5
	refuse 1 "is no address of the host" nsxdp map add "[2001:db8:1::77]:6012" "$NS1:8080"
	nsxdp map del "[2001:db8:1::5]:6011"
	nsxdp map del "[$HOST]:6011"
	on host ip addr del 2001:db8:1::5/64 dev ens5
}

t_22_a_devices_addresses() {
	nsxdp map add ens5:6012 "$NS1:8080"
	[ "$(on client $PY6 client $HOST 6012)" = $CLIENT ]
	[ "$(on client $PY6 client 203.0.113.1 6012)" = 203.0.113.10 ]
	on host ip addr add 2001:db8:1::6/64 dev ens5 nodad
	eventually 5 on client $PY6 client 2001:db8:1::6 6012
	on host ip addr del 2001:db8:1::6/64 dev ens5
	nsxdp map del ens5:6012
}

t_23_conditions() {
	nsxdp map add 6013 "$NS1:8080" "$NS2:8080" --allow 2001:db8:1::/64
	[ "$(on client $PY6 client $HOST 6013)" = $CLIENT ]
	refuse 1 "" on inet $PY6 client $HOST 6013
	refuse 1 "" on client $PY6 client 203.0.113.1 6013
	nsxdp map set 6013 --allow any
	[ "$(on inet $PY6 client $HOST 6013)" = $INET ]
	[ "$(on client $PY6 client 203.0.113.1 6013)" = 203.0.113.10 ]
	nsxdp map list 6013 | grep -c "$NS1" | grep '^1$'
	nsxdp map del 6013
}

t_24_where_a_namespace_may_go() {
	nsxdp ns set "$NS2" --egress-allow 2001:db8:8::/64
	[ "$(on ns2 $PY6 client $INET 7)" = $HOST ]
	refuse 1 "" on ns2 $PY6 client $CLIENT 7
	refuse 1 "" on ns2 ping -c1 -W1 198.51.100.8
	nsxdp ns set "$NS2" --egress-allow any
	on host ip addr add 2001:db8:1::9/64 dev ens5 nodad
	nsxdp ns set "$NS2" --source 2001:db8:1::9
	[ "$(on ns2 $PY6 client $INET 7)" = 2001:db8:1::9 ]
	nsxdp ns set "$NS2" --source none
	on host ip addr del 2001:db8:1::9/64 dev ens5
	sleep 1
	[ "$(on ns2 $PY6 client $INET 7)" = $HOST ]
}

t_25_an_unknown_neighbour_loses_nothing() {
	on host ip -6 neigh flush dev ens5
	on ns1 ping -c1 -W2 $INET
	on host ip -6 neigh flush dev ens5
	[ "$(on client $PY6 client $HOST 6000)" = $CLIENT ]
}

t_26_prefer_ipv6() {
	refuse 2 "" ls "/etc/netns/$NS2/gai.conf"
	nsxdp ns set "$NS2" --prefer-ipv6
	grep 'label ::/0 1' "/etc/netns/$NS2/gai.conf"
	not grep fc00 "/etc/netns/$NS2/gai.conf"
	nsxdp export | grep -e "$NS2.*--prefer-ipv6"
	nsxdp ns set "$NS2" --prefer-ipv6=off
	refuse 2 "" ls "/etc/netns/$NS2/gai.conf"
}

no_address_is_tentative() { ! ip -n "$1" -6 addr show tentative | grep -q inet6; }

ipv6_of_link() { # NAMESPACE
	eventually 5 no_address_is_tentative "$1"
	eventually 5 no_address_is_tentative "$(lab_ns host)"
	ip -n "$1" -6 addr show dev veth1 | grep inet6
	ip -n "$1" -6 route
	on host ip -6 addr show dev veth0 | grep inet6
	on host ip -6 route | grep 'dev veth0'
}

# Its link has IPv6 of its own already, which stays.
adopted_with_its_own_link() { # COMMAND...: what it has besides
	local name addr before after server
	name=$(lab_ns ns3)
	ip netns add "$name"
	on host ip link add veth0 type veth peer name veth1 netns "$name"
	on host ip addr add 192.168.5.1/24 dev veth0
	on host ip link set veth0 up
	on ns3 ip addr add 192.168.5.2/24 dev veth1
	on ns3 ip addr add fd00:9::2/64 dev veth1 nodad
	on ns3 ip link set veth1 up
	"$@"
	before=$(ipv6_of_link "$name")
	nsxdp ns adopt "$name"
	addr=$(address6 "$name")
	on ns3 ip -6 addr show dev veth1 | grep "inet6 $addr/128"
	on ns3 ip -6 addr show dev veth1 | grep "inet6 fd00:9::2/64"
	on_bg ns3 $PY6 server 8080
	server=$(tail -1 "$LAB_TMP/pids")
	lab_listening ns3 8080
	nsxdp map add 6005 "$name:8080"
	[ "$(on client $PY6 client $HOST 6005)" = $CLIENT ]
	[ "$(on ns3 $PY6 client $INET 7)" = $HOST ]
	on host ping -c1 -W2 "$addr"
	on ns3 ping -c1 -W2 "$GW"
	# "up" brings back what a link forgets that was set down.
	on ns3 ip link set veth1 down
	on ns3 ip link set veth1 up
	on ns3 ip addr add fd00:9::2/64 dev veth1 nodad
	nsxdp up --dev ens5
	eventually 5 on ns3 ping -c1 -W2 $INET
	nsxdp ns del "$name" --force
	after=$(ipv6_of_link "$name")
	diff <(echo "$before") <(echo "$after")
	kill "$server"
	ip netns del "$name"
	eventually 5 not on host ip link show veth0
}

t_28_adopted_with_its_own_link() { adopted_with_its_own_link true; }

t_28b_adopted_with_the_gateways_address() { adopted_with_its_own_link on host ip addr add fe80::1/64 dev veth0 nodad; }

# The administrator has given it the address that it gets.
add_its_address() {
	local name addr
	name=$(lab_ns ns3)
	nsxdp ns adopt "$name"
	addr=$(address6 "$name")
	nsxdp ns del "$name"
	on ns3 ip -6 addr show dev veth1 | not grep "$addr"
	on ns3 ip addr add "$addr/128" dev veth1 nodad noprefixroute
}
t_28d_adopted_with_its_own_address() { adopted_with_its_own_link add_its_address; }

# The far end has the gateway's address: there is no IPv6 for it, and no harm done.
t_28c_adopted_with_the_gateways_address_inside() {
	local name
	name=$(lab_ns ns3)
	ip netns add "$name"
	on host ip link add veth0 type veth peer name veth1 netns "$name"
	on host ip addr add 192.168.5.1/24 dev veth0
	on host ip link set veth0 up
	on ns3 ip addr add 192.168.5.2/24 dev veth1
	on ns3 ip addr add fe80::1/64 dev veth1 nodad
	on ns3 ip link set veth1 up
	refuse 0 "fe80::1 itself" nsxdp ns adopt "$name"
	[ "$(address6 "$name")" = "" ]
	on ns3 ping -c1 -W2 192.168.5.1
	nsxdp ns del "$name"
	on ns3 ip addr show dev veth1 | grep fe80::1/64
	ip netns del "$name"
	eventually 5 not on host ip link show veth0
}

t_27_export_brings_all_of_it_back() {
	nsxdp export > "$LAB_TMP/export"
	nsxdp apply "$LAB_TMP/export"
	nsxdp diff "$LAB_TMP/export"
	grep -e "--pool6 ${A1%%::*}::/48" "$LAB_TMP/export"
	not grep -e ' -6 ' "$LAB_TMP/export"
}

# A router advertisement of the client's, until the host has a route by it.
advertise() {
	on client $PY6 router eth0 2001:db8:1:: 1800 own
}
has_route() { on host ip -6 route show default | grep -q 'proto ra'; }
heard() { advertise && has_route; }

t_30_the_hosts_route_by_advertisement_stays() {
	on host ip -6 route del default
	on host sysctl -qw net.ipv6.conf.ens5.accept_ra=1
	eventually 10 heard
	nsxdp down
	own > "$LAB_TMP/own"
	eventually 10 heard
	nsxdp up --dev ens5 --mode "$MODE"
	has_route
	nsxdp ns add "$NS1"
	has_route
	[ "$(own)" = "$(cat "$LAB_TMP/own")" ]
	nsxdp map add 6000 "$NS1:8080"
	on_bg ns1 $PY6 server 8080
	lab_listening ns1 8080
	[ "$(on client $PY6 client $HOST 6000)" = $CLIENT ]
	nsxdp up --dev ens5
	nsxdp ns add "$NS2"
	nsxdp ns del "$NS2"
	has_route
	[ "$(own)" = "$(cat "$LAB_TMP/own")" ]
}

t_31_an_advertisement_of_a_namespace_goes_nowhere() {
	nsxdp ns add "$NS2"
	grows drop-router-advert on ns1 $PY6 router eth0 2001:db8:bad:: 1800 own
	not grep bad: <(on host ip -6 addr)
	not grep bad: <(on ns2 ip -6 addr)
	on host ip -6 route show default | not grep nsx-
}

# Both addresses are there, and have been found to be nobody else's.
temporary() { on host ip -6 addr show dev ens5 temporary -tentative | grep -q 'inet6 2001' && on host ip -6 addr show dev ens5 -temporary -tentative | grep -q 'inet6 2001'; }
heard_temporary() { advertise && temporary; }

t_32_no_flow_leaves_from_a_temporary_address() {
	on host ip addr del 2001:db8:1::1/64 dev ens5
	on host sysctl -qw net.ipv6.conf.ens5.use_tempaddr=2
	on host ip -6 addr flush dev ens5 dynamic
	eventually 15 heard_temporary
	local own; own=$(on host ip -6 -o addr show dev ens5 -temporary -tentative | sed -n 's/.*inet6 \(2001[^/]*\).*/\1/p' | head -1)
	sleep 1
	[ "$(on ns1 $PY6 client $INET 7)" = "$own" ]
	not [ "$(on host $PY6 client $INET 7)" = "$own" ]
	# One that is deprecated is not taken either, once there is another.
	on host ip addr add 2001:db8:1::21/64 dev ens5 nodad
	on host ip addr change "$own/64" dev ens5 preferred_lft 0
	sleep 1
	[ "$(on ns1 $PY6 client $INET 7)" = 2001:db8:1::21 ]
	on host sysctl -qw net.ipv6.conf.ens5.use_tempaddr=0
	on host ip -6 addr flush dev ens5 dynamic
	on host ip addr add 2001:db8:1::1/64 dev ens5 nodad
	on host ip addr del 2001:db8:1::21/64 dev ens5
}

t_33_addresses_that_change_are_followed() {
	on host ip addr add 2001:db8:1::31/64 dev ens5 nodad
	on host ip addr del 2001:db8:1::1/64 dev ens5
	sleep 1
	[ "$(on ns1 $PY6 client $INET 7)" = 2001:db8:1::31 ]
	eventually 5 on client $PY6 client 2001:db8:1::31 6000
	on host ip addr add 2001:db8:1::1/64 dev ens5 nodad
	on host ip addr del 2001:db8:1::31/64 dev ens5
	eventually 5 on client $PY6 client $HOST 6000
}

leaves_from() { [ "$(on ns1 $PY6 client $INET 7)" = "$1" ]; }

t_34_without_an_address_there_is_no_way_out() {
	on host sysctl -qw net.ipv6.conf.ens5.accept_ra=0
	on host ip -6 addr flush dev ens5 scope global
	nsxdp ns set "$NS1" --max-flows none
	[ -z "$(on ns1 ip -6 route show default)" ]
	on host ip addr add 2001:db8:1::1/64 dev ens5 nodad
	on host ip -6 route replace default via $CLIENT
	nsxdp ns set "$NS1" --max-flows none
	on ns1 ip -6 route show default | grep fe80::1
	# What a route said is kept for half a second.
	eventually 5 leaves_from $HOST
}

t_34b_an_address_that_is_being_checked_counts() {
	nsxdp down
	on host ip addr del 2001:db8:1::1/64 dev ens5
	on host sysctl -qw net.ipv6.conf.ens5.accept_dad=1
	on host ip addr add 2001:db8:1::1/64 dev ens5
	on host ip -6 route replace default via $CLIENT
	on host ip -6 addr show dev ens5 tentative | grep -q $HOST
	nsxdp up --dev ens5 --mode "$MODE"
	nsxdp ns add "$NS1"
	nsxdp map add 6000 "$NS1:8080"
	on ns1 ip -6 route show default | grep fe80::1
	on_bg ns1 $PY6 server 8080
	lab_listening ns1 8080
	eventually 5 on client $PY6 client $HOST 6000
	eventually 5 on ns1 $PY6 client $INET 7
}

t_34c_the_place_of_a_lost_address_serves_the_other_family() {
	on host ip addr add 2001:db8:1::41/64 dev ens5 nodad
	eventually 5 on client $PY6 client 2001:db8:1::41 6000
	on host ip addr del 2001:db8:1::41/64 dev ens5
	sleep 3
	on host ip addr add 203.0.113.7/24 dev ens5
	eventually 5 on client $PY6 client 203.0.113.7 6000
	sleep 1
	on client $PY6 client 203.0.113.7 6000
	on host ip addr del 203.0.113.7/24 dev ens5
}

t_34d_fragments_never_wait_in_the_hosts_own_reassembler() {
	grows drop-fragment on ns1 ping -c1 -W1 -s 3000 fe80::1%eth0
	on ns1 ping -c1 -W1 fe80::1%eth0
	on ns1 ping -c1 -W1 -s 3000 "$(gateway6)"
	on host grep 'FRAG6: inuse 0 memory 0' /proc/net/sockstat6
}

t_34e_metadata_services_are_out_of_reach() {
	grows drop-link-local on ns1 ping -c1 -W1 fd00:ec2::254
	grows drop-link-local on ns1 ping -c1 -W1 fd20:ce::254
	nsxdp ns set "$NS1" --link-local
	grows masquerade-out on ns1 ping -c1 -W1 fd00:ec2::254
	nsxdp ns set "$NS1" --link-local=off
}

# ::/0 is all of IPv6 and nothing of IPv4, whose addresses have a form of IPv6.
t_34k_networks_are_of_one_family() {
	local v4=203.0.113.1
	nsxdp map add 6300 "$NS1:8080" --allow ::/0 --allow 10.0.0.0/8
	on client $PY6 client $HOST 6300
	grows drop-not-allowed not on client curl -sS -m 1 "http://$v4:6300/"
	nsxdp map del 6300
	nsxdp ns set "$NS1" --egress-allow ::/0
	on ns1 ping -c1 -W1 $INET
	grows reject-egress-denied not on ns1 ping -c1 -W1 198.51.100.8
	nsxdp export | grep "egress-allow ::/0"
	nsxdp ns set "$NS1" --egress-deny ::/0
	on ns1 ping -c1 -W1 198.51.100.8
	grows reject-egress-denied not on ns1 ping -c1 -W1 $INET
	nsxdp ns set "$NS1" --egress-deny any --egress-allow ::/0
	on ns1 ping -c1 -W1 $INET
	not on ns1 ping -c1 -W1 198.51.100.8
	nsxdp ns set "$NS1" --egress-deny any
	nsxdp export | grep "egress-deny any"
	not on ns1 ping -c1 -W1 198.51.100.8
	not on ns1 ping -c1 -W1 $INET
	nsxdp ns set "$NS1" --egress-allow any
}

# One family is published; the other's port is the host's.
t_34l_sockets_of_ipv6_alone() {
	nsxdp map add -4 6300 "$NS1:8080"
	on host $PY6 bind6 6300 1
	refuse 1 "Operation not permitted" on host $PY6 bind6 6300 0
	nsxdp map del 6300
}

# A default address is of one family, and so are ports that are published without one.
t_34m_a_default_address_of_one_family() {
	nsxdp up --dev ens5 --publish-at 203.0.113.1
	at_end nsxdp up --dev ens5 --publish-at any
	nsxdp map add 6300 "$NS1:8080"
	nsxdp map list 6300 | grep ipv4
	refuse 1 "give the address, [::]:6301" nsxdp map add -6 6301 "$NS1:8080"
	nsxdp map add '[::]:6301' "$NS1:8080"
	on client $PY6 client $HOST 6301
	nsxdp map del 6301
	nsxdp map del 6300
}

# What is deprecated serves what runs, and the host's own packets never leave from the namespaces' side.
t_34n_a_deprecated_address() {
	on host ip addr change $HOST/64 dev ens5 preferred_lft 0
	at_end on host ip addr change $HOST/64 dev ens5 preferred_lft forever
	on host ip -6 route get $INET | grep "src $HOST"
	on host $PY6 client $INET 7
	[ "$(on host $PY6 client "$(address6 "$NS1" | head -1)" 8080)" = "$(gateway6)" ]
	nsxdp ns set "$NS1" --max-flows none
	on ns1 ip -6 route show default | grep fe80::1
	on client $PY6 client $HOST 6000
}

t_34o_doctor_tells_where_a_route_is_due() {
	nsxdp doctor | not grep "global IPv6 address"
	on host ip addr del $HOST/64 dev ens5
	at_end on host ip addr add $HOST/64 dev ens5 nodad
	nsxdp doctor | grep "no uplink has a global IPv6 address any more"
	nsxdp ns set "$NS1" --max-flows none
	nsxdp doctor | not grep "global IPv6 address"
	on host ip addr add $HOST/64 dev ens5 nodad
	on host ip -6 route replace default via $CLIENT
	nsxdp doctor | grep "an uplink has a global IPv6 address now"
	nsxdp ns set "$NS1" --max-flows none
	nsxdp doctor | not grep "global IPv6 address"
}

t_34f_links_that_go_down() {
	local link; link=$(nsxdp -j ns show "$NS1" | /usr/bin/python3 -c 'import json,sys; print(json.load(sys.stdin)["host_if"])')
	on host ip link set "$link" down
	on host ip link set "$link" up
	on host ip -6 addr show dev "$link" | grep "$(gateway6)/128"
	nsxdp up --dev ens5
	on host $PY6 client ::1 6000
	on host ip -6 addr show dev "$link" | grep fe80::1/64
	on ns1 ip link set eth0 down
	on ns1 ip link set eth0 up
	on ns1 ip -6 addr show dev eth0 | grep "inet6 $(address6 "$NS1")/128"
	nsxdp up --dev ens5
	on ns1 ip -6 route show default | grep fe80::1
}

t_34g_ipv6_that_is_disabled_later() {
	on host sysctl -qw net.ipv6.conf.default.disable_ipv6=1
	nsxdp ns add "$NS2"
	[ "$(address6 "$NS2")" = "" ]
	nsxdp ns set "$NS2" --max-flows 5
	[ "$(address6 "$NS2")" = "" ]
	nsxdp map add 6002 "$NS2:8080" "$NS1:8080"
	nsxdp map list -j 6002 | grep '"family": "ipv4"'
	refuse 1 "has no IPv6 address" nsxdp map add -6 6003 "$NS2:8080"
	# A port of both families that goes there is one of IPv4 from then on.
	nsxdp map set 6002 "$NS1:8080"
	nsxdp map del 6002
	nsxdp map add 6002 "$NS1:8080"
	nsxdp map list -j 6002 | grep '"family": "both"'
	nsxdp map set 6002 "$NS2:8080"
	nsxdp map list -j 6002 | grep '"family": "ipv4"'
	nsxdp map del 6002
	nsxdp ns del "$NS2"
	on host sysctl -qw net.ipv6.conf.default.disable_ipv6=0
}

t_34h_gai_conf_of_the_administrator_stays() {
	mkdir -p "/etc/netns/$NS2"
	echo "# mine" > "/etc/netns/$NS2/gai.conf"
	refuse 1 "gai.conf is there already" nsxdp ns add "$NS2" --prefer-ipv6
	grep mine "/etc/netns/$NS2/gai.conf"
	nsxdp ns add "$NS2"
	refuse 1 "gai.conf is there already" nsxdp ns set "$NS2" --prefer-ipv6
	grep mine "/etc/netns/$NS2/gai.conf"
	nsxdp ns del "$NS2"
	grep mine "/etc/netns/$NS2/gai.conf"
	rm -r "/etc/netns/$NS2"
	# What an instance wrote that ended with the machine is nobody's.
	nsxdp ns add "$NS2" --prefer-ipv6 --dns 192.0.2.53
	cp -r "/etc/netns/$NS2" "$LAB_TMP/etc"
	nsxdp ns del "$NS2"
	[ ! -e "/etc/netns/$NS2" ]
	mkdir -p /etc/netns
	cp -r "$LAB_TMP/etc" "/etc/netns/$NS2"
	nsxdp ns add "$NS2" --prefer-ipv6 --dns 192.0.2.53
	nsxdp ns del "$NS2"
	[ ! -e "/etc/netns/$NS2" ]
}

t_34i_what_a_killed_command_left_set_is_set_back() {
	local pins; pins=$(nsxdp -j status | /usr/bin/python3 -c 'import json,sys; print(json.load(sys.stdin)["pins"])')
	mkdir "$pins/forwarding6"
	on host sysctl -qw net.ipv6.conf.default.forwarding=1
	nsxdp ns set "$NS1" --max-flows none
	[ "$(on host sysctl -n net.ipv6.conf.default.forwarding)" = 0 ]
	[ ! -e "$pins/forwarding6" ]
}

t_34j_an_uplink_with_ipv6_alone() {
	nsxdp down
	on host ip -4 addr flush dev ens5
	nsxdp up --dev ens5 --mode "$MODE"
	nsxdp ns add "$NS1"
	nsxdp map add 6000 "$NS1:8080"
	on_bg ns1 $PY6 server 8080
	lab_listening ns1 8080
	on client $PY6 client $HOST 6000
	on ns1 $PY6 client $INET 7
	on host ip addr add 203.0.113.1/24 dev ens5
	on host ip route replace default via 203.0.113.10
	eventually 5 on client $PY6 client 203.0.113.1 6000
}

t_35_off() {
	nsxdp down
	nsxdp up --dev ens5 --mode "$MODE" --ipv6 off
	nsxdp ns add "$NS1"
	nsxdp map add 6000 "$NS1:8080"
	[ "$(address6 "$NS1")" = "" ]
	on_bg ns1 $PY6 server 8080
	lab_listening ns1 8080
	[ "$(on client $PY6 client 203.0.113.1 6000)" = 203.0.113.10 ]
	refuse 1 "" on client $PY6 client $HOST 6000
	refuse 1 "no IPv6" nsxdp map add -6 6001 "$NS1:8080"
	nsxdp export | grep -e '--ipv6 off'
	nsxdp export | grep "^map add 6000"
	nsxdp down
	[ "$(own | grep -v ens5)" = "$(grep -v ens5 "$LAB_TMP/own")" ]
	not grep -E 'fd|nsx' <(on host ip -6 route)
}

run_tests "$@"
