#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The command: what it makes, refuses, undoes and leaves behind.
T_GROUP=life
. "$(dirname "$0")/harness.sh"

lab_up
NS1=$(lab_ns ns1) NS2=$(lab_ns ns2) NS3=$(lab_ns ns3)
HOST=203.0.113.1
[ "$(id -u)" = 0 ] || { echo "Bail out! root is needed"; exit 1; }

# The directory of the lab's own instance, whether it is up or not: others may run beside it.
PINS=/sys/fs/bpf/nsxdp/$(on host /usr/bin/python3 -c 'import socket
print(int.from_bytes(socket.socket().getsockopt(socket.SOL_SOCKET, 71, 8), "little"))')

# Everything that nsxdp could leave behind on the lab's host.
snapshot() (
	set +eE
	trap - ERR
	on host ip -o link | sed 's/ qdisc.*//' | cut -d' ' -f2-
	on host ip -4 -o addr | awk '{print $2, $4}'
	on host ip route
	on host tc qdisc | sort
	on host tc filter show dev ens5 ingress
	on host bpftool net 2>/dev/null | sed 's/ id [0-9]*//'
	on host sysctl -a 2>/dev/null | grep -E 'ip_forward|conf.(all|default|ens5)\.|ip_local_port_range|route_localnet|nf_conntrack_max'
	find "$PINS" 2>/dev/null
	ip netns list | awk '{print $1}' | grep -e "-$LAB_ID\$" | sort
	find /etc/netns -name "*$LAB_ID*" 2>/dev/null
	on host iptables-save 2>/dev/null | grep -v '^[#:]'
	true
)

# The kernel takes a namespace's links away a moment after its name.
as_before() { snapshot | diff "$LAB_TMP/before" -; }

no_link() { ! on host ip link show "$1" > /dev/null 2>&1; }

up() { nsxdp up --dev ens5; }

t_01_down_leaves_nothing() {
	snapshot > "$LAB_TMP/before"
	up
	nsxdp ns add "$NS1"
	nsxdp ns add "$NS2" --addr 192.168.1.2/24
	nsxdp map add 6000 "$NS1:8080"
	nsxdp map add -p udp 53 "$NS2:53"
	nsxdp down
	eventually 5 as_before
}

t_02_commands_before_up() {
	refuse 1 "not up" nsxdp ns list
	refuse 1 "not up" nsxdp ns add "$NS1"
	refuse 1 "not up" nsxdp map add 6000 "$NS1:80"
	refuse 1 "not up" nsxdp status
	refuse 0 "not up" nsxdp down
}

t_03_up_refuses_and_changes_nothing() {
	snapshot > "$LAB_TMP/before"
	refuse 1 "no interface nosuch" nsxdp up --dev nosuch
	refuse 1 "not an Ethernet" nsxdp up --dev lo
	refuse 1 "overlaps the host's network 203.0.113.1/24" nsxdp up --dev ens5 --pool 203.0.113.0/25
	refuse 2 "--dev" nsxdp up
	refuse 2 "host bits" nsxdp up --dev ens5 --pool 10.0.0.1/24
	on host sysctl -qw net.ipv4.ip_local_port_range="1024 65535"
	refuse 1 "ip_local_port_range" nsxdp up --dev ens5
	on host sysctl -qw net.ipv4.ip_local_port_range="32768 60999"
	eventually 5 as_before
}

t_04_up_is_idempotent() {
	up
	up
	nsxdp up --dev ens5 --pool 192.168.0.0/16
	refuse 1 "already up on ens5" nsxdp up --dev lo
	refuse 1 "already up with pool 192.168.0.0/16" nsxdp up --dev ens5 --pool 10.0.0.0/8
}

# What the seed makes by hand.
t_05_ns_add_makes_what_the_seed_makes() {
	nsxdp ns add "$NS1"
	ip netns list | grep -q "^$NS1"
	ip netns exec "$NS1" true
	on ns1 ip -o link show lo | grep -q LOWER_UP
	on ns1 ip -o -4 addr show eth0 | grep -q '192.168.0.2/30'
	on ns1 ip -o link show eth0 | grep -q 'mtu 1500 .*state UP'
	on ns1 ip route | grep -q '^default via 192.168.0.1 dev eth0'
	on ns1 ip neigh show 192.168.0.1 | grep -q PERMANENT
	on host ip neigh show 192.168.0.2 | grep -q PERMANENT
	on host ip -o -4 addr show | grep -q '192.168.0.1/30'
	on ns1 ping -c1 -W2 127.0.0.1
	grep -q nameserver "/etc/netns/$NS1/resolv.conf"
	not grep -q 127.0.0.53 "/etc/netns/$NS1/resolv.conf"
	read -r lo hi < <(on ns1 cat /proc/sys/net/ipv4/ip_local_port_range)
	[ "$lo" -ge 1024 ]
	[ "$hi" -lt 32768 ]
	[ "$lo" -lt "$hi" ]
}

t_06_ns_add_with_the_seeds_addresses() {
	nsxdp ns add "$NS2" --addr 192.168.1.2/24 --dns 198.51.100.53
	on ns2 ip -o -4 addr show eth0 | grep -q '192.168.1.2/24'
	on ns2 ip route | grep -q '^default via 192.168.1.1 '
	[ "$(cat "/etc/netns/$NS2/resolv.conf")" = "nameserver 198.51.100.53" ]
	on ns2 ping -c1 -W2 192.168.1.1
}

t_07_ns_add_is_idempotent_and_refuses() {
	nsxdp ns add "$NS1"
	nsxdp ns add "$NS2" --addr 192.168.1.2/24
	refuse 1 "exists with address 192.168.0.2/30" nsxdp ns add "$NS1" --addr 192.168.7.2/24
	refuse 1 "overlaps the network of namespace $NS2" nsxdp ns add "$NS3" --addr 192.168.1.77/24
	refuse 1 "not in the pool" nsxdp ns add "$NS3" --addr 10.0.0.2/24
	refuse 2 "a/b" nsxdp ns add a/b
	refuse 2 "missing" nsxdp ns add
	ip netns add "$NS3"
	refuse 1 "ns adopt" nsxdp ns add "$NS3"
	refuse 1 "ip netns del" nsxdp ns del "$NS3"
	ip netns del "$NS3"
	[ "$(nsxdp -j ns list | grep -c '"name"')" = 2 ]
}

t_08_next_namespace_takes_the_next_block() {
	nsxdp ns add "$NS3"
	on ns3 ip -o -4 addr show eth0 | grep -q '192.168.0.6/30'
	nsxdp ns del "$NS3"
	ip netns list | not grep -q "^$NS3"
	[ ! -e "/etc/netns/$NS3" ]
	refuse 0 "no such namespace" nsxdp ns del "$NS3"
}

t_09_map_add_refuses() {
	# The error names the port, whatever is before it.
	for option in --ipv4 "-p tcp" "--rate 5/s"; do
		refuse 1 "nsxdp: map add 6000: " nsxdp map add $option 6000 nosuch:80
	done
	nsxdp map add 6000 "$NS1:8080"
	nsxdp map add 6000 "$NS1:8080"
	refuse 1 "map add 6000: port is taken by $NS1:8080" nsxdp map add 6000 "$NS2:8080"
	refuse 1 "no namespace 'nosuch'" nsxdp map add 6001 nosuch:80
	refuse 2 "70000" nsxdp map add 70000 "$NS1:80"
	refuse 2 "not NAMESPACE:PORT" nsxdp map add 6001 "$NS1"
	refuse 2 "tcp or udp" nsxdp map add -p icmp 6001 "$NS1:80"
	nsxdp map add -p udp 6000 "$NS2:8080"
	[ "$(nsxdp -j map list | grep -c '"port"')" = 2 ]
	nsxdp map del -p udp 6000
	refuse 0 "not published" nsxdp map del -p udp 6000
}

t_28_ranges_are_one() {
	up
	nsxdp ns add "$NS1"
	nsxdp ns add "$NS2"
	nsxdp map add 20000-29999 "$NS1:20000"
	nsxdp map add 20000-29999 "$NS1:20000"
	nsxdp map list | grep -q "20000-29999  tcp .*$NS1 .*20000-29999"
	[ "$(nsxdp map list -j | grep -c '"port"')" = "$(nsxdp status -j | python3 -c 'import json,sys; print(json.load(sys.stdin)["published_ports"])')" ]
	refuse 1 "map add 25000: port is taken by $NS1:25000, published as 20000-29999/tcp" nsxdp map add 25000 "$NS2:1"
	refuse 1 "port 25000 is taken by $NS1:25000" nsxdp map add 25000-31000 "$NS2:1"
	refuse 1 "published as 20000-29999/tcp" nsxdp map add 20000-29999 "$NS1:30000"
	refuse 1 "map del 20000: what is published is 20000-29999/tcp, as one" nsxdp map del 20000
	refuse 1 "as one" nsxdp map del 15000-20000
	refuse 2 "does not fit" nsxdp map add 30000-40000 "$NS1:60000"
	refuse 2 "nor a range" nsxdp map add 40000-30000 "$NS1:1"
	nsxdp map list | grep -q "20000-29999"
	on_bg host python3 -m http.server 30500
	lab_listening host 30500
	refuse 1 "port 30500 is taken by the host itself: python3, process" nsxdp map add 30000-30999 "$NS1:1"
	lab_kill
	refuse 1 "20000-29999/tcp" nsxdp ns del "$NS1"
	nsxdp map add -p udp 1-65535 "$NS1:1"
	nsxdp map del -p udp 1-65535
	nsxdp map del 20000-29999
	nsxdp map list | not grep 20000
	nsxdp down
}

t_29_links_follow_the_uplinks_mtu() {
	up
	nsxdp ns add "$NS1"
	on host ip link set ens5 mtu 9001
	up
	on ns1 ip link show eth0 | grep -q 'mtu 9001'
	on host ip link show "nsx-$NS1" 2>/dev/null | grep -q 'mtu 9001' || on host ip -o link | grep 'nsx' | grep -q 'mtu 9001'
	nsxdp ns add "$NS2"
	on ns2 ip link show eth0 | grep -q 'mtu 9001'
	on host ip link set ens5 mtu 1500
	on ns2 ip link set eth0 mtu 1400
	up
	on ns1 ip link show eth0 | grep -q 'mtu 1500'
	nsxdp down
}

# XDP on a veth has each frame in a page.
t_29f_links_with_xdp_take_no_large_frames() {
	nsxdp up --dev ens5 --mode xdp
	nsxdp ns add "$NS1" --datapath xdp
	nsxdp ns add "$NS2"
	on host ip link set ens5 mtu 9000
	for n in 1 2; do	# it is not taken for done
		refuse 0 "$NS1: the MTU of its link cannot be 9000, as the uplink's is: Invalid argument; with --datapath xdp the MTU is 3498" \
			nsxdp up --dev ens5
	done
	on ns1 ip link show eth0 | grep -q 'mtu 1500'
	on host ip link show "nsx-$NS1" | grep -q 'mtu 1500'
	on ns2 ip link show eth0 | grep -q 'mtu 9000'
	# Back again; and a tenant's name for its end is no obstacle.
	on host ip link set ens5 mtu 1500
	on ns2 ip link set eth0 down
	on ns2 ip link set eth0 name other
	on ns2 ip link set other up
	nsxdp up --dev ens5
	on ns2 ip link show other | grep -q 'mtu 1500'
	on host ip link show "nsx-$NS2" | grep -q 'mtu 1500'
	on host ip link set ens5 mtu 9000
	refuse 0 "the MTU of its link" nsxdp up --dev ens5
	refuse 1 "with --datapath xdp the MTU is 3498 at most" nsxdp ns add "$NS3" --datapath xdp
	not ip netns exec "$NS3" true
	nsxdp ns set "$NS1" --datapath tc
	nsxdp up --dev ens5
	on ns1 ip link show eth0 | grep -q 'mtu 9000'
	refuse 1 "with --datapath xdp the MTU is 3498 at most" nsxdp ns set "$NS1" --datapath xdp
	on host ip link set ens5 mtu 1500
	nsxdp up --dev ens5
	nsxdp ns set "$NS1" --datapath xdp
	nsxdp down
}

# A link that was set down forgets its neighbours; "up" again sets them.
t_29b_neighbours_are_set_again() {
	local dev
	up
	nsxdp ns add "$NS1"
	dev=$(nsxdp ns list | awk '$1 == "'"$NS1"'" { print $4 }')
	on host ip link set "$dev" down
	on host ip link set "$dev" up
	[ -z "$(on host ip neigh show 192.168.0.2 nud permanent)" ]
	up
	on host ip neigh show 192.168.0.2 | grep -q PERMANENT
	on ns1 ip neigh show 192.168.0.1 | grep -q PERMANENT
	# And what the namespace has lost with its own end.
	on ns1 ip link set eth0 down
	on ns1 ip link set eth0 up
	on ns1 ip route show default | not grep -q .
	nsxdp doctor | grep "broken *$NS1 *it has no IPv4 default route inside"
	up
	nsxdp doctor | not grep "$NS1"
	on ns1 ip route show default | grep -q "via 192.168.0.1 "
	on ns1 ip neigh show 192.168.0.1 | grep -q PERMANENT
	nsxdp down
}

# Where it is in doubt what is there, down destroys nothing; nor does a command touch what another
# version has made.
t_02b_down_does_not_destroy_on_doubt() {
	up
	nsxdp ns add "$NS1"
	mv "$PINS/nsx_counts" "$PINS/away"
	refuse 1 "cannot open $PINS/nsx_counts" nsxdp down
	mv "$PINS/away" "$PINS/nsx_counts"
	mv "$PINS/nsx_conf" "$PINS/away"
	bpftool map create "$PINS/nsx_conf" type array key 4 value 8 entries 1 name other
	refuse 1 "made by another version" nsxdp down
	refuse 1 "made by another version" nsxdp map add 6000 "$NS1:80"
	refuse 1 "made by another version" nsxdp up --dev ens5
	mv -f "$PINS/away" "$PINS/nsx_conf"
	on ns1 ping -c1 -W2 203.0.113.10
	nsxdp down
	[ ! -e "$PINS" ]
}

t_31_several_uplinks() {
	ip netns add "$(lab_ns far)"
	on far ip link set lo up
	lab_link far eth0 192.0.2.10/24 host ens6 192.0.2.1/24
	on_bg far $PY tcp_echo_server 7
	on_bg inet $PY tcp_echo_server 7
	refuse 2 "given twice" nsxdp up --dev ens5 --dev ens5
	refuse 1 "no interface nosuch" nsxdp up --dev ens5 --dev nosuch
	nsxdp up --dev ens5 --dev ens6
	nsxdp up --dev ens5 --dev ens6
	refuse 1 "already up on ens5 and others" nsxdp up --dev ens5
	nsxdp status | grep -q '^addresses *203.0.113.1, 192.0.2.1'
	nsxdp ns add "$NS1"
	nsxdp map add 6000 "$NS1:8080"
	on_bg ns1 $PY tcp_echo_server 8080
	lab_listening ns1 8080
	lab_listening far 7
	lab_listening inet 7
	# Each is answered by where it came in, from the address that it asked.
	[ "$(on client $PY half_close 203.0.113.1 6000)" = 203.0.113.10 ]
	[ "$(on far $PY half_close 192.0.2.1 6000)" = 192.0.2.10 ]
	# Each way out has the address of its uplink.
	[ "$(on ns1 $PY half_close 192.0.2.10 7)" = 192.0.2.1 ]
	[ "$(on ns1 $PY half_close 198.51.100.8 7)" = 203.0.113.1 ]
	lab_kill
	nsxdp down
	on host ip link del ens6
	ip netns del "$(lab_ns far)"
	[ ! -e "$PINS" ]
}

# Two thousand flows want fifteen hundred ports.
t_32_exhausted_ports_are_answered_by_name() {
	local range
	range=$(on host cat /proc/sys/net/ipv4/ip_local_port_range)
	on host sysctl -qw net.ipv4.ip_local_port_range="1024 64000"
	on_bg inet $PY udp_echo_server 7
	up
	nsxdp ns add "$NS1"
	nsxdp ns add "$NS2"
	on ns1 $PY udp_open 198.51.100.8 7 20000 2000 > "$LAB_TMP/open"
	cat "$LAB_TMP/open"
	[ "$(awk '{ print $2 }' "$LAB_TMP/open")" -gt 1000 ]
	[ "$(awk '{ print $4 }' "$LAB_TMP/open")" -gt 100 ]
	nsxdp status | grep -q 'reject-no-port '
	# What was answered is never thrown out for newer flows; towards another remote the same
	# ports serve.
	on_bg inet $PY udp_echo_server 8
	sleep 3.5
	on ns2 $PY udp_open 198.51.100.8 7 30000 50 > "$LAB_TMP/open"
	cat "$LAB_TMP/open"
	grep -q 'answered 0 refused 50' "$LAB_TMP/open"
	on ns2 $PY udp_open 198.51.100.8 8 30000 50 > "$LAB_TMP/open"
	cat "$LAB_TMP/open"
	[ "$(awk '{ print $2 }' "$LAB_TMP/open")" = 50 ]
	lab_kill
	nsxdp down
	on host sysctl -qw net.ipv4.ip_local_port_range="$range"
}

t_33_without_control_groups_everything_else_works() {
	local said
	said=$(nsenter --net="/run/netns/$(lab_ns host)" unshare -m sh -c \
		"awk '\$3 == \"cgroup2\" { print \$2 }' /proc/self/mounts | xargs -r umount -l; $NSXDP up --dev ens5" 2>&1)
	echo "$said"
	[[ $said == *"control groups of version 2 are not mounted"* ]]
	nsxdp ns add "$NS1"
	nsxdp map add 6000 "$NS1:8080"
	on_bg ns1 $PY tcp_echo_server 8080
	lab_listening ns1 8080
	[ "$(on client $PY half_close 203.0.113.1 6000)" = 203.0.113.10 ]
	refuse 1 "refused" on host $PY half_close 127.0.0.1 6000
	nsxdp status | grep -q '^host-local *control groups of version 2 are not mounted'
	lab_kill
	nsxdp down
}

t_30_options_of_a_namespace() {
	up
	nsxdp ns add "$NS1" --nat endpoint-independent --clamp-mss=1200
	nsxdp ns show "$NS1" | grep -q '^filtering *endpoint-independent'
	nsxdp ns show "$NS1" | grep -q '^clamp_mss *1200'
	nsxdp ns add "$NS1" --nat endpoint-independent --clamp-mss=1200
	refuse 1 "exists with filtering endpoint-independent" nsxdp ns add "$NS1" --filtering address-dependent
	refuse 1 "exists with another --clamp-mss" nsxdp ns add "$NS1" --clamp-mss
	refuse 2 "mapping is endpoint-independent, always" nsxdp ns add "$NS2" --nat symmetric
	refuse 2 "--filtering x" nsxdp ns add "$NS2" --filtering x
	refuse 2 "--clamp-mss=20" nsxdp ns add "$NS2" --clamp-mss=20
	nsxdp ns add "$NS2" --clamp-mss --nat endpoint-independent --filtering address-dependent
	nsxdp ns show "$NS2" | grep -q '^filtering *address-dependent'
	nsxdp ns show "$NS2" | grep -q '^clamp_mss *path'
	[ "$(on host cat /proc/sys/net/ipv4/ip_forward)" = 0 ]
	nsxdp down
}

t_10_ns_del_with_published_ports() {
	refuse 1 "6000/tcp" nsxdp ns del "$NS1"
	ip netns list | grep -q "^$NS1"
	nsxdp ns del "$NS1" --force
	[ "$(nsxdp -j map list)" = "[]" ]
	nsxdp ns add "$NS1"
	on ns1 ip -o -4 addr show eth0 | grep -q '192.168.0.2/30'
	[ "$(nsxdp -j map list)" = "[]" ]
}

t_11_json_is_json() {
	nsxdp map add 6000 "$NS1:8080"
	for c in "ns list" "map list" "flow list" "status" "ns show $NS1"; do
		nsxdp $c -j | python3 -m json.tool > /dev/null
		nsxdp -j $c | python3 -m json.tool > /dev/null
	done
	nsxdp ns show "$NS1" -j | grep -q '"port": 6000'
}

t_12_help_and_version() {
	refuse 0 "nsxdp up --dev DEV" nsxdp --help
	refuse 0 "nsxdp map add" nsxdp map --help
	for c in up down "ns add" "ns adopt" "ns del" "ns list" "ns show" "ns exec" "map add" "map del" "map list" \
		"flow list" status; do
		refuse 0 "nsxdp $c" nsxdp $c --help
	done
	refuse 0 "nsxdp " nsxdp --version
	refuse 2 "unknown command 'frob'" nsxdp frob
	refuse 2 "unknown command 'frob'" nsxdp ns frob
	refuse 2 "unknown option '--frob'" nsxdp --frob
	refuse 2 "unknown argument" nsxdp ns list frob
	refuse 2 "COMMAND" nsxdp
	refuse 0 "nsxdp ns add NAME" nsxdp help ns add
	refuse 2 "unknown command 'frob'" nsxdp help frob
	refuse 2 "unknown command 'ns frob'" nsxdp help ns frob
}

t_12b_options() {
	refuse 2 "--addr is given twice" nsxdp ns add a --addr 192.168.9.2/30 --addr=192.168.9.6/30
	refuse 2 "-p is given twice" nsxdp map add -p tcp 1 a:1 -p udp
	refuse 2 "--clamp-mss is given twice" nsxdp ns add a --clamp-mss --clamp-mss=1000
	refuse 2 "--addr frob: not ADDRESS/LENGTH" nsxdp ns add a --addr=frob
	refuse 2 "not a name for a namespace" nsxdp ns add a=b
	refuse 2 "not a name for a namespace" nsxdp ns add a%b
	refuse 2 "hosts cannot have these addresses" nsxdp up --dev ens5 --pool 127.0.0.0/8
	refuse 2 "hosts cannot have these addresses" nsxdp up --dev ens5 --pool=224.0.0.0/8
	refuse 2 "hosts cannot have these addresses" nsxdp up --dev ens5 --pool 0.0.0.0/8
	[ "$(nsxdp ns list --json)" = "$(nsxdp -j ns list)" ]
}

t_13_exec() {
	[ "$(nsxdp ns exec "$NS1" -- ip -o -4 addr show eth0 | grep -o '192.168.0.2')" = 192.168.0.2 ]
	[ "$(nsxdp ns exec "$NS1" cat /etc/resolv.conf)" = "$(cat "/etc/netns/$NS1/resolv.conf")" ]
	nsxdp ns exec "$NS1" -- ls /sys/class/net/eth0
	refuse 7 "" nsxdp ns exec "$NS1" -- sh -c 'exit 7'
	refuse 143 "" nsxdp ns exec "$NS1" -- sh -c 'kill -TERM $$'
	[ "$(nsxdp ns exec "$NS1" --user nobody -- id -un)" = nobody ]
	[ "$(nsxdp ns exec "$NS1" --user=nobody -- id -un)" = nobody ]
	[ "$(nsxdp ns exec "$NS1" --user 1234:5678 -- sh -c 'echo $(id -u) $(id -G) $HOME')" = "1234 5678 /" ]
	[ "$(nsxdp ns exec "$NS1" --user nobody -- sh -c 'echo $USER $HOME')" = "nobody /nonexistent" ]
	nsxdp ns exec "$NS1" --user nobody -- cat /proc/self/status > "$LAB_TMP/status"
	grep -q '^NoNewPrivs:.1' "$LAB_TMP/status"
	grep -q '^CapBnd:.0*$' "$LAB_TMP/status"
	grep -q '^CapEff:.0*$' "$LAB_TMP/status"
	[ "$(nsxdp ns exec "$NS1" --user nobody -- ls /proc/self/fd 5< /etc/passwd | wc -l)" = 4 ]
	# Who it is, the host says, not the namespace's own files.
	echo 'nobody:x:0:0::/:/bin/sh' > "/etc/netns/$NS1/passwd"
	[ "$(nsxdp ns exec "$NS1" --user nobody -- id -u)" = 65534 ]
	rm "/etc/netns/$NS1/passwd"
	refuse 1 "there is no user" nsxdp ns exec "$NS1" --user no-such-user -- true
	[ "$(nsxdp ns exec "$NS1" -- printf '%s|' a 'b c' -- -j --help)" = 'a|b c|--|-j|--help|' ]
	refuse 1 "no such namespace" nsxdp ns exec nosuch -- true
	refuse 1 "no user 'nosuch'" nsxdp ns exec "$NS1" --user nosuch -- true
	refuse 127 "cannot run" nsxdp ns exec "$NS1" -- /no/such/program
	refuse 2 "missing" nsxdp ns exec "$NS1"
	nsenter --net="/run/netns/$(lab_ns host)" "$NSXDP" ns exec "$NS1" -- sleep 30 &
	local pid=$!
	sleep 0.3
	kill -INT $pid 2>/dev/null || true
	kill -TERM $pid
	wait $pid && return 1
	[ $? = 143 ]
}

t_14_adopt_without_veth() {
	ip netns add "$NS3"
	on ns3 ip link set lo up
	nsxdp ns adopt "$NS3"
	nsxdp ns adopt "$NS3"
	on ns3 ping -c1 -W2 203.0.113.10
	nsxdp ns del "$NS3"
	ip netns list | grep -q "^$NS3"
	not on ns3 ip link show eth0
	ip netns del "$NS3"
}

t_15_adopt_the_seeds_namespace() {
	ip netns add "$NS3"
	on host ip link add veth0 type veth peer name veth1 netns "$NS3"
	on host ip addr add 192.168.5.1/24 dev veth0
	on host ip link set veth0 up
	on ns3 ip link set lo up
	on ns3 ip addr add 192.168.5.2/24 dev veth1
	on ns3 ip link set veth1 up
	on ns3 ip route add default via 192.168.5.1
	on_bg ns3 $PY tcp_echo_server 8080
	lab_listening ns3 8080
	nsxdp ns adopt "$NS3"
	on ns3 ping -c1 -W2 203.0.113.10
	nsxdp map add 6003 "$NS3:8080"
	[ "$(on client $PY half_close $HOST 6003)" = 203.0.113.10 ]
	nsxdp ns del "$NS3" --force
	on ns3 ip -o -4 addr show veth1 | grep -q 192.168.5.2
	on host ping -c1 -W2 192.168.5.2
	ip netns del "$NS3"
	lab_kill
	eventually 5 no_link veth0
	refuse 1 "no such namespace" nsxdp ns adopt "$NS3"
}

t_16_adopt_refuses_what_it_does_not_understand() {
	ip netns add "$NS3"
	on host ip link add veth0 type veth peer name veth1 netns "$NS3"
	refuse 1 "has no address" nsxdp ns adopt "$NS3"
	on host ip addr add 10.9.0.1/24 dev veth0
	on ns3 ip addr add 10.9.0.2/24 dev veth1
	refuse 1 "not in the pool" nsxdp ns adopt "$NS3"
	nsxdp -j ns list | not grep "$NS3"
	ip netns del "$NS3"
	eventually 5 no_link veth0
}

t_17_namespace_that_others_deleted() {
	nsxdp ns add "$NS3"
	nsxdp map add 6005 "$NS3:80"
	ip netns del "$NS3"
	eventually 5 no_link "nsx-$NS3"
	nsxdp ns list | grep "$NS3" | grep -q gone
	refuse 0 "somebody deleted" nsxdp ns add "$NS3"
	nsxdp ns list | grep "$NS3" | grep -q ready
	nsxdp map list | not grep 6005
	on ns3 ping -c1 -W2 203.0.113.10
	nsxdp ns del "$NS3"
}

t_18_killed_in_the_middle() {
	local i pid
	for i in $(seq 30); do
		nsenter --net="/run/netns/$(lab_ns host)" "$NSXDP" ns add "$NS3" &
		pid=$!
		sleep "0.00$((i % 10))$((i % 7))"
		kill -9 $pid 2>/dev/null || true
		wait $pid 2>/dev/null || true
		nsxdp ns add "$NS3"
		on ns3 ping -c1 -W2 203.0.113.10 > /dev/null
		nsxdp ns del "$NS3"
		ip netns list | not grep "^$NS3"
		not on host ip link show "nsx-$NS3" 2> /dev/null
	done
}

t_19_two_instances_do_not_meet() {
	ip netns add "$(lab_ns other)"
	lab_link client eth2 203.0.114.10/24 other ens5 203.0.114.1/24
	on other "$NSXDP" up --dev ens5
	[ "$(on other "$NSXDP" -j ns list)" = "[]" ]
	on other "$NSXDP" ns add "$(lab_ns twin)"
	on other "$NSXDP" map add 6000 "$(lab_ns twin):80"
	nsxdp ns list | not grep twin
	nsxdp map list | grep "$NS1"
	on twin ping -c1 -W2 203.0.114.10
	on other "$NSXDP" down
	ip netns del "$(lab_ns other)"
	nsxdp ns list | grep -q "$NS1"
	on ns1 ping -c1 -W2 203.0.113.10
}

t_20_commands_wait_for_each_other() {
	local i pids=()
	for i in $(seq 20); do
		nsenter --net="/run/netns/$(lab_ns host)" "$NSXDP" map add $((7000 + i)) "$NS1:$((9000 + i))" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	[ "$(nsxdp -j map list | grep -c '"port"')" = 21 ]
	for i in $(seq 20); do nsxdp map del $((7000 + i)); done
}

# The settings of a link that nsxdp changes, as they are now.
settings_of() { # LINK
	on host sysctl -n net/ipv4/conf/"$1"/{forwarding,rp_filter,accept_redirects,accept_source_route} \
		net/ipv4/conf/"$1"/ignore_routes_with_linkdown \
		net/ipv6/conf/"$1"/{forwarding,accept_ra,accept_redirects} | tr -d '\n'
}

t_21_down_keep_ns() {
	local link before
	link=$(nsxdp ns show "$NS1" | awk '$1 == "host_if" { print $2 }')
	on host ip link add bare type veth
	before=$(settings_of bare)
	on host ip link del bare
	[ "$(settings_of "$link")" = 01001000 ]
	[ "$before" != 01001000 ]
	nsxdp down --keep-ns
	[ "$(settings_of "$link")" = "$before" ]
	ip netns list | grep -q "^$NS1"
	on host ping -c1 -W2 192.168.0.2
	# Its IPv6 was of the instance's own prefix.
	on host ip -6 -o addr show scope global dev "$link" | not grep .
	on ns1 ip -6 -o addr show scope global | not grep .
	on ns1 ip -6 route show default | not grep .
	on host bpftool net show | grep -q nsx && return 1
	up
	nsxdp ns adopt "$NS1"
	on ns1 ping -c1 -W2 203.0.113.10
	nsxdp ns adopt "$NS2"
	nsxdp down
	for n in $NS1 $NS2; do ip netns del "$n"; rm -rf "/etc/netns/$n"; done
	eventually 5 as_before
}

t_22_long_names() {
	local name; name=$(lab_ns "a-rather-long-name-for-a-namespace")
	up
	nsxdp ns add "$name"
	nsxdp map add 6000 "$name:80"
	nsenter --net="/run/netns/$name" ping -c1 -W2 203.0.113.10
	nsxdp down
	eventually 5 as_before
}

t_23_up_killed_in_the_middle() {
	local i pid
	for i in $(seq 10); do
		nsenter --net="/run/netns/$(lab_ns host)" "$NSXDP" up --dev ens5 &
		pid=$!
		sleep "0.0$i"
		kill -9 $pid 2>/dev/null || true
		wait $pid 2>/dev/null || true
		up
		nsxdp down
		eventually 5 as_before
	done
}

t_24_modes() {
	refuse 0 "up: mode tc: ens5 is a virtual device (veth)" nsxdp up --dev ens5
	nsxdp status | grep -q 'mode  *tc: ens5 is a virtual device (veth)'
	nsxdp down
	nsxdp up --dev ens5 --mode xdp
	nsxdp status | grep -q 'mode  *xdp: as asked for'
	on host ip -o link show ens5 | grep -q 'xdp'
	refuse 1 "already up with mode xdp" nsxdp up --dev ens5 --mode tc
	nsxdp up --dev ens5 --mode auto
	nsxdp ns add "$NS1" --datapath xdp
	refuse 1 "exists with datapath xdp" nsxdp ns add "$NS1" --datapath tc
	nsxdp ns add "$NS1"
	nsxdp down
	refuse 2 "--mode fast" nsxdp up --dev ens5 --mode fast
	eventually 5 as_before
}

# Frames beyond a page: veth refuses native XDP.
t_25_xdp_that_the_driver_refuses_falls_back() {
	on client ip link set eth0 mtu 9000
	on host ip link set ens5 mtu 9000
	refuse 0 "mode tc: cannot attach" nsxdp up --dev ens5 --mode xdp
	nsxdp status -j | grep -q 'MTU of 3498'
	refuse 1 "needs XDP on the uplink" nsxdp ns add "$NS1" --datapath xdp
	[ "$(nsxdp -j ns list)" = "[]" ]
	nsxdp ns add "$NS1"
	on ns1 ip -o link show eth0 | grep -q 'mtu 9000'
	on ns1 ping -c1 -W2 -s 8000 203.0.113.10
	nsxdp down
	on client ip link set eth0 mtu 1500
	on host ip link set ens5 mtu 1500
	eventually 5 as_before
}

t_26_map_add_refuses_a_port_that_is_only_bound() {
	nsxdp features | grep -q '^sock_diag for bound TCP sockets .* yes ' ||
		skip "sock_diag for bound TCP sockets"
	up
	nsxdp ns add "$NS1"
	on_bg host $PY bound 6503 "$LAB_TMP/bound"
	eventually 5 test -e "$LAB_TMP/bound"
	refuse 1 "map add 6503: port is taken by the host itself: python3, process" nsxdp map add 6503 "$NS1:80"
	nsxdp down
	lab_kill
}

t_26_map_add_refuses_the_hosts_own_ports() {
	up
	nsxdp ns add "$NS1"
	on_bg host $PY tcp_echo_server 6500
	on_bg host $PY udp_echo_server 6501
	on_bg host /usr/bin/python3 -m http.server -b :: 6502
	lab_listening host 6500
	lab_listening host 6502
	refuse 1 "map add 6500: port is taken by the host itself: python3, process" nsxdp map add 6500 "$NS1:80"
	refuse 1 "map add 6501: port is taken by the host itself: python3, process" nsxdp map add -p udp 6501 "$NS1:80"
	refuse 1 "map add 6502: port is taken by the host itself: python3, process" nsxdp map add 6502 "$NS1:80"
	[ "$(nsxdp -j map list)" = "[]" ]
	nsxdp map add -p udp 6500 "$NS1:80"
	nsxdp map add 6501 "$NS1:80"
	lab_kill
	nsxdp map add 6500 "$NS1:81"
	nsxdp down
	eventually 5 as_before
}

# A namespace with a published server, and a server outside.
publish_one() {
	nsxdp ns add "$NS1"
	nsxdp map add 6000 "$NS1:8080"
	on_bg ns1 $PY tcp_echo_server 8080
	on_bg inet $PY tcp_echo_server 7
	lab_listening ns1 8080
	lab_listening inet 7
}

t_27_up_again_follows_the_addresses() {
	up
	publish_one
	# A second address answers from itself.
	on host ip addr add 203.0.113.5/24 dev ens5
	up
	[ "$(on client $PY half_close 203.0.113.5 6000)" = 203.0.113.10 ]
	[ "$(on client $PY half_close $HOST 6000)" = 203.0.113.10 ]
	# Another first address: what leaves has it, and flows of the lost one are gone.
	[ "$(on ns1 $PY half_close 198.51.100.8 7)" = $HOST ]
	nsxdp flow list | grep -q "$HOST:"
	on host ip addr del $HOST/24 dev ens5
	on host ip addr add 203.0.113.7/24 dev ens5
	on host ip route replace default via 203.0.113.10
	up
	nsxdp flow list | not grep "$HOST:"
	nsxdp status | grep -q '^addresses *203.0.113.7$'
	[ "$(on ns1 $PY half_close 198.51.100.8 7)" = 203.0.113.7 ]
	[ "$(on client $PY half_close 203.0.113.7 6000)" = 203.0.113.10 ]
	nsxdp down
	lab_kill
	on host ip addr flush dev ens5
	on host ip addr add $HOST/24 dev ens5
	on host ip route replace default via 203.0.113.10
	eventually 5 as_before
}

# An ingress qdisc of others is in the place of a clsact.
t_29c_an_ingress_qdisc_is_refused() {
	on host tc qdisc add dev ens5 ingress
	if nsxdp features | grep -q '^tcx links .* yes '; then export NSXDP_TEST_NO_TCX=1; fi
	refuse 1 "ens5 has an ingress qdisc that is not nsxdp's" nsxdp up --dev ens5
	unset NSXDP_TEST_NO_TCX
	on host tc qdisc show dev ens5 | grep -q '^qdisc ingress'
	on host tc qdisc del dev ens5 ingress
	up
	ip netns add "$NS3"
	on host ip link add veth0 type veth peer name veth1 netns "$NS3"
	on host ip addr add 192.168.5.1/24 dev veth0
	on host ip link set veth0 up
	on ns3 ip addr add 192.168.5.2/24 dev veth1
	on ns3 ip link set veth1 up
	on host tc qdisc add dev veth0 ingress
	refuse 1 "veth0 has an ingress qdisc that is not nsxdp's" nsxdp ns adopt "$NS3"
	nsxdp ns list | not grep "$NS3"
	on host tc filter show dev veth0 ingress | not grep bpf
	on host tc qdisc show dev veth0 | grep -q '^qdisc ingress'
	ip netns del "$NS3"
	eventually 5 no_link veth0
	nsxdp down
}

# Others delete what guards an adopted link.
t_29e_a_guard_that_is_lost() {
	up
	ip netns add "$NS3"
	on host ip link add veth0 type veth peer name veth1 netns "$NS3"
	on host ip addr add 192.168.5.1/24 dev veth0
	on host ip link set veth0 up
	on ns3 ip addr add 192.168.5.2/24 dev veth1
	on ns3 ip link set veth1 up
	on host tc qdisc add dev veth0 clsact
	nsxdp ns adopt "$NS3"
	nsxdp ns list | grep "^$NS3 .* ready"
	on host tc filter del dev veth0 egress pref 2
	nsxdp ns list | grep "^$NS3 .* detached"
	nsxdp up --dev ens5
	nsxdp ns list | grep "^$NS3 .* ready"
	on host tc qdisc del dev veth0 clsact
	refuse 1 "was detached" nsxdp doctor
	nsxdp up --dev ens5
	nsxdp ns list | grep "^$NS3 .* ready"
	nsxdp ns del "$NS3"
	on host tc qdisc show dev veth0 | not grep clsact
	ip netns del "$NS3"
	eventually 5 no_link veth0
	nsxdp down
}

offloads() { on ns1 ethtool -k eth0 | grep -E '^(tx-checksumming|tcp-segmentation-offload|generic-receive-offload):'; }

t_29d_the_datapath_of_a_namespace_changes() {
	nsxdp up --dev ens5 --mode xdp
	on client ethtool -K eth0 tx off gro on > /dev/null
	nsxdp ns add "$NS1"
	offloads > "$LAB_TMP/tc"
	nsxdp map add 6000 "$NS1:8080"
	on_bg ns1 $PY tcp_echo_server 8080
	on_bg inet $PY tcp_echo_server 7
	lab_listening ns1 8080
	lab_listening inet 7
	for datapath in xdp tc xdp tc; do
		nsxdp ns set "$NS1" --datapath $datapath
		nsxdp ns list | grep "^$NS1 .* $datapath "
		[ "$(on client $PY half_close $HOST 6000)" = 203.0.113.10 ]
		[ "$(on ns1 $PY half_close 198.51.100.8 7)" = $HOST ]
		[ $datapath = tc ] || offloads > "$LAB_TMP/xdp"
		offloads | diff "$LAB_TMP/$datapath" -
	done
	grep -q '^tx-checksumming: off' "$LAB_TMP/xdp"
	# What others set inside is mended.
	nsxdp ns set "$NS1" --datapath xdp
	on ns1 ethtool -K eth0 tx on > /dev/null
	nsxdp up --dev ens5
	offloads | diff "$LAB_TMP/xdp" -
	nsxdp down
	lab_kill
	on client ethtool -K eth0 tx on gro off > /dev/null
	eventually 5 as_before
}

t_30_a_kernel_that_is_too_old() {
	local number
	for number in 181 187 189 195; do
		NSXDP_TEST_NO_HELPER=$number refuse 1 "this kernel has no bpf_" nsxdp up --dev ens5
	done
	refuse 1 "not up" nsxdp status
	NSXDP_TEST_NO_HELPER=181 nsxdp features | grep -q '^bpf_loop  *5.17  *no  *nsxdp does not run'
}

# What an older kernel lacks is taken away: the other ways serve in its place, and leave nothing
# behind either.
t_30_features_that_are_missing() {
	export NSXDP_TEST_NO_TCX=1 NSXDP_TEST_NO_DEFRAG_LINK=1 NSXDP_TEST_NO_XDP_SKB=1
	nsxdp features | grep -q '^tcx links  *6.6  *no  *programs are filters'
	refuse 0 "up: this kernel lacks tcx links, reassembly for BPF netfilter links" nsxdp up --dev ens5 --mode xdp
	nsxdp status | grep -q '^kernel  *lacks tcx links, reassembly'
	refuse 1 "--link netkit: this kernel has no netkit devices" nsxdp ns add "$NS1" --link netkit
	nsxdp ns list | not grep "$NS1"
	nsxdp status -j | grep -q '"reassembly": *true'
	grep -q " /sys/fs/bpf/nsxdp/[0-9]*/private nsfs " /proc/mounts
	nsxdp ns add "$NS1"
	nsxdp ns add "$NS2" --datapath xdp
	nsxdp map add 6000 "$NS1:8080"
	nsxdp map add 6001 "$NS2:8080"
	on_bg ns1 $PY tcp_echo_server 8080
	on_bg ns2 $PY tcp_echo_server 8080
	lab_listening ns1 8080
	lab_listening ns2 8080
	on client ethtool -K eth0 tx off gro on > /dev/null	# for XDP at the other end
	[ "$(on client $PY half_close $HOST 6000)" = 203.0.113.10 ]
	[ "$(on client $PY half_close $HOST 6001)" = 203.0.113.10 ]
	on client ethtool -K eth0 tx on gro off > /dev/null
	on ns1 ping -c1 -W2 -s 3000 203.0.113.10
	on host ip link show "$(nsxdp ns list | awk -v n="$NS2" '$1 == n { print $4 }')" | grep -q 'prog/xdp'
	on ns2 ethtool -k eth0 | grep -q 'tx-vlan-offload: off'
	up
	nsxdp ns del --force "$NS2"
	nsxdp down
	unset NSXDP_TEST_NO_TCX NSXDP_TEST_NO_DEFRAG_LINK NSXDP_TEST_NO_XDP_SKB
	not grep -q "bpf/nsxdp" /proc/mounts
	lab_kill
	eventually 5 as_before
}

# The next hop is found anew, which takes a moment.
serves() {
	[ "$(on client $PY half_close $HOST 6000)" = 203.0.113.10 ]
	[ "$(on ns1 $PY half_close 198.51.100.8 7)" = $HOST ]
}

# The uplink's device was made again, or others took the programs off it.
mends_the_uplink() { # UP-OPTIONS...
	local pin
	nsxdp up --dev ens5 "$@"
	publish_one
	eventually 5 serves
	on host ip link del ens5
	nsxdp status | grep -q '^uplink  *ens5 (gone)'
	refuse 1 "ens5" nsxdp up --dev ens5
	lab_link client eth0 203.0.113.10/24 host ens5 203.0.113.1/24
	on host ip route add default via 203.0.113.10
	refuse 0 "ens5 is another device now" nsxdp up --dev ens5
	nsxdp status | grep -q '^uplink  *ens5$'
	eventually 5 serves
	pin=$(nsxdp status -j | python3 -c 'import json,sys; print(json.load(sys.stdin)["pins"])')/link_uplink
	if [ "${NSXDP_TEST_NO_TCX:-}" ] || ! nsxdp features | grep -q '^tcx.* yes '; then
		on host tc qdisc del dev ens5 clsact
		refuse 0 "ens5 had lost its programs" nsxdp up --dev ens5
		eventually 5 serves
		on host tc filter del dev ens5 ingress pref 1
	else
		on host bpftool link detach pinned "$pin"
	fi
	nsxdp status | grep -q '^uplink  *ens5 (detached)'
	# A command that died here has left a pin.
	ln "$pin" "${pin}_$(on host ip -o link show ens5 | cut -d: -f1)"
	refuse 0 "ens5 had lost its programs" nsxdp up --dev ens5
	nsxdp status | grep -q '^uplink  *ens5$'
	eventually 5 serves
	refuse 0 "" nsxdp up --dev ens5
	nsxdp up --dev ens5 2>&1 | not grep -e lost -e another
	nsxdp ns del --force "$NS1"
	nsxdp down
	lab_kill
	on host tc qdisc show dev ens5 | not grep clsact
}

t_34_uplink_that_is_another_device() {
	mends_the_uplink
}

t_35_uplink_that_is_another_device_at_xdp() {
	mends_the_uplink --mode xdp
	on host ip link show ens5 | not grep xdp
}

# The new device takes no XDP: its namespaces that had it do without.
t_35b_uplink_that_takes_no_xdp_any_more() {
	nsxdp up --dev ens5 --mode xdp
	nsxdp ns add "$NS1" --datapath xdp
	nsxdp map add 6000 "$NS1:8080"
	on_bg ns1 $PY tcp_echo_server 8080
	on_bg inet $PY tcp_echo_server 7
	lab_listening ns1 8080
	lab_listening inet 7
	on host ip link del ens5
	lab_link client eth0 203.0.113.10/24 host ens5 203.0.113.1/24
	on host ip route add default via 203.0.113.10
	on client ip link set eth0 mtu 9000
	on host ip link set ens5 mtu 9000
	refuse 0 "mode tc: cannot attach" nsxdp up --dev ens5
	on host ip link show "nsx-$NS1" | not grep xdp
	nsxdp ns list | grep "$NS1" | grep -q ready
	eventually 5 serves
	nsxdp up --dev ens5
	on host ip link show "nsx-$NS1" | not grep xdp
	nsxdp ns del --force "$NS1"
	nsxdp down
	lab_kill
	on client ip link set eth0 mtu 1500
	on host ip link set ens5 mtu 1500
}

t_36_uplink_that_is_another_device_without_tcx() {
	export NSXDP_TEST_NO_TCX=1
	mends_the_uplink
	unset NSXDP_TEST_NO_TCX
}

t_38_several_up_at_once() {
	local i n pids
	for i in $(seq 3); do
		pids=()
		for n in 1 2 3 4 5 6; do
			nsxdp up --dev ens5 > "$LAB_TMP/up$n" 2>&1 &
			pids+=($!)
		done
		for n in 1 2 3 4 5 6; do
			wait "${pids[n - 1]}" || { cat "$LAB_TMP/up$n"; return 1; }
		done
		nsxdp status | grep -q '^uplink  *ens5$'
		nsxdp ns add "$NS1"
		nsxdp ns del "$NS1"
		nsxdp down
	done
}

# Two uplinks that have swapped their names, and two with each other's indices.
t_36b_uplinks_that_are_each_other() {
	local first second
	lab_link client eth2 203.0.114.10/24 host ens6 203.0.114.1/24
	nsxdp up --dev ens5 --dev ens6
	publish_one
	for name in "ens5 old" "ens6 ens5" "old ens6"; do
		on host ip link set ${name% *} down
		on host ip link set ${name% *} name ${name#* }
	done
	on host ip link set ens5 up
	on host ip link set ens6 up
	on host ip route add default via 203.0.113.10
	nsxdp up --dev ens5 --dev ens6
	nsxdp status | grep -q '^uplink  *ens5 ens6$'
	eventually 5 serves
	[ "$(on client $PY half_close 203.0.114.1 6000)" = 203.0.114.10 ]
	first=$(on host ip -o link show ens5 | cut -d: -f1) second=$(on host ip -o link show ens6 | cut -d: -f1)
	on host ip link del ens5
	on host ip link del ens6
	ip link add ens5 index "$second" netns "$(lab_ns host)" type veth peer name eth0 netns "$(lab_ns client)"
	ip link add ens6 index "$first" netns "$(lab_ns host)" type veth peer name eth2 netns "$(lab_ns client)"
	on host ip addr add $HOST/24 dev ens5
	on client ip addr add 203.0.113.10/24 dev eth0
	on host ip addr add 203.0.114.1/24 dev ens6
	on client ip addr add 203.0.114.10/24 dev eth2
	for name in "host ens5" "host ens6" "client eth0" "client eth2"; do on ${name% *} ip link set ${name#* } up; done
	on host ip route add default via 203.0.113.10
	nsxdp up --dev ens5 --dev ens6
	nsxdp status | grep -q '^uplink  *ens5 ens6$'
	eventually 5 serves
	[ "$(on client $PY half_close 203.0.114.1 6000)" = 203.0.114.10 ]
	nsxdp down
	lab_kill
	ip netns del "$NS1" 2> /dev/null || true
	on host ip link del ens6
}

# A command that is told to end, or whose output nobody reads, ends when what it does is done.
t_39_signals_wait() {
	local i pid
	for i in $(seq 8); do
		nsenter --net="/run/netns/$(lab_ns host)" "$NSXDP" up --dev ens5 2> "$LAB_TMP/said" &
		pid=$!
		sleep "0.$((i * 7 % 10))"
		kill -TERM $pid 2> /dev/null || true
		wait $pid || true
		nsxdp status > "$LAB_TMP/status" 2>&1 || true
		grep -q -e '^uplink  *ens5$' -e 'not up in this network namespace' "$LAB_TMP/status"
		[ "$(on host ip link show nsx.fib 2> /dev/null | wc -l)" = 0 ] || grep -q '^uplink' "$LAB_TMP/status"
		nsxdp down 2> /dev/null
	done
	on host bash -c "'$NSXDP' up --dev ens5 2>&1 | true"
	nsxdp status | grep -q '^uplink  *ens5$'
	nsxdp down
}

t_40_others_things_are_left_alone() {
	up
	# A namespace that others made again under the name.
	nsxdp ns add "$NS3"
	ip netns del "$NS3"
	ip netns add "$NS3"
	refuse 0 "somebody has made another namespace of this name" nsxdp ns del "$NS3"
	ip netns list | grep -q "^$NS3"
	ip netns del "$NS3"
	# A live namespace without its link.
	nsxdp ns add "$NS3"
	nsxdp map add 6005 "$NS3:80"
	on host ip link del "nsx-$NS3"
	refuse 0 "it is made again" nsxdp ns add "$NS3"
	nsxdp map list | grep -q 6005
	nsxdp ns list | grep -q "^$NS3 .*ready"
	on host ip link del "nsx-$NS3"
	refuse 0 "it is made again" nsxdp up --dev ens5
	nsxdp ns list | grep -q "^$NS3 .*ready"
	nsxdp ns del --force "$NS3"
	# Adopting what is gone changes nothing.
	nsxdp ns add "$NS3"
	nsxdp map add 6005 "$NS3:80"
	ip netns del "$NS3"
	refuse 1 "there is no such namespace" nsxdp ns adopt "$NS3"
	nsxdp map list | grep -q 6005
	nsxdp ns del --force "$NS3" 2> /dev/null
	# A resolv.conf of others.
	mkdir -p "/etc/netns/$NS3"
	ln -s /nowhere "/etc/netns/$NS3/resolv.conf"
	refuse 1 "is there already" nsxdp ns add "$NS3" --dns 9.9.9.9
	nsxdp ns add "$NS3"
	nsxdp ns del "$NS3"
	[ "$(readlink "/etc/netns/$NS3/resolv.conf")" = /nowhere ]
	rm -r "/etc/netns/$NS3"
	rmdir /etc/netns 2> /dev/null || true
	nsxdp down
}

t_41_the_bind_guard_comes_back() {
	nsxdp up --dev ens5 --no-bind-guard
	nsxdp status -j | grep -q '"bind_guard": false'
	up
	nsxdp status -j | grep -q '"bind_guard": true'
	nsxdp ns add "$NS1"
	nsxdp map add 6000 "$NS1:8080"
	refuse 1 "not permitted" on host /usr/bin/python3 -c 'import socket; socket.socket().bind(("", 6000))'
	up
	nsxdp down
}

# Answers of the kernel that do not fit each other, for what they tell has changed meanwhile, are
# asked for again.
t_37_up_while_addresses_change() {
	local i pid
	on host ip link add many type veth peer name many1
	on host ip -batch <(for i in $(seq 900); do echo "addr add 10.9.$((i / 60)).$((i % 60 * 4))/30 dev many"; done)
	on host ip link set many up
	on host bash -c 'while ip addr add 10.10.0.1/24 dev many; do ip addr del 10.10.0.1/24 dev many; done' &
	pid=$!
	for i in $(seq 3); do
		up || { kill $pid; return 1; }
		up || { kill $pid; return 1; }
		nsxdp down
	done
	kill $pid
	on host ip link del many
}

run_tests "$@"
