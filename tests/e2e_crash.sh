#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Each command is ended at its system calls, one after the other: killed there, or told that the call
# failed. After a kill the next command that changes something leaves either what was before or what
# was wanted; a command that fails leaves what was before by itself.
#
#   e2e_crash.sh [-a] [WORD]...		-a: at every call, else at some of them
T_GROUP=crash
. "$(dirname "$0")/harness.sh"
TOOLS=$(dirname "$(realpath "$NSXDP")")
POINTS=${POINTS:-4}	# of each command that are tried
ERRORS=${ERRORS:-ENOMEM EPERM}	# that calls fail with, besides being killed there
[ "${1:-}" = -a ] && { POINTS=1000000; shift; }

trap 'exit 130' INT TERM HUP
lab_up
A=a-$LAB_ID B=b-$LAB_ID C=c-$LAB_ID D=d-$LAB_ID
BEFORE=$LAB_TMP/before.conf
GROUP=0	# of the links that nsxdp makes
cat > "$BEFORE" << END
up --dev ens5 --pool6 fd00:0:1::/48 --mode tc
ns add $A --max-flows 50 --egress-deny 192.0.2.0/24
ns add $B --dns 9.9.9.9
map add 6000 $A:80
map add 6001 $A:81 $B:81 --rate 5/s --allow 10.0.0.0/8
map add 6100-6109 $B:6100
map add 203.0.113.1:6200 $A:82
map add -p udp 53 $A:53
END
sed -i 's/ns add \(a-[0-9]*\)/ns add \1 --addr 192.168.0.2\/30/; s/ns add \(b-[0-9]*\)/ns add \1 --addr 192.168.0.6\/30/' "$BEFORE"

settled() { # the tables agree, and what the machine has is what a fresh apply of the same would make
	on host "$TOOLS/check" || return 1
	nsxdp export > "$LAB_TMP/now"
	local names routes links
	names=$(grep -c '^ns add' "$LAB_TMP/now")
	links=$(on host ip -o link show group "$GROUP" | wc -l)
	routes=$(on host ip route show type unreachable | wc -l)
	[ "$links" = "$(grep -c '^ns' "$LAB_TMP/now")" ] || { echo "$links links"; cat "$LAB_TMP/now"; return 1; }
	[ "$routes" = "$(grep -c '^ns' "$LAB_TMP/now")" ] || { echo "$routes guard routes"; return 1; }
	[ "$(ip netns list | grep -cE "^[abc]-$LAB_ID")" = "$names" ] || { ip netns list; return 1; }
	nsxdp ns list | not grep -E 'gone|detached|unfinished'
}

# Exactly before or after, and whole.
is_one_of() { # FILE...
	local f
	settled || return 1
	for f in "$@"; do
		diff -q "$f" "$LAB_TMP/now" > /dev/null && return
	done
	echo "this is neither what was before nor what was wanted:"
	diff "$1" "$LAB_TMP/now"
	return 1
}

restore() {
	nsxdp undo > /dev/null 2>&1 || true
	nsxdp apply "$BEFORE" || return 1
	GROUP=$(nsxdp -j status | python3 -c 'import json,sys; print(json.load(sys.stdin)["link_group"])')
	[ -z "${WAITING:-}" ] || nsxdp apply --confirm 1h "$WAITING" || return 1
	[ -z "${ADOPTABLE:-}" ] || ip netns add "$D" 2> /dev/null || true
}

# The state after the command as it should be, and how many calls it makes: "$LAB_TMP/after", CALLS.
rehearse() {
	restore
	on host "$TOOLS/crash" 999999 "$NSXDP" "$@" > /dev/null 2> "$LAB_TMP/calls" || [ $? = 98 ]
	CALLS=$(tail -1 "$LAB_TMP/calls")
	nsxdp export > "$LAB_TMP/after"
	is_one_of "$LAB_TMP/after"
}

# From one point to the next. Most of the thousands of calls of "up" read the kernel's symbols and
# types, so 400 of them are enough.
step_of() { # CALLS
	local points=$POINTS
	[ "$1" -lt 1000 ] || [ "$points" -lt 400 ] || points=400
	echo $((($1 + points - 1) / points > 0 ? ($1 + points - 1) / points : 1))
}

