#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# More flows than ports: crowds, closed connections, the size of the table, addresses to leave from,
# and the sweeper.
#
#   tests/e2e_capacity.sh tc|xdp [WORD]...
set -eE
MODE=$1
shift
. "$(dirname "$0")/harness.sh"
T_GROUP="capacity, $MODE"
CROWD="$HERE/../build/crowd"
HOST=203.0.113.1 INET=198.51.100.8
lab_up
NAMES=(c1 c2 c3 c4 c5 c6 c7 c8)
xdp_frames() { [ "$MODE" = tc ] || on client ethtool -K eth0 tx off gro on > /dev/null; }
xdp_frames

# Everything as at the beginning of a test: up OPTIONS..., and the first COUNT namespaces
start() { # COUNT OPTIONS...
	local n count=$1; shift
	lab_kill
	# What is started in the background makes its file a moment later.
	rm -f "$LAB_TMP"/crowd.* "$LAB_TMP"/told "$LAB_TMP"/go*
	nsxdp down 2> /dev/null
	nsxdp up --dev ens5 --mode "$MODE" "$@" 2> "$LAB_TMP/up"
	for n in "${NAMES[@]:0:count}"; do
		nsxdp ns add "$(lab_ns "$n")" --dns 192.0.2.53 --datapath "$MODE"
	done
}

# The server, told by a line to the fifo "tell"
serve() {
	rm -f "$LAB_TMP/tell"
	mkfifo "$LAB_TMP/tell"
	nsenter --net="/run/netns/$(lab_ns inet)" "$CROWD" serve $INET "$@" <> "$LAB_TMP/tell" > "$LAB_TMP/told" 2>&1 &
	echo $! >> "$LAB_TMP/pids"
	lab_listening inet "$1"
}

status() { nsxdp -j status | python3 -c "import json,sys; s=json.load(sys.stdin); print($1)"; }

# Sum of the numbers before "of" in files
sum_of() { awk '{ for (i = 2; i <= NF; i++) if ($i == "of") sum += $(i - 1) } END { print sum + 0 }' "$@"; }

# At XDP everybody keeps to one CPU. All frames pass one queue of the lab's router, which is served by
# now one CPU and now the other: the end of a handshake and the first data can come to the server on
# two at the same moment, and its kernel then now and then finds no socket for the data and answers
# with a RST. A NIC keeps a connection to one CPU by its hash.
# The rate is 24,000 a second: a closed connection keeps its port towards a remote for a second, and
# there are 36,280 ports.
t_01_short_connections_of_six_namespaces() {
	local n pids=() cpus rate=4000
	cpus=0-$(($(nproc) - 1))
	[ "$MODE" = tc ] || cpus=0
	start 6
	serve 7
	taskset -acp $cpus "$(tail -1 "$LAB_TMP/pids")"
	for n in "${NAMES[@]:0:6}"; do
		on "$n" taskset -c $cpus "$CROWD" connect $INET 7 8000 20000 $rate > "$LAB_TMP/crowd.$n" &
		pids+=($!)
	done
	wait "${pids[@]}" || true
	cat "$LAB_TMP"/crowd.c?
	[ "$(sum_of "$LAB_TMP"/crowd.c?)" = 48000 ]
	nsxdp status | grep '^table'
	# More connections than ports: those that were closed have given way, and nobody was
	# refused.
	nsxdp status > "$LAB_TMP/status"
	not grep -q reject- "$LAB_TMP/status"
	[ "$(status 's["session_table"]["gave_way_closed"]')" -gt 0 ]
}

# Sixty thousand sockets that are open at once, answered by one of four ports, and sent to unasked
# later.
t_02_sixty_thousand_endpoints_at_once() {
	local n pids=()
	start 8
	serve 7 8 9 10
	mkfifo "$LAB_TMP/go"
	exec 9<> "$LAB_TMP/go"
	for n in "${NAMES[@]}"; do
		nsenter --net="/run/netns/$(lab_ns "$n")" "$CROWD" hold $INET 7500 20000 7 8 9 10 \
			> "$LAB_TMP/crowd.$n" 2>&1 < "$LAB_TMP/go" 9>&- &
		pids+=($!)
		echo $! >> "$LAB_TMP/pids"
	done
	eventually 60 bash -c "[ \$(grep -l answered $LAB_TMP/crowd.c? | wc -l) = 8 ]"
	cat "$LAB_TMP"/crowd.c?
	[ "$(sum_of "$LAB_TMP"/crowd.c?)" = 60000 ]
	nsxdp status | grep '^table'
	[ "$(status 's["session_table"]["ports"]["udp"]["shared"] > 0')" = True ]
	[ "$(status 's["flows"]')" = 60000 ]
	[ "$(nsxdp -j flow list | python3 -c 'import json,sys; print(sum(f["mapping"] == "shared" for f in json.load(sys.stdin)) > 20000)')" = True ]
	echo > "$LAB_TMP/tell"
	eventually 30 grep -q 'told' "$LAB_TMP/told"
	for n in "${NAMES[@]}"; do echo >&9; done
	wait "${pids[@]}"
	exec 9>&-
	grep told "$LAB_TMP"/crowd.c?
	[ "$(sum_of "$LAB_TMP"/crowd.c?)" = 120000 ]	# answered, and told
	[ "$(status 's["session_table"]["gave_way_unanswered"]')" = 0 ]
}


