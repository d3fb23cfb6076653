#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Attacks from outside, from neighbours and from processes on the host: what runs goes on, what is
# private stays so. Judged by what programs and the wire see. Tests that leave the host in disorder
# have a lab of their own.
#
#   e2e_hostile_out.sh [tc|xdp] [WORD]...
MODE=${1:-tc}
[ $# = 0 ] || shift
T_GROUP="hostile, $MODE"
. "$(dirname "$0")/harness.sh"
H="/usr/bin/python3 $HERE/hostile_out.py"
BUILD=$HERE/../build
FLOOD=$BUILD/flood
. "$HERE/ports_lab.sh"
SECOND=203.0.113.5
LAN=192.0.2.2

# A lab of a test's own, for it breaks it; it ends with the test.
own_lab() {
	LAB_ID=${LAB_ID}f
	LAB_TMP=$(mktemp -d "/tmp/nsxdp-lab.$LAB_ID.XXXXXX")
	. "$HERE/ports_lab.sh"
}

# What a test undoes, however it ends.
finally() { trap "set +eE; trap - ERR; $*" EXIT; }

# Go on after a failure, and tell all of them at the end.
FAILED=""
try() { "$@" || FAILED="$FAILED; $*"; }
# What a command prints: is WANTED COMMAND...
is() {
	local want=$1 got; shift
	got=$(trap - ERR; "$@" 2> /dev/null | tail -1) || true
	[ "$got" = "$want" ] || { echo "'$*' says '$got', not '$want'"; return 1; }
}

all_well() { [ -z "$FAILED" ] || { echo "failed:$FAILED"; return 1; }; }

second_address() {
	on host ip addr add $SECOND/24 dev ens5
	nsxdp up --dev ens5
}

# Forged TCP segments from many sources, whose answers end at the client.
flood() { # PATTERN ADDRESS PORT COUNT
	local mac
	on client ip route replace blackhole 10.0.0.0/8
	mac=$(on host ip -o link show ens5 | sed 's/.*ether \([^ ]*\).*/\1/')
	on client "$FLOOD" eth0 "$mac" "$@"
}

# A machine behind another interface of the host's.
lan_up() {
	ip netns add "$(lab_ns lan)"
	on lan ip link set lo up
	lab_link lan eth0 $LAN/24 host eth9 192.0.2.1/24
	on lan ip route add default via 192.0.2.1
	eventually 3 on lan ping -c1 -W1 192.0.2.1
}

# Note what passes at a machine's interface from now on: watch MACHINE DEV FILTER; nothing_seen ends
# it.
watch() {
	: > "$LAB_TMP/watching"
	nsenter --net="/run/netns/$(lab_ns "$1")" tcpdump --immediate-mode -Uni "$2" \
		-w "$LAB_TMP/watch.$1" "$3" 2> "$LAB_TMP/watching" &
	WATCHER=$! WATCHED="$LAB_TMP/watch.$1"
	eventually 5 grep -q listening "$LAB_TMP/watching"
}

nothing_seen() {
	pause 0.3
	kill $WATCHER
	wait $WATCHER || true
	tcpdump -nr "$WATCHED" > "$LAB_TMP/seen" 2> /dev/null
	[ ! -s "$LAB_TMP/seen" ] || { echo "seen: $(wc -l < "$LAB_TMP/seen")"; head -5 "$LAB_TMP/seen"; return 1; }
}

# Must not get there, by TCP, UDP or ping: unreached MACHINE ADDRESS PORT
unreached() {
	local pid pids=() reached=0
	on "$1" timeout 0.7 bash -c "exec 3<>/dev/tcp/$2/$3" 2> /dev/null &
	pids+=($!)
	on "$1" timeout 0.7 $PY udp_tag "$2" "$3" 1 0 > /dev/null 2>&1 &
	pids+=($!)
	on "$1" timeout 0.7 ping -nc1 -W1 "$2" > /dev/null &
	pids+=($!)
	for pid in "${pids[@]}"; do ! wait "$pid" || reached=$((reached + 1)); done
	[ $reached = 0 ] || { echo "$1 reached $2:$3 in $reached of 3 ways"; return 1; }
}

# Start a program that says "open" once it has begun: begin NAME MACHINE COMMAND...
begin() {
	local name=$1 machine=$2; shift 2
	: > "$LAB_TMP/$name"
	nsenter --net="/run/netns/$(lab_ns "$machine")" "$@" > "$LAB_TMP/$name" 2>&1 &
	eval "PID_$name=\$!"
	eventually 5 grep -q "open\|has" "$LAB_TMP/$name"
}

# It must have ended well.
ended() {
	local pid=PID_$1
	wait "${!pid}" || { echo "$1:"; tail -4 "$LAB_TMP/$1"; return 1; }
}

service_goes_on() {
	is 203.0.113.10 on client timeout $((3 * SLOW)) $PY half_close $HOST 6000 &&
		on client timeout $((3 * SLOW)) $PY udp_client $HOST 6000 1 1000 &&
		is $HOST on ns1 timeout $((3 * SLOW)) $PY half_close $INET 7 &&
		on ns1 timeout $((3 * SLOW)) $PY udp_client $INET 7 1 1000 &&
		is 192.168.0.2 on ns1 timeout $((3 * SLOW)) $PY half_close $HOST 6001
}

forged_connections() { # PATTERN
	own_lab
	second_address
	on client $H connects $SECOND 6000 60
	begin running client $H idle $SECOND 6000 20 "$LAB_TMP/go"
	flood "$1" $SECOND 6000 160000
	try on client $H connects $SECOND 6000 60
	touch "$LAB_TMP/go"
	try ended running
	all_well
}

t_12_two_forged_syns_do_not_fill_the_table() { forged_connections ss; }

# The same by UDP: whoever is answered once and comes again is no proof of a client either.
t_12_forged_datagrams_do_not_fill_the_table() {
	local round
	own_lab
	second_address
	on_bg ns1 "$FLOOD" echo 8099
	nsxdp map add -p udp 6300 "$NS1:8099"
	on client $PY udp_client $SECOND 6300 1 100
	for round in $(seq 8); do
		SEED=$round flood u $SECOND 6300 20000
		sleep 0.1
		SEED=$round flood u $SECOND 6300 20000
	done
	try on client $PY udp_client $SECOND 6300 1 100
	try on client $PY udp_client $SECOND 6000 1 100
	try on client $H connects $SECOND 6000 60
	all_well
}

t_12_forged_syn_and_ack_do_not_fill_the_table() { forged_connections sa; }

t_13_forged_segments_do_not_redirect_a_connection() {
	local kind
	finally "nsxdp map del 7000; on host ip addr del $SECOND/24 dev ens5; nsxdp up --dev ens5; nsxdp flow flush"
	second_address
	nsxdp map add 7000 "$NS1:8080"
	for kind in ack syn; do
		try on client $H hijack $HOST 6000 $SECOND 6000 $kind
		try on client $H hijack $SECOND 6000 $HOST 6000 $kind
		try on client $H hijack $HOST 6000 $HOST 7000 $kind
		try on client $H hijack $HOST 7000 $HOST 6000 $kind
	done
	all_well
}

t_14_draining_ends_after_minutes() {
	finally "nsxdp map set 6000 $NS1:8080 --drain 0"
	nsxdp map set 6000 "$NS2:8080"
	nsxdp map list -j | python3 -c 'import json,sys
port = [m for m in json.load(sys.stdin) if m["port"] == 6000 and m["proto"] == "tcp"][0]
print(port["draining"])
assert all(d["seconds"] <= 1800 for d in port["draining"])'
}

flooded_draining() { # PATTERN
	own_lab
	begin running client $H idle $HOST 6000 20 "$LAB_TMP/go"
	nsxdp map set 6000 "$NS2:8080" --drain 60s
	flood "$1" $HOST 6000 160000
	try on client $H connects $HOST 6000 60
	touch "$LAB_TMP/go"
	try ended running
	all_well
}

t_14_forged_syns_while_a_port_drains() { flooded_draining s; }

t_14_forged_connections_while_a_port_drains() { flooded_draining sa; }

t_14_forged_syns_do_not_move_a_running_connection() {
	finally "nsxdp map set 6000 $NS1:8080 --drain 0; rm -f $LAB_TMP/go"
	begin running client $H moved $HOST 6000 "$LAB_TMP/go"
	nsxdp map set 6000 "$NS2:8080" --drain 60s
	touch "$LAB_TMP/go"
	ended running
}

# What a draining remembers goes with it.
t_14_nothing_is_left_of_a_draining_that_is_over() {
	own_lab
	second_address
	nsxdp map set 6000 "$NS2:8080" --drain 4s
	flood sa $HOST 6000 160000
	sleep 4.5
	nsxdp map add 6555 "$NS3:9000"
	on client $H connects $SECOND 6000 60
}

# Tens of thousands of short connections, all of them closed, and hundreds that run.
t_14_short_connections_while_a_port_drains() {
	local a
	own_lab
	for a in $(seq 101 112); do on client ip addr add 203.0.113.$a/24 dev eth0; done
	on_bg ns1 "$FLOOD" serve 8088
	on_bg ns2 "$FLOOD" serve 8088
	lab_listening ns1 8088
	lab_listening ns2 8088
	nsxdp map add 6100 "$NS1:8088"
	begin running client $H idle $HOST 6000 20 "$LAB_TMP/go"
	nsxdp map set 6000 "$NS2:8080" --drain 60s
	nsxdp map set 6100 "$NS2:8088" --drain 60s
	on client "$FLOOD" short $HOST 6100 6000 $(seq -f 203.0.113.%g 101 112) > "$LAB_TMP/short"
	cat "$LAB_TMP/short"
	try grep -q "done 72000 failed 0" "$LAB_TMP/short"
	try on client $H connects $HOST 6000 60
	touch "$LAB_TMP/go"
	try ended running
	all_well
}

t_16_a_neighbour_reaches_nothing_private() {
	own_lab
	on host sysctl -qw net.ipv4.ip_forward=1
	lan_up
	nsxdp up --dev ens5
	watch ns1 eth0 "src host $LAN"
	try unreached lan 192.168.0.2 9000
	try unreached lan 192.168.0.2 8080
	try nothing_seen
	watch lan eth0 "ip and not src host $LAN"
	try unreached ns1 $LAN 9000
	try nothing_seen
	try service_goes_on
	all_well
}

has_tcx() { nsxdp features | grep -q '^tcx links .* yes '; }

# Where the programs are filters their pins do not hold them.
remove_filters() { # PINS
	local dev
	for dev in $(nsxdp ns list -j | python3 -c 'import json,sys; print(*(n["host_if"] for n in json.load(sys.stdin)))'); do
		on host tc filter del dev "$dev" ingress pref 1
	done
	[[ $1 != *link_uplink* ]] || on host tc filter del dev ens5 ingress pref 1
}

# The programs are gone: who moves the packets then?
without_programs() { # IP_FORWARD PIN...
	local pins forward=$1; shift
	own_lab
	on host sysctl -qw net.ipv4.ip_forward="$forward"
	pins=$(nsxdp status -j | python3 -c 'import json,sys; print(json.load(sys.stdin)["pins"])')
	has_tcx || remove_filters "$*"
	(cd "$pins" && rm -f $*)
	watch client eth0 "src net 192.168.0.0/16"
	try unreached ns1 192.168.0.6 9000
	try unreached ns1 $INET 7
	try nothing_seen
	nsxdp ns list > "$LAB_TMP/list" 2>&1 || true
	cat "$LAB_TMP/list"
	try not grep "$NS1 .*ready" "$LAB_TMP/list"
	all_well
}

LINKS="link_[0-9]* xdp_[0-9]*"

t_17_without_programs_nothing_is_forwarded() { without_programs 0 "$LINKS"; }

t_17_without_any_program_nothing_is_forwarded() { without_programs 0 "$LINKS link_uplink xdp_uplink"; }

t_17_without_programs_where_the_host_is_a_router() { without_programs 1 "$LINKS"; }

t_17_a_program_before_ours_opens_nothing() {
	local dev
	has_tcx || skip "tcx links, by which a program can come before ours"
	own_lab
	for dev in $(nsxdp ns list | awk -v a="$NS1" -v b="$NS2" '$1 == a || $1 == b { print $4 }'); do
		on host $H tcx_first "$dev" > "$LAB_TMP/tcx.$dev" 2>&1 &
		echo $! >> "$LAB_TMP/pids"
		eventually 5 grep -q attached "$LAB_TMP/tcx.$dev"
	done
	watch ns2 eth0 "src host 192.168.0.2"
	try unreached ns1 192.168.0.6 9000
	try nothing_seen
	watch client eth0 "src net 192.168.0.0/16"
	on ns1 timeout 0.7 $PY udp_client $INET 7 1 || true
	on ns1 timeout 0.7 ping -nc1 -W1 $INET || true
	try nothing_seen
	all_well
}

t_17_ip_forward_on_and_off_again() {
	own_lab
	begin published client $H hold $HOST 6000 3 "$LAB_TMP/go"
	begin masqueraded ns1 $H hold $INET 7 3 "$LAB_TMP/go"
	begin hairpin ns1 $H hold $HOST 6001 3 "$LAB_TMP/go"
	on host sysctl -qw net.ipv4.ip_forward=1
	sleep 0.7
	on host sysctl -qw net.ipv4.ip_forward=0
	sleep 0.7
	try service_goes_on
	sleep 9
	try service_goes_on
	touch "$LAB_TMP/go"
	try ended published
	try ended masqueraded
	try ended hairpin
	all_well
}

# The host's address is replaced, and nobody outside knows: after a second nothing leaves from it
# any more.
nothing_goes_on() { # HOST-FILTER
	sleep 0.5
	watch client eth0 "src host $HOST and udp and $1"
	not nothing_seen
	on host ip addr del $HOST/24 dev ens5
	on host ip addr add 203.0.113.77/24 dev ens5
	on host ip route replace default via 203.0.113.10
	sleep 1.5
	watch client eth0 "src host $HOST and udp"
	sleep 1
	nothing_seen
}

t_18b_a_server_that_sends_unasked_leaves_a_lost_address() {
	own_lab
	nsxdp map add -p udp 6100 "$NS1:9100"
	on_bg ns1 $H udp_push 9100 12
	lab_listening ns1 9100 --udp
	on_bg client $PY udp_client $HOST 6100 1
	nothing_goes_on "dst net 203.0.113.0/24"
}

t_18c_a_flow_that_only_answers_leaves_a_lost_address() {
	own_lab
	on client ip neigh replace $HOST lladdr "$(on host ip -o link show ens5 | sed 's/.*ether \([^ ]*\).*/\1/')" dev eth0
	on_bg inet $H udp_push 9101 12
	lab_listening inet 9101 --udp
	on_bg ns2 $H udp_ask_and_echo $INET 9101
	nothing_goes_on "dst host $INET"
}

t_18_a_lost_address_is_a_foreign_one() {
	own_lab
	second_address
	is 203.0.113.10 on client $PY half_close $SECOND 6001
	is 192.168.0.2 on ns1 $PY half_close $SECOND 6001
	watch client eth0 "src net 192.168.0.0/16"
	on host ip addr del $SECOND/24 dev ens5
	on client ip addr add $SECOND/24 dev eth0
	on_bg client $PY tcp_echo_server 7
	on_bg client $H udp_echo_at $SECOND 7
	on_bg client $PY tcp_echo_server 6001
	on_bg client $H udp_echo_at $SECOND 6000
	lab_listening client 7
	lab_listening client 6001
	on ns1 timeout 0.5 $PY udp_client $SECOND 7 1 2> /dev/null || true
	sleep 1
	try on ns1 timeout $((3 * SLOW)) $PY udp_client $SECOND 7 1 1000
	try on ns1 timeout $((3 * SLOW)) $PY udp_client $SECOND 6000 1 1000
	try is $HOST on ns1 timeout $((2 * SLOW)) $PY half_close $SECOND 7
	try is $HOST on ns1 timeout $((2 * SLOW)) $PY half_close $SECOND 6001
	try nothing_seen
	all_well
}

# The host's address changes as often as a lease does in a year.
t_19_eighty_address_changes() {
	local n
	own_lab
	for n in $(seq 20 99); do
		on host ip addr add 203.0.113.$n/24 dev ens5
		on client timeout $SLOW bash -c "exec 3<>/dev/tcp/203.0.113.$n/6000" || try false "at change $n"
		on host ip addr del 203.0.113.$n/24 dev ens5
	done
	on host ip addr add 203.0.113.150/24 dev ens5
	on host ip route replace default via 203.0.113.10 src 203.0.113.150
	sleep 1.2
	try is 203.0.113.10 on client timeout $((2 * SLOW)) $PY half_close 203.0.113.150 6000
	try is 203.0.113.150 on ns1 timeout $((2 * SLOW)) $PY half_close $INET 7
	try on ns1 timeout $((2 * SLOW)) $PY udp_client $INET 7 1 1000
	try is 203.0.113.10 on client timeout $((2 * SLOW)) $PY half_close $HOST 6000
	all_well
}

t_19_a_hundred_addresses() {
	local n bad=0
	own_lab
	nsxdp down
	for n in $(seq 101 200); do on host ip addr add 203.0.113.$n/24 dev ens5; done
	nsxdp up --dev ens5 --mode "$MODE" > "$LAB_TMP/up" 2>&1 || {
		cat "$LAB_TMP/up"
		grep -i address "$LAB_TMP/up" | grep -q "[0-9]"
		return
	}
	cat "$LAB_TMP/up"
	! grep -qi "address" "$LAB_TMP/up" || return 0
	nsxdp ns add "$(lab_ns ns6)" --datapath "$MODE"
	nsxdp map add 6000 "$(lab_ns ns6):8080"
	on_bg ns6 $PY tcp_echo_server 8080
	lab_listening ns6 8080
	for n in $(seq 101 200); do
		on client timeout $SLOW bash -c "exec 3<>/dev/tcp/203.0.113.$n/6000" 2> /dev/null || bad=$((bad + 1))
	done
	echo "$bad of 100 addresses do not answer"
	[ $bad = 0 ]
}

t_20_nobody_binds_every_port() {
	finally "touch $LAB_TMP/go; sleep 0.5; rm -f $LAB_TMP/go; nsxdp flow flush"
	on_bg inet $H where_server udp 70
	eventually 3 on inet ss -Hlun "sport = :70"
	begin connections ns1 $H hold $INET 7 20 "$LAB_TMP/go"
	begin flows ns1 $H keeps_ports $INET 70 20000 20 "$LAB_TMP/go"
	timeout $((20 * SLOW)) nsenter --net="/run/netns/$(lab_ns host)" $H bind_all 1024 32767 0.0.0.0 $HOST
	timeout $((20 * SLOW)) nsenter --net="/run/netns/$(lab_ns host)" $H connect_from_all 1024 32767 $INET 9
	touch "$LAB_TMP/go"
	try ended connections
	try ended flows
	all_well
}

t_21_a_full_cone_takes_nothing_of_the_hosts() {
	local n
	n=$(lab_ns ns4)
	finally "nsxdp ns del $n; nsxdp flow flush"
	nsxdp ns add "$n" --nat endpoint-independent --datapath "$MODE"
	on_bg inet $H ticker 71
	on_bg inet $H where_server udp 70
	sleep 0.3
	begin ticks host $H listen_ticks 20500 $INET 71 45
	sleep 2.3
	on ns4 $H spray 20500 $INET 70 5 0.1
	ended ticks
}

# The port is the host's towards one remote; what a namespace does with another does not change
# that.
t_21_a_further_remote_takes_no_datagrams_of_the_hosts() {
	finally "nsxdp flow flush"
	on_bg inet $H ticker 71
	on_bg inet $H where_server udp 70
	sleep 0.3
	begin ticks host $H listen_ticks 20700 $INET 71 40
	sleep 2.3
	on ns1 $H further_remote udp 20700 $INET 70 71
	ended ticks
}

t_21_a_further_remote_ends_no_connection_of_the_hosts() {
	finally "touch $LAB_TMP/go; sleep 0.3; rm -f $LAB_TMP/go; nsxdp flow flush"
	on_bg inet $H where_server tcp 73
	lab_listening inet 73
	begin mine host $H hold_from 20800 $INET 7 "$LAB_TMP/go"
	sleep 2.3
	on ns1 $H further_remote tcp 20800 $INET 73 7
	touch "$LAB_TMP/go"
	ended mine
}

auto_bind() { # PROTO HOW
	finally "touch $LAB_TMP/go; sleep 0.5; rm -f $LAB_TMP/go; nsxdp map del -p $1 40000"
	nsxdp map add -p "$1" 40000 "$NS1:9000"
	begin thief host $H steal "$1" 40000 $INET 7 "$2" "$LAB_TMP/go"
	if [ "$1" = udp ]; then
		try is ns1 on client timeout $((3 * SLOW)) $PY udp_tag $HOST 40000 1 0
	else
		try is "33000 ns1" on client timeout $((3 * SLOW)) $PY tags $HOST 40000 33000 1
	fi
	touch "$LAB_TMP/go"
	try ended thief
	all_well
}

t_21_sendto_gets_no_published_port() { auto_bind udp sendto; }

t_21_connect_gets_no_published_port() { auto_bind udp connect; }

t_21_tcp_connect_gets_no_published_port() { auto_bind tcp connect; }

t_21_pings_of_the_host_among_all_identifiers() {
	finally "nsxdp flow flush"
	on host sysctl -qw net.ipv4.ping_group_range="0 2147483647"
	on host $H ping raw $INET 3
	on host $H ping dgram $INET 3
	on ns1 $H echo_every_id $INET
	try on host $H ping raw $INET 4
	try on host $H ping dgram $INET 4
	all_well
}

t_22_a_route_that_leads_elsewhere() {
	finally "ip netns del $(lab_ns lan); nsxdp up --dev ens5"
	lan_up
	nsxdp up --dev ens5
	watch client eth0 "dst host $LAN"
	try on ns1 $H fails_fast tcp $LAN 9 1
	try on ns1 $H fails_fast udp $LAN 9 1
	try refuse 1 "" on ns1 ping -nc1 -W1 $LAN
	try nothing_seen
	all_well
}

t_23_up_again_with_another_range_of_local_ports() {
	finally "on host sysctl -qw net.ipv4.ip_local_port_range='32768 60999'; nsxdp up --dev ens5; nsxdp flow flush"
	on_bg inet $H where_server udp 70
	on_bg inet $H where_server tcp 73
	lab_listening inet 73
	nsxdp flow flush
	on host sysctl -qw net.ipv4.ip_local_port_range="16384 32000"
	nsxdp up --dev ens5
	try on ns1 $H outside_ports udp $INET 70 20100 60 16384 32000
	try on ns1 $H outside_ports tcp $INET 73 20200 60 16384 32000
	all_well
}

t_23_sockets_bound_to_loopback() {
	try on host $H bound_dial tcp connect 127.0.0.1 127.0.0.1 6000
	try on host $H bound_dial udp connect 127.0.0.1 127.0.0.1 6000
	try on host $H bound_dial udp sendto 127.0.0.1 127.0.0.1 6000
	try on host $H bound_dial tcp connect $HOST $HOST 6000
	all_well
}

expires() { # PORT: seconds that the session of the client's port has left; 0 where there is none
	nsxdp flow list -j | python3 -c 'import json,sys
print(max([f["expires"] for f in json.load(sys.stdin) if f["remote"] == "203.0.113.10:" + sys.argv[1]] or [0]))' "$1"
}

t_25_icmp_errors_prolong_nothing() {
	local port before after
	finally "touch $LAB_TMP/go $LAB_TMP/send; sleep 0.3; rm -f $LAB_TMP/go $LAB_TMP/send; \
		on host ip addr del $SECOND/24 dev ens5; nsxdp up --dev ens5; nsxdp flow flush"
	second_address
	begin silent client $H prolong $SECOND 6000 "$LAB_TMP/send" "$LAB_TMP/go"
	port=$(awk '/open/ { print $2 }' "$LAB_TMP/silent")
	before=$(expires "$port")
	sleep 3
	touch "$LAB_TMP/send"
	eventually 3 grep -q sent "$LAB_TMP/silent"
	after=$(expires "$port")
	echo "expires $before, after three seconds and errors $after"
	[ "$before" = 0 ] || [ "$after" -le $((before - 2)) ]
}

# What is answered may have come with a checksum that its sender left to the device.
t_25_checksums_of_icmp_answers() {
	local proto dev n m
	n=$(lab_ns ns6) m=$(lab_ns ns7)
	finally "nsxdp ns del $n --force; nsxdp ns del $m; on host ethtool -K ens5 tx on > /dev/null; \
		[ $MODE = tc ] || on client ethtool -K eth0 tx off > /dev/null"
	nsxdp ns add "$n" --datapath "$MODE"
	nsxdp ns add "$m" --max-flows 1 --datapath "$MODE"
	nsxdp map add 6400 "$n:8080"
	nsxdp map add -p udp 6400 "$n:8080"
	on ns6 ip link set eth0 down
	on ns7 $PY udp_client $INET 7 1
	# In namespaces it is on with TC, and must be off with XDP.
	on client ethtool -K eth0 tx on > /dev/null
	on host ethtool -K ens5 tx off > /dev/null
	for dev in $(nsxdp ns list | awk 'NR > 1 { print $4 }'); do on host ethtool -K "$dev" tx off > /dev/null; done
	sleep 0.6
	for proto in udp tcp; do
		try on client $H error_of $proto $HOST 6000 1 eth0 11 0
		try on client $H error_of $proto $HOST 6400 64 eth0 3 3
		try on ns1 $H error_of $proto $INET 7 1 eth0 11 0
		try on ns7 $H error_of $proto $INET 7 64 eth0 3 13
	done
	all_well
}

t_26_a_port_is_not_free_where_the_kernel_does_not_say_so() {
	local call
	finally "nsxdp map del 9555"
	on_bg host $PY tcp_tag_server 9555 itself
	lab_listening host 9555
	for call in socket sendto recvmsg; do
		try not on host env LD_PRELOAD="$BUILD/nodiag.so" NODIAG=$call "$NSXDP" map add 9555 "$NS1:9000"
		try is "33100 itself" on client $PY tags $HOST 9555 33100 1
		nsxdp map del 9555
	done
	all_well
}

run_tests "$@"
