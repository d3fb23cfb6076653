#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The programs of a running instance are replaced by those of another build, while connections stand
# and run.
#
#   e2e_upgrade.sh [tc|xdp] [WORD]...
MODE=${1:-tc}
[ $# = 0 ] || shift
T_GROUP="upgrade, $MODE"
. "$(dirname "$0")/harness.sh"
. "$(dirname "$0")/ports_lab.sh"
PINS=$(nsxdp -j status | python3 -c 'import json, sys; print(json.load(sys.stdin)["pins"])')

# The ids of the programs that the instance's links have, and of those that are pinned.
running() { for f in "$PINS"/link_* "$PINS"/xdp_uplink "$PINS"/xdp_[0-9]* "$PINS"/sock_connect4; do
	[ ! -e "$f" ] || bpftool -j link show pinned "$f" | python3 -c 'import json,sys; print(json.load(sys.stdin)["prog_id"])'; done | sort -u; }
pinned() { for f in "$PINS"/tc_* "$PINS"/xdp_from*; do
	[ ! -e "$f" ] || bpftool -j prog show pinned "$f" | python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])'; done | sort -u; }

t_01_connections_outlive_ten_upgrades() {
	local i ids lost=0
	nsxdp map add 6200 "$NS1:9000"
	on_bg inet $PY tcp_tag_server 9000 inet
	lab_listening inet 9000
	on client $PY tcp_many $HOST 6000 200 14 > "$LAB_TMP/idle-in" & local p1=$!
	on ns1 $PY tcp_many $INET 7 200 14 > "$LAB_TMP/idle-out" & local p2=$!
	on client $PY load $HOST 6200 12 > "$LAB_TMP/busy-in" & local p3=$!
	on ns1 $PY load $INET 9000 12 > "$LAB_TMP/busy-out" & local p4=$!
	on ns2 ping -i 0.01 -w 12 -q $INET > "$LAB_TMP/pings" & local p5=$!
	eventually 10 grep -q open "$LAB_TMP/idle-in"
	eventually 10 grep -q open "$LAB_TMP/idle-out"
	running > "$LAB_TMP/before"
	for i in 1 2 3 4 5 6 7 8 9 10; do
		NSXDP_TEST_BUILD=$i refuse 0 "replaced the programs of another build" nsxdp up --dev ens5
	done
	running > "$LAB_TMP/after"
	if [ "$HAS_TCX" ]; then
		[ -z "$(comm -12 "$LAB_TMP/before" "$LAB_TMP/after")" ]
		# All of them are those that are pinned, but for those of sockets.
		ids=$(comm -23 "$LAB_TMP/after" <(pinned) | wc -l)
		[ "$ids" = 1 ]
	fi
	wait $p1 && wait $p2 && wait $p3 && wait $p4
	wait $p5 || true
	cat "$LAB_TMP"/idle-* "$LAB_TMP"/busy-* "$LAB_TMP/pings"
	grep -q "done 200" "$LAB_TMP/idle-in" && grep -q "done 200" "$LAB_TMP/idle-out"
	grep -q "failed 0" "$LAB_TMP/busy-in" && grep -q "failed 0" "$LAB_TMP/busy-out"
	lost=$(awk '/transmitted/ { print $1 - $4 }' "$LAB_TMP/pings")
	[ "$lost" -le 1 ]	# the last may be on its way when ping ends
	nsxdp map del 6200
}

t_02_another_builds_programs_are_named() {
	NSXDP_TEST_BUILD=11 nsxdp up --dev ens5
	nsxdp -j doctor | grep -q "the programs of another build run"
	nsxdp map add 6200 "$NS1:9000"	# the tables are the same
	on client $PY tags $HOST 6200 20000 3
	nsxdp map del 6200
	refuse 0 "replaced the programs of another build" nsxdp up --dev ens5
	nsxdp -j doctor | not grep "another build"
	nsxdp up --dev ens5 2>&1 | not grep "replaced the programs"
	on host "$(dirname "$NSXDP")/check"
}

# The host's own view of published ports, and its sockets, go on too.
t_03_the_hosts_sockets() {
	on host $PY dialled 127.0.0.1 6000
	NSXDP_TEST_BUILD=1 nsxdp up --dev ens5
	on host $PY dialled 127.0.0.1 6000
	refuse 1 "Operation not permitted" on host $PY bind tcp 0.0.0.0 6000
	nsxdp up --dev ens5
}

HAS_TCX=$(nsxdp features | grep '^tcx links .* yes ' || true)
run_tests "$@"