# Ten ports: six get an owner, four are shared by flows with other remotes.
t_03_shared_ports_keep_flows_apart() {
	local port
	start 2 --snat-ports 2000-2009
	serve 7 8 9
	for port in 7 8 9; do on c1 $PY udp_open $INET $port 2${port}000 2; done > "$LAB_TMP/open"
	for port in 7 8 9; do on c2 $PY udp_open $INET $port 2${port}000 2; done >> "$LAB_TMP/open"
	cat "$LAB_TMP/open"
	[ "$(grep -c 'answered 2 refused 0' "$LAB_TMP/open")" = 6 ]
	nsxdp flow list
	nsxdp -j flow list | python3 -c '
import json, sys
flows = json.load(sys.stdin)
assert len({(f["outside"], f["remote"]) for f in flows}) == len(flows) == 12
assert all(2000 <= int(f["outside"].split(":")[1]) <= 2009 for f in flows)
shared = [f for f in flows if f["mapping"] == "shared"]
assert len(shared) == 6 and len({f["outside"] for f in shared}) <= 4'
	# Two more to one remote find a port; the others are told that there is none.
	on c2 $PY udp_open $INET 7 28000 10 > "$LAB_TMP/open"
	cat "$LAB_TMP/open"
	grep -q 'answered 2 refused 8' "$LAB_TMP/open"
}

t_04_a_running_table_is_resized() {
	local before
	start 2 --flows 20000
	serve 7 8
	[ "$(status 's["session_table"]["room"]')" = 20000 ]
	mkfifo "$LAB_TMP/go4"
	exec 9<> "$LAB_TMP/go4"
	nsenter --net="/run/netns/$(lab_ns c1)" "$CROWD" hold $INET 6000 1024 7 8 > "$LAB_TMP/crowd.c1" 2>&1 < "$LAB_TMP/go4" 9>&- &
	echo $! >> "$LAB_TMP/pids"
	nsenter --net="/run/netns/$(lab_ns c2)" "$CROWD" hold $INET 6000 1024 7 8 > "$LAB_TMP/crowd.c2" 2>&1 < "$LAB_TMP/go4" 9>&- &
	echo $! >> "$LAB_TMP/pids"
	eventually 30 bash -c "[ \$(grep -l answered $LAB_TMP/crowd.c[12] | wc -l) = 2 ]"
	cat "$LAB_TMP"/crowd.c[12]
	before=$(status 's["session_table"]["used"]')
	[ "$before" -gt 5000 ]
	refuse 1 "--flows 1024: $before are in use" nsxdp up --dev ens5 --flows 1024
	nsxdp up --dev ens5 --flows 100000
	[ "$(status 's["session_table"]["room"]')" = 100000 ]
	[ "$(status 's["session_table"]["used"]')" = "$before" ]
	nsxdp up --dev ens5 --flows 30000
	[ "$(status 's["session_table"]["used"]')" = "$before" ]
	[ "$(status 's["flows"]')" = 12000 ]
	echo > "$LAB_TMP/tell"
	eventually 30 grep -q told "$LAB_TMP/told"
	echo >&9
	echo >&9
	eventually 30 bash -c "[ \$(grep -l told $LAB_TMP/crowd.c[12] | wc -l) = 2 ]"
	exec 9>&-
	cat "$LAB_TMP"/crowd.c[12]
	[ "$(sum_of "$LAB_TMP"/crowd.c[12])" = 24000 ]
}

# New flows begin while the table is replaced, again and again.
t_05_resized_under_load() {
	local i pid
	start 1 --flows 30000
	serve 7
	on c1 "$CROWD" connect $INET 7 12000 1024 > "$LAB_TMP/crowd.c1" 2>&1 &
	pid=$!
	for i in 40000 50000 30000 60000; do nsxdp up --dev ens5 --flows $i; done
	wait $pid
	cat "$LAB_TMP/crowd.c1"
	[ "$(sum_of "$LAB_TMP/crowd.c1")" = 12000 ]
}

