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

# The ids of the programs that the instance's links and filters have, and of those that are pinned.
filters() { local l; on host ip -o link | awk -F '[ :@]+' '{ print $2 }' | while read -r l; do
	on host tc -j filter show dev "$l" ingress; echo; on host tc -j filter show dev "$l" egress; echo; done |
	python3 -c 'import json,sys; [print(f["options"]["prog"]["id"]) for l in sys.stdin if l.strip() for f in json.loads(l) if "options" in f]'; }
running() { { for f in "$PINS"/link_* "$PINS"/xdp_uplink "$PINS"/xdp_[0-9]* "$PINS"/sock_connect4; do
	[ ! -e "$f" ] || bpftool -j link show pinned "$f" | python3 -c 'import json,sys; print(json.load(sys.stdin).get("prog_id", ""))'; done; filters; } | grep . | sort -u; }
pinned() { for f in "$PINS"/tc_* "$PINS"/xdp_from*; do
	[ ! -e "$f" ] || bpftool -j prog show pinned "$f" | python3 -c 'import json,sys; print(json.load(sys.stdin)["id"])'; done | sort -u; }

# Another version whose tables have other layouts.
other() { on host "$(dirname "$NSXDP")/other/nsxdp" "$@"; }

# 500 idle and 500 busy connections, half of them published and half masqueraded, and pings.
load_begins() { # SECONDS
	nsxdp map add 6200 "$NS1:9000"
	on_bg inet $PY tcp_tag_server 9000 inet
	lab_listening inet 9000
	on client $PY tcp_many $HOST 6000 250 "$1" > "$LAB_TMP/idle-in" & LOAD=($!)
	on ns1 $PY tcp_many $INET 7 250 "$1" > "$LAB_TMP/idle-out" & LOAD+=($!)
	on client $PY load $HOST 6200 "$1" 250 0.2 > "$LAB_TMP/busy-in" & LOAD+=($!)
	on ns1 $PY load $INET 9000 "$1" 250 0.2 > "$LAB_TMP/busy-out" & LOAD+=($!)
	on ns2 ping -i 0.01 -w "$1" -q $INET > "$LAB_TMP/pings" & PINGS=$!
	eventually 10 grep -q open "$LAB_TMP/idle-in"
	eventually 10 grep -q open "$LAB_TMP/idle-out"
}

# All of them go on to their ends.
load_ends() {
	wait "${LOAD[@]}"
	wait $PINGS || true
	cat "$LAB_TMP"/idle-* "$LAB_TMP"/busy-* "$LAB_TMP/pings"
	grep -q "done 250" "$LAB_TMP/idle-in"
	grep -q "done 250" "$LAB_TMP/idle-out"
	grep -q "failed 0" "$LAB_TMP/busy-in"
	grep -q "failed 0" "$LAB_TMP/busy-out"
	# The last may be on its way when ping ends.
	[ "$(awk '/transmitted/ { print $1 - $4 }' "$LAB_TMP/pings")" -le 1 ]
	nsxdp map del 6200
}

# Six to programs on the same tables, and two to tables of another layout and back.
t_01_connections_outlive_ten_upgrades() {
	local build
	load_begins 13
	running > "$LAB_TMP/before"
	for build in 1 2 other own 3 4 other own 5 6; do
		case $build in
		other) other up --dev ens5 ;;
		own) nsxdp up --dev ens5 ;;
		*) NSXDP_TEST_BUILD=$build nsxdp up --dev ens5 ;;
		esac 2> "$LAB_TMP/said"
		grep -q "replaced the programs of another build" "$LAB_TMP/said"
	done
	running > "$LAB_TMP/after"
	cat "$LAB_TMP/after"
	[ "$(wc -l < "$LAB_TMP/after")" -ge 5 ]
	[ -z "$(comm -12 "$LAB_TMP/before" "$LAB_TMP/after")" ]
	# All of them are those that are pinned, but for one of sockets.
	[ "$(comm -23 "$LAB_TMP/after" <(pinned) | wc -l)" = 1 ]
	load_ends
	nsxdp up --dev ens5
	on host "$(dirname "$NSXDP")/check"
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

# Everything that can be set, with flows and counts, becomes another layout's and comes back.
t_04_tables_of_another_layout() {
	local n
	n=$(lab_ns nsb)
	nsxdp ns add "$n" --datapath "$MODE" --max-flows 200 --egress-deny 192.0.2.0/24 --dns 9.9.9.9
	nsxdp map add 6200-6209 "$NS1:9000"
	nsxdp map add -p udp 6210 "$NS1:9000" "$n:9000" --allow 203.0.113.0/24 --rate 5000/s
	nsxdp map add 6211 "$n:9000" --owner engine
	on nsb $PY udp_spray $INET 9 20000 150
	nsxdp export > "$LAB_TMP/before"
	[ "$(nsxdp flow list | wc -l)" -gt 150 ]
	nsxdp flow list | awk '{ $NF = ""; print }' | sort > "$LAB_TMP/flows"
	nsxdp -j status | python3 -c 'import json,sys; s = json.load(sys.stdin); print(s["flows"], s["session_table"]["used"])' > "$LAB_TMP/counts"
	# Nothing is replaced where "up" is refused.
	refuse 1 "9.9.9.9 is not an address of this host" other up --dev ens5 --snat 9.9.9.9
	refuse 1 "there is no interface nosuch" other up --dev nosuch --replace-dev ens5=nosuch
	nsxdp status > "$LAB_TMP/status"
	refuse 0 "replaced the programs of another build" other up --dev ens5
	other export | diff "$LAB_TMP/before" -
	other flow list | awk '{ $NF = ""; print }' | sort | diff "$LAB_TMP/flows" -
	refuse 1 "the tables were made by nsxdp 9.9.9 and have another layout" nsxdp map add 6212 "$NS1:1"
	refuse 1 "made by nsxdp 9.9.9" nsxdp status
	refuse 1 "made by nsxdp 9.9.9" nsxdp down
	other map add 6212 "$NS1:7"
	other map del 6212
	refuse 0 "replaced the programs of another build" nsxdp up --dev ens5
	nsxdp export | diff "$LAB_TMP/before" -
	nsxdp flow list | awk '{ $NF = ""; print }' | sort | diff "$LAB_TMP/flows" -
	nsxdp -j status | python3 -c 'import json,sys; s = json.load(sys.stdin); print(s["flows"], s["session_table"]["used"])' | diff "$LAB_TMP/counts" -
	on host "$(dirname "$NSXDP")/check"
	nsxdp ns del "$n" --force
	nsxdp map del 6200-6209
	nsxdp map del -p udp 6210
}

