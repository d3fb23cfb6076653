#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Changes that have to be confirmed: they are taken back in time by the kernel alone, and whole by the
# next command.
#
#   e2e_confirm.sh [tc|xdp] [WORD]...
MODE=${1:-tc}
[ $# = 0 ] || shift
T_GROUP="confirm, $MODE"
. "$(dirname "$0")/harness.sh"
. "$(dirname "$0")/ports_lab.sh"
TOOLS=$(dirname "$(realpath "$NSXDP")")
A=$LAB_TMP/a.conf B=$LAB_TMP/b.conf

tag() { # MACHINE PORT [ADDR]: which server answers, or nothing
	local got
	got=$(on "$1" timeout $SLOW $PY tags "${3:-$HOST}" "$2" 20000 1 2> /dev/null || true)
	echo "${got##* }"
}
answers() { [ "$(tag "$1" "$2" "${4:-$HOST}")" = "$3" ]; }	# MACHINE PORT WHO [ADDR]
goes_out() { [ "$(on "$1" timeout $((2 * SLOW)) $PY half_close $INET 7 2> /dev/null)" ]; }	# MACHINE

# What the tables must be once nothing waits: as before, with nothing besides.
as_before() {
	nsxdp export | diff "$A" - && on host "$TOOLS/check"
}

t_01_an_operator_who_cuts_himself_off() {
	nsxdp map add 6200 "$NS1:9000"
	nsxdp map add 6201 "$NS1:9000" --allow 203.0.113.0/24
	nsxdp export > "$A"
	# His own connection by 6000 goes on, and a new one is made by 6200 where he has lost it.
	rm -f "$LAB_TMP/held"
	on client $PY tcp_many $HOST 6000 3 $((9 * SLOW)) > "$LAB_TMP/held" & local held=$!
	eventually 10 grep -q open "$LAB_TMP/held"
	answers client 6200 ns1
	answers client 6201 ns1
	goes_out ns1
	sed -e "s/map add 6200 .*/map add 6200 $NS2:9000/" -e "s/203.0.113.0/198.51.100.0/" \
		-e "/map add 6000/d" -e "s/ns add $NS1/& --egress-allow 203.0.113.0\/24/" "$A" > "$B"
	nsxdp apply --confirm "$(scaled 4)s" "$B"
	answers client 6200 ns2
	answers client 6201 ""
	answers client 6000 ""
	not goes_out ns1
	# From here on no command of nsxdp's runs.
	eventually 6 answers client 6200 ns1
	answers client 6201 ns1
	goes_out ns1
	wait $held
	grep -q "done 3" "$LAB_TMP/held"
	as_before
	nsxdp map del 6200
	nsxdp map del 6201
}

t_02_confirmed_it_stays() {
	nsxdp map add 6200 "$NS1:9000" "$NS2:9000"
	nsxdp export > "$A"
	sed -e "s/map add 6200 .*/map add 6200 $NS2:9000/" -e "/ns add $NS3/d" "$A" > "$B"
	echo "map add 6201 $NS1:9000" >> "$B"
	nsxdp apply --confirm "$(scaled 3)s" "$B"
	[ "$(nsxdp -j status | python3 -c 'import json, sys; print(json.load(sys.stdin)["confirm_seconds"] > 0)')" = True ]
	nsxdp status | grep -q "waiting to be confirmed"
	ip netns list | grep -q "$NS3"
	nsxdp confirm
	not ip netns exec "$NS3" true
	pause 3.5
	nsxdp map set 6200 "$NS2:9000" --drain 0
	nsxdp export | sort | diff <(sort "$B") -
	on host "$TOOLS/check"
	answers client 6200 ns2
	answers client 6201 ns1
	refuse 1 "no change is waiting" nsxdp confirm
	refuse 1 "no change is waiting" nsxdp undo
	nsxdp apply "$A"
	on_bg ns3 $PY tcp_tag_server 9000 ns3
	on_bg ns3 $PY udp_tag_server 9000 ns3
	nsxdp map del 6200
}

t_03_others_wait_and_undo_comes_before() {
	nsxdp export > "$A"
	sed "s/map add 6001 .*/map add 6001 $NS1:9000/" "$A" > "$B"
	nsxdp apply --confirm 1h "$B"
	refuse 1 "waiting to be confirmed" nsxdp map add 6900 "$NS1:1"
	refuse 1 "waiting to be confirmed" nsxdp ns add x
	refuse 1 "waiting to be confirmed" nsxdp apply "$A"
	refuse 1 "waiting to be confirmed" nsxdp apply --confirm "$(scaled 1)s" "$A"
	refuse 1 "waiting to be confirmed" nsxdp up --dev ens5
	refuse 1 "waiting to be confirmed" nsxdp up --dev ens5 --confirm "$(scaled 5)s"
	refuse 1 "confirm" on host "$TOOLS/other/nsxdp" up --dev ens5
	refuse 1 "waiting to be confirmed" nsxdp save "$LAB_TMP/saved"
	nsxdp map list | grep -q 9000
	answers client 6001 ns1
	nsxdp undo
	[ "$(on client $PY half_close $HOST 6001)" = 203.0.113.10 ]
	as_before
	refuse 2 "not a time" nsxdp apply --confirm 0 "$A"
	refuse 2 "not a time" nsxdp apply --confirm soon "$A"
	refuse 2 "not a time" nsxdp up --dev ens5 --confirm 2d
	refuse 2 "--replace-dev" nsxdp up --dev ens6 --replace-dev ens5=ens6 --confirm 5s
	refuse 1 "command line only" nsxdp apply <(sed 's/^up.*/& --confirm 5s/' "$A")
	# Nothing to change is confirmed as anything else is.
	nsxdp apply --confirm "$(scaled 5)s" "$A"
	nsxdp confirm
	as_before
}

t_04_a_change_that_fails_is_taken_back() {
	nsxdp export > "$A"
	sed "s/map add 6001 .*/map add 6001 $NS1:9000/" "$A" > "$B"
	{ echo "ns add early --egress-deny 10.0.0.0/8"; echo "map add 6201 early:1 $NS2:2"; echo "map add 203.0.113.77:6202 $NS1:1"; } >> "$B"
	refuse 1 "203.0.113.77" nsxdp apply --confirm "$(scaled 5)s" "$B"
	as_before
	sed -e "s/--addr 192.168.0.2\/30/--addr 192.168.0.130\/30/" -e "s/map add 6001 .*/map add 6001 $NS1:9000/" "$A" > "$B"
	refuse 1 "cannot be taken back" nsxdp apply --confirm "$(scaled 5)s" "$B"
	as_before
	refuse 1 "no change is waiting" nsxdp confirm
}

# In between nothing that the change needs or needed is given away.
t_05_services_addresses_ranges() {
	on host ip addr add 203.0.113.5/32 dev ens5
	nsxdp map add 6300-6349 "$NS1:9000"
	nsxdp map add 6200 "$NS1:9000" "$NS2:9000" "$NS3:9000" --rate 1000/s --affinity client
	nsxdp map add 203.0.113.5:6201 "$NS2:9000"
	nsxdp map add $HOST:6201 "$NS1:9000"
	nsxdp map add -p udp 6200 "$NS3:9000"
	nsxdp map add 6400-6499 "$NS1:7000" "$NS2:7000"
	nsxdp export > "$A"
	local who
	who=$(tag client 6200)
	answers client 6201 ns2 203.0.113.5
	answers client 6201 ns1
	answers client 6300 ns1
	{ grep '^up\|^ns' "$A" | sed "/$NS3/d"; echo "ns add new"; echo "map add 6200 $NS2:9000"
		echo "map add 6300-6324 $NS2:9000"; echo "map add 6325-6349 $NS1:9000"
		echo "map add -p udp 6200 new:9000 $NS1:9000"; echo "map add 6350 $NS1:9000"
		echo "map add $HOST:6201 $NS2:9000"; echo "map add 203.0.113.5:6201 $NS1:9000"; } > "$B"
	nsxdp apply --confirm "$(scaled 4)s" "$B"
	answers client 6200 ns2
	answers client 6201 ns1 203.0.113.5
	answers client 6201 ns2
	answers client 6300 ns2
	answers client 6325 ns1
	answers client 6350 ns1
	ip netns exec new true
	ip netns exec "$NS3" true
	eventually 6 answers client 6300 ns1
	answers client 6200 "$who"
	answers client 6201 ns2 203.0.113.5
	answers client 6201 ns1
	answers client 6350 ""
	on client timeout $((2 * SLOW)) $PY udp_tag $HOST 6200 1 0 | grep ns3
	as_before
	not ip netns exec new true
	nsxdp apply --confirm 30s "$B"
	nsxdp confirm
	on host "$TOOLS/check"
	answers client 6200 ns2
	answers client 6300 ns2
	answers client 6350 ns1
	nsxdp apply "$A"
	grep -v "6200\|6201\|63\|64" "$A" > "$B"
	nsxdp apply "$B"
	on host ip addr del 203.0.113.5/32 dev ens5
	on_bg ns3 $PY tcp_tag_server 9000 ns3
	on_bg ns3 $PY udp_tag_server 9000 ns3
	on host "$TOOLS/check"
}

# A namespace is no way around its limits by a change that was taken back.
t_06_limits_of_namespaces() {
	nsxdp ns set "$NS1" --egress-deny 198.51.100.0/24 --max-flows 20
	nsxdp export > "$A"
	not goes_out ns1
	sed "s/ --egress-deny [^ ]*//; s/ --max-flows [^ ]*//" "$A" > "$B"
	nsxdp apply --confirm "$(scaled 3)s" "$B"
	goes_out ns1
	on ns1 $PY until_lost $INET 7 30 > "$LAB_TMP/lost" & local begun=$!
	on ns2 $PY tcp_many $INET 7 3 9 > "$LAB_TMP/others" & local others=$!
	eventually 3 grep -q open "$LAB_TMP/lost"
	eventually 6 not goes_out ns1
	# What is not allowed ends, without a command; other namespaces' connections go on.
	wait $begun
	cat "$LAB_TMP/lost"
	wait $others
	grep -q "done 3" "$LAB_TMP/others"
	as_before
	not goes_out ns1
	# New ones that are not confirmed reach nothing.
	echo "ns add new" >> "$A"
	nsxdp apply --confirm "$(scaled 3)s" "$A"
	nsenter --net=/run/netns/new timeout $((2 * SLOW)) $PY half_close $INET 7
	pause 4
	not nsenter --net=/run/netns/new timeout $((2 * SLOW)) $PY half_close $INET 7
	nsxdp ns list | not grep new
	nsxdp ns set "$NS1" --egress-allow any --max-flows none
	goes_out ns1
}

t_07_settings_of_a_running_instance() {
	on host ip addr add 203.0.113.5/24 dev ens5
	nsxdp export > "$A"
	[ "$(on ns1 $PY half_close $INET 7)" = $HOST ]
	nsxdp up --dev ens5 --mode "$MODE" --snat 203.0.113.5 --timeout udp=77 --confirm "$(scaled 3)s"
	nsxdp export | grep -q "snat 203.0.113.5"
	nsxdp export | grep -q "udp=77"
	[ "$(on ns1 $PY half_close $INET 7)" = 203.0.113.5 ]
	pause 4
	[ "$(on ns1 $PY half_close $INET 7)" = $HOST ]
	as_before
	nsxdp up --dev ens5 --mode "$MODE" --timeout udp=77 --confirm "$(scaled 3)s"
	nsxdp confirm
	pause 3.5
	nsxdp export | grep -q "udp=77"
	nsxdp apply "$A"
	on host ip addr del 203.0.113.5/24 dev ens5
	as_before
}

# Whoever makes a change may be killed, and whoever is told to keep it.
t_08_the_command_is_killed() {
	nsxdp export > "$A"
	sed -e "s/map add 6001 .*/map add 6001 $NS1:9000/" -e "/$NS3/d" "$A" > "$B"
	echo "ns add new" >> "$B"
	echo "map add 6200 new:1 $NS1:9000" >> "$B"
	local n calls rc states=""
	on host "$TOOLS/crash" 999999 "$NSXDP" apply --confirm "$(scaled 3)s" "$B" > /dev/null 2> "$LAB_TMP/calls" || [ $? = 98 ]
	calls=$(tail -1 "$LAB_TMP/calls")
	nsxdp undo
	as_before
	for n in $((calls / 2)) $((calls - 20)); do
		on host "$TOOLS/crash" "$n" "$NSXDP" apply --confirm "$(scaled 2)s" "$B" > /dev/null 2>&1 && rc=0 || rc=$?
		[ $rc = 99 ]
		pause 2.5
		[ "$(on client timeout $((2 * SLOW)) $PY half_close $HOST 6001)" = 203.0.113.10 ]
		answers client 6200 ""
		as_before
	done
	nsxdp apply --confirm 30s "$B"
	on host "$TOOLS/crash" 999999 "$NSXDP" confirm > /dev/null 2> "$LAB_TMP/calls" || [ $? = 98 ]
	calls=$(tail -1 "$LAB_TMP/calls")
	for n in $((calls / 2)) $((calls - 10)); do
		nsxdp apply "$A"
		nsxdp apply --confirm 30s "$B"
		on host "$TOOLS/crash" "$n" "$NSXDP" confirm > /dev/null 2>&1 && rc=0 || rc=$?
		[ $rc = 99 ]
		nsxdp map set 6001 "$NS1:9000" --drain 0 || true
		nsxdp export > "$LAB_TMP/now"
		diff "$A" "$LAB_TMP/now" > /dev/null || diff <(sort "$B" | sed 's/ --addr.*//') <(sort "$LAB_TMP/now" | sed 's/ --addr.*//')
		on host "$TOOLS/check"
	done
	nsxdp apply "$A"
	on_bg ns3 $PY tcp_tag_server 9000 ns3
	on_bg ns3 $PY udp_tag_server 9000 ns3
}

# Each line that docs/undo.md shows, with a file and an uplink mode of this lab's own.
t_09_the_page_about_it() {
	local line n=0
	nsxdp export > "$A"
	sed "s/map add 6001 .*/map add 6001 $NS1:9000/" "$A" > "$B"
	while read -r line; do
		line=${line/\/etc\/nsxdp\/next.conf/$B}
		# A change can be confirmed or undone, not both.
		[ "$line" != "nsxdp undo" ] || { nsxdp apply "$A" && nsxdp apply --confirm 60s "$B"; }
		$line
		n=$((n + 1))
	done < <(python3 "$HERE/docs.py" "$HERE/../docs/undo.md" commands)
	[ $n = 5 ]
	nsxdp apply "$A"
	as_before
}

# What is published to one endpoint at the same ports, as ranges that begin or end elsewhere.
t_10_ranges_that_grow_and_shrink() {
	local was is what n=0
	nsxdp export > "$A"
	while read -r was is what; do
		n=$((n + 1))
		nsxdp map add "${was%,*}" "$NS1:${was#*,}"
		nsxdp export > "$LAB_TMP/was"
		grep -v "map add ${was%,*} " "$LAB_TMP/was" > "$B"
		echo "map add ${is%,*} $NS1:${is#*,}" >> "$B"
		nsxdp apply --confirm "$(scaled 2)s" "$B"
		case $what in
		confirm) nsxdp confirm ;;
		undo) nsxdp undo ;;
		wait) pause 2.5; answers client 6302 ns1 ;;
		esac
		diff <(sort "$([ $what = confirm ] && echo "$B" || echo "$LAB_TMP/was")") <(nsxdp export | sort)
		on host "$TOOLS/check" || { echo "$was to $is, $what"; return 1; }
		nsxdp apply "$A"
		on host "$TOOLS/check"
	done <<- END
		6300-6349,8998 6301-6349,8999 confirm
		6301-6349,8999 6300-6349,8998 wait
		6300-6349,8998 6301-6349,8999 wait
		6301-6310,8999 6301-6349,8999 undo
		6301-6349,8999 6301-6310,8999 confirm
		6301-6310,8999 6301,8999 confirm
		6301,8999 6301-6310,8999 undo
		6301-6310,8999 6303-6312,8999 wait
		6301-6310,8999 6303-6312,8999 confirm
	END
	[ $n = 9 ]
}