t_06_masquerading_spreads_over_addresses() {
	local n
	for n in 21 22 23; do on host ip addr add 203.0.113.$n/24 dev ens5; done
	start 6 --snat 203.0.113.21-203.0.113.22 --snat 203.0.113.23
	serve 7
	for n in "${NAMES[@]:0:6}"; do
		on "$n" "$CROWD" connect $INET 7 20 0 > /dev/null
		# One inside address has one outside address.
		[ "$(nsxdp -j flow list | python3 -c "
import json, sys
print(len({f['outside'].split(':')[0] for f in json.load(sys.stdin) if f['ns'] == '$(lab_ns "$n")'}))")" = 1 ]
	done
	nsxdp -j flow list | python3 -c "import json,sys; print(*sorted({f['outside'].split(':')[0] for f in json.load(sys.stdin)}))" > "$LAB_TMP/from"
	cat "$LAB_TMP/from"
	[ "$(wc -w < "$LAB_TMP/from")" -ge 2 ]
	not grep -q "203.0.113.1\b" "$LAB_TMP/from"
	nsxdp status | grep -q '203.0.113.21, 203.0.113.22, 203.0.113.23'
	# One that the host loses is used no more.
	for n in 21 22; do on host ip addr del 203.0.113.$n/24 dev ens5; done
	sleep 1
	for n in "${NAMES[@]:0:6}"; do on "$n" "$CROWD" connect $INET 7 5 0; done
	refuse 1 "203.0.113.77 is not an address of this host" nsxdp up --dev ens5 --snat 203.0.113.77
	refuse 2 "the range ends before it begins" nsxdp up --dev ens5 --snat 203.0.113.9-203.0.113.8
	on host ip addr del 203.0.113.23/24 dev ens5
	nsxdp down
}

t_07_ports_for_masquerading_are_chosen() {
	start 1
	[ "$(status 's["masquerade_ports"]')" = "1024-32767 61000-65535" ]
	nsxdp down
	refuse 1 "--snat-ports 40000-50000: ip_local_port_range 32768-60999" nsxdp up --dev ens5 --snat-ports 40000-50000
	nsxdp up --dev ens5 --mode "$MODE" --snat-ports 30000-62000 2> /dev/null
	[ "$(status 's["masquerade_ports"]')" = "30000-32767 61000-62000" ]
	nsxdp up --dev ens5
	[ "$(status 's["masquerade_ports"]')" = "30000-32767 61000-62000" ]
	nsxdp up --dev ens5 --snat-ports 1024-65535
	[ "$(status 's["masquerade_ports"]')" = "1024-32767 61000-65535" ]
	nsxdp down
	refuse 2 "--snat-ports 80-90" nsxdp up --dev ens5 --snat-ports 80-90
	refuse 2 "--flows 5: not a number" nsxdp up --dev ens5 --flows 5
}

# Nobody runs a command or sends a packet: what is over goes all the same.
t_08_the_sweeper_frees_what_is_over() {
	start 1 --timeout udp=2 --timeout udp-oneway=2 --flows 20000
	serve 7
	on c1 $PY udp_open $INET 7 20000 300 > /dev/null
	[ "$(status 's["session_table"]["ports"]["udp"]["own"]')" = 300 ]
	nsxdp ns show "$(lab_ns c1)" | grep -q '^flows *300$'
	eventually 15 bash -c "[ \"\$(nsenter --net=/run/netns/$(lab_ns host) $NSXDP -j status | python3 -c 'import json,sys; t=json.load(sys.stdin)[\"session_table\"]; print(t[\"ports\"][\"udp\"][\"own\"], t[\"ports\"][\"udp\"][\"flows\"])')\" = '0 0' ]"
	[ "$(status 's["session_table"]["swept"]')" -ge 300 ]
}

t_09_a_drained_port_is_free_in_time() {
	start 1
	on_bg c1 $PY tcp_echo_server 8080
	lab_listening c1 8080
	nsxdp map add 6000 "$(lab_ns c1):8080"
	nsxdp map del 6000 --drain 2s
	refuse 1 "" on host /usr/bin/python3 -c 'import socket; socket.socket().bind(("", 6000))'
	sleep 3.5
	on host /usr/bin/python3 -c 'import socket; s = socket.socket(); s.bind(("", 6000)); s.listen()'
	# The namespace's own connections from that port go on as others do.
	serve 7
	[ "$(nsxdp -j map list)" = "[]" ]
	nsxdp map add 6000 "$(lab_ns c1):8080"
	on client "$CROWD" connect $HOST 6000 1 0
}

