#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A file of commands: applied, compared, exported; and changes of what runs, by it and by "ns set" and
# "map set".
#
#   e2e_config.sh [WORD]...
T_GROUP=config
. "$(dirname "$0")/harness.sh"
. "$(dirname "$0")/config_lab.sh"

t_01_a_file_makes_everything() {
	begin
	reached 6000
	reached 6001
	[ "$(on ns1 $PY half_close $INET 7)" = $HOST ]
	refuse 0 "" nsxdp diff "$F"
	nsxdp export > "$LAB_TMP/export"
	grep -qx "map add 6001 $NS2:8080" "$LAB_TMP/export"
	grep -qx "ns add $NS1 --addr 192.168.0.2/30" "$LAB_TMP/export"
	refuse 0 "" nsxdp diff "$LAB_TMP/export"
	nsxdp export | nsxdp apply -
	nsxdp export | diff "$LAB_TMP/export" -
	# What ran keeps its ids: nothing was made again.
	nsxdp apply "$F"
	reached 6000
	finish
}

t_02_diff_and_dry_run_change_nothing() {
	begin
	sed -i "s/6001 $NS2/6001 $NS1/; s/ns add $NS2/ns add $NS3/" "$F"
	nsxdp export > "$LAB_TMP/before"
	nsxdp diff "$F" > "$LAB_TMP/diff" && return 1
	[ $? = 1 ]
	printf '+ ns add %s\n- map add 6001 %s:8080\n+ map add 6001 %s:8080\n- ns add %s --addr 192.168.0.6/30\n' \
		"$NS3" "$NS2" "$NS1" "$NS2" | diff - "$LAB_TMP/diff"
	nsxdp apply --dry-run "$F" | diff "$LAB_TMP/diff" -
	{ nsxdp diff --keep "$F" || true; } | not grep -e "- ns add"
	nsxdp export | diff "$LAB_TMP/before" -
	finish
}

t_03_all_errors_at_once() {
	begin
	nsxdp export > "$LAB_TMP/before"
	cat > "$F" << END
up --dev ens5 --mode fast
ns add $NS1
ns add $NS1
map add 6000 $NS1:8080
map add 6000-6009 $NS1:8080
map add 7000 nosuch:1
ns del $NS1
ns add a/b
END
	nsxdp apply "$F" 2> "$LAB_TMP/said" && return 1
	[ $? = 1 ]
	cat "$LAB_TMP/said"
	[ "$(wc -l < "$LAB_TMP/said")" = 6 ]
	grep -q "$F:1: --mode fast" "$LAB_TMP/said"
	grep -q "$F:3: namespace $NS1 is given twice" "$LAB_TMP/said"
	grep -q "$F:5: port 6000-6009/tcp is given twice" "$LAB_TMP/said"
	grep -q "$F:6: there is no namespace 'nosuch'" "$LAB_TMP/said"
	grep -q "$F:7: 'ns del': not up, ns add" "$LAB_TMP/said"
	grep -q "$F:8: 'a/b': not a name" "$LAB_TMP/said"
	nsxdp export | diff "$LAB_TMP/before" -
	refuse 1 "cannot read it: No such file" nsxdp apply "$LAB_TMP/nosuch"
	refuse 2 "unknown option '--frob'" nsxdp apply --frob "$F"
	finish
}

# The last line cannot be done: a socket of the host has the port.
t_04_a_file_that_fails_half_way_leaves_everything() {
	begin
	on_bg host $PY tcp_echo_server 9999
	lab_listening host 9999
	nsxdp export > "$LAB_TMP/before"
	hold 6000 2
	cat > "$F" << END
up --dev ens5 --mode tc --timeout udp=77
ns add $NS1 --max-flows 100 --addr 192.168.9.2/24
ns add $NS3
map add 6000 $NS3:8080
map add 9999 $NS1:1
END
	refuse 1 "port is taken by the host itself" nsxdp apply "$F"
	nsxdp export | diff "$LAB_TMP/before" -
	ip netns list | not grep -q "^$NS3"
	reached 6000
	reached 6001
	held
	finish
}