# The sweeper takes a part back each time, a command everything.
t_11_undo_against_the_sweeper() {
	local i
	nsxdp map add 10000-29999 "$NS1:10000"
	nsxdp export > "$A"
	{ grep -v 10000 "$A"; echo "map add 10000-19999 $NS1:10000"; echo "map add 20000-29999 $NS2:20000"; } > "$B"
	for i in 1 2 3 4; do
		nsxdp apply --confirm 1h "$B"
		nsxdp undo
		as_before
	done
	nsxdp apply --confirm "$(scaled 1)s" "$B"
	pause 2.5
	as_before
	nsxdp map del 10000-29999
}

# It is stopped in the middle until long after the deadline, and goes on then.
t_12_a_command_that_is_late() {
	local i pid inode rc stopped=0
	nsxdp export > "$A"
	{ sed "/$NS3/d" "$A"; for i in $(seq 12); do echo "ns add late$i-$LAB_ID"; done
		for i in $(seq 300); do echo "map add $((12000 + i)) $NS1:9000"; done; } > "$B"
	inode=$(stat -L -c %i "/run/netns/$NS3")
	for i in 0.05 0.15; do
		on host "$NSXDP" apply --confirm "$(scaled 1)s" "$B" > "$LAB_TMP/late" 2>&1 & pid=$!
		pause $i
		if kill -STOP $pid; then
			stopped=$((stopped + 1))
			pause 3
			answers client 12001 ""
			kill -CONT $pid
		fi
		wait $pid && rc=0 || rc=$?
		cat "$LAB_TMP/late"
		if [ $rc = 0 ]; then nsxdp undo; else grep -q "time ran out" "$LAB_TMP/late"; fi
		as_before
		[ "$(stat -L -c %i "/run/netns/$NS3")" = "$inode" ]
	done
	[ $stopped -gt 0 ]
}

