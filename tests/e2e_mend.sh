#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What others and dead commands leave: found, named and mended.
#
#   e2e_mend.sh [WORD]...
T_GROUP=mend
. "$(dirname "$0")/harness.sh"
. "$(dirname "$0")/config_lab.sh"

# --- the lock, and what is left by others

t_40_who_holds_the_lock_is_named() {
	begin
	local pins
	pins=$(nsxdp status -j | python3 -c 'import json,sys; print(json.load(sys.stdin)["pins"])')
	flock "$pins" sleep 30 &
	local holder=$!
	eventually 5 not flock -n "$pins" true
	# Whatever happens, it ends.
	( sleep 20; kill -KILL $holder || true ) > /dev/null 2>&1 &
	local watchdog=$!
	kill -STOP $holder
	# Readers do not wait.
	timeout $((2 * SLOW)) nsenter --net="/run/netns/$(lab_ns host)" "$NSXDP" ns list | grep -q "^$NS1"
	refuse 1 "the instance is being changed by process" on host "$NSXDP" --wait 0 map add 7000 "$NS1:1"
	refuse 1 "process $holder (stopped)" on host "$NSXDP" --wait 1 ns add "$NS3"
	kill $watchdog
	kill -CONT $holder
	kill $holder
	wait $holder || true
	finish
}

another_instance() { # NAME: in a network namespace of its own
	ip netns add "$1"
	ip -n "$1" link add ens5 type veth peer name peer
	ip -n "$1" addr add 203.0.113.1/24 dev ens5
	ip -n "$1" link set ens5 up
	nsenter --net="/run/netns/$1" "$NSXDP" up --dev ens5 --mode tc
}

# A live instance is none, whoever keeps its network namespace.
t_41b_what_lives_is_no_orphan() {
	local name
	name=$(lab_ns kept)
	another_instance "$name"
	exec 9< "/run/netns/$name"
	ip netns del "$name"
	begin
	nsxdp down --orphans
	nsenter --net=/proc/self/fd/9 "$NSXDP" status > /dev/null
	nsenter --net=/proc/self/fd/9 "$NSXDP" down
	exec 9<&-
	finish
}

# Kept by a thread that is not the first of its process, and by a mount that others have; the uplink is
# gone, so nothing else tells that it is there.
is_removed() { nsxdp down --orphans; ! test -d "$1"; }

t_41c_a_thread_or_a_mount_keeps_it() {
	local name keeper how pins
	begin
	for how in thread mount; do
		name=$(lab_ns "kept$how")
		another_instance "$name"
		pins=$(nsenter --net="/run/netns/$name" "$NSXDP" -j status | python3 -c 'import json,sys; print(json.load(sys.stdin)["pins"])')
		if [ $how = thread ]; then
			$PY in_a_thread "/run/netns/$name" "$LAB_TMP/$how" &
		else
			touch "$LAB_TMP/nsfs"
			unshare -m --propagation private sh -c "mount --bind /run/netns/$name $LAB_TMP/nsfs; touch $LAB_TMP/$how; exec sleep 60" &
		fi
		keeper=$!
		eventually 5 test -e "$LAB_TMP/$how"
		ip -n "$name" link del ens5
		ip netns del "$name"
		nsxdp down --orphans
		test -d "$pins"
		kill $keeper
		wait $keeper || true
		# The kernel takes its time to let go of a network namespace.
		eventually 10 is_removed "$pins"
	done
	finish
}

t_41_orphans() {
	local name
	name=$(lab_ns orphan)
	another_instance "$name"
	local pins
	pins=$(nsenter --net="/run/netns/$name" "$NSXDP" -j status | python3 -c 'import json,sys; print(json.load(sys.stdin)["pins"])')
	begin
	# Those of others that ended badly.
	nsxdp down --orphans
	nsxdp status -j | python3 -c 'import json,sys; sys.exit(json.load(sys.stdin)["orphans"])'
	ip netns del "$name"
	eventually 5 bash -c "nsenter --net=/run/netns/$(lab_ns host) $NSXDP status | grep -q '^orphans *1 '"
	nsxdp down --orphans
	[ ! -e "$pins" ]
	reached 6000
	nsxdp status | not grep -q ^orphans
	finish
}