# One filter serves all links.
t_05_by_the_block() {
	local n addr
	nsxdp up --dev ens5 --attach block
	for n in "$NS1" "$NS2" "$NS3"; do	# with another address they have new links
		addr=$(nsxdp ns show "$n" | awk '$1 == "address" { print $2 }')
		nsxdp ns set "$n" --addr 192.168.77.2/30
		nsxdp ns set "$n" --addr "$addr"
	done
	load_begins 4
	running > "$LAB_TMP/before"
	refuse 0 "replaced the programs of another build" other up --dev ens5
	running > "$LAB_TMP/after"
	[ -z "$(comm -12 "$LAB_TMP/before" "$LAB_TMP/after")" ]
	refuse 0 "replaced the programs of another build" nsxdp up --dev ens5
	[ "$(comm -23 <(running) <(pinned) | wc -l)" = 1 ]
	load_ends
}

has_no_flows() { "$1" ns show "$2" | not grep '^flows'; }

# What is over goes, by the new build's sweeper, and is counted once.
t_06_the_sweeper_goes_on() {
	local build n
	n=$(lab_ns nsb)
	# However long an upgrade takes, they outlive it.
	nsxdp up --dev ens5 --timeout udp-oneway=300
	at_end nsxdp up --dev ens5 --timeout udp-oneway=30
	nsxdp ns add "$n" --max-flows 200
	for build in other nsxdp; do
		on nsb $PY udp_spray $INET 9 21000 120
		$build up --dev ens5
		[ "$($build flow list | grep -c "$n .*one-way")" = 120 ]
		$build up --dev ens5 --timeout udp-oneway=1
		eventually 20 has_no_flows $build "$n"
		$build flow list | not grep "$n"
		$build up --dev ens5 --timeout udp-oneway=300
	done
	on host "$(dirname "$NSXDP")/check"
	nsxdp ns del "$n"
	nsxdp flow flush
	[ "$(nsxdp -j status | python3 -c 'import json,sys; s = json.load(sys.stdin); print(s["flows"], s["session_table"]["used"])')" = "0 0" ]
}

is_frozen() { ! on ns1 timeout 0.8 bash -c "exec 3<>/dev/tcp/$INET/7" 2> /dev/null; }

# Between the copy of a table and the switch old programs go on, and what they see comes after.
t_07_what_old_programs_see_meanwhile() {
	local upgrade
	on ns1 $PY close_when "$LAB_TMP/close" $INET 7 41000 > "$LAB_TMP/closer" & local closer=$!
	eventually 10 grep -q open "$LAB_TMP/closer"
	nsxdp flow list | grep "41000 .*established"
	NSXDP_TEST_UPGRADE_PAUSE=3 on host "$(dirname "$NSXDP")/other/nsxdp" up --dev ens5 & upgrade=$!
	# A new flow is not begun, and a running one comes to its end.
	eventually 10 is_frozen
	touch "$LAB_TMP/close"
	wait $closer
	wait $upgrade
	other flow list | grep 41000
	other flow list | not grep "41000 .*established"
	other -j status | python3 -c 'import json,sys; assert [v for v in json.load(sys.stdin)["verdicts"] if v["verdict"] == "drop-upgrade" and v["packets"]]'
	nsxdp up --dev ens5
}

t_08_apply_upgrades_too() {
	nsxdp export > "$LAB_TMP/same"
	refuse 0 "replaced the programs of another build" other apply "$LAB_TMP/same"
	other export | diff "$LAB_TMP/same" -
	refuse 1 "have another layout" nsxdp apply <(grep -v '^up' "$LAB_TMP/same")
	refuse 1 "have another layout" nsxdp apply --dry-run "$LAB_TMP/same"
	refuse 0 "replaced the programs of another build" nsxdp apply "$LAB_TMP/same"
	nsxdp export | diff "$LAB_TMP/same" -
}

# Each line that docs/upgrade.md shows, with a file of this lab's own.
t_09_the_page_about_it() {
	local line n=0
	nsxdp export > "$LAB_TMP/same"
	while read -r line; do
		line=${line/#nsxdp/other}
		case $line in
		*apply) nsxdp apply "$LAB_TMP/saved" && n=$((n + 8)) ;;
		*save) other save "$LAB_TMP/saved" && n=$((n + 1)) ;;
		*down) other down && n=$((n + 2)) ;;
		*up*) $line && n=$((n + 4)) ;;
		esac
	done < <(python3 "$HERE/docs.py" "$HERE/../docs/upgrade.md" commands)
	[ $n = 15 ]
	nsxdp export | diff "$LAB_TMP/same" -
}

run_tests "$@"