# Others delete namespaces and links before and meanwhile.
t_13_what_others_delete() {
	nsxdp ns set "$NS1" --egress-deny 198.51.100.0/24
	nsxdp ns add aother
	nsxdp ns add zother
	nsxdp export > "$A"
	sed "s/ --egress-deny [^ ]*//; s/ns add zother/& --max-flows 40/; s/ns add aother/& --max-flows 40/" "$A" > "$B"
	nsxdp apply --confirm "$(scaled 2)s" "$B"
	ip netns del zother
	ip netns del aother
	eventually 5 not goes_out ns1
	nsxdp map list > /dev/null
	not goes_out ns1
	as_before
	on host ip link del nsx-aother
	nsxdp apply --confirm "$(scaled 1)s" "$B"
	pause 1.5
	as_before
	on host ip link del nsx-aother
	nsxdp up --dev ens5 --mode "$MODE" --timeout udp=77 --confirm "$(scaled 1)s"
	pause 1.5
	as_before
	nsxdp ns del aother
	nsxdp ns del zother
	nsxdp ns set "$NS1" --egress-allow any
}

# A refused command does not touch what the change may bring back.
t_14_drainings() {
	nsxdp map add 6202 "$NS1:9000"
	nsxdp map del 6202 --drain "$(scaled 2)s"
	nsxdp export > "$A"
	{ cat "$A"; echo "map add 6202 $NS2:9000"; } > "$B"
	nsxdp apply --confirm "$(scaled 5)s" "$B"
	pause 2.5
	refuse 1 "waiting to be confirmed" nsxdp map add 6900 "$NS1:1"
	answers client 6202 ns2
	eventually 6 answers client 6202 ""
	nsxdp flow flush
	nsxdp map add 6202 "$NS1:9000"
	answers client 6202 ns1
	nsxdp map del 6202
	on host "$TOOLS/check"
}