walk() { # COMMAND...
	local n step wrong=0 rc error
	restore && nsxdp export > "$LAB_TMP/was" && rehearse "$@" || { echo "the command itself fails"; return 1; }
	step=$(step_of "$CALLS")
	for ((n = 1 + RANDOM % step; n <= CALLS; n += step)); do
		restore || { echo "at call $n of $*: cannot be made again"; wrong=$((wrong + 1)); nsxdp down; }
		on host "$TOOLS/crash" "$n" "$NSXDP" "$@" > "$LAB_TMP/said" 2>&1 && rc=0 || rc=$?
		[ "$rc" != 99 ] || nsxdp flow flush > "$LAB_TMP/flush" 2>&1 || { cat "$LAB_TMP/flush"; }
		[ -z "${GOES_ON:-}" ] || nsxdp flow flush > "$LAB_TMP/flush" 2>&1 || true
		if [ "${CONVERGES:-}" ]; then
			settled && nsxdp "$@" && is_one_of "$LAB_TMP/after"
		else
			is_one_of "$LAB_TMP/was" "$LAB_TMP/after"
		fi || { echo "killed at call $n of $*"; wrong=$((wrong + 1)); nsxdp down; }
	done
	for error in $ERRORS; do
		for ((n = 1 + RANDOM % step; n <= CALLS; n += step)); do
			restore || { echo "at call $n:$error of $*: cannot be made again"; wrong=$((wrong + 1)); nsxdp down; }
			on host "$TOOLS/crash" "$n:$error" "$NSXDP" "$@" > "$LAB_TMP/said" 2>&1 && rc=0 || rc=$?
			[ -z "${GOES_ON:-}" ] || nsxdp flow flush > "$LAB_TMP/flush" 2>&1 || true
			if [ $rc -gt 128 ]; then
				echo "died with status $rc"
				false
			elif [ $rc = 1 ] && [ -z "${GOES_ON:-}" ]; then
				is_one_of "$LAB_TMP/was"
			else
				is_one_of "$LAB_TMP/after" "$LAB_TMP/was"
			fi || { echo "status $rc at call $n:$error of $*"; cat "$LAB_TMP/said"; wrong=$((wrong + 1)); nsxdp down; }
		done
	done
	echo "$CALLS calls, $wrong wrong"
	[ $wrong = 0 ]
}

t_01_map_add() { walk map add 7000 "$A:7000"; }
t_02_map_add_a_service() { walk map add 7000 "$A:7000" "$B:7000" --allow 10.0.0.0/8 --allow 192.0.2.0/24 --rate 9/s; }
t_03_map_add_a_range() { walk map add 7000-7019 "$A:7000"; }
t_04_map_add_at_an_address() { on host ip addr replace 203.0.113.5/32 dev ens5; walk map add 203.0.113.5:6200 "$B:82"; }
t_05_map_set_targets() { walk map set 6000 "$B:80" "$A:80" --drain 0; }
t_06_map_set_with_conditions() { walk map set 6001 "$B:81" --allow any --drain 0; }
t_07_map_del() { walk map del 6001; }
t_08_map_del_a_range() { walk map del 6100-6109; }
t_10_ns_add() { walk ns add "$C" --max-flows 10 --clamp-mss --addr 192.168.0.10/30; }
t_11_ns_del_with_ports() { walk ns del "$A" --force; }
t_12_ns_set_limits() { walk ns set "$A" --max-flows 100 --egress-rate 10mbit --link-local --egress-allow 10.0.0.0/8 --egress-deny 10.1.0.0/16 --source 203.0.113.1; }
t_13_ns_set_address() { walk ns set "$A" --addr 192.168.0.130/30; }
t_14_ns_set_dns() { walk ns set "$B" --dns host; }
t_15_ns_adopt() { ADOPTABLE=1 walk ns adopt "$D" --addr 192.168.0.14/30; ip netns del "$D"; }
# With the link that it has, which gets a qdisc where it has none.
has_no_clsact() { on host tc qdisc show dev "$1" | not grep clsact; }

t_15b_ns_adopt_with_its_link() {
	local n calls wrong=0
	restore
	ip netns add "$D"
	on host ip link add veth0 type veth peer name veth1 netns "$D"
	on host ip addr add 192.168.0.21/30 dev veth0
	on host ip link set veth0 up
	nsenter --net="/run/netns/$D" ip addr add 192.168.0.22/30 dev veth1
	nsxdp export > "$LAB_TMP/was"
	on host "$TOOLS/crash" 999999 "$NSXDP" ns adopt "$D" > /dev/null 2> "$LAB_TMP/calls" || [ $? = 98 ]
	calls=$(tail -1 "$LAB_TMP/calls")
	nsxdp ns del "$D"
	has_no_clsact veth0
	for ((n = 1 + RANDOM % $(step_of "$calls"); n <= calls; n += $(step_of "$calls"))); do
		on host "$TOOLS/crash" "$n" "$NSXDP" ns adopt "$D" > /dev/null 2>&1 || true
		nsxdp flow flush > /dev/null
		nsxdp export | diff -q "$LAB_TMP/was" - > /dev/null || nsxdp ns del "$D"
		nsxdp export | diff "$LAB_TMP/was" - && has_no_clsact veth0 ||
			{ echo "killed at call $n of $calls"; wrong=$((wrong + 1)); on host tc qdisc del dev veth0 clsact; }
	done
	ip netns del "$D"
	[ $wrong = 0 ]
}