# A socket takes a port after it was found free and before it is published: nothing was removed for
# the new state yet.
t_04b_a_port_that_is_taken_meanwhile() {
	local i names=()
	begin
	for i in 1 2 3 4 5 6 7 8; do names+=("$(lab_ns "nst$i")"); done
	nsxdp export > "$LAB_TMP/before"
	hold 6001 2
	echo "up --dev ens5" > "$F"
	printf 'ns add %s\n' "${names[@]}" >> "$F"
	echo "map add 9998 ${names[0]}:8080" >> "$F"
	on_bg host $PY listen_when "/run/netns/${names[0]}" 9998 "$LAB_TMP/watches"
	eventually 5 test -e "$LAB_TMP/watches"
	refuse 1 "map 9998/tcp: port is taken by the host itself" nsxdp apply "$F"
	nsxdp export | diff "$LAB_TMP/before" -
	ip netns list | not grep -q "^${names[0]}"
	reached 6000
	reached 6001
	held
	finish
}

t_05_connections_stay_where_they_are() {
	begin
	hold 6000 2
	sed -i "s/6000 $NS1/6000 $NS2/; /6001/d" "$F"
	echo "ns add $NS3 --dns 9.9.9.9" >> "$F"
	nsxdp apply "$F"
	reached 6000
	[ "$(cat "/etc/netns/$NS3/resolv.conf")" = "nameserver 9.9.9.9" ]
	refuse 1 "refused" on client $PY half_close $HOST 6001
	held
	finish
}

t_06_what_is_not_named_goes_unless_kept() {
	begin
	echo "ns add $NS3" | nsxdp apply --keep -
	reached 6000
	nsxdp ns list | grep -q "^$NS3"
	nsxdp apply "$F"
	nsxdp ns list | not grep -q "^$NS3"
	refuse 0 "" nsxdp diff "$F"
	finish
}

t_07_files_include_directories() {
	begin
	mkdir "$LAB_TMP/conf.d"
	grep -v map "$F" > "$LAB_TMP/main.conf"
	echo "include $LAB_TMP/conf.d" >> "$LAB_TMP/main.conf"
	grep map "$F" > "$LAB_TMP/conf.d/10-maps.conf"
	echo "frob" > "$LAB_TMP/conf.d/README"
	refuse 0 "" nsxdp diff "$LAB_TMP/main.conf"
	echo "frob" > "$LAB_TMP/conf.d/20-more.conf"
	refuse 2 "20-more.conf:1: 'frob'" nsxdp diff "$LAB_TMP/main.conf"
	echo "include $LAB_TMP/conf.d" > "$LAB_TMP/conf.d/20-more.conf"
	refuse 2 "include each other" nsxdp diff "$LAB_TMP/main.conf"
	finish
}

t_08_ports_change_shape() {
	begin
	nsxdp map add 6100-6109 "$NS1:8080"
	sed -i "\$a map add 6100-6104 $NS2:8080\nmap add 6105 $NS1:8080" "$F"
	nsxdp apply "$F"
	refuse 0 "" nsxdp diff "$F"
	reached 6100
	reached 6105
	finish
}

t_09_a_deleted_namespace_is_made_again() {
	begin
	ip netns del "$NS1"
	nsxdp ns list | grep -q "^$NS1 .*gone"
	lab_kill
	nsxdp apply "$F"
	nsxdp ns list | grep -q "^$NS1 .*ready"
	on_bg ns1 $PY tcp_echo_server 8080
	lab_listening ns1 8080
	reached 6000
	finish
}

t_10_detached_programs_are_attached_again() {
	begin
	on host ip link set nsx.fib down
	nsxdp apply "$F"
	on host ip -o link show nsx.fib | grep -q "state UP"
	finish
}

# A namespace takes the address and the port of one that goes, and something else cannot be done:
# nothing was touched.
t_11_what_can_be_seen_before_is() {
	begin
	hold 6000 3
	on_bg host $PY tcp_echo_server 9999
	lab_listening host 9999
	nsxdp export > "$LAB_TMP/before"
	printf 'up --dev ens5\nns add %s\nns add %s --addr 192.168.0.2/30\nmap add 6000 %s:8080\nmap add 9999 %s:1\n' \
		"$NS2" "$NS3" "$NS3" "$NS3" > "$F"
	refuse 1 "port is taken by the host itself" nsxdp apply "$F"
	nsxdp export | diff "$LAB_TMP/before" -
	sed -i "s/ns add $NS2/ns adopt $NS2/; /9999/d" "$F"
	refuse 1 "it was made, not adopted" nsxdp apply "$F"
	sed -i "s/ns adopt $NS2/ns add $NS2/" "$F"
	sed "s/6000/6001-6002/; /ns add $NS3/d; s/$NS3/$NS2/" "$F" > "$LAB_TMP/keep.conf"
	refuse 1 "port 6001 is taken by $NS2:8080" nsxdp apply --keep "$LAB_TMP/keep.conf"
	nsxdp export | diff "$LAB_TMP/before" -
	held
	nsxdp apply "$F"
	refuse 0 "" nsxdp diff "$F"
	finish
}