# What was confirmed stays so, though it could not be finished at once.
t_15_confirmed_but_not_finished() {
	local pins
	nsxdp ns add kept
	nsxdp export > "$A"
	sed '/kept/d' "$A" > "$B"
	nsxdp apply --confirm 1h "$B"
	chattr +i /etc/netns/kept/resolv.conf
	refuse 1 "cannot remove" nsxdp confirm
	refuse 1 "confirmed already" nsxdp undo
	chattr -i /etc/netns/kept/resolv.conf
	nsxdp confirm
	nsxdp export | diff "$B" -
	on host "$TOOLS/check"
	# Who only reads waits for nobody.
	nsxdp apply --confirm "$(scaled 1)s" "$A"
	pins=$(nsxdp -j status | python3 -c 'import json, sys; print(json.load(sys.stdin)["pins"])')
	flock "$pins" sleep "$(scaled 4)" & local holder=$!
	pause 1.5
	on host timeout $SLOW "$NSXDP" map list > /dev/null
	wait $holder
	nsxdp flow flush
	nsxdp export | diff "$B" -
}

# Ports that come back by themselves are found by commands, and keep their connections then.
t_16_ports_and_a_namespace_go_and_come_back() {
	nsxdp map add 6200 "$NS1:9000"
	nsxdp export > "$A"
	sed "/map add 6200 /d; /map add 6001 /d; /$NS3/d" "$A" > "$B"
	nsxdp apply --confirm "$(scaled 1)s" "$B"
	eventually 4 answers client 6200 ns1
	on client $PY load $HOST 6200 3 20 0.1 > "$LAB_TMP/busy" & local load=$!
	pause 1
	nsxdp map list | grep -q 6200
	wait $load
	cat "$LAB_TMP/busy"
	grep -q "failed 0" "$LAB_TMP/busy"
	as_before
	nsxdp map del 6200
}