# SEVERITY: what doctor says of it
findings() {
	local rc=0
	nsxdp -j doctor > "$LAB_TMP/doctor.json" || rc=$?
	[ $rc -le 1 ]
	python3 - "$LAB_TMP/doctor.json" "$1" <<-'END'
	import json, sys
	for row in json.load(open(sys.argv[1])):
	    if row["severity"] == sys.argv[2]:
	        print(row["object"] + ": " + row["finding"])
	END
}

t_45_doctor() {
	local range pins
	nsxdp down
	nsxdp doctor | grep -q "not up in this network namespace"
	begin
	nsxdp doctor > "$LAB_TMP/doctor" || { cat "$LAB_TMP/doctor"; return 1; }
	findings broken > "$LAB_TMP/broken"
	[ ! -s "$LAB_TMP/broken" ]
	on host ip link set nsx.fib down
	range=$(on host sysctl -n net.ipv4.ip_local_port_range)
	on host sysctl -qw net.ipv4.ip_local_port_range="40000 60999"
	on host ip link del "$(nsxdp ns show "$NS1" | awk '$1 == "host_if" { print $2 }')"
	on host iptables -P INPUT DROP
	refuse 1 "nsxdp up" nsxdp doctor
	findings broken | grep -q "instance: fragments of namespaces are lost"
	findings broken | grep -q "instance: ip_local_port_range is 40000-60999 now"
	findings broken | grep -q "$NS1: its link nsx-$NS1 was deleted"
	findings note | grep -q "firewall: table filter, chain INPUT has policy drop"
	[ "$(findings broken | wc -l)" = 3 ]
	on host iptables -P INPUT ACCEPT
	on host ip6tables -P INPUT DROP	# which is about other packets
	on host sysctl -qw net.ipv4.ip_local_port_range="$range"
	nsxdp up --dev ens5
	findings broken > "$LAB_TMP/broken"
	[ ! -s "$LAB_TMP/broken" ]
	findings note > "$LAB_TMP/note"
	not grep firewall "$LAB_TMP/note"
	# What a running command has done by half is not broken.
	pins=$(nsxdp -j status | python3 -c 'import json,sys; print(json.load(sys.stdin)["pins"])')
	flock "$pins" sleep 3 &
	eventually 2 bash -c "nsenter --net=/run/netns/$(lab_ns host) $NSXDP doctor | grep -q 'a command is changing it'"
	wait $!
	finish
}

t_46_a_renamed_link_is_secured_too() {
	local link key
	begin
	link=$(nsxdp ns show "$NS1" | awk '$1 == "host_if" { print $2 }')
	on host ip link set "$link" down
	on host ip link set "$link" name other
	on host ip link set other up
	# A link of somebody else's has the name now.
	on host ip link add "$link" type veth peer name bare
	for key in "$link" other; do
		on host sysctl -qw "net/ipv6/conf/$key/forwarding=1" "net/ipv4/conf/$key/rp_filter=0"
	done
	findings broken | grep -q "$NS1: sysctls of its link"
	nsxdp up --dev ens5
	[ "$(on host sysctl -n net/ipv6/conf/other/forwarding net/ipv4/conf/other/rp_filter | tr -d '\n')" = 01 ]
	[ "$(on host sysctl -n "net/ipv6/conf/$link/forwarding" "net/ipv4/conf/$link/rp_filter" | tr -d '\n')" = 10 ]
	findings broken | not grep .
	on host ip link del "$link"
	finish
}

# What is in the place of a namespace that was deleted is not one, and not nsxdp's.
t_47_a_link_that_leads_nowhere() {
	begin
	ip netns del "$NS2"
	ln -s "$NS2" "/run/netns/$NS2"
	nsxdp ns list | grep -q "^$NS2 .*gone"
	refuse 1 "somebody has deleted the namespace" nsxdp map add 6100 "$NS2:80"
	refuse 0 "leads nowhere" nsxdp ns del "$NS2" --force
	[ -L "/run/netns/$NS2" ]
	rm "/run/netns/$NS2"
	finish
}

