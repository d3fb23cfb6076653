#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Published ports with several targets, conditions or addresses; swapped and drained while they are
# used.
#
#   e2e_services.sh [tc|xdp] [WORD]...
MODE=${1:-tc}
[ $# = 0 ] || shift
T_GROUP="services, $MODE"
. "$(dirname "$0")/harness.sh"
. "$(dirname "$0")/ports_lab.sh"

at_addresses() { # MACHINE WHO...: which server answers at each of the three addresses
	local machine=$1 a got=(); shift
	for a in $HOST 203.0.113.5 203.0.113.6; do
		got+=("$(on "$machine" timeout $SLOW $PY tags $a 6200 20000 1 2>/dev/null || true)")
	done
	got=("${got[@]##* }")
	[ "${got[*]/#/:}" = "${*/#/:}" ] || { echo "from $machine: ${got[*]/#/:}"; return 1; }
}

shares() { sort -k2 "$1" | awk '{ n[$2]++ } END { for (t in n) print t, n[t] }'; }

share() { shares "$1" | awk -v t="$2" '$1 == t { print $2 }'; }

t_01_several_targets_by_weight() {
	nsxdp map add 6200 "$NS1:9000" "$NS2:9000=2" "$NS3:9000"
	on client $PY tags $HOST 6200 20000 400 > "$LAB_TMP/tags"
	shares "$LAB_TMP/tags"
	[ "$(share "$LAB_TMP/tags" ns1)" -gt 60 ]
	[ "$(share "$LAB_TMP/tags" ns1)" -lt 145 ]
	[ "$(share "$LAB_TMP/tags" ns2)" -gt 150 ]
	[ "$(share "$LAB_TMP/tags" ns2)" -lt 250 ]
	nsxdp map list > "$LAB_TMP/list"
	cat "$LAB_TMP/list"
	grep -qE "6200 .*$NS2 .* 50% +[1-9]" "$LAB_TMP/list"
	nsxdp flow list -j | grep -c 6200 | grep -q '^0$'
	# Two processes of one client, one after the other, meet the same servers again: nothing is
	# random.
	on client $PY tags $HOST 6200 20000 50 > "$LAB_TMP/again"
	head -50 "$LAB_TMP/tags" | diff - "$LAB_TMP/again"
	# A namespace and the host itself are shared out too.
	on ns1 $PY tags $HOST 6200 20000 40 > "$LAB_TMP/tags"
	[ "$(shares "$LAB_TMP/tags" | wc -l)" = 3 ]
	on host $PY tags 127.0.0.1 6200 20000 40 > "$LAB_TMP/tags"
	[ "$(shares "$LAB_TMP/tags" | wc -l)" = 3 ]
	nsxdp map del 6200
	refuse 1 "refused" on client $PY tags $HOST 6200 20000 1
}

t_02_a_changed_target_moves_its_share() {
	nsxdp map add 6200 "$NS1:9000" "$NS2:9000"
	on client $PY tags $HOST 6200 20000 300 > "$LAB_TMP/two"
	nsxdp map set 6200 "$NS1:9000" "$NS2:9000" "$NS3:9000" --drain 0
	[ "$(nsxdp map list | awk -v ns="$NS1" '$2 == 6200 && $4 == ns { print $NF }')" -gt 300 ]
	on client $PY tags $HOST 6200 20000 300 > "$LAB_TMP/three"
	shares "$LAB_TMP/three"
	# About a third moves, and nearly all of it to the new target.
	local moved new
	moved=$(diff "$LAB_TMP/two" "$LAB_TMP/three" | grep -c '^>')
	new=$(diff "$LAB_TMP/two" "$LAB_TMP/three" | grep -c '^> .* ns3')
	echo "moved $moved, to the new target $new"
	[ "$moved" -lt 135 ]
	[ "$new" -gt 60 ]
	[ $((moved - new)) -lt 25 ]
	nsxdp map del 6200
}

t_03_affinity() {
	nsxdp map add 6200 "$NS1:9000" "$NS2:9000" "$NS3:9000" --affinity client
	on client $PY tags $HOST 6200 20000 50 > "$LAB_TMP/tags"
	[ "$(shares "$LAB_TMP/tags" | wc -l)" = 1 ]
	nsxdp map del 6200
}

t_04_rolling_swap_loses_nothing() {
	nsxdp map add 6200 "$NS1:9000"
	on client $PY load $HOST 6200 8 > "$LAB_TMP/load" &
	local pid=$! target
	for target in "$NS2" "$NS3" "$NS1" "$NS2"; do
		sleep 1.5
		nsxdp map set 6200 "$target:9000" --drain 30s
		nsxdp map list | grep "6200 .*drains"
	done
	[ "$(on client $PY tags $HOST 6200 30000 20 | awk '{ print $2 }' | sort -u)" = ns2 ]
	wait $pid
	cat "$LAB_TMP/load"
	grep -q ' failed 0 servers ns1 ns2 ns3' "$LAB_TMP/load"
	# Memory only for what the change would have moved, and none once it is over.
	nsxdp map set 6200 "$NS2:9000" "$NS1:9000" --drain 0
	nsxdp map set 6200 "$NS1:9000" --drain 0
	nsxdp map list | not grep "6200 .*drains"
	[ "$(on client $PY tags $HOST 6200 30000 20 | awk '{ print $2 }' | sort -u)" = ns1 ]
	nsxdp map del 6200
}

t_05_drained_port() {
	nsxdp map add 6200 "$NS1:8080"
	rm -f "$LAB_TMP/many"
	on client $PY tcp_many $HOST 6200 10 2 > "$LAB_TMP/many" &
	local pid=$!
	eventually 10 grep -q open "$LAB_TMP/many"
	nsxdp map del 6200 --drain $((3 * SLOW))s
	refuse 1 "refused" on client $PY half_close $HOST 6200
	nsxdp map list | grep "6200 .*drains"
	nsxdp ports | grep "^tcp *6200 .*published, drains"
	refuse 1 "port is drained of its connections still" nsxdp map add 6200 "$NS2:8080"
	wait $pid
	grep -q "done 10" "$LAB_TMP/many"
	eventually 5 nsxdp map add 6200 "$NS2:8080"
	[ "$(on client $PY half_close $HOST 6200)" = 203.0.113.10 ]
	nsxdp map del 6200
}

t_05a_draining_is_ended() {
	nsxdp map add 6201 "$NS1:8080"
	nsxdp map del 6201 --drain 60s
	nsxdp map list | grep "6201 .*drains"
	nsxdp map del 6201
	nsxdp map list | not grep 6201
	nsxdp map add 6201 "$NS2:8080"
	nsxdp map set 6201 "$NS1:8080" --drain 60s
	nsxdp map list | grep "6201 .*$NS2 .*drains"
	# What does not concern the targets does not end it.
	nsxdp map set 6201 "$NS1:8080" --rate 100/s
	nsxdp map list | grep "6201 .*$NS2 .*drains"
	nsxdp map del 6201
	nsxdp map list | not grep 6201
}

t_06_udp_never_sticks_to_a_removed_target() {
	nsxdp map add -p udp 6200 "$NS1:9000"
	on client $PY udp_tag $HOST 6200 12 0.2 > "$LAB_TMP/who" &
	local pid=$!
	eventually 5 grep -q ns1 "$LAB_TMP/who"
	nsxdp map set -p udp 6200 "$NS2:9000"
	nsxdp map list | not grep "6200 .*drains"
	wait $pid
	[ "$(uniq "$LAB_TMP/who" | tr '\n' ' ')" = "ns1 ns2 " ]
	nsxdp map del -p udp 6200
}

t_07_allowlist_and_rate() {
	nsxdp map add 6200 "$NS1:8080" --allow 203.0.113.0/24 --allow 10.1.2.3
	[ "$(on client $PY half_close $HOST 6200)" = 203.0.113.10 ]
	refuse 124 "" on inet timeout 1 bash -c "exec 3<>/dev/tcp/$HOST/6200"
	nsxdp status | grep -q drop-not-allowed
	nsxdp map list -j | grep -q '"10.1.2.3/32"'
	nsxdp map set 6200 "$NS1:8080" --allow 198.51.100.0/24 --drain 0
	[ "$(on inet $PY half_close $HOST 6200)" = $INET ]
	refuse 124 "" on client timeout 1 bash -c "exec 3<>/dev/tcp/$HOST/6200"
	# A swap of targets opens nothing.
	nsxdp map set 6200 "$NS2:8080" --drain 0
	[ "$(on inet $PY half_close $HOST 6200)" = $INET ]
	refuse 124 "" on client timeout 1 bash -c "exec 3<>/dev/tcp/$HOST/6200"
	nsxdp map set 6200 "$NS2:8080" --rate 100/s --burst 7 --affinity client
	nsxdp map set 6200 "$NS1:8080"
	nsxdp map list -j | python3 -c 'import json,sys
port = [m for m in json.load(sys.stdin) if m["port"] == 6200][0]
assert (port["allow"], port["rate"], port["burst"], port["affinity"]) == (["198.51.100.0/24"], 100, 7, "client"), port'
	nsxdp map set 6200 "$NS2:8080" --allow any --rate none --affinity connection --drain 0
	nsxdp map list | grep -Eq "^any +6200 .*8080 .* 100% +[0-9]+$"
	[ "$(on client $PY half_close $HOST 6200)" = 203.0.113.10 ]
	nsxdp map del 6200
	nsxdp map add -p udp 6200 "$NS1:9000" --rate 5/s --burst 3
	on client $PY udp_count_answers $HOST 6200 40 > "$LAB_TMP/answers"
	cat "$LAB_TMP/answers"
	[ "$(cat "$LAB_TMP/answers")" -ge 3 ]
	[ "$(cat "$LAB_TMP/answers")" -le 10 ]
	nsxdp status | grep -q drop-rate
	nsxdp map del -p udp 6200
	refuse 2 "not NUMBER/s" nsxdp map add 6200 "$NS1:80" --rate 5
	refuse 2 "there is no --rate" nsxdp map add 6200 "$NS1:80" --burst 5
	refuse 2 "host bits" nsxdp map add 6200 "$NS1:80" --allow 10.0.0.1/8
	refuse 2 "twice" nsxdp map add 6200 "$NS1:80" "$NS1:80"
	refuse 2 "weight" nsxdp map add 6200 "$NS1:80=0"
	refuse 2 "--affinity x" nsxdp map add 6200 "$NS1:80" --affinity x
	refuse 2 "--drain 1y" nsxdp map set 6200 "$NS1:80" --drain 1y
	refuse 2 "unknown option '--drain'" nsxdp map add 6200 "$NS1:80" --drain 5s
	refuse 1 "it is not published" nsxdp map set 6200 "$NS1:80"
}

t_08_a_deleted_namespace_leaves_the_services() {
	local n
	n=$(lab_ns ns7)
	nsxdp ns add "$n"
	nsxdp map add 6200 "$NS1:9000" "$n:9000"
	refuse 1 "6200/tcp" nsxdp ns del "$n"
	nsxdp ns del "$n" --force
	nsxdp map list | grep -q "6200 .*$NS1 .*100%"
	on client $PY tags $HOST 6200 20000 20 > "$LAB_TMP/tags"
	[ "$(share "$LAB_TMP/tags" ns1)" = 20 ]
	nsxdp map del 6200
}

t_09_each_address_has_maps_of_its_own() {
	on host ip addr add 203.0.113.5/24 dev ens5
	on host ip addr add 203.0.113.6/24 dev ens5
	nsxdp map add $HOST:6200 "$NS1:9000"
	at_addresses client ns1 "" ""
	nsxdp map add 203.0.113.5:6200 "$NS2:9000"
	at_addresses client ns1 ns2 ""
	nsxdp map add 203.0.113.6:6200 "$NS3:9000"
	for machine in client host ns1 ns3; do at_addresses $machine ns1 ns2 ns3; done
	[ "$(nsxdp map list | grep -c '^203.0.113.[156] *6200')" = 3 ]
	nsxdp ports | grep -q "^tcp *6200 .*published, at 3 addresses"
	refuse 1 "port is taken by $NS2:9000" nsxdp map add 203.0.113.5:6200 "$NS1:9000"
	refuse 1 "port is taken by" nsxdp map add 6200 "$NS1:9000"
	refuse 1 "say at which" nsxdp map del 6200
	refuse 1 "Operation not permitted" on host $PY bind tcp 203.0.113.5 6200
	refuse 1 "Operation not permitted" on host $PY bind tcp 0.0.0.0 6200
	on host $PY bind tcp 127.0.0.1 6200
	refuse 1 "without conditions" nsxdp map set 203.0.113.5:6200 "$NS1:9000" --rate 5/s
	# One is swapped while it has connections, the others do not notice.
	nsxdp map set 203.0.113.5:6200 "$NS1:8080" --drain 0
	rm -f "$LAB_TMP/many"
	on client $PY tcp_many 203.0.113.5 6200 10 2 > "$LAB_TMP/many" &
	local pid=$!
	eventually 10 grep -q open "$LAB_TMP/many"
	nsxdp map set 203.0.113.5:6200 "$NS3:9000" --drain 5s
	at_addresses client ns1 ns3 ns3
	nsxdp map list | grep "^203.0.113.5 *6200 .*$NS1 .*drains"
	wait $pid
	grep -q "done 10" "$LAB_TMP/many"
	nsxdp map del 203.0.113.6:6200
	at_addresses client ns1 ns3 ""
	nsxdp map del $HOST:6200
	at_addresses client "" ns3 ""
	nsxdp map del 203.0.113.5:6200
	nsxdp map list | not grep ' 6200 '
	# As the host's own server has the port at one address and a namespace's at another.
	on_bg host $PY tcp_echo_server 6201 $HOST
	lab_listening host 6201
	refuse 1 "taken by the host itself" nsxdp map add 6201 "$NS1:8080"
	refuse 1 "taken by the host itself" nsxdp map add $HOST:6201 "$NS1:8080"
	nsxdp map add 203.0.113.5:6201 "$NS1:8080"
	[ "$(on client $PY half_close $HOST 6201)" = 203.0.113.10 ]
	[ "$(on client $PY half_close 203.0.113.5 6201)" = 203.0.113.10 ]
	[ "$(on host $PY half_close $HOST 6201)" = $HOST ]
	[ "$(on host $PY half_close 203.0.113.5 6201)" = 192.168.0.1 ]
	nsxdp map del 203.0.113.5:6201
	# Ranges and UDP too.
	nsxdp map add -p udp $HOST:6200-6209 "$NS1:9000"
	nsxdp map add -p udp 203.0.113.5:6200-6209 "$NS2:9000"
	[ "$(on client $PY udp_tag $HOST 6200 1 0)" = ns1 ]
	[ "$(on client $PY udp_tag 203.0.113.5 6200 1 0)" = ns2 ]
	nsxdp map del -p udp $HOST:6200-6209
	nsxdp map del -p udp 203.0.113.5:6200-6209
	on host ip addr del 203.0.113.5/24 dev ens5
	on host ip addr del 203.0.113.6/24 dev ens5
	nsxdp up --dev ens5
}

# Connections are not cut in silence because there is no room to let them finish.
t_12_no_room_to_drain() {
	local i
	{ nsxdp export | grep -v '^map'; for i in $(seq 1023); do echo "map add $((20000 + i)) $NS1:1 --rate 9/s"; done
	  echo "map add 6200 $NS1:9000"; } > "$LAB_TMP/full.conf"
	nsxdp apply "$LAB_TMP/full.conf" --keep
	refuse 1 "no room for a further service" nsxdp map set 6200 "$NS2:9000" --drain 60s
	nsxdp map list 6200 | grep -q "$NS1"
	refuse 0 "running connections end" nsxdp map set 6200 "$NS2:9000"
	nsxdp export | grep -v '^map add 2[01]' > "$LAB_TMP/less.conf"
	nsxdp apply "$LAB_TMP/less.conf"
	nsxdp map del 6200
}

t_11_a_port_is_listed_alone() {
	on host ip addr add 203.0.113.5/24 dev ens5
	nsxdp map add 6200 "$NS1:9000" "$NS2:9000"
	nsxdp map add 6300-6309 "$NS1:6300"
	nsxdp map add -p udp 6305 "$NS2:53"
	nsxdp map add $HOST:6400 "$NS1:1"
	nsxdp map add 203.0.113.5:6400 "$NS2:1"
	[ "$(nsxdp map list 6200 | wc -l)" = 3 ]
	[ "$(nsxdp map list 6305 | wc -l)" = 3 ]
	nsxdp map list -p udp 6305 | not grep -q tcp
	[ "$(nsxdp map list 6301-6400 -p tcp | wc -l)" = 4 ]
	[ "$(nsxdp map list 203.0.113.5:6400 | tail -n +2 | awk '{ print $1, $4 }')" = "203.0.113.5 $NS2" ]
	[ -z "$(nsxdp map list 6199)" ]
	refuse 2 "unknown argument" nsxdp map list 6200 6300
	for p in 6200 6300-6309 $HOST:6400 203.0.113.5:6400; do nsxdp map del $p; done
	nsxdp map del -p udp 6305
	on host ip addr del 203.0.113.5/24 dev ens5
}

map_packets() { nsxdp -j map list | python3 -c '
import json, sys
print(sum(t["'"$1"'"] for m in json.load(sys.stdin) if m["port"] == 6200 for t in m["targets"]))'; }

# The address that answers at a port, if any does: MACHINE ADDR PORT
answering() { local got; got=$(on "$1" timeout $SLOW $PY tags "$2" "$3" 20000 1 2> /dev/null || true); echo "${got##* }"; }
is_answered() { [ "$(answering "$1" "$2" "$3")" = "$4" ]; }	# MACHINE ADDR PORT WHO

t_13_at_the_addresses_of_a_device() {
	refuse 1 "there is no interface nosuch" nsxdp map add nosuch:6200 "$NS1:9000"
	refuse 2 "not a port" nsxdp map add 300.0.0.1:6200 "$NS1:9000"
	on host ip addr add 198.18.0.1/32 dev lo
	on client ip route add 198.18.0.1 via $HOST
	nsxdp map add ens5:6200 "$NS1:9000"
	nsxdp map list | grep "^ens5  *6200 "
	nsxdp map list -j ens5:6200 | python3 -c 'import json,sys; m = json.load(sys.stdin); assert len(m) == 1 and m[0]["at"] == "ens5"'
	is_answered client $HOST 6200 ns1
	is_answered host $HOST 6200 ns1
	is_answered ns2 $HOST 6200 ns1
	is_answered client 198.18.0.1 6200 ""
	is_answered host 127.0.0.1 6200 ""
	is_answered ns2 198.18.0.1 6200 ""
	# No command runs while its addresses change.
	on host ip addr add 203.0.113.9/24 dev ens5
	is_answered client 203.0.113.9 6200 ns1
	is_answered ns2 203.0.113.9 6200 ns1
	is_answered host 203.0.113.9 6200 ns1
	on host ip addr del 203.0.113.9/24 dev ens5
	on host ip addr add 203.0.113.9/32 dev lo
	eventually 3 is_answered client 203.0.113.9 6200 ""
	on host ip addr del 203.0.113.9/32 dev lo
	on host ip addr add 203.0.113.9/24 dev ens5
	eventually 3 is_answered client 203.0.113.9 6200 ns1
	# One of its addresses, and another device, have the port too.
	nsxdp map add 203.0.113.9:6200 "$NS2:9000"
	nsxdp map add lo:6200 "$NS3:9000"
	refuse 1 "taken" nsxdp map add ens5:6200 "$NS2:9000"
	is_answered client $HOST 6200 ns1
	is_answered client 203.0.113.9 6200 ns2
	is_answered client 198.18.0.1 6200 ns3
	is_answered host 127.0.0.1 6200 ns3
	is_answered host $HOST 6200 ns1
	is_answered ns1 203.0.113.9 6200 ns2
	refuse 1 "Operation not permitted" on host $PY bind tcp $HOST 6200
	nsxdp export > "$LAB_TMP/before"
	grep "map add ens5:6200 $NS1:9000" "$LAB_TMP/before"
	nsxdp apply "$LAB_TMP/before"
	nsxdp map del lo:6200
	nsxdp map del 203.0.113.9:6200
	is_answered client 203.0.113.9 6200 ns1
	is_answered host 127.0.0.1 6200 ""
	on host $PY bind tcp 127.0.0.1 6200
	nsxdp map set ens5:6200 "$NS2:9000" "$NS3:9000" --drain 0
	[ "$(answering client $HOST 6200)" != ns1 ]
	nsxdp apply "$LAB_TMP/before"
	nsxdp export | diff "$LAB_TMP/before" -
	nsxdp map del lo:6200
	nsxdp map del 203.0.113.9:6200
	nsxdp map del ens5:6200
	on host ip addr del 203.0.113.9/24 dev ens5
	# Two devices have one address; and the host has a port at every address that a device may get.
	on host ip addr add 198.18.0.1/32 dev ens5
	nsxdp map add lo:6202 "$NS1:9000"
	nsxdp map add ens5:6203 "$NS2:9000"
	is_answered client 198.18.0.1 6202 ns1
	is_answered client 198.18.0.1 6203 ns2
	is_answered host 198.18.0.1 6202 ns1
	is_answered host 198.18.0.1 6203 ns2
	on host ip addr del 198.18.0.1/32 dev ens5
	nsxdp map del lo:6202
	is_answered host 198.18.0.1 6203 ""
	nsxdp map del ens5:6203
	on host ip link add bare type veth peer name bare-peer
	on_bg host $PY tcp_echo_server 6204
	lab_listening host 6204
	refuse 1 "taken by the host itself" nsxdp map add bare:6204 "$NS1:9000"
	nsxdp map add bare:6205 "$NS1:9000"
	nsxdp map del bare:6205
	on host ip link del bare
	# A device of its name that is made again is followed by the next command.
	on host ip link add wan type veth peer name wan-peer
	on host ip addr add 198.18.0.2/32 dev wan
	on client ip route add 198.18.0.2 via $HOST
	nsxdp map add wan:6201 "$NS1:9000"
	is_answered client 198.18.0.2 6201 ns1
	on host ip link del wan
	nsxdp -j doctor | grep -q "which is gone"
	on host ip link add wan type veth peer name wan-peer
	on host ip addr add 198.18.0.2/32 dev wan
	nsxdp flow flush
	eventually 3 is_answered client 198.18.0.2 6201 ns1
	nsxdp map del wan:6201
	on host ip link del wan
	nsxdp -j doctor | not grep "which is gone"
	on host ip addr del 198.18.0.1/32 dev lo
	on client ip route del 198.18.0.1
	on client ip route del 198.18.0.2
	on host "$(dirname "$NSXDP")/check"
}

# With one target and without conditions too; a target takes its count along as long as it is one.
t_10_every_map_counts() {
	local sent both
	nsxdp map add 6200 "$NS1:9000"
	[ "$(map_packets packets)" = 0 ]
	on client $PY tags $HOST 6200 20000 50 > "$LAB_TMP/tags"
	sent=$(map_packets packets)
	[ "$sent" -ge 200 ]
	[ "$sent" -lt 1000 ]
	[ "$(map_packets bytes)" -ge $((sent * 54)) ]
	on ns2 $PY tags $HOST 6200 20000 50 > "$LAB_TMP/tags"
	both=$(map_packets packets)
	[ "$both" -ge $((sent + 200)) ]
	nsxdp map set 6200 --rate 1000/s
	[ "$(map_packets packets)" -ge "$both" ]
	on client $PY tags $HOST 6200 21000 50 > "$LAB_TMP/tags"
	nsxdp map set 6200 --rate none
	[ "$(map_packets packets)" -ge $((both + 200)) ]
	nsxdp map set 6200 "$NS2:9000" --drain 0
	[ "$(map_packets packets)" -lt 10 ]
	on host "$(dirname "$NSXDP")/check"
	nsxdp map del 6200
}

run_tests "$@"