# A command that is killed while it takes back leaves what can be taken back again.
t_17_undo_is_killed() {
	local n
	nsxdp map add 6306-6315 "$NS1:6306"
	nsxdp export > "$A"
	{ grep -v 6306 "$A"; echo "map add $HOST:6315-6319 $NS2:6315"; echo "map add lo:6315-6319 $NS3:9000"; } > "$B"
	for n in 95 105 115 117 120; do
		nsxdp apply --confirm 1h "$B"
		on host "$TOOLS/crash" $n "$NSXDP" undo > /dev/null 2>&1 || true
		nsxdp undo > /dev/null 2>&1 || true
		as_before || { echo "killed at call $n"; return 1; }
	done
	nsxdp map del 6306-6315
}

# What the file cannot say is not accepted, and a device has one name.
t_18_names_of_devices() {
	refuse 2 "not a port" nsxdp map add '#x:6200' "$NS1:9000"
	on host ip link property add dev ens5 altname wan
	refuse 1 "another name of the interface ens5" nsxdp map add wan:6200 "$NS1:9000"
	on host ip link property del dev ens5 altname wan
	on host ip addr add 203.0.113.9/24 dev ens5
	nsxdp map add ens5:6200 "$NS1:8080"
	rm -f "$LAB_TMP/held"
	on client $PY tcp_many 203.0.113.9 6200 3 4 > "$LAB_TMP/held" & local held=$!
	eventually 5 grep -q open "$LAB_TMP/held"
	nsxdp map add 203.0.113.9:6200 "$NS2:8080"
	wait $held
	grep -q "done 3" "$LAB_TMP/held"
	nsxdp map del 203.0.113.9:6200
	nsxdp map del ens5:6200
	on host ip addr del 203.0.113.9/24 dev ens5
}