# Published at two addresses: one target at each; whatever was given, it can be taken away again.
t_12_several_addresses_have_one_target_each() {
	begin
	on host ip addr replace 203.0.113.5/32 dev ens5
	nsxdp map add 203.0.113.1:6500 "$NS1:8080"
	refuse 1 "takes one target at each" nsxdp map add 203.0.113.5:6500 "$NS2:8080" "$NS1:8080"
	nsxdp map add 203.0.113.5:6500 "$NS2:8080"
	refuse 1 "takes one target at each" nsxdp map set 203.0.113.5:6500 "$NS2:8080" "$NS1:8080"
	refuse 1 "takes one target at each" nsxdp map set 203.0.113.5:6500 --rate 5/s
	nsxdp export | nsxdp diff -
	nsxdp map del 203.0.113.1:6500
	nsxdp map del 203.0.113.5:6500
	nsxdp map list | not grep 6500
	finish
}

# More ports than there are services for those that drain.
t_13_a_thousand_ports_change_at_once() {
	begin
	for i in $(seq 1030); do echo "map add $((10000 + i)) $NS1:$((10000 + i))"; done >> "$F"
	nsxdp apply "$F"
	sed -i "/map add 1/s/$NS1/$NS2/" "$F"
	nsxdp apply "$F"
	refuse 0 "" nsxdp diff "$F"
	on host "$(dirname "$NSXDP")/check"
	finish
}

t_14_odd_files() {
	begin
	printf 'map add 7000 %s:80 \0--allow 10.0.0.0/8\n' "$NS1" > "$F"
	refuse 1 "a NUL character" nsxdp apply --keep "$F"
	printf 'ns add a#b-%s#c # a comment\n' "$LAB_ID" > "$F"
	nsxdp apply --keep "$F"
	nsxdp export | grep -q "^ns add a#b-$LAB_ID#c"
	nsxdp export | nsxdp diff -
	nsxdp ns del "a#b-$LAB_ID#c"
	printf 'ns add \033]0;pwned\007x\n' > "$F"
	nsxdp diff "$F" 2>&1 | not grep -q "$(printf '\033')"
	refuse 2 "given twice" nsxdp map add 1 a:1 --allow 10.0.0.1 --allow 10.0.0.1/32
	refuse 2 "stands alone" nsxdp up --dev ens5 --snat 203.0.113.1 --snat none
	refuse 2 "--wait x: not a number" nsxdp --wait=x status
	finish
}

# --- ns set and map set

t_20_each_option_of_a_namespace_changes() {
	begin
	nsxdp ns set "$NS1" --max-flows 7 --egress-rate 20mbit --clamp-mss=1000 --link-local \
		--filtering address-dependent --dns 1.1.1.1
	nsxdp export | grep -qx "ns add $NS1 --addr 192.168.0.2/30 --dns 1.1.1.1 --filtering address-dependent --clamp-mss=1000 --max-flows 7 --egress-rate 20mbit --link-local"
	[ "$(cat "/etc/netns/$NS1/resolv.conf")" = "nameserver 1.1.1.1" ]
	# The limit holds at once, for new flows.
	on_bg inet $PY udp_echo_server 9
	on ns1 $PY udp_open $INET 9 20000 30 > "$LAB_TMP/open"
	cat "$LAB_TMP/open"
	[ "$(awk '{ print $4 }' "$LAB_TMP/open")" -ge 20 ]
	nsxdp status | grep -q reject-max-flows
	nsxdp ns set "$NS1" --max-flows none --egress-rate none --clamp-mss=none --link-local=off \
		--filtering address-and-port-dependent --dns host
	nsxdp export | grep -qx "ns add $NS1 --addr 192.168.0.2/30"
	not grep -q 1.1.1.1 "/etc/netns/$NS1/resolv.conf"
	on ns1 $PY udp_open $INET 9 22000 30 > "$LAB_TMP/open"
	grep -q "answered 30" "$LAB_TMP/open"
	reached 6000
	refuse 1 "no such namespace" nsxdp ns set nosuch --max-flows 1
	refuse 2 "missing" nsxdp ns set
	finish
}