t_42_an_uplink_has_another_name() {
	begin
	on host ip link set ens5 down
	on host ip link set ens5 name ens9
	on host ip link set ens9 up
	on host ip route replace default via 203.0.113.10
	refuse 1 "there is no interface ens5" nsxdp up --dev ens5
	refuse 1 "already up on ens5" nsxdp up --dev ens9
	nsxdp up --dev ens9 --replace-dev ens5=ens9
	nsxdp export | grep -q "^up --dev ens9"
	reached 6000
	[ "$(on ns1 $PY half_close $INET 7)" = $HOST ]
	on host ip link set ens9 down
	on host ip link set ens9 name ens5
	on host ip link set ens5 up
	on host ip route replace default via 203.0.113.10
	nsxdp up --dev ens5 --replace-dev ens9=ens5
	reached 6000
	finish
}

# The way back of ports that lead to the same endpoints: whichever is left answers.
t_43_second_ranges_to_the_same_ports() {
	begin
	nsxdp map add 20000-20999 "$NS1:8080"
	nsxdp map add 30000-30999 "$NS1:8080"
	nsxdp map add 30999-31000 "$NS1:8080" && return 1
	reached 20000
	reached 30000
	nsxdp map del 20000-20999
	on host "$(dirname "$NSXDP")/check"
	reached 30000
	reached 6000
	nsxdp map del 6000
	reached 30000
	nsxdp map del 30000-30999
	on host "$(dirname "$NSXDP")/check"
	finish
}

# Others delete a link and give its index to a device of theirs.
sysctls_of() { on host sysctl -a 2> /dev/null | grep "[.]conf[.]$1[.]"; }
is_untouched() { # DEVICE
	on host tc qdisc show dev "$1" | not grep -e clsact -e ingress
	sysctls_of "$1" | diff "$LAB_TMP/sysctls" -
}
index_of() { on host ip -o link show "$1" | cut -d: -f1; }
takes_the_index() { # LINK DEVICE
	local index
	index=$(index_of "$1")
	on host ip link del "$1"
	on host ip link add "$2" index "$index" type veth peer name "$2.peer"
	on host ip link set "$2" up
	sysctls_of "$2" > "$LAB_TMP/sysctls"
}

t_48_another_device_has_a_links_index() {
	local link
	begin
	link=$(nsxdp ns show "$NS1" | awk '$1 == "host_if" { print $2 }')
	takes_the_index "$link" foreign
	nsxdp ns list | grep -q "^$NS1 .*gone"
	findings broken | grep -q "$NS1: its link $link was deleted"
	refuse 1 "somebody has deleted the namespace" nsxdp map add 6100 "$NS1:80"
	refuse 0 "$NS1: somebody deleted its link" nsxdp up --dev ens5
	is_untouched foreign
	reached 6000
	findings broken | not grep .
	on host ip link del foreign
	# One that was adopted is not made again.
	ip netns add "$NS3"
	on host ip link add veth0 type veth peer name veth1 netns "$NS3"
	on host ip addr add 192.168.5.1/24 dev veth0
	on host ip link set veth0 up
	on ns3 ip addr add 192.168.5.2/24 dev veth1
	on ns3 ip link set veth1 up
	nsxdp ns adopt "$NS3"
	takes_the_index veth0 foreign
	nsxdp ns list | grep -q "^$NS3 .*gone"
	nsxdp up --dev ens5
	is_untouched foreign
	nsxdp ns del "$NS3"
	is_untouched foreign
	ip netns del "$NS3"
	on host ip link del foreign
	finish
}

# The far end of one that was adopted leads elsewhere now: it is released all the same.
t_48b_a_far_end_that_has_moved() {
	begin
	ip netns add "$NS3"
	ip netns add "x$NS3"
	at_end ip netns del "x$NS3"
	on host ip link add veth0 type veth peer name veth1 netns "$NS3"
	on host ip addr add 192.168.5.1/24 dev veth0
	on host ip link set veth0 up
	on ns3 ip addr add 192.168.5.2/24 dev veth1
	on ns3 ip link set veth1 up
	sysctls_of veth0 > "$LAB_TMP/sysctls"
	nsxdp ns adopt "$NS3"
	on ns3 ip link set veth1 netns "x$NS3"
	nsxdp ns list | grep -q "^$NS3 .*gone"
	nsxdp ns del "$NS3"
	is_untouched veth0
	on host ip link del veth0
	ip netns del "$NS3"
	finish
}