# The last one: nothing is up before it.
t_90_an_up_that_is_not_confirmed() {
	nsxdp export > "$A"
	nsxdp down
	lab_kill
	on_bg host $PY tcp_echo_server 6000
	on_bg inet $PY tcp_echo_server 7
	lab_listening host 6000
	lab_listening inet 7
	on host ip -o link > "$LAB_TMP/links"
	nsxdp up --dev ens5 --mode "$MODE" --confirm "$(scaled 3)s"
	refuse 1 "waiting to be confirmed" nsxdp ns add x
	[ "$(on client $PY half_close $HOST 6000)" = 203.0.113.10 ]
	nsxdp undo
	on host ip -o link | diff "$LAB_TMP/links" -
	lab_kill
	# All of it from a file: the host's own server is behind a port that is published until then.
	nsxdp apply --confirm "$(scaled 4)s" "$A"
	on_bg ns1 $PY tcp_tag_server 8080 ns1
	on_bg inet $PY tcp_echo_server 7
	lab_listening ns1 8080
	lab_listening inet 7
	answers client 6000 ns1
	goes_out ns1
	answers host 6000 ns1 127.0.0.1
	pause 4.2
	not goes_out ns1
	answers client 6000 ""
	answers host 6000 "" 127.0.0.1
	on_bg host $PY tcp_tag_server 6000 host
	lab_listening host 6000
	answers client 6000 host
	answers host 6000 host 127.0.0.1
	refuse 1 "not up" nsxdp map list
	not ip netns exec "$NS1" true
	on host ip -o link | diff "$LAB_TMP/links" -
	lab_kill
	nsxdp apply "$A" --confirm "$(scaled 3)s"
	nsxdp confirm
	pause 3.5
	nsxdp export | diff "$A" -
	on host "$TOOLS/check"
}

run_tests "$@"