t_10_an_address_that_comes_back_serves_at_once() {
	start 1
	on_bg c1 $PY tcp_echo_server 8080
	lab_listening c1 8080
	nsxdp map add 6000 "$(lab_ns c1):8080"
	on client "$CROWD" connect $HOST 6000 1 0
	on host ip addr del $HOST/24 dev ens5
	on client timeout $SLOW bash -c "exec 3<>/dev/tcp/$HOST/6000" 2> /dev/null || true
	sleep 0.7
	on client timeout $SLOW bash -c "exec 3<>/dev/tcp/$HOST/6000" 2> /dev/null || true
	on host ip addr add $HOST/24 dev ens5
	on host ip route replace default via 203.0.113.10
	eventually 2 on client timeout $SLOW "$CROWD" connect $HOST 6000 1 0
}

t_11_as_many_addresses_as_are_asked_for() {
	local i
	nsxdp down
	{ for i in $(seq 1 1022); do echo "addr add 10.77.$((i / 250)).$((i % 250 + 1))/32 dev lo"; done; } | on host ip -batch -
	nsxdp up --dev ens5 --mode "$MODE"
	[ "$(status 'len(s["addresses"])')" = 1023 ]
	nsxdp down
	# One more of the same family has no place; the uplink's first of the other has.
	on host ip addr add 10.78.0.1/32 dev lo
	refuse 1 "the host has 1024 addresses; nsxdp serves hosts with 1023 at most" nsxdp up --dev ens5 --mode "$MODE"
	on host ip addr del 10.78.0.1/32 dev lo
	on host ip -6 addr add 2001:db8:1::1/64 dev ens5 nodad
	nsxdp up --dev ens5 --mode "$MODE"
	[ "$(status 'len(s["addresses"])')" = 1024 ]
	nsxdp down
	on host ip -6 addr del 2001:db8:1::1/64 dev ens5
	on host ip addr flush dev lo to 10.0.0.0/8
}


t_12_a_limit_holds_over_a_resize() {
	local n
	start 0 --flows 20000
	n=$(lab_ns c1)
	nsxdp ns add "$n" --dns 192.0.2.53 --datapath "$MODE" --max-flows 100
	serve 7
	on c1 $PY udp_remotes $INET 20000 7000 120 > "$LAB_TMP/sent"
	nsxdp up --dev ens5 --flows 30000
	on c1 $PY udp_remotes $INET 20000 7200 120 > "$LAB_TMP/sent"
	nsxdp ns show "$n" | grep '^flows'
	[ "$(nsxdp -j ns show "$n" | python3 -c 'import json,sys; s=json.load(sys.stdin); print(95 <= s.get("flows", s.get("namespace", {}).get("flows", 0)) <= 105)')" = True ]
}

# A socket with several remotes goes on from the new address, too.
t_13_a_changed_address_with_several_remotes() {
	start 1
	serve 7 8 9
	on host ip addr add 203.0.113.60/24 dev ens5
	mkfifo "$LAB_TMP/go13"
	exec 9<> "$LAB_TMP/go13"
	nsenter --net="/run/netns/$(lab_ns c1)" $PY udp_ask_again $INET 20000 7 8 9 < "$LAB_TMP/go13" 9>&- > "$LAB_TMP/asked" 2>&1 &
	echo $! >> "$LAB_TMP/pids"
	eventually 5 grep -q 'answered 3 of 3' "$LAB_TMP/asked"
	on host ip addr del $HOST/24 dev ens5
	on host ip addr add 203.0.113.60/24 dev ens5 2> /dev/null || true
	on host ip route replace default via 203.0.113.10
	sleep 2
	echo >&9
	eventually 10 bash -c "[ \$(grep -c 'answered 3 of 3' $LAB_TMP/asked) = 2 ]"
	exec 9>&-
	nsxdp down
	on host ip addr del 203.0.113.60/24 dev ens5
	on host ip addr add $HOST/24 dev ens5
	on host ip route replace default via 203.0.113.10
}

# One ephemeral port has connections to several servers. When all are closed, it is given back.
t_14_ports_of_closed_connections_come_back() {
	start 1 --flows 20000 --timeout tcp-closed=2 --timeout tcp-reset=2
	serve 7 8
	on c1 $PY tcp_both $INET 20000 40 7 8
	[ "$(status 's["session_table"]["ports"]["tcp"]["own"]')" = 40 ]
	eventually 30 bash -c "[ \"\$(nsenter --net=/run/netns/$(lab_ns host) $NSXDP -j status | python3 -c 'import json,sys; t=json.load(sys.stdin)[\"session_table\"]; print(t[\"ports\"][\"tcp\"][\"own\"], t[\"used\"])')\" = '0 0' ]"
}

set +e
run_tests "$@"