t_21_an_address_changes() {
	begin
	nsxdp map add 203.0.113.1:6200 "$NS1:8080"
	nsxdp map add 6300 "$NS1:8080" "$NS2:8080"
	nsxdp ns set "$NS1" --addr 192.168.77.2/24
	on ns1 ip -o -4 addr show eth0 | grep -q "192.168.77.2/24"
	on host ip route show type unreachable | grep -q 192.168.77.0/24
	on host ip route show type unreachable | not grep -q "192.168.0.0/30"
	reached 6000
	reached 6200
	reached 6300
	[ "$(on ns1 $PY half_close $INET 7)" = $HOST ]
	on ns1 ping -c1 -W2 192.168.77.1
	refuse 1 "overlaps the network of namespace $NS2" nsxdp ns set "$NS1" --addr 192.168.0.5/30
	reached 6000
	# Its old one is free.
	nsxdp ns add "$NS3" --addr 192.168.0.2/30
	finish
}

t_22_each_condition_of_a_port_changes_alone() {
	begin
	nsxdp map set 6000 --allow 198.51.100.0/24
	refuse 124 "" on client timeout 1 bash -c "exec 3<>/dev/tcp/$HOST/6000"
	[ "$(on inet $PY half_close $HOST 6000)" = $INET ]
	nsxdp map set 6000 --rate 5/s
	nsxdp export | grep -qx "map add 6000 $NS1:8080 --allow 198.51.100.0/24 --rate 5/s"
	nsxdp map set 6000 --burst 9
	nsxdp map set 6000 --affinity client
	nsxdp export | grep -qx "map add 6000 $NS1:8080 --allow 198.51.100.0/24 --rate 5/s --burst 9 --affinity client"
	nsxdp map set 6000 --allow any --rate none --affinity connection
	nsxdp export | grep -qx "map add 6000 $NS1:8080"
	reached 6000
	refuse 2 "nothing to change" nsxdp map set 6000
	refuse 1 "there is no --rate" nsxdp map set 6000 --burst 5
	refuse 1 "it is not published" nsxdp map set 7777 --rate 5/s
	finish
}

t_23_where_ports_are_published() {
	begin
	refuse 2 "not an address, nor 'any'" nsxdp up --dev ens5 --publish-at frob
	nsxdp up --dev ens5 --publish-at 127.0.0.1
	nsxdp map add 6100 "$NS1:8080"
	nsxdp map list 6100 | grep -q "^127.0.0.1 .*$NS1"
	on host $PY half_close 127.0.0.1 6100
	refuse 1 "refused" on client $PY half_close $HOST 6100
	reached 6000	# as it was
	nsxdp map add 0.0.0.0:6101 "$NS1:8080"
	reached 6101
	nsxdp export > "$LAB_TMP/exported"
	grep -q "^up .* --publish-at 127.0.0.1" "$LAB_TMP/exported"
	grep -q "^map add \*:6000 $NS1:8080" "$LAB_TMP/exported"
	grep -q "^map add 127.0.0.1:6100 $NS1:8080" "$LAB_TMP/exported"
	nsxdp diff "$LAB_TMP/exported"
	nsxdp down
	nsxdp apply "$LAB_TMP/exported"
	nsxdp export | diff "$LAB_TMP/exported" -
	# In a file too, wherever its "up" stands.
	{ echo "map add 6200 $NS1:8080"; grep -v 6101 "$LAB_TMP/exported"; } > "$LAB_TMP/other.conf"
	nsxdp apply "$LAB_TMP/other.conf"
	nsxdp map list 6200 | grep -q "^127.0.0.1 "
	nsxdp map del 6200
	nsxdp up --dev ens5 --publish-at any
	nsxdp map add 6201 "$NS1:8080"
	on_bg ns1 $PY tcp_echo_server 8080
	lab_listening ns1 8080
	reached 6201
	finish
}

# --- the links' block

qdiscs_of() { on host tc qdisc show dev "nsx-$1"; }

