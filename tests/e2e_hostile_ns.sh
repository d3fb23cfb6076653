#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Root inside a namespace, and a bad neighbour outside, with raw frames. Judged by what others see:
# sniffers, sockets, routes.
#
#   e2e_hostile_ns.sh [tc|xdp] [WORD]...
MODE=${1:-tc}
[ $# = 0 ] || shift
T_GROUP="hostile, $MODE"
. "$(dirname "$0")/harness.sh"
. "$(dirname "$0")/ports_lab.sh"
PY_H="/usr/bin/python3 $HERE/hostile_ns.py"

NS1_ADDR=192.168.0.2 NS2_ADDR=192.168.0.6 NS3_ADDR=192.168.0.10
nsxdp map add -p udp 6001 "$NS2:8080"
link_of() { nsxdp ns show "$(lab_ns "$1")" | awk '$1 == "host_if" { print $2 }'; }
mac_in() { on "$1" ip -o link show dev "$2" | sed 's/.*link\/ether \([^ ]*\).*/\1/'; }
LINK1=$(link_of ns1)
ENS5_MAC=$(mac_in host ens5) CLIENT_MAC=$(mac_in client eth0) LINK_MAC=$(mac_in host "$LINK1")
on client ip route add blackhole 198.18.0.0/15		# remotes that never answer

# Listen in the background: hear NAME MACHINE VERB ARGS...; silent NAME: nothing came; noticed NAME:
# something did.
hear() {
	local name=$1 n; n=$(lab_ns "$2"); shift 2
	: > "$LAB_TMP/heard.$name"
	nsenter --net="/run/netns/$n" $PY_H "$@" > "$LAB_TMP/heard.$name" 2>&1 &
	at_end kill $!
	eventually 3 grep -q ready "$LAB_TMP/heard.$name"
}
silent() {
	sleep 0.25
	[ "$(wc -l < "$LAB_TMP/heard.$1")" = 1 ] || { echo "$1 heard:"; tail -n +2 "$LAB_TMP/heard.$1" | sort -u | head -${LINES_SHOWN:-8}; return 1; }
}
noticed() {
	eventually 2 grep -qv ready "$LAB_TMP/heard.$1"
}

# ARGS in the background, bounded by their own time; AWAIT waits for all of them.
PIDS=()
meanwhile() {
	local n; n=$(lab_ns "$1"); shift
	nsenter --net="/run/netns/$n" "$@" > "$LAB_TMP/meanwhile.${#PIDS[@]}" 2>&1 &
	PIDS+=($!)
	at_end kill $!
}
await() { local p; for p in "${PIDS[@]}"; do wait "$p" || true; done; PIDS=(); }

TAGS="8100:0 88a8:0 8100:e000 8100:0,8100:0 88a8:0,8100:0 8100:0,88a8:0 8100:5 88a8:0,8100:5 8100:5,8100:0"

# Path MTUs that a machine was told: they go with its default route. forget MACHINE GATEWAY
forget() { on "$1" ip route del default; on "$1" ip route add default via "$2"; }

# --- 0: the tools do what they should where nobody attacks

t_00a_answers_come() {
	on host ip route add $INET via 203.0.113.10 mtu lock 1000
	at_end on host ip route del $INET via 203.0.113.10
	at_end forget ns1 192.168.0.1
	sleep 1.1
	[ "$(on ns2 $PY_H ttl_answers $INET 9 10)" = 10 ]
	[ "$(on client $PY_H ttl_answers $HOST 6001 10)" = 10 ]
	[ "$(on ns1 $PY_H too_big_answers $INET 9 1400 10)" = 10 ]
}

# So many different frames of a port were heard: heard_all MACHINE FIELD LOW HIGH COUNT
heard_all() {
	[ "$(awk -v field="$2" -v low="$3" -v high="$4" '$field >= low && $field <= high' "$LAB_TMP/heard.$1" |
		sort -u | wc -l)" = "$5" ]
}

t_00b_sniffers_hear_all() {
	hear syns client sniff eth0 dst=198.18.0.3 max=1000
	hear many client sniff eth0 dst=198.18.0.2 max=30000
	on ns2 $PY_H syns eth0 22000 500 198.18.0.3
	on ns2 $PY_H udp_fresh 198.18.0.2 9 20000 5000 1
	eventually 5 heard_all syns 3 22000 22499 500
	eventually 5 heard_all many 5 9 9 5000
	nsxdp flow flush
}

t_00c_frames_are_well_made() {
	hear ns2 ns2 sniff eth0 word=hairpin
	hear client client sniff eth0 word=plain
	on ns1 $PY_H frame eth0 dst=$HOST dport=6001 word=hairpin
	on ns1 $PY_H frame eth0 proto=icmp dst=$INET word=plain
	noticed ns2
	noticed client
	not grep bad-sum "$LAB_TMP/heard.client"
	[ "$(on ns3 $PY_H tcp_open $HOST 6001 60)" = "made 60" ]
}

# --- 1: tags

t_01a_tagged_frames_reach_no_neighbour() {
	local tag
	hear ns2 ns2 sniff eth0 word=tagged
	for tag in $TAGS; do
		on ns1 $PY_H frame eth0 dst=$NS2_ADDR dport=9000 tags=$tag word=tagged-$tag
		on ns1 $PY_H frame eth0 proto=tcp dst=$NS2_ADDR dport=9000 tags=$tag word=tagged-tcp-$tag
	done
	silent ns2
}

t_01b_tagged_frames_do_not_leave_untranslated() {
	local tag
	hear private client sniff eth0 word=private not_src=$HOST
	hear forged client sniff eth0 word=forged
	for tag in $TAGS; do
		on ns1 $PY_H frame eth0 dst=$INET tags=$tag word=private-$tag
		on ns1 $PY_H frame eth0 src=10.1.2.3 dst=$INET tags=$tag word=forged-$tag
		on ns1 $PY_H frame eth0 src=$NS2_ADDR sport=8080 dst=$INET tags=$tag word=forged-$tag
	done
	silent private
	silent forged
}

tagged_to_host_socket() {
	local tag
	hear socket host listen 7777
	for tag in $TAGS; do
		on ns1 $PY_H frame eth0 src=8.8.8.8 dst=$HOST dport=7777 tags=$tag word=to-own-$tag
		on ns1 $PY_H frame eth0 src=8.8.8.8 dst=192.168.0.1 dport=7777 tags=$tag word=to-gateway-$tag
		on ns1 $PY_H frame eth0 src=$NS2_ADDR dst=192.168.0.1 dport=7777 tags=$tag word=neighbour-$tag
	done
	silent socket
}

t_01c_tagged_forged_sources_reach_no_socket_of_the_host() {
	tagged_to_host_socket
}

t_01d_the_same_with_rp_filter() {
	local f
	for f in all "${LINK1//./\/}"; do
		on host sysctl -qw "net/ipv4/conf/$f/rp_filter=2"
		at_end on host sysctl -qw "net/ipv4/conf/$f/rp_filter=0"
	done
	tagged_to_host_socket
}

t_01e_a_priority_tag_from_outside_is_none() {
	local tag port=41001
	[ "$(on client $PY_H answered eth0 via=$HOST proto=tcp dst=$HOST dport=6000 sport=41000)" = syn-ack ]
	for tag in 8100:0 88a8:0 8100:e000; do
		echo "$tag"
		[ "$(on client $PY_H answered eth0 via=$HOST proto=tcp dst=$HOST dport=6000 sport=$port tags=$tag)" = syn-ack ]
		[ "$(on client $PY_H answered eth0 via=$HOST proto=udp dst=$HOST dport=6000 sport=$port tags=$tag)" = echo ]
		port=$((port + 1))
	done
}

t_01f_a_foreign_vlan_from_outside_is_not_served() {
	local tag
	hear ns1 ns1 sniff eth0 word=vlan
	for tag in 8100:5 88a8:5 8100:0,8100:5 8100:5,8100:0; do
		on client $PY_H frame eth0 via=$HOST dst=$HOST dport=6000 tags=$tag word=vlan-$tag
		on client $PY_H frame eth0 via=$HOST proto=tcp dst=$HOST dport=6000 tags=$tag word=vlan-tcp-$tag
	done
	silent ns1
}

# On the way out of the client, put a VLAN tag into the metadata of packets with the mark 100: VLAN
# 100; 101: priority only.
tagger() {
	cat > "$LAB_TMP/tagger.c" <<-'END'
	#include <linux/bpf.h>
	#include <bpf/bpf_helpers.h>
	#include <bpf/bpf_endian.h>
	SEC("tc") int tagger(struct __sk_buff *skb)
	{
		if (skb->mark == 100 || skb->mark == 101)
			bpf_skb_vlan_push(skb, bpf_htons(0x8100), skb->mark == 100 ? 100 : 0);
		return 0;
	}
	char LICENSE[] SEC("license") = "GPL";
	END
	clang -O2 -g -target bpf -I/usr/include/"$(uname -m)"-linux-gnu -c "$LAB_TMP/tagger.c" -o "$LAB_TMP/tagger.o"
	on client tc qdisc add dev eth0 clsact
	at_end on client tc qdisc del dev eth0 clsact
	on client tc filter add dev eth0 egress bpf da obj "$LAB_TMP/tagger.o" sec tc
}

t_01g_a_vlan_in_metadata_is_not_served() {
	tagger
	[ "$(on client $PY_H marked udp $HOST 6000 untagged 7)" = answered ]
	hear ns1 ns1 sniff eth0 src=203.0.113.10
	[ "$(on client $PY_H marked udp $HOST 6000 vlan-meta 100)" = nothing ]
	[ "$(on client $PY_H marked tcp $HOST 6000 vlan-meta 100)" = nothing ]
	silent ns1
}

t_01h_a_priority_tag_in_metadata_is_none() {
	tagger
	[ "$(on client $PY_H marked udp $HOST 6000 priority 101)" = answered ]
	[ "$(on client $PY_H marked tcp $HOST 6000 priority 101)" = answered ]
}

# --- 2: who tells the host its routes

host_ipv6() {
	on host ip -6 route show table all | grep -v 'anycast\|multicast\|^local fe80\|^fe80::/64' | sed 's/ expires [0-9a-z]*//' | sort
	on host ip -6 -o addr show scope global
}

# advertised WORDS: a router advertisement in this clothing changes nothing
advertised() {
	host_ipv6 > "$LAB_TMP/before"
	on ns1 $PY_H advertise eth0 2001:db8:bad:: "$@"
	sleep 0.2
	host_ipv6 | diff "$LAB_TMP/before" -
}

t_02a_router_advertisements_from_a_namespace() {
	at_end on host ip -6 addr flush dev $LINK1 scope global
	at_end on host ip -6 route flush root ::/0 dev $LINK1 proto ra
	on host ip -6 route add default via fe80::1 dev ens5 metric 2048
	at_end on host ip -6 route del default via fe80::1 dev ens5
	advertised
	advertised from=fe80::1
	advertised hide=dest
}

t_02b_redirects_of_ipv6() {
	on host ip -6 route add 2001:db8:50::/48 via fe80::66 dev "$LINK1"
	at_end on host ip -6 route flush 2001:db8:50::/48
	on ns1 $PY_H redirect6 eth0 fe80::66 fe80::77 2001:db8:50::1 fe80::1
	sleep 0.1
	on host ip -6 route get 2001:db8:50::1 | not grep fe80::77
}

# A host that sends a network by way of the namespace takes redirects from it.
t_02f_redirects_of_ipv4() {
	on host ip route add 10.50.0.0/16 via $NS1_ADDR
	at_end on host ip route flush 10.50.0.0/16
	at_end on host ip neigh flush dev $LINK1
	on ns1 $PY_H arp eth0 sender=203.0.113.10	# the better way answers, too
	on ns1 $PY_H error eth0 redirect dst=192.168.0.1 rest=203.0.113.10 qproto=reply qsrc=192.168.0.1:1 qdst=10.50.0.1:1
	on ns1 $PY_H error eth0 redirect dst=192.168.0.1 rest=203.0.113.10 qproto=reply qsrc=$HOST:1 qdst=10.50.0.1:1
	on host ip route get 10.50.0.1 | not grep 'via 203.0.113.10'
	on host ip route get 10.50.0.1 from $HOST | not grep 'via 203.0.113.10'
}

t_02c_settings_of_the_hosts_end() {
	local l
	for l in "$LINK1" "$(link_of ns2)"; do
		l=${l//./\/}
		[ "$(on host sysctl -n "net/ipv6/conf/$l/accept_ra")" = 0 ]
		[ "$(on host sysctl -n "net/ipv6/conf/$l/accept_redirects")" = 0 ]
		[ "$(on host sysctl -n "net/ipv4/conf/$l/accept_redirects")" = 0 ]
	done
}

# Errors about flows of the host's that have nothing to do with the namespace.
t_02d_a_namespace_does_not_lower_the_hosts_path_mtu() {
	local a
	at_end forget host 203.0.113.10
	for a in 192.168.0.1 $HOST; do
		on ns1 $PY_H error eth0 too-big dst=$a qproto=reply qsrc=$HOST:1 qdst=$INET:1
		on host ip route get $INET | not grep 'mtu 552'
	done
}

t_02e_a_namespace_does_not_end_the_hosts_own_flows() {
	local a
	at_end forget host 203.0.113.10
	at_end rm -f "$LAB_TMP/go"
	for a in 192.168.0.1 $HOST; do
		rm -f "$LAB_TMP/held"
		on host $PY_H udp_hold $INET 7 61001 "$LAB_TMP/go" > "$LAB_TMP/held" 2>&1 &
		local held=$!
		at_end kill $held
		eventually 3 grep -q open "$LAB_TMP/held"
		on ns1 $PY_H error eth0 port dst=$a qproto=udp qsrc=$HOST:61001 qdst=$INET:7
		on ns1 $PY_H error eth0 too-big dst=$a qproto=udp qsrc=$HOST:61001 qdst=$INET:7
		touch "$LAB_TMP/go"
		wait $held || true
		rm "$LAB_TMP/go"
		cat "$LAB_TMP/held"
		grep -q 'alive, path MTU 1500' "$LAB_TMP/held"
	done
}

# --- 3: checksums

slow_uplink() {
	on host ethtool -K ens5 tx off > /dev/null
	at_end on host ethtool -K ens5 tx on
}

# As a namespace with the datapath xdp has not, but may have.
unfinished_checksums() {
	on ns1 ethtool -K eth0 tx on > /dev/null
	[ "$MODE" = tc ] || at_end on ns1 ethtool -K eth0 tx off
}

# partial PROTO SPORT OUTSIDE-PORT [DPORT]: all that leaves is as it must be
partial() {
	slow_uplink
	unfinished_checksums
	hear "$1-$2" client sniff eth0 word=partial-$1-$2 "unless=$HOST,$3,$INET,${4-9},$ENS5_MAC,$CLIENT_MAC"
	on ns1 $PY_H partial eth0 proto=$1 sport=$2 dst=$INET more=1 word=partial-$1-$2
	silent "$1-$2"
}

t_03a_no_checksum_is_written_over_addresses_udp() {
	partial udp 21301 21301
}

t_03b_no_checksum_is_written_over_addresses_tcp() {
	partial tcp 21302 21302
}

# Of an echo the identifier is the port; the sniffer takes it for both.
t_03c_no_checksum_is_written_over_addresses_icmp() {
	partial icmp 21303 21303 0
}

t_03d_no_checksum_is_written_over_addresses_published() {
	partial udp 8080 6000
	partial tcp 8080 6000
}

t_03e_a_wrong_header_checksum_does_not_leave() {
	local proto
	hear client client sniff eth0 word=spoilt
	for proto in udp tcp icmp; do
		on ns1 $PY_H frame eth0 proto=$proto dst=$INET sport=21304 spoil=1 word=spoilt-$proto
	done
	on ns1 $PY_H frame eth0 dst=$INET sport=8080 spoil=1 word=spoilt-published
	silent client
}

t_03f_honest_offload_goes_on() {
	slow_uplink
	[ "$(on ns1 $PY half_close $INET 7)" = $HOST ]
	on ns1 $PY udp_client $INET 7 1 100 1400
	on ns1 $PY tcp_many $INET 7 20 0
	[ "$(on client $PY half_close $HOST 6000)" = 203.0.113.10 ]
	on client $PY udp_client $HOST 6000 1 1000
	[ "$(on ns1 $PY half_close $HOST 6001)" = $NS1_ADDR ]
}

# --- 4: while things change

SPRAY="dst=$INET,$NS2_ADDR dport=9000 word=sprayed"

t_04a_a_namespace_is_deleted_under_fire() {
	local n a
	n=$(lab_ns nsd)
	at_end nsxdp ns del "$n" --force
	hear client client sniff eth0 not_src=$HOST
	hear ns2 ns2 sniff eth0 word=sprayed
	for _ in 1 2 3; do
		nsxdp ns add "$n" --datapath "$MODE"
		a=$(on nsd ip -4 -o addr show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }')
		meanwhile nsd $PY_H flood eth0 1 src=$a,10.66.0.1 $SPRAY
		meanwhile nsd $PY_H flood eth0 1 src=$a,10.66.0.1 $SPRAY
		sleep 0.4
		nsxdp ns del "$n"
		await
	done
	silent client
	silent ns2
}

t_04b_a_namespace_is_added_under_fire() {
	local n
	n=$(lab_ns nse)
	at_end nsxdp ns del "$n" --force
	hear client client sniff eth0 not_src=$HOST
	hear ns2 ns2 sniff eth0 word=sprayed
	for _ in 1 2 3; do
		meanwhile client $PY_H rush "$n" eth0 $SLOW mac=$LINK_MAC src=192.168.77.2,10.66.0.1,$NS1_ADDR $SPRAY
		eventually 2 grep -q ready "$LAB_TMP/meanwhile.0"
		nsxdp ns add "$n" --addr 192.168.77.2/30 --datapath "$MODE"
		await
		grep -q 'sent [1-9]' "$LAB_TMP/meanwhile.0"
		nsxdp ns del "$n"
	done
	silent client
	silent ns2
}

t_04c_settings_change_under_fire() {
	hear client client sniff eth0 not_src=$HOST
	hear ns2 ns2 sniff eth0 word=sprayed
	meanwhile ns1 $PY_H flood eth0 2 src=$NS1_ADDR,10.66.0.1 $SPRAY
	nsxdp up --dev ens5 --mode "$MODE"
	nsxdp map add 6500 "$NS1:9999"
	nsxdp map del 6500
	nsxdp flow flush
	nsxdp up --dev ens5 --mode "$MODE"
	await
	silent client
	silent ns2
}

# --- 5: errors about the connections of others

t_05a_errors_of_a_third_namespace_do_not_reach_a_hairpin() {
	local kind
	at_end forget ns1 192.168.0.1
	at_end rm -f "$LAB_TMP/go"
	for kind in port too-big; do
		rm -f "$LAB_TMP/held"
		on ns1 $PY_H udp_hold $HOST 6001 21501 "$LAB_TMP/go" > "$LAB_TMP/held" 2>&1 &
		local held=$!
		at_end kill $held
		eventually 3 grep -q open "$LAB_TMP/held"
		# As the server's namespace would say it; and as it would be said to the host.
		on ns3 $PY_H error eth0 $kind dst=$NS1_ADDR qproto=udp qsrc=$NS1_ADDR:21501 qdst=$NS2_ADDR:8080
		on ns3 $PY_H error eth0 $kind dst=$HOST qproto=udp qsrc=$NS1_ADDR:21501 qdst=$NS2_ADDR:8080
		on ns3 $PY_H error eth0 $kind dst=$HOST qproto=udp qsrc=$NS1_ADDR:21501 qdst=$HOST:6001
		on ns3 $PY_H error eth0 $kind dst=$NS2_ADDR qproto=udp qsrc=$NS2_ADDR:8080 qdst=$NS1_ADDR:21501
		touch "$LAB_TMP/go"
		wait $held || true
		rm "$LAB_TMP/go"
		cat "$LAB_TMP/held"
		grep -q 'alive, path MTU 1500' "$LAB_TMP/held"
		on ns1 ip route get $HOST | not grep 'mtu 552'
	done
}

t_05b_nor_its_tcp_connection() {
	rm -f "$LAB_TMP/held"
	on ns1 $PY same_tuple tcp $HOST 6001 21502 x "$LAB_TMP/go" > "$LAB_TMP/held" 2>&1 &
	local held=$!
	at_end kill $held
	eventually 3 grep -q open "$LAB_TMP/held"
	hear ns1 ns1 sniff eth0 proto=icmp
	hear ns2 ns2 sniff eth0 proto=icmp
	on ns3 $PY_H error eth0 port dst=$NS1_ADDR qproto=tcp qsrc=$NS1_ADDR:21502 qdst=$NS2_ADDR:8080
	on ns3 $PY_H error eth0 too-big dst=$NS1_ADDR qproto=tcp qsrc=$NS1_ADDR:21502 qdst=$NS2_ADDR:8080
	on ns3 $PY_H error eth0 too-big dst=$NS2_ADDR qproto=tcp qsrc=$NS2_ADDR:8080 qdst=$NS1_ADDR:21502
	silent ns1
	silent ns2
	touch "$LAB_TMP/go"
	at_end rm "$LAB_TMP/go"
	wait $held
}

t_05c_nor_a_masqueraded_flow() {
	rm -f "$LAB_TMP/held"
	on ns1 $PY_H udp_hold $INET 7 21503 "$LAB_TMP/go" > "$LAB_TMP/held" 2>&1 &
	local held=$!
	at_end kill $held
	eventually 3 grep -q open "$LAB_TMP/held"
	hear ns1 ns1 sniff eth0 proto=icmp
	hear client client sniff eth0 proto=icmp
	on ns3 $PY_H error eth0 port dst=$HOST qproto=udp qsrc=$HOST:21503 qdst=$INET:7
	on ns3 $PY_H error eth0 port dst=$NS1_ADDR qproto=udp qsrc=$NS1_ADDR:21503 qdst=$INET:7
	on ns3 $PY_H error eth0 port dst=$INET qproto=udp qsrc=$INET:7 qdst=$NS1_ADDR:21503
	on ns3 $PY_H error eth0 port dst=$INET qproto=udp qsrc=$INET:7 qdst=$HOST:21503
	silent ns1
	silent client
	touch "$LAB_TMP/go"
	at_end rm "$LAB_TMP/go"
	wait $held
	grep -q alive "$LAB_TMP/held"
}

t_05d_the_servers_own_error_arrives() {
	nsxdp map add -p udp 6009 "$NS2:9999"
	at_end nsxdp map del -p udp 6009
	on ns1 $PY_H udp_refused $HOST 6009
}

# --- 6: what a hairpin costs counts

limited() { # NAME OPTIONS...
	local n; n=$(lab_ns "$1"); shift
	at_end nsxdp ns del "$n" --force
	nsxdp ns add "$n" "$@"
}

t_06a_hairpin_datagrams_count_toward_max_flows() {
	limited nsf --max-flows 20 --datapath "$MODE"
	on nsf $PY udp_open $HOST 6001 20000 30 > "$LAB_TMP/open"
	cat "$LAB_TMP/open"
	grep -q 'answered 20 refused 10' "$LAB_TMP/open"
}

t_06b_hairpin_connections_count_toward_max_flows() {
	limited nsg --max-flows 20 --datapath "$MODE"
	[ "$(on nsg $PY_H tcp_open $HOST 6001 60)" = "made 20" ]
}

t_06c_connections_to_itself_count_too() {
	limited nsh --max-flows 20 --datapath "$MODE"
	on_bg nsh $PY tcp_echo_server 8080
	lab_listening nsh 8080
	nsxdp map add 6600 "$(lab_ns nsh):8080"
	[ "$(on nsh $PY_H tcp_open $HOST 6600 60)" = "made 20" ]
}

# --- 7: rates are of the wire

# sent_by_ens5 COMMAND...: bytes of frames that left while it ran; with segments cut as a NIC would
sent_by_ens5() {
	local before after
	on host ethtool -K ens5 tso off tx-udp-segmentation off gso off > /dev/null
	at_end on host ethtool -K ens5 tso on tx-udp-segmentation on gso on
	before=$(on host ip -j -s link show ens5 | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["stats64"]["tx"]["bytes"])')
	"$@"
	after=$(on host ip -j -s link show ens5 | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["stats64"]["tx"]["bytes"])')
	BYTES=$((after - before))
	echo "$BYTES bytes"
}

# Two seconds at 1 Mbit/s, and what is taken at once: 128 KiB, or 200 ms. Half as much again for
# good measure.
RATE_ROOM=$(((250000 + 131072) * 3 / 2))

t_07a_datagrams_of_one_byte_count_as_frames() {
	limited nsi --egress-rate 1mbit
	sent_by_ens5 on nsi $PY_H segments 198.18.0.1 9 2
	[ $BYTES -gt 20000 ]
	[ $BYTES -lt $RATE_ROOM ]
}

t_07b_tcp_super_packets_count_as_frames() {
	limited nsj --egress-rate 1mbit
	sent_by_ens5 on nsj $PY_H super_packets eth0 2 dst=198.18.0.1 sport=21700
	[ $BYTES -gt 20000 ]
	[ $BYTES -lt $RATE_ROOM ]
}

t_07c_datagrams_to_be_fragmented_count_as_frames() {
	limited nsp --egress-rate 1mbit
	sent_by_ens5 on nsp $PY_H super_packets eth0 2 proto=udp dst=198.18.0.1 sport=21701
	[ $BYTES -lt $RATE_ROOM ]
}

t_07d_an_honest_rate_is_reached() {
	limited nsk --egress-rate 8mbit
	sent_by_ens5 on nsk $PY_H segments 198.18.0.1 9 2 1000
	[ $BYTES -gt 1200000 ]
	[ $BYTES -lt 3400000 ]
}

# --- 8: no flow is refused where none is alive

# Different flows of the namespace with limit N that have reached the client since: flows N FILE
flows_of() { awk -v n="$1" '$5 == n' "$LAB_TMP/heard.$2" | sort -u | wc -l; }

t_08_max_flows_counts_what_is_alive() {
	local n bad=
	nsxdp up --dev ens5 --mode "$MODE" --timeout udp=2 --timeout udp-oneway=2
	at_end nsxdp up --dev ens5 --mode "$MODE" --timeout udp=300 --timeout udp-oneway=60
	hear filled client sniff eth0 dst=198.18.0.1 max=30000
	hear opened client sniff eth0 dst=198.18.0.2 max=30000
	for n in 50 500 5000; do
		limited nsq$n --max-flows $n --datapath "$MODE"
		on nsq$n $PY_H udp_fresh 198.18.0.1 $n 20000 $((n + n / 5)) 2
	done
	sleep 2.4
	for n in 50 500 5000; do on nsq$n $PY_H udp_fresh 198.18.0.2 $n 28000 $n 1; done
	sleep 0.3
	for n in 50 500 5000; do
		echo "limit $n: filled to $(flows_of $n filled), then opened $(flows_of $n opened)"
		[ "$(flows_of $n filled)" = $n ] && [ "$(flows_of $n opened)" = $n ] || bad=yes
	done
	[ ! "$bad" ]
}

# --- 9: answers for everybody

t_09_a_flood_of_ttl_1_takes_no_answers_from_others() {
	local cpu
	on host ip route add $INET via 203.0.113.10 mtu lock 1000
	at_end on host ip route del $INET via 203.0.113.10
	at_end forget ns1 192.168.0.1
	sleep 1.1
	for cpu in 0 1; do
		meanwhile ns1 taskset -c $cpu nice -n 15 $PY_H flood eth0 3 src=$NS1_ADDR dst=$INET ttl=1 burst=40 sport=2190$cpu
	done
	sleep 0.3
	meanwhile ns2 $PY_H ttl_answers $INET 9 10
	meanwhile client $PY_H ttl_answers $HOST 6001 10
	meanwhile ns1 $PY_H too_big_answers $INET 9 1400 10
	await
	tail -n 3 "$LAB_TMP"/meanwhile.*
	[ "$(cat "$LAB_TMP/meanwhile.2")" -ge 8 ]
	[ "$(cat "$LAB_TMP/meanwhile.3")" -ge 8 ]
	[ "$(cat "$LAB_TMP/meanwhile.4")" -ge 8 ]
}

t_09b_a_flood_from_outside_takes_no_answers_from_namespaces() {
	local cpu
	for cpu in 0 1; do
		meanwhile client taskset -c $cpu nice -n 15 $PY_H flood eth0 2 via=$HOST src=203.0.113.10 dst=$HOST dport=6001 ttl=1 burst=40 sport=2191$cpu
	done
	sleep 0.3
	on ns2 $PY_H ttl_answers $INET 9 10 > "$LAB_TMP/neighbour"
	await
	cat "$LAB_TMP/neighbour"
	[ "$(cat "$LAB_TMP/neighbour")" -ge 8 ]
}

# --- 10: link-local

METADATA=169.254.169.254
metadata_server() {
	on inet ip addr add $METADATA/32 dev lo
	at_end on inet ip addr del $METADATA/32 dev lo
	on client ip route add $METADATA via $INET
	at_end on client ip route del $METADATA
	on host $PY half_close $METADATA 7
}

t_10a_a_namespace_does_not_reach_link_local_through_the_host() {
	metadata_server
	hear client client sniff eth0 dst=169.254.0.0/16
	not on ns1 timeout $SLOW $PY half_close $METADATA 7
	not on ns1 timeout $SLOW $PY udp_client $METADATA 7 1
	not on ns1 ping -c1 -W1 $METADATA
	silent client
}

t_10b_nor_from_a_published_port() {
	metadata_server
	hear client client sniff eth0 dst=169.254.0.0/16
	on ns1 $PY_H frame eth0 dst=$METADATA sport=8080 dport=7
	on ns1 $PY_H frame eth0 proto=tcp dst=$METADATA sport=8080 dport=7
	silent client
}

t_10c_link_local_sources_from_outside() {
	hear ns1 ns1 sniff eth0 src=169.254.0.0/16
	on client $PY_H frame eth0 via=$HOST src=169.254.9.9 dst=$HOST dport=6000
	on client $PY_H frame eth0 via=$HOST proto=tcp src=169.254.9.9 dst=$HOST dport=6000
	silent ns1
}

t_10d_link_local_is_opened_by_an_option() {
	metadata_server
	limited nsl --link-local --datapath "$MODE"
	[ "$(on nsl $PY half_close $METADATA 7)" = $HOST ]
	on_bg inet $PY_H udp_echo_at $METADATA 9
	on inet bash -c 'until ss -Hlun "sport = :9" | grep -q .; do sleep 0.05; done'
	on nsl $PY udp_client $METADATA 9 1 1000
	on nsl ping -c1 -W1 $METADATA
}

# --- 11: SYNs that nobody answers

t_11_unanswered_syns_hold_ports_as_long_as_they_may() {
	local kept
	nsxdp up --dev ens5 --mode "$MODE" --timeout tcp-opening=3
	at_end nsxdp up --dev ens5 --mode "$MODE" --timeout tcp-opening=60
	on ns1 $PY_H syns eth0 22000 500 198.18.0.1 198.18.0.2
	nsxdp flow list -j | python3 -c 'import json,sys
left = [f["expires"] for f in json.load(sys.stdin) if "198.18.0." in str(f["remote"]) and f["proto"] == "tcp"]
print(len(left), "flows, the longest for", max(left), "seconds")' | tee "$LAB_TMP/left"
	sleep 3.6	# a port is held for an eighth longer than its flows, see flow_keep_port()
	hear client client sniff eth0 dst=198.18.0.3 max=1000
	on ns2 $PY_H syns eth0 22000 500 198.18.0.3
	eventually 5 heard_all client 3 1 65535 500
	kept=$(awk '$3 >= 22000 && $3 < 22500' "$LAB_TMP/heard.client" | wc -l)
	echo "kept their own port: $kept of $(($(wc -l < "$LAB_TMP/heard.client") - 1))"
	[ "$kept" = 500 ]
	awk '$NF == "seconds" && $(NF - 1) > 4 { exit 1 }' "$LAB_TMP/left"
}

# --- 12: what is not IPv4 to somebody

t_12a_unknown_ethertypes() {
	local types="88cc 8863 8864 8847 8848 8137 88f7 0004 888e 8809"
	hear host host listen_types "$LINK1" $types
	on ns1 $PY_H ethertypes eth0 $types
	silent host
}

# A driver that does not read the type from the frame, as netkit's, hands on what the sender said of
# it.
t_12h_types_that_are_not_the_frames() {
	local types="88cc 8863 8864 8847 86dd 8100 88a8"
	hear host host listen_types "$LINK1" $types
	on ns1 $PY_H typed eth0 $types
	silent host
}

# Frames that a program of the namespace's own puts into its link keep the mark that it sets.
t_12i_marks_of_a_program() {
	local types="88cc 8863 8864 8847 86dd"
	on ns1 ip -o link show eth0 | grep -q '^2:'
	on ns1 ip link add a0 type veth peer name a1
	at_end on ns1 ip link del a0
	on ns1 ip addr add 10.99.0.1/24 dev a0
	on ns1 ip link set a0 up
	on ns1 ip link set a1 up
	on ns1 tc qdisc add dev a1 clsact
	on ns1 tc filter add dev a1 ingress bpf direct-action object-file "$HERE/../build/remark.bpf.o" section tc
	hear host host listen_types "$LINK1" $types
	on ns1 $PY_H ethertypes a0 $types
	silent host
}

# fq on the uplink would keep what a namespace wants to be sent later, in everybody's room.
t_09z_a_time_to_send_does_not_survive() {
	on host tc qdisc add dev ens5 root fq 2> /dev/null || skip "this kernel has no fq"
	at_end on host tc qdisc del dev ens5 root
	on ns1 $PY_H later $INET 7 3 > "$LAB_TMP/later"
	cat "$LAB_TMP/later"
	grep -q 'after 0' "$LAB_TMP/later"
}

t_12b_ipv6_to_a_global_address() {
	on host ip -6 addr add 2001:db8:1::1/64 dev ens5 nodad
	at_end on host ip -6 addr del 2001:db8:1::1/64 dev ens5
	hear host host listen6 7778
	on ns1 $PY_H datagram6 eth0 fe80::66 2001:db8:1::1 7778 global
	on ns1 $PY_H datagram6 eth0 2001:db8:2::1 2001:db8:1::1 7778 global
	silent host
}

t_12c_router_advertisements_behind_other_headers() {
	at_end on host ip -6 addr flush dev $LINK1 scope global
	at_end on host ip -6 route flush root ::/0 dev $LINK1 proto ra
	advertised hide=hop
}

t_12g_router_advertisements_in_fragments() {
	at_end on host ip -6 addr flush dev $LINK1 scope global
	at_end on host ip -6 route flush root ::/0 dev $LINK1 proto ra
	advertised hide=frag
}

t_12d_groups_and_broadcasts() {
	hear mdns host listen 5353 group=224.0.0.251 if=192.168.0.1
	hear dhcp host listen 67
	on ns1 $PY_H frame eth0 dst=224.0.0.251 dport=5353 sport=5353 mac=01:00:5e:00:00:fb word=mdns
	on ns1 $PY_H frame eth0 dst=224.0.0.251 dport=5353 sport=5353 src=203.0.113.10 mac=01:00:5e:00:00:fb word=mdns-forged
	on ns1 $PY_H frame eth0 dst=224.0.0.251 dport=5353 mac=$LINK_MAC word=mdns-unicast
	on ns1 $PY_H frame eth0 dst=255.255.255.255 dport=67 sport=68 mac=ff:ff:ff:ff:ff:ff word=dhcp
	on ns1 $PY_H frame eth0 src=0.0.0.0 dst=255.255.255.255 dport=67 sport=68 mac=ff:ff:ff:ff:ff:ff word=dhcp-0
	on ns1 $PY_H frame eth0 dst=192.168.0.3 dport=67 sport=68 mac=ff:ff:ff:ff:ff:ff word=subnet
	silent mdns
	silent dhcp
}

# The kernel's table of neighbours is one for the whole machine: who fills it ends the traffic of
# all.
t_12e_arp_in_foreign_names() {
	at_end on host ip neigh flush dev $LINK1
	on ns1 $PY_H arp eth0 sender=203.0.113.10
	on ns1 $PY_H arp eth0 sender=$NS2_ADDR
	on ns1 $PY_H arp eth0 sender=10.9.0.1 count=100
	on host ip -4 neigh show dev "$LINK1" | tee "$LAB_TMP/neigh" | head -5
	[ "$(awk -v own="$NS1_ADDR" '$1 != own' "$LAB_TMP/neigh" | wc -l)" = 0 ]
}

t_12f_neighbours_of_ipv6_are_bounded() {
	local ll
	ll=$(on host ip -6 -o addr show dev "$LINK1" scope link | awk 'NR == 1 { sub("/.*", "", $4); print $4 }')
	at_end on host ip -6 neigh flush dev $LINK1
	on ns1 $PY_H solicit eth0 "$ll" 200
	on host ip -6 neigh show dev "$LINK1" | tee "$LAB_TMP/neigh" | head -3
	[ "$(wc -l < "$LAB_TMP/neigh")" -lt 20 ]
}

# --- 13: more

# What was an address of the host's when nsxdp came up is nobody's now; the kernel forwards what is
# sent there.
t_13a_to_an_address_that_the_host_has_lost() {
	local proto
	on host ip addr add 203.0.113.77/24 dev ens5
	nsxdp up --dev ens5 --mode "$MODE"
	on host ip addr del 203.0.113.77/24 dev ens5
	at_end nsxdp up --dev ens5 --mode "$MODE"
	on client ip addr add 203.0.113.77/24 dev eth0
	at_end on client ip addr del 203.0.113.77/24 dev eth0
	hear client client sniff eth0 not_src=$HOST
	for proto in udp tcp icmp; do
		on ns1 $PY_H frame eth0 proto=$proto dst=203.0.113.77 sport=21131
		on ns1 $PY_H frame eth0 proto=$proto dst=203.0.113.77 sport=8080
	done
	silent client
}

# A loose source route by way of the host (RFC 791), where the host's administrator has turned that
# on.
t_13b_source_routes() {
	local o
	on host sysctl -qw net.ipv4.conf.all.accept_source_route=1
	at_end on host sysctl -qw net.ipv4.conf.all.accept_source_route=0
	hear client client sniff eth0 word=routed not_src=$HOST
	hear ns2 ns2 sniff eth0 word=routed
	o=$(python3 -c 'import socket,sys; print("830704" + socket.inet_aton(sys.argv[1]).hex() + "00")' $INET)
	on ns1 $PY_H frame eth0 dst=192.168.0.1 options=$o word=routed
	on ns1 $PY_H frame eth0 dst=$HOST options=$o word=routed
	o=$(python3 -c 'import socket,sys; print("830704" + socket.inet_aton(sys.argv[1]).hex() + "00")' $NS2_ADDR)
	on ns1 $PY_H frame eth0 dst=192.168.0.1 dport=9000 options=$o word=routed
	silent client
	silent ns2
}

t_13c_lengths_that_are_not_true() {
	local total
	hear client client sniff eth0 word=length
	for total in 0 19 24 2000; do
		on ns1 $PY_H frame eth0 dst=$INET sport=21132 total=$total word=length-$total
		on ns1 $PY_H frame eth0 proto=tcp dst=$INET sport=21132 total=$total word=length-tcp-$total
	done
	silent client
}

# --- the end of the lab

t_90_down_under_fire() {
	local n
	hear client client sniff eth0 not_src=$HOST
	hear ns2 ns2 sniff eth0 word=sprayed
	for n in ns1 ns3; do
		meanwhile $n $PY_H flood eth0 3 src=$NS1_ADDR,$NS3_ADDR,10.66.0.1 $SPRAY
	done
	sleep 0.3
	nsxdp down --keep-ns
	sleep 0.2
	nsxdp up --dev ens5 --mode "$MODE"
	nsxdp ns adopt "$NS1" --datapath "$MODE"
	nsxdp down --keep-ns
	await
	silent client
	silent ns2
}

t_91_down_and_delete_under_fire() {
	local n
	nsxdp up --dev ens5 --mode "$MODE"
	hear client client sniff eth0 not_src=$HOST
	for n in nsm nsn nso; do
		nsxdp ns add "$(lab_ns $n)" --datapath "$MODE"
		meanwhile $n $PY_H flood eth0 2 src=10.66.0.1,$(on $n ip -4 -o addr show dev eth0 | awk '{ sub("/.*", "", $4); print $4 }') $SPRAY
	done
	sleep 0.5
	nsxdp down
	await
	silent client
}

run_tests "$@"