# One link that cannot be mended stops neither the others nor what comes after it.
t_49_one_that_cannot_be_mended() {
	begin
	on host tc filter del dev "nsx-$NS1" egress pref 2
	on host tc filter add dev "nsx-$NS1" egress pref 2 protocol ip bpf bytecode '1,6 0 0 4294967295,'
	on host tc filter del dev "nsx-$NS2" egress pref 2
	refuse 1 "nsx-$NS1 has a filter of another kind or protocol at priority 2" \
		nsxdp up --dev ens5 --attach block --timeout udp=77
	nsxdp export | grep '^up ' | grep -e '--attach block' | grep -q -e '--timeout udp=77'
	nsxdp ns list | grep -q "^$NS1 .*detached"
	nsxdp ns list | grep -q "^$NS2 .*ready"
	refuse 1 "at priority 2" nsxdp ns set "$NS1" --max-flows 50
	on host tc filter del dev "nsx-$NS1" egress pref 2
	nsxdp up --dev ens5
	nsxdp ns list | grep -q "^$NS1 .*ready"
	# And one whose qdisc is not for filters of its own.
	on host tc qdisc del dev "nsx-$NS1" clsact
	on host tc qdisc add dev "nsx-$NS1" ingress_block 4711 clsact
	refuse 1 "the clsact qdisc of nsx-$NS1 is bound to a shared block" nsxdp up --dev ens5
	on host tc qdisc del dev "nsx-$NS1" clsact
	nsxdp up --dev ens5
	findings broken | not grep .
	finish
}

# A device of others that has the name of the link to the kernel's reassembly keeps its sysctls.
t_50b_another_device_has_the_name() {
	begin
	on host ip link del nsx.fib
	on host ip link add nsx.fib type veth peer name nsx.peer
	on host sysctl -qw net.ipv4.conf.nsx/fib.rp_filter=0 net.ipv4.conf.nsx/fib.forwarding=0
	nsxdp map add 6300 "$NS1:80"
	[ "$(on host sysctl -n net.ipv4.conf.nsx/fib.rp_filter net.ipv4.conf.nsx/fib.forwarding | tr -d '\n')" = 00 ]
	nsxdp map del 6300
	nsxdp up --dev ens5
	findings broken | not grep .
	on host ip link del nsx.peer 2> /dev/null || true
	finish
}

# Others take the qdisc of the link to the kernel's reassembly: what comes back from there goes nowhere.
t_50_the_link_to_the_reassembly_is_open() {
	local frags="/usr/bin/python3 $HERE/frags.py" watcher
	begin
	on_bg inet $PY udp_echo_server 17
	eventually 5 on ns1 $frags any_order $INET 17 6000
	on host tc qdisc del dev nsx.fib clsact
	if nsxdp features | grep -q '^tcx links .* yes '; then
		on host bpftool link detach pinned "$(nsxdp -j status | python3 -c 'import json,sys; print(json.load(sys.stdin)["pins"])')/link_$(index_of nsx.fib)"
	fi
	findings broken | grep -q "nsx.fib was set down, or its programs were detached"
	on client timeout 60 tcpdump -lni eth0 net 192.168.0.0/16 > "$LAB_TMP/private" 2> "$LAB_TMP/tcpdump" &
	watcher=$!
	eventually 5 grep -q listening "$LAB_TMP/tcpdump"
	not on ns1 $frags any_order $INET 17 6000
	sleep 0.5
	kill $watcher
	wait $watcher || true
	not grep . "$LAB_TMP/private"
	nsxdp up --dev ens5
	findings broken | not grep .
	on ns1 $frags any_order $INET 17 6000
	finish
}

run_tests "$@"