t_16_flow_flush() { walk flow flush; }

another() { # FILE: a change of everything
	{ grep -v "6001\|udp" "$BEFORE"; echo "ns add $C --addr 192.168.0.10/30"; echo "map add 7000 $C:1"; } |
		sed "s/map add 6000 $A:80/map add 6000 $B:80/" > "$1"
}

# Nobody confirms what a command has begun that died: the next one takes it back. Each point takes
# three commands, so there are fewer.
t_17_apply_to_be_confirmed() {
	local POINTS=$(((POINTS + 1) / 2))
	another "$LAB_TMP/apply.conf"
	sed -i "s/--max-flows 50/--max-flows 60 --clamp-mss/; /ns add $B/d; s/$B:80/$A:83/; /$B/d" "$LAB_TMP/apply.conf"
	walk apply --confirm 1h "$LAB_TMP/apply.conf"
}
# These go on with the next command, whatever it is.
t_18_confirm() { local POINTS=$(((POINTS + 1) / 2)); GOES_ON=1 WAITING=$LAB_TMP/apply.conf walk confirm; }
t_19_undo() { local POINTS=$(((POINTS + 1) / 2)); GOES_ON=1 WAITING=$LAB_TMP/apply.conf walk undo; }

t_20_apply() {
	another "$LAB_TMP/apply.conf"
	# One that is killed may have done some of its steps; again, it does the others.
	CONVERGES=1 walk apply "$LAB_TMP/apply.conf"
}

t_21_up_again() { walk up --dev ens5 --timeout udp=77; }

# The same version goes on with it, and what was there comes back with the old one.
t_22_upgrade_to_another_layout() {
	local n step error wrong=0 rc other=$TOOLS/other/nsxdp
	restore
	nsxdp export > "$LAB_TMP/was"
	on host "$TOOLS/crash" 999999 "$other" up --dev ens5 > /dev/null 2> "$LAB_TMP/calls" || [ $? = 98 ]
	CALLS=$(tail -1 "$LAB_TMP/calls")
	# Each point takes seconds.
	step=$((3 * $(step_of "$CALLS")))
	for error in "" $(printf ':%s ' $ERRORS); do
		for ((n = 1 + RANDOM % step; n <= CALLS; n += step)); do
			nsxdp up --dev ens5 2> "$LAB_TMP/said" && restore || { echo "before call $n$error: cannot be made again"; wrong=$((wrong + 1)); }
			on host "$TOOLS/crash" "$n$error" "$other" up --dev ens5 > "$LAB_TMP/said" 2>&1 && rc=0 || rc=$?
			[ $rc -lt 128 ] && on host "$other" up --dev ens5 >> "$LAB_TMP/said" 2>&1 &&
				on host "$other" export 2>> "$LAB_TMP/said" | diff "$LAB_TMP/was" - &&
				nsxdp up --dev ens5 >> "$LAB_TMP/said" 2>&1 && is_one_of "$LAB_TMP/was" ||
				{ echo "status $rc at call $n$error"; cat "$LAB_TMP/said"; wrong=$((wrong + 1)); nsxdp down; }
		done
	done
	echo "$CALLS calls, $wrong wrong"
	[ $wrong = 0 ]
}

# Of nothing, to nothing.
t_30_down_and_up() {
	local n calls wrong=0
	for n in down up; do
		restore
		[ $n = down ] || nsxdp down
		on host "$TOOLS/crash" 999999 "$NSXDP" $([ $n = down ] && echo down || echo up --dev ens5 --mode tc --pool6 fd00:0:1::/48) \
			> /dev/null 2> "$LAB_TMP/calls" || [ $? = 98 ]
		calls=$(tail -1 "$LAB_TMP/calls")
		local step i
		step=$(step_of "$calls")
		for ((i = 1 + RANDOM % step; i <= calls; i += step)); do
			restore
			if [ $n = down ]; then
				on host "$TOOLS/crash" $i "$NSXDP" down > /dev/null 2>&1 || true
			else
				nsxdp down
				on host "$TOOLS/crash" $i "$NSXDP" up --dev ens5 --mode tc --pool6 fd00:0:1::/48 > /dev/null 2>&1 || true
			fi
			if [ $((i / step % 2)) = 0 ]; then
				restore > "$LAB_TMP/said" 2>&1 && settled || { echo "up after $n was killed at $i"; cat "$LAB_TMP/said"; wrong=$((wrong + 1)); }
			fi
			nsxdp down > "$LAB_TMP/said" 2>&1 || { echo "down after $n was killed at $i"; cat "$LAB_TMP/said"; wrong=$((wrong + 1)); }
			[ "$(on host ip -o link show group "$GROUP" | wc -l)" = 0 ] && not on host ip link show nsx.fib &&
				! ip netns list | grep -qE "^[abc]-$LAB_ID" || { echo "left after $n was killed at $i"; wrong=$((wrong + 1)); }
		done
		echo "$n: $calls calls, $wrong wrong"
	done
	[ $wrong = 0 ]
}

