#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Real programs through published ports and masquerade.
#
#   e2e_traffic.sh [tc|xdp|xdp-generic] [WORD]...
MODE=${1:-tc}
[ $# = 0 ] || shift
T_GROUP="traffic, $MODE"
. "$(dirname "$0")/harness.sh"

lab_up
NS1=$(lab_ns ns1) NS2=$(lab_ns ns2)
HOST=203.0.113.1 INET=198.51.100.8

# What a host that runs Docker has: its rules and a FORWARD policy of DROP.
on host iptables -P FORWARD DROP
on host iptables -t nat -N DOCKER
on host iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
on host iptables -t nat -A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
on host iptables -t nat -A POSTROUTING -s 172.17.0.0/16 -j MASQUERADE
on host iptables -t nat -A DOCKER -p tcp --dport 6100 -j DNAT --to 172.17.0.2:8080
rules() { on host iptables-save -t nat | grep -v '^[#:]'; on host iptables-save -t filter | grep -v '^#' | sed 's/\[.*//'; }
rules > "$LAB_TMP/rules"

nsxdp up --dev ens5 --mode "$MODE"
DATAPATH=${MODE%-generic}
nsxdp ns add "$NS1" --datapath "$DATAPATH"
nsxdp ns add "$NS2" --datapath "$DATAPATH"
if [ "$DATAPATH" = xdp ]; then
	# A NIC hands over complete checksums, one frame at a time, and a veth only receives frames
	# when it polls.
	on client ethtool -K eth0 tx off gro on > /dev/null
fi
nsxdp map add 6000 "$NS1:8080"
nsxdp map add 6001 "$NS2:8080"
nsxdp map add -p udp 6000 "$NS1:8080"
for n in ns1 ns2; do
	on_bg $n $PY tcp_echo_server 8080
	on_bg $n $PY udp_echo_server 8080
done
on_bg inet $PY tcp_echo_server 7
on_bg inet $PY udp_echo_server 7
mkdir "$LAB_TMP/www"
head -c "$((256 / SLOW))M" /dev/urandom > "$LAB_TMP/www/big"
sha256sum < "$LAB_TMP/www/big" > "$LAB_TMP/sum"
on_bg ns1 /usr/bin/python3 -m http.server 8081 -d "$LAB_TMP/www"
on_bg inet /usr/bin/python3 -m http.server 80 -d "$LAB_TMP/www"
nsxdp map add 6080 "$NS1:8081"
lab_listening ns1 8080 && lab_listening ns2 8080 && lab_listening inet 7 && lab_listening ns1 8081 && lab_listening inet 80

t_01_ping_host_and_namespace() {
	on host ping -c2 -i0.2 -W2 192.168.0.2
	on ns1 ping -c2 -i0.2 -W2 192.168.0.1
	on ns1 ping -c2 -i0.2 -W2 $HOST
	on ns1 ping -c2 -i0.2 -W2 127.0.0.1
}

t_02_ping_out() {
	on ns1 ping -c2 -i0.2 -W2 $INET
	on ns1 ping -c2 -i0.2 -W2 -s 1400 $INET
}

t_03_two_servers_on_one_port_see_the_client() {
	[ "$(on client $PY half_close $HOST 6000)" = 203.0.113.10 ]
	[ "$(on client $PY half_close $HOST 6001)" = 203.0.113.10 ]
	[ "$(on inet $PY half_close $HOST 6000)" = 198.51.100.8 ]
}

t_04_masquerade_has_the_hosts_address() {
	[ "$(on ns1 $PY half_close $INET 7)" = $HOST ]
	[ "$(on ns2 $PY half_close $INET 7)" = $HOST ]
}

t_05_nothing_else_is_forwarded() {
	[ "$(on host cat /proc/sys/net/ipv4/ip_forward)" = 0 ]
	refuse 1 "" on client timeout $((2 * SLOW)) bash -c 'exec 3<>/dev/tcp/192.168.0.2/8080' || refuse 124 "" on client \
		timeout $SLOW bash -c 'exec 3<>/dev/tcp/192.168.0.2/8080'
	on client ip route add 192.168.0.0/16 via $HOST
	refuse 1 "" on client ping -c1 -W1 192.168.0.2
	on client ip route del 192.168.0.0/16
	refuse 1 "" on ns1 ping -c1 -W1 192.168.0.6
	refuse 124 "" on ns1 timeout $SLOW bash -c 'exec 3<>/dev/tcp/192.168.0.6/8080'
}

t_06_other_rules_are_undisturbed() {
	rules | diff "$LAB_TMP/rules" -
}

t_07_hosts_own_traffic() {
	on_bg host $PY tcp_echo_server 9009
	lab_listening host 9009
	[ "$(on client $PY half_close $HOST 9009)" = 203.0.113.10 ]
	[ "$(on host $PY half_close $INET 7)" = $HOST ]
	[ "$(on host $PY half_close 192.168.0.2 8080)" = 192.168.0.1 ]
	on host ping -c1 -W2 $INET
	refuse 7 connect on client curl -sS -m 2 http://$HOST:6999/
}

t_08_bulk_in_by_digest() {
	[ "$(on client curl -sS -m 60 http://$HOST:6080/big | sha256sum)" = "$(cat "$LAB_TMP/sum")" ]
}

t_09_bulk_out_by_digest() {
	[ "$(on ns2 curl -sS -m 60 http://$INET/big | sha256sum)" = "$(cat "$LAB_TMP/sum")" ]
}

t_10_iperf3_both_ways() {
	on_bg ns1 iperf3 -s -p 8082
	on_bg inet iperf3 -s
	nsxdp map add 6082 "$NS1:8082"
	lab_listening ns1 8082
	lab_listening inet 5201
	on client iperf3 -c $HOST -p 6082 -t 1
	on client iperf3 -c $HOST -p 6082 -t 1 -R
	on ns2 iperf3 -c $INET -t 1
	on ns2 iperf3 -c $INET -t 1 -R
}

t_11_2000_published_connections_have_no_state() {
	nsxdp -j flow list > "$LAB_TMP/before"
	rm -f "$LAB_TMP/many"
	on client $PY tcp_many $HOST 6000 2000 2 > "$LAB_TMP/many" &
	eventually 30 grep -q open "$LAB_TMP/many"
	nsxdp -j flow list > "$LAB_TMP/during"
	wait $!
	grep -q "done 2000" "$LAB_TMP/many"
	not grep '"kind": "published"' "$LAB_TMP/during"
}

t_12_2000_masqueraded_connections() {
	rm -f "$LAB_TMP/many"
	on ns1 $PY tcp_many $INET 7 2000 2 > "$LAB_TMP/many" &
	eventually 30 grep -q open "$LAB_TMP/many"
	nsxdp -j flow list > "$LAB_TMP/during"
	[ "$(grep -c '"state": "established"' "$LAB_TMP/during")" -ge 2000 ] || { head -c 600 "$LAB_TMP/during"; nsxdp status; return 1; }
	wait $!
	grep -q "done 2000" "$LAB_TMP/many"
}

t_13_udp_echo() {
	on client $PY udp_client $HOST 6000 0 1 17 512 1400 1472
	on ns1 $PY udp_client $INET 7 0 1 17 512 1400 1472
}

t_14_reset_and_half_close_pass() {
	nsxdp map add 6003 "$NS1:8083"
	rm -f "$LAB_TMP/reset"
	on ns1 $PY reset_server 8083 > "$LAB_TMP/reset" &
	lab_listening ns1 8083
	on client $PY reset_client $HOST 6003
	on client $PY expect_reset $HOST 6003
	wait $!
	grep -q reset "$LAB_TMP/reset"
	rm -f "$LAB_TMP/reset"
	on inet $PY reset_server 8083 > "$LAB_TMP/reset" &
	lab_listening inet 8083
	on ns1 $PY reset_client $INET 8083
	on ns1 $PY expect_reset $INET 8083
	wait $!
	grep -q reset "$LAB_TMP/reset"
}

t_15_port_reuse_right_after_close() {
	on client $PY reuse $HOST 6000 50
	on ns1 $PY reuse $INET 7 50
}

t_16_same_source_ports_in_two_namespaces() {
	on ns1 $PY udp_ports $INET 7 20000 400 one > "$LAB_TMP/one" &
	local pid=$!
	on ns2 $PY udp_ports $INET 7 20000 400 two
	wait $pid
	grep -q "answers 800" "$LAB_TMP/one"
}

t_17_traceroute() {
	on ns1 traceroute -n -w5 -q1 $INET > "$LAB_TMP/trace"
	cat "$LAB_TMP/trace"
	grep -q ' 1  192.168.0.1 ' "$LAB_TMP/trace"
	grep -q ' 2  203.0.113.10 ' "$LAB_TMP/trace"
	grep -q ' 3  198.51.100.8 ' "$LAB_TMP/trace"
	on ns1 traceroute -n -I -w5 -q1 $INET | grep -q ' 3  198.51.100.8 '
	on ns1 traceroute -n -T -p 80 -w5 -q1 $INET | grep -q ' 3  198.51.100.8 '
	on inet traceroute -n -T -p 6000 -w5 -q1 $HOST > "$LAB_TMP/trace"
	cat "$LAB_TMP/trace"
	grep -q ' 2  203.0.113.1 ' "$LAB_TMP/trace"
}

# Run a command while tcpdump looks for broken checksums at a machine's interface.
checked() { # MACHINE IF COMMAND...
	local machine=$1 dev=$2 pid; shift 2
	rm -f "$LAB_TMP/dump"
	nsenter --net="/run/netns/$(lab_ns "$machine")" tcpdump --immediate-mode -i "$dev" -Q in -nvvl 'tcp or udp or icmp' > "$LAB_TMP/wire" 2> "$LAB_TMP/dump" &
	pid=$!
	eventually 5 grep -q 'listening on' "$LAB_TMP/dump"
	"$@"
	sleep 0.5
	kill $pid
	wait $pid || true
	cat "$LAB_TMP/wire" "$LAB_TMP/dump"
	[ "$(grep -cE 'cksum|sum ok|ICMP echo' "$LAB_TMP/wire")" -ge 2 ]
	not grep -E 'incorrect|bad .*cksum|wrong' "$LAB_TMP/wire"
}

t_18_checksums_on_the_wire() {
	# Offload off at the uplink: what leaves it must be complete. Inside with and without.
	on host ethtool -K ens5 tx off > /dev/null
	for tx in on off; do
		on ns1 ethtool -K eth0 tx $tx > /dev/null
		checked client eth0 on ns1 $PY half_close $INET 7
		checked client eth0 on ns1 $PY udp_client $INET 7 10 11
		checked client eth0 on client $PY half_close $HOST 6000
		checked client eth0 on client $PY udp_client $HOST 6000 10 11
		checked client eth0 on ns1 ping -c5 -i0.2 $INET
	done
	# Off at the client: what reaches the server must be complete still.
	on client ethtool -K eth0 tx off > /dev/null
	checked ns1 eth0 on client $PY half_close $HOST 6000
	checked ns1 eth0 on client $PY udp_client $HOST 6000 10 11
	on client ethtool -K eth0 tx on > /dev/null
	on host ethtool -K ens5 tx on > /dev/null
	on ns1 ethtool -K eth0 tx on > /dev/null
}

t_24_checksums_as_they_are() {
	checked client eth0 on ns1 $PY half_close $INET 7
	checked client eth0 on ns1 $PY udp_client $INET 7 10 11
	checked client eth0 on client $PY half_close $HOST 6000
	checked ns1 eth0 on client $PY half_close $HOST 6000
	checked ns1 eth0 on client $PY udp_client $HOST 6000 10 11
}

t_25_xdp_is_undone() {
	local before after
	before=$(on ns1 ethtool -k eth0 | grep -E 'tx-checksum-ip-generic|generic-receive|^tcp-seg')
	ip netns add "$(lab_ns ns3)"
	nsxdp ns adopt "$(lab_ns ns3)" --datapath xdp
	on ns3 $PY half_close $INET 7
	on ns3 ethtool -k eth0 | grep -q 'generic-receive-offload: on'
	on ns3 ethtool -k eth0 | grep -q 'tx-checksum-ip-generic: off'
	on host bpftool net show | grep "nsx-$(lab_ns ns3)"
	nsxdp ns del "$(lab_ns ns3)"
	ip netns del "$(lab_ns ns3)"
	after=$(on ns1 ethtool -k eth0 | grep -E 'tx-checksum-ip-generic|generic-receive|^tcp-seg')
	[ "$before" = "$after" ]
}

# A neighbour that moves, and one that nobody knows yet.
t_26_next_hop_is_followed() {
	on ns1 $PY udp_client $INET 7 10
	on client ip link set eth0 address 02:00:00:00:00:77
	on host ip neigh flush dev ens5
	sleep 1.2
	on ns1 $PY udp_client $INET 7 10
	on host ip neigh flush dev ens5
	[ "$(on client $PY half_close $HOST 6000)" = 203.0.113.10 ]
}

t_27_fragments() {
	on client $PY udp_client $HOST 6000 1473 8000 20000
	on ns1 $PY udp_client $INET 7 1473 8000 20000
	on ns1 ping -c2 -i0.2 -W2 -s 10000 $INET
	on ns1 ping -c2 -i0.2 -W2 -s 10000 192.168.0.1
	on client ping -c2 -i0.2 -W2 -s 10000 $HOST
}

# As a NIC does: packets are received by another CPU than the one that sends the next.
receive_on() { # CPU-MASK
	ip netns exec "$(lab_ns host)" sh -c 'for q in /sys/class/net/*/queues/rx-0/rps_cpus; do echo '"$1"' > $q; done'
}

t_28_fragments_in_reverse_order() {
	receive_on 2
	on client taskset -c 0 $PY udp_reversed $HOST 6000 2000
	on client taskset -c 0 $PY udp_reversed $HOST 6000 8000
	on ns1 taskset -c 0 $PY udp_reversed $INET 7 8000
	receive_on 0
	nsxdp status | grep defrag
}

flush_paths() { local n; for n in ns1 ns2 inet client host; do on $n ip route flush cache; done; }

# A link of 1,280 bytes beyond the client: its router tells both sides.
small_link() {
	on client ip route change 198.51.100.0/24 dev eth1 mtu 1280
	on client ip route change 203.0.113.0/24 dev eth0 mtu 1280
	flush_paths
}

t_30_path_mtu_beyond_the_client() {
	local offload
	[ "$DATAPATH" = tc ] && offload="on off" || offload=as-is
	on_bg inet iperf3 -s
	on_bg ns1 iperf3 -s -p 8082
	lab_listening inet 5201
	lab_listening ns1 8082
	nsxdp map add 6082 "$NS1:8082"
	small_link
	for o in $offload; do
		if [ "$o" != as-is ]; then
			on host ethtool -K ens5 tso $o gso $o gro $o > /dev/null
			on ns1 ethtool -K eth0 tso $o gso $o gro $o > /dev/null
			on client ethtool -K eth0 tso $o gso $o gro $o > /dev/null
			on inet ethtool -K eth0 tso $o gso $o gro $o > /dev/null
		fi
		flush_paths
		timeout $((10 * SLOW)) nsenter --net="/run/netns/$NS1" iperf3 -c $INET -n 20M
		timeout $((10 * SLOW)) nsenter --net="/run/netns/$NS1" iperf3 -c $INET -n 20M -R
		timeout $((10 * SLOW)) nsenter --net="/run/netns/$(lab_ns inet)" iperf3 -c $HOST -p 6082 -n 20M
		timeout $((10 * SLOW)) nsenter --net="/run/netns/$(lab_ns inet)" iperf3 -c $HOST -p 6082 -n 20M -R
		on ns1 ip route get $INET | grep -q 'mtu 1280'
	done
	flush_paths
	on inet $PY udp_resent $HOST 6000 1400 8000
	on ns1 $PY udp_resent $INET 7 1400 8000
	nsxdp map del 6082
	on client ip route change 198.51.100.0/24 dev eth1
	on client ip route change 203.0.113.0/24 dev eth0
	flush_paths
}

# The host's own route takes less than the namespaces' links: the host must say so.
t_31_route_mtu_of_the_host() {
	on_bg inet iperf3 -s
	lab_listening inet 5201
	on host ip route change default via 203.0.113.10 mtu lock 1300
	sleep 1.2	# the datapath asks the kernel once a second
	refuse 1 "mtu = 1300" on ns1 ping -c2 -i0.2 -W2 -M do -s 1400 $INET
	on host ip route change default via 203.0.113.10 mtu 1200
	nsxdp up --dev ens5
	sleep 1.2
	flush_paths
	refuse 1 "mtu = 1200" on ns1 ping -c2 -i0.2 -W2 -M do -s 1400 $INET
	flush_paths
	timeout $((10 * SLOW)) nsenter --net="/run/netns/$NS1" iperf3 -c $INET -n 20M
	on ns1 ip route get $INET | grep -q 'mtu 1200'
	nsxdp status | grep -q icmp-frag-needed
	on host ip route change default via 203.0.113.10
	nsxdp up --dev ens5
	flush_paths
	sleep 1.2
}

t_32_segments_are_clamped() {
	local n
	n=$(lab_ns ns5)
	nsxdp ns add "$n" --clamp-mss=1000 --datapath "$DATAPATH"
	rm -f "$LAB_TMP/dump"
	on inet timeout $((10 * SLOW)) tcpdump --immediate-mode -i eth0 -nvc 2 'tcp port 80 and tcp[tcpflags] & tcp-syn != 0' > "$LAB_TMP/syn" 2> "$LAB_TMP/dump" &
	local pid=$!
	eventually 5 grep -q 'listening on' "$LAB_TMP/dump"
	on ns5 curl -sS -m 10 -r 0-1000 -o /dev/null http://$INET/big
	wait $pid
	nsxdp ns del "$n"
	cat "$LAB_TMP/syn"
	grep -q 'mss 1000' "$LAB_TMP/syn"
}

t_33_pings_never_mix() {
	local n
	for n in ns1 ns2; do
		on $n ping -e 4242 -c 30 -i 0.02 -W2 -s 100 $INET > "$LAB_TMP/ping.$n" &
	done
	wait %1 %2
	for n in ns1 ns2; do
		cat "$LAB_TMP/ping.$n"
		grep -q ' 30 received, 0% packet loss' "$LAB_TMP/ping.$n"
		not grep -E 'DUP|wrong' "$LAB_TMP/ping.$n"
	done
}

# The host and a namespace ping with one identifier, whoever begins: each gets its own answers and
# no others.
t_33_pings_of_the_host_never_mix_either() {
	local first second
	for first in host ns1; do
		second=$([ $first = host ] && echo ns1 || echo host)
		on $first ping -e 4343 -c 60 -i 0.02 -W2 $INET > "$LAB_TMP/ping.$first" &
		sleep 0.3
		on $second ping -e 4343 -c 30 -i 0.02 -W2 $INET > "$LAB_TMP/ping.$second"
		wait %1
		cat "$LAB_TMP/ping.host" "$LAB_TMP/ping.ns1"
		grep -Eq ' (30|60) received, 0% packet loss' "$LAB_TMP/ping.host"
		# A namespace that was there first loses at most the answer that was on its way.
		grep -Eq ' (30|59|60) received' "$LAB_TMP/ping.ns1"
		not grep -E 'DUP|wrong' "$LAB_TMP/ping.host" "$LAB_TMP/ping.ns1"
	done
}

# What a STUN client (RFC 3489) makes of the NAT that it is behind.
t_34_stun() {
	local n
	n=$(lab_ns ns6)
	on inet ip addr add 198.51.100.9/24 dev eth0
	on_bg inet stund -h $INET -a 198.51.100.9
	nsxdp ns add "$n" --nat endpoint-independent --datapath "$DATAPATH"
	sleep 0.5
	nsxdp flow flush	# whatever random port an earlier test got
	on ns1 stun $INET -p 22000 > "$LAB_TMP/stun" 2>&1 || true
	cat "$LAB_TMP/stun"
	grep -q 'Independent Mapping, Port Dependent Filter, preserves ports' "$LAB_TMP/stun"
	on ns6 stun $INET -p 23000 > "$LAB_TMP/stun" 2>&1 || true
	cat "$LAB_TMP/stun"
	grep -q 'Independent Mapping, Independent Filter, preserves ports, will hairpin' "$LAB_TMP/stun"
	nsxdp ns del "$n"
	nsxdp ns add "$n" --filtering address-dependent --datapath "$DATAPATH"
	on ns6 stun $INET -p 24000 > "$LAB_TMP/stun" 2>&1 || true
	cat "$LAB_TMP/stun"
	grep -q 'Independent Mapping, Address Dependent Filter' "$LAB_TMP/stun"
	nsxdp ns del "$n"
	on inet ip addr del 198.51.100.9/24 dev eth0
}

t_35_a_flood_of_fragments_disturbs_nobody() {
	rm -f "$LAB_TMP/flood"
	on client $PY fragment_flood $HOST 3 > "$LAB_TMP/flood" &
	local pid=$!
	sleep 0.3
	on client $PY udp_client $HOST 6000 1 1000 8000
	on client $PY tcp_many $HOST 6001 100 0.5
	on ns2 $PY udp_resent $INET 7 100 8000
	wait $pid
	cat "$LAB_TMP/flood"
	[ "$(awk '{ print $2 }' "$LAB_TMP/flood")" -gt 10000 ]
	on client $PY udp_client $HOST 6000 8000
}

t_19_bulk_with_every_offload_off() {
	on host ethtool -K ens5 tx off gro off tso off gso off > /dev/null
	on client ethtool -K eth0 tx off gro off > /dev/null
	on ns1 ethtool -K eth0 tx off gro off > /dev/null
	[ "$(on client curl -sS -m 60 http://$HOST:6080/big | sha256sum)" = "$(cat "$LAB_TMP/sum")" ]
	on host ethtool -K ens5 tx on tso on gso on > /dev/null
	on client ethtool -K eth0 tx on > /dev/null
	on ns1 ethtool -K eth0 tx on > /dev/null
}

# Every combination of what the three machines leave to their devices, both ways, by digest.
t_36_every_combination_of_offloads() {
	local c h n bits
	head -c 3M "$LAB_TMP/www/big" > "$LAB_TMP/www/small"
	sha256sum < "$LAB_TMP/www/small" > "$LAB_TMP/small"
	bits() { local b=$1 dev=$2 on=$3; shift 3; on "$on" ethtool -K "$dev" tx "$(o $((b & 1)))" tso "$(o $((b & 1)))" \
		gso "$(o $((b & 2)))" gro "$(o $((b & 4)))" > /dev/null; }
	o() { [ "$1" = 0 ] && echo off || echo on; }
	for c in 0 3 5 7; do
		bits $c eth0 client
		for h in 0 1 2 3 4 5 6 7; do
			bits $h ens5 host
			for n in 0 3 5 7; do
				bits $n eth0 ns1
				[ "$(on client curl -sS -m 10 http://$HOST:6080/small | sha256sum)" = "$(cat "$LAB_TMP/small")" ]
				[ "$(on ns1 curl -sS -m 10 http://$INET/small | sha256sum)" = "$(cat "$LAB_TMP/small")" ]
				on client $PY udp_client $HOST 6000 999
			done
		done
	done
	bits 7 eth0 client
	bits 7 ens5 host
	bits 7 eth0 ns1
}

# UDP and TCP towards published ports: the host shows as a hop.
t_37_traceroute_to_published_ports() {
	on inet traceroute -n -U -p 6000 -w5 -q1 $HOST > "$LAB_TMP/trace"
	cat "$LAB_TMP/trace"
	grep -q ' 2  203.0.113.1 ' "$LAB_TMP/trace"
	[ "$(tail -1 "$LAB_TMP/trace" | awk '{ print $2 }')" = $HOST ]
}

t_20_super_packets_are_never_segmented() {
	# The receiver sees more than one segment in a packet: GSO went through both ways.
	rm -f "$LAB_TMP/dump"
	on client timeout $((10 * SLOW)) tcpdump -i eth0 -Q in -nc 3 'tcp port 6080 and greater 3000' > /dev/null 2> "$LAB_TMP/dump" &
	local pid=$!
	eventually 5 grep -q 'listening on' "$LAB_TMP/dump"
	on client curl -sS -m 30 -o /dev/null http://$HOST:6080/big
	wait $pid
}

t_21_hairpin_to_another_namespace() {
	[ "$(on ns1 $PY half_close $HOST 6001)" = 192.168.0.2 ]
}

t_29_hairpin_to_its_own_port() {
	[ "$(on ns1 $PY half_close $HOST 6000)" = 192.168.0.1 ]
	on ns1 $PY udp_client $HOST 6000 1 100 1400
	on ns1 $PY tcp_many $HOST 6000 50 0.2
}

t_22_removal_while_connections_run() {
	nsxdp map add 6004 "$NS2:8080"
	on client $PY tcp_many $HOST 6004 10 3 > "$LAB_TMP/dying" 2>&1 &
	local dying=$!
	on client $PY tcp_many $HOST 6001 10 3 > "$LAB_TMP/living" &
	local living=$!
	eventually 10 grep -q open "$LAB_TMP/dying"
	eventually 10 grep -q open "$LAB_TMP/living"
	nsxdp map del 6004
	wait $living
	not wait $dying
	refuse 7 connect on client curl -sS -m 2 http://$HOST:6004/
}

t_23_status_names_the_verdicts() {
	nsxdp status > "$LAB_TMP/status"
	grep -q 'published-in' "$LAB_TMP/status"
	grep -q 'drop-isolated' "$LAB_TMP/status"
	nsxdp status -j | python3 -c 'import json,sys
s = json.load(sys.stdin)
v = {(c["from"], c["verdict"]): c["packets"] for c in s["verdicts"]}
assert v["from-uplink", "published-in"] > 10000 and v["from-ns", "masquerade-out"] > 1000, v
assert not [c for c in s["verdicts"] if not c["packets"]] and s["uplink"] == "ens5"'
}

# What is shown by switching offloads that XDP needs as they are.
if [ "$DATAPATH" = xdp ]; then
	unset -f t_18_checksums_on_the_wire t_19_bulk_with_every_offload_off t_20_super_packets_are_never_segmented \
		t_36_every_combination_of_offloads
else
	unset -f t_24_checksums_as_they_are t_25_xdp_is_undone
fi
run_tests "$@"