# What "begin" makes, where it is gone.
begin_again() {
	nsxdp apply --keep <(sed "/^up/s/--mode tc/--mode tc --attach block/" "$F")
	on_bg ns1 $PY tcp_echo_server 8080
	lab_listening ns1 8080
}

t_30_links_by_a_block() {
	begin
	hold 6000 2
	# A link that is there keeps what serves it.
	refuse 0 "--attach block holds for links made from now on" nsxdp up --dev ens5 --attach block
	nsxdp up --dev ens5 --attach block 2>&1 | not grep "made from now on"
	qdiscs_of "$NS1" | not grep ingress_block
	nsxdp ns list | grep -q "^$NS1 .*ready"
	nsxdp export | grep -q "^up .*--attach block"
	reached 6000
	nsxdp ns add "$NS3"
	qdiscs_of "$NS3" | grep -q ingress_block
	held
	nsxdp ns del "$NS3"
	nsxdp ns del --force "$NS1"
	begin_again
	reached 6000
	reached 6001
	[ "$(on ns1 $PY half_close $INET 7)" = $HOST ]
	# Nothing gets through where others take the program away; what is drops by name.
	on host tc filter del block 7238401 prio 1
	nsxdp ns list | grep -q "^$NS1 .*detached"
	not on ns1 timeout $SLOW ping -c1 -W1 203.0.113.10
	nsxdp status | grep -q drop-detached
	nsxdp up --dev ens5
	nsxdp ns list | grep -q "^$NS1 .*ready"
	reached 6000
	on host tc qdisc del dev "nsx-$NS1" clsact
	nsxdp ns list | grep -q "^$NS1 .*detached"
	nsxdp up --dev ens5
	nsxdp ns list | grep -q "^$NS1 .*ready"
	hold 6000 2
	nsxdp up --dev ens5 --attach tcx
	qdiscs_of "$NS1" | grep -q ingress_block
	nsxdp ns list | grep -q "^$NS1 .*ready"
	reached 6000
	held
	# A link whose qdisc others have deleted is served as a new one is.
	on host tc qdisc del dev "nsx-$NS1" clsact
	nsxdp ns list | grep -q "^$NS1 .*detached"
	nsxdp up --dev ens5
	qdiscs_of "$NS1" | not grep ingress_block
	nsxdp ns list | grep -q "^$NS1 .*ready"
	reached 6000
	[ "$(on ns1 $PY half_close $INET 7)" = $HOST ]
	finish
}

# --- the file of the boot

t_15_saved_and_applied_again() {
	local saved=$LAB_TMP/saved.conf
	begin
	nsxdp map set 6001 "$NS1:8080" "$NS2:8080=2" --allow 10.0.0.0/8
	nsxdp save "$saved"
	nsxdp export | diff - "$saved"
	[ "$(stat -c %a "$saved")" = 644 ]
	nsxdp down
	refuse 1 "not up in this network namespace" nsxdp save "$saved"
	nsxdp apply "$saved"
	nsxdp export | diff - "$saved"
	[ "$(ls "$LAB_TMP" | grep -c '^saved')" = 1 ]	# nothing is left of the one that failed
	refuse 1 "cannot make a file beside it" nsxdp save "$LAB_TMP/nosuch/saved.conf"
	finish
}

# In the place where nsxdp.service looks, which is not this machine's here.
t_16_the_file_of_the_boot() {
	begin
	on host unshare -m bash -euc "mkdir $LAB_TMP/etc; mount --bind $LAB_TMP/etc /etc
		'$NSXDP' save
		grep -q '^map add 6000 $NS1:8080' /etc/nsxdp/nsxdp.conf
		'$NSXDP' diff
		'$NSXDP' map del 6000
		'$NSXDP' diff | grep -q '^+ map add 6000 $NS1:8080'
		'$NSXDP' apply
		'$NSXDP' diff"
	finish
}