# A link that others have deleted is made again, with all that it had.
t_21b_up_with_a_link_that_is_gone() {
	local n calls step wrong=0
	restore
	nsxdp export > "$LAB_TMP/was"
	on host ip link del "nsx-$A"
	on host "$TOOLS/crash" 999999 "$NSXDP" up --dev ens5 > /dev/null 2> "$LAB_TMP/calls" || [ $? = 98 ]
	calls=$(tail -1 "$LAB_TMP/calls")
	step=$(step_of "$calls")
	for ((n = 1 + RANDOM % step; n <= calls; n += step)); do
		on host ip link del "nsx-$A"
		on host "$TOOLS/crash" "$n" "$NSXDP" up --dev ens5 > /dev/null 2>&1 || true
		nsxdp up --dev ens5 > "$LAB_TMP/said" 2>&1 && is_one_of "$LAB_TMP/was" && ping_from_host ||
			{ echo "killed at call $n of $calls"; cat "$LAB_TMP/said"; wrong=$((wrong + 1)); nsxdp down; restore; }
	done
	echo "$calls calls, $wrong wrong"
	[ $wrong = 0 ]
}
ping_from_host() { on host ping -c1 -W2 192.168.0.2 > /dev/null; }

# Filters do not go with their pins: each is found by its pin, and so is the qdisc.
t_32_filters_of_an_up_that_died() {
	local n calls step wrong=0 there=0
	nsxdp down
	export NSXDP_TEST_NO_TCX=1
	on host "$TOOLS/crash" 999999 "$NSXDP" up --dev ens5 --mode tc > /dev/null 2> "$LAB_TMP/calls" || [ $? = 98 ]
	calls=$(tail -1 "$LAB_TMP/calls")
	nsxdp down
	# The filters are set in its last calls.
	step=$(((80 + POINTS * 3) / (POINTS * 3 + 1)))
	for ((n = calls - 80 + RANDOM % step; n <= calls; n += step)); do
		on host "$TOOLS/crash" "$n" "$NSXDP" up --dev ens5 --mode tc > /dev/null 2>&1 || true
		on host tc qdisc show dev ens5 | grep -q clsact && there=$((there + 1)) || true
		nsxdp down > "$LAB_TMP/said" 2>&1
		has_no_clsact ens5 || { echo "killed at call $n of $calls"; wrong=$((wrong + 1)); on host tc qdisc del dev ens5 clsact; }
	done
	unset NSXDP_TEST_NO_TCX
	echo "$there with a qdisc, $wrong wrong"
	[ $there -gt 0 ]
	[ $wrong = 0 ]
}

# The same of an "up" that mends them.
t_33_filters_of_a_mend_that_died() {
	local n calls step wrong=0
	nsxdp down
	export NSXDP_TEST_NO_TCX=1
	nsxdp up --dev ens5 --mode tc
	take_filters
	on host "$TOOLS/crash" 999999 "$NSXDP" up --dev ens5 > /dev/null 2> "$LAB_TMP/calls" || [ $? = 98 ]
	calls=$(tail -1 "$LAB_TMP/calls")
	step=$(step_of "$calls")
	for ((n = 1 + RANDOM % step; n <= calls; n += step)); do
		nsxdp up --dev ens5 --mode tc
		take_filters
		on host "$TOOLS/crash" "$n" "$NSXDP" up --dev ens5 > /dev/null 2>&1 || true
		nsxdp down > "$LAB_TMP/said" 2>&1
		has_no_clsact ens5 || { echo "killed at call $n of $calls"; wrong=$((wrong + 1)); on host tc qdisc del dev ens5 clsact; }
	done
	unset NSXDP_TEST_NO_TCX
	echo "$calls calls, $wrong wrong"
	[ $wrong = 0 ]
}
take_filters() { on host tc filter del dev ens5 ingress pref 1; on host tc filter del dev ens5 egress pref 1; }

# Before its settings are written there are tables, but no links of its own to be removed.
t_31_down_after_an_up_without_settings() {
	nsxdp down
	on host "$TOOLS/crash" getrandom "$NSXDP" up --dev ens5 --mode tc && rc=0 || rc=$?
	[ "$rc" = 99 ]
	nsxdp down
	nsxdp down 2>&1 | grep -q 'not up'
}

run_tests "$@"
