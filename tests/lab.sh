# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The lab: machines made of network namespaces, for the demo, the tests and the benchmarks.
#
#   inet 198.51.100.8 --- 198.51.100.1 client 203.0.113.10 --- 203.0.113.1 ens5 host
#
# "client" is another machine on the host's network and its way to "inet", a server beyond. nsxdp
# runs inside "host". Names carry the lab's own suffix, so labs stand side by side; lab_down (called
# on any exit) removes everything that lab_up and nsxdp inside the lab have made.
#
#   lab_up; on host CMD...; on client CMD...; nsxdp ARGS...; lab_down
#
# LAB_NICS="NIC NIC" in the environment: two NICs that are wired to each other, the client's and the
# host's, as in the virtual machine of tests/vm.sh; otherwise that is a veth link. LAB_LINK=netkit:
# what "ns add" makes links of, instead of veths, where that is possible and the namespace is new.

LAB_ID=${LAB_ID:-$$}
LAB_TMP=$(mktemp -d "/tmp/nsxdp-lab.$LAB_ID.XXXXXX")
NSXDP=${NSXDP:-$(dirname "${BASH_SOURCE[0]}")/../build/nsxdp}

# The name of a lab machine's namespace. Those of nsxdp's own namespaces carry the suffix too.
lab_ns() { echo "$1-$LAB_ID"; }

# Run in a lab machine, or in a namespace behind the host. Not "ip netns exec": that hides the BPF
# file system.
on() { local n; n=$(lab_ns "$1"); shift; nsenter --net="/run/netns/$n" "$@"; }

nsxdp() {
	if [ "${LAB_LINK:-}" ] && [ "${1:-} ${2:-}" = "ns add" ] && [ ! -e "/run/netns/${3:-}" ] &&
	   [[ "$*" != *"--datapath xdp"* ]] && [ -z "${NSXDP_TEST_NO_TCX:-}" ]; then
		on host "$NSXDP" "$@" --link "$LAB_LINK"
	else
		on host "$NSXDP" "$@"
	fi
}

# Start a server in the background, silent; it ends with the lab, or by lab_kill.
on_bg() {
	local n; n=$(lab_ns "$1"); shift
	nsenter --net="/run/netns/$n" "$@" > /dev/null 2>&1 &
	echo $! >> "$LAB_TMP/pids"
}

lab_link() { # NS1 IF1 ADDR1 NS2 IF2 ADDR2
	ip link add "$2" netns "$(lab_ns "$1")" type veth peer name "$5" netns "$(lab_ns "$4")"
	on "$1" ip addr add "$3" dev "$2"
	on "$4" ip addr add "$6" dev "$5"
	on "$1" ip link set "$2" up
	on "$4" ip link set "$5" up
}

# Two NICs that are wired to each other, by name, in place of the link between client and host.
lab_nics() { # CLIENT-NIC HOST-NIC
	ip link set "$1" netns "$(lab_ns client)" name eth0
	ip link set "$2" netns "$(lab_ns host)" name ens5
	on client ip addr add 203.0.113.10/24 dev eth0
	on host ip addr add 203.0.113.1/24 dev ens5
	on client ip link set eth0 up
	on host ip link set ens5 up
}

lab_up() {
	local n
	trap lab_down EXIT
	trap 'exit 130' INT TERM HUP PIPE
	LAB_HAD_RUN=$([ -d /run/netns ] && echo yes || true)
	LAB_HAD_BPFFS=$(mountpoint -q /sys/fs/bpf && echo yes || true)
	for n in client host inet; do
		ip netns add "$(lab_ns $n)"
		on $n ip link set lo up
	done
	if [ "${LAB_NICS:-}" ]; then
		# shellcheck disable=SC2086
		lab_nics $LAB_NICS
	else
		lab_link client eth0 203.0.113.10/24 host ens5 203.0.113.1/24
	fi
	lab_link client eth1 198.51.100.1/24 inet eth0 198.51.100.8/24
	on host ip route add default via 203.0.113.10
	on inet ip route add default via 198.51.100.1
	on client sysctl -qw net.ipv4.ip_forward=1
	while on host ip link show ens5 | grep -q NO-CARRIER; do sleep 0.05; done
}

lab_down() {
	local n status=$?
	set +eE
	trap - EXIT ERR
	trap '' INT TERM HUP PIPE
	lab_kill
	# A command that still runs there has the instance's lock.
	[ -e "/run/netns/$(lab_ns host)" ] && ip netns pids "$(lab_ns host)" | xargs -r kill 2>/dev/null
	# A test of upgrades that failed may have left the other build's tables.
	[ -e "/run/netns/$(lab_ns host)" ] && { nsxdp down || on host "$(dirname "$NSXDP")/other/nsxdp" down; } 2>/dev/null
	if [ "${LAB_NICS:-}" ]; then
		on client ip link set eth0 netns $$ name "${LAB_NICS% *}"
		on host ip link set ens5 netns $$ name "${LAB_NICS#* }"
	fi
	ip netns list | awk '{print $1}' | grep -e "-$LAB_ID\$" | while read -r n; do
		ip netns pids "$n" | xargs -r kill 2>/dev/null
		ip netns del "$n"
		rm -rf "/etc/netns/$n"
	done
	rm -rf /etc/netns/*-"$LAB_ID"	# of namespaces that a test has deleted
	rmdir /etc/netns 2>/dev/null
	if [ -z "$LAB_HAD_RUN" ] && [ -d /run/netns ] && [ -z "$(ls /run/netns)" ]; then
		umount /run/netns 2>/dev/null
		rmdir /run/netns 2>/dev/null
	fi
	if [ -z "$LAB_HAD_BPFFS" ] && mountpoint -q /sys/fs/bpf && [ -z "$(ls /sys/fs/bpf | grep -v debug)" ]; then
		umount /sys/fs/bpf 2>/dev/null
	fi
	rm -rf "$LAB_TMP"
	return "$status"
}

# End the servers that on_bg started.
lab_kill() {
	local n
	[ -e "$LAB_TMP/pids" ] || return 0
	while read -r n; do kill "$n" 2>/dev/null || true; done < "$LAB_TMP/pids"
	while read -r n; do
		for _ in $(seq 50); do kill -0 "$n" 2>/dev/null || break; sleep 0.02; done
		kill -9 "$n" 2>/dev/null || true
	done < "$LAB_TMP/pids"
	rm -f "$LAB_TMP/pids"
}

# Wait until a port listens in a lab machine, of TCP if not said otherwise: lab_listening MACHINE
# PORT [--udp]
lab_listening() {
	local i
	for i in $(seq 100); do
		on "$1" ss -Hln "${3:---tcp}" "sport = :$2" | grep -q . && return 0
		sleep 0.1
	done
	echo "nothing listens on port $2 in $1" >&2
	return 1
}

# IPv6 for the lab: the same machines at 2001:db8:1::/64 and 2001:db8:8::/64, static.
lab_ipv6() {
	on host ip addr add 2001:db8:1::1/64 dev ens5 nodad
	on client ip addr add 2001:db8:1::10/64 dev eth0 nodad
	on client ip addr add 2001:db8:8::1/64 dev eth1 nodad
	on inet ip addr add 2001:db8:8::8/64 dev eth0 nodad
	on host ip -6 route add default via 2001:db8:1::10
	on inet ip -6 route add default via 2001:db8:8::1
	on client sysctl -qw net.ipv6.conf.all.forwarding=1
}