t_17_units_are_valid() {
	local unit
	mkdir "$LAB_TMP/units"
	sed "s|@SBINDIR@/nsxdp|$NSXDP|" "$HERE/../systemd/nsxdp.service.in" > "$LAB_TMP/units/nsxdp.service"
	python3 "$HERE/docs.py" "$HERE/../docs/boot.md" units "$LAB_TMP/units"
	[ "$(ls "$LAB_TMP/units")" = "$(printf '%s\n' flask1.service flask2.service nsxdp.service)" ]
	for unit in "$LAB_TMP"/units/*; do	# what it does not know it says, and succeeds
		[ -z "$(SYSTEMD_UNIT_PATH=$LAB_TMP/units: systemd-analyze verify --man=no "$unit" 2>&1 | tee -a /dev/stderr)" ]
	done
}

# --- words

t_50_errors_as_json() {
	begin
	nsxdp -j map add 6000 "$NS2:1" 2> "$LAB_TMP/said" && return 1
	python3 - "$LAB_TMP/said" << 'END'
import json, sys
said = json.load(open(sys.argv[1]))
assert said["command"] == "map add" and said["object"] == "6000" and "is taken by" in said["error"], said
END
	nsxdp ns add --frob -j 2> "$LAB_TMP/said" && return 1
	[ $? = 2 ]
	python3 -c 'import json, sys; assert "--frob" in json.load(open(sys.argv[1]))["error"]' "$LAB_TMP/said"
	refuse 2 '{"command":null,"object":null,"error":"unknown command' nsxdp -j frob
	refuse 0 '{"note":"map del 9/tcp: it is not published"}' nsxdp -j map del 9
	nsxdp -j map list | python3 -c 'import json,sys; [m["targets"][0]["ns"] for m in json.load(sys.stdin)]'
	nsxdp -j status | python3 -c 'import json,sys; s = json.load(sys.stdin); s["version"], s["datapath_version"]'
	finish
}

t_51_without_root_every_command_says_so() {
	local c
	cp "$NSXDP" "$LAB_TMP/nsxdp"
	chmod 755 "$LAB_TMP" "$LAB_TMP/nsxdp"
	for c in status "ns list" "ns add a" "map add 1 a:1" "map list" "flow list" ports features export "up --dev ens5" down; do
		refuse 1 "only root may do this" setpriv --reuid 65534 --clear-groups "$LAB_TMP/nsxdp" $c
	done
}

t_60_nothing_is_left() {
	begin
	lab_kill
	nsxdp down
	ip netns list | not grep -E "^ns[123]-$LAB_ID"
	on host ip -o link show | not grep -E "nsx"
}

# Each option is in the manual page, under the command that takes it, and in the completion.
t_52_every_option_is_documented() {
	local c o
	nsxdp completion > "$LAB_TMP/completion"
	bash -n "$LAB_TMP/completion"
	while read -r c; do
		for o in $(nsxdp help $c | sed -n 's/^      --\([a-z0-9-]*\).*/\1/p'); do
			grep -q -- "Fl -${o//-/-}" "$HERE/../docs/nsxdp.8" || { echo "$c --$o is not in the manual page"; return 1; }
			grep -q -- "--$o " "$LAB_TMP/completion" || { echo "$c --$o is not completed"; return 1; }
		done
		grep -q "Cm $c" "$HERE/../docs/nsxdp.8" || { echo "$c is not in the manual page"; return 1; }
	done < <(nsxdp --help | sed -n 's/^nsxdp \([a-z]* \?[a-z]*\).*/\1/p' | sed 's/ *$//' | grep -vx "j")
	bash -c ". '$LAB_TMP/completion'; COMP_WORDS=(nsxdp map add --al); COMP_CWORD=3; _nsxdp; [ \"\${COMPREPLY[*]}\" = --allow ]"
	bash -c ". '$LAB_TMP/completion'; COMP_WORDS=(nsxdp -j --wait 3 ns rm a --f); COMP_CWORD=7; _nsxdp; [ \"\${COMPREPLY[*]}\" = --force ]"
	bash -c ". '$LAB_TMP/completion'; COMP_WORDS=(nsxdp --wait = 3 map l); COMP_CWORD=5; _nsxdp; [ \"\${COMPREPLY[*]}\" = list ]"
	bash -c ". '$LAB_TMP/completion'; COMP_WORDS=(nsxdp -j ap); COMP_CWORD=2; _nsxdp; [ \"\${COMPREPLY[*]}\" = apply ]"
	bash -c ". '$LAB_TMP/completion'; COMP_WORDS=(nsxdp ns s); COMP_CWORD=2; _nsxdp; [ \"\${COMPREPLY[*]}\" = 'set show' ]"
}

run_tests "$@"
