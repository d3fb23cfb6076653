# SPDX-License-Identifier: GPL-2.0-only
# A lab with two servers from a file of commands, for the tests that source it.
lab_up
HOST=203.0.113.1 INET=198.51.100.8
NS1=$(lab_ns ns1) NS2=$(lab_ns ns2) NS3=$(lab_ns ns3)
F=$LAB_TMP/fleet.conf
on_bg inet $PY tcp_echo_server 7

# Each test begins with these two servers, reached at 6000 and 6001.
begin() {
	cat > "$F" << END
# two servers
up --dev ens5 --mode tc	# the uplink

ns add $NS1
ns add $NS2
map add 6000 $NS1:8080
map add 6001 $NS2:8080
END
	# Nothing of the test before, drainings included.
	nsxdp apply <(sed '/^map/d; /^ns/d' "$F")
	nsxdp apply "$F"
	on_bg ns1 $PY tcp_echo_server 8080
	on_bg ns2 $PY tcp_echo_server 8080
	lab_listening ns1 8080 && lab_listening ns2 8080
}

finish() {
	lab_kill
	on_bg inet $PY tcp_echo_server 7
}

reached() { [ "$(on client $PY half_close $HOST "$1")" = 203.0.113.10 ]; }

# Connections that are open, with bytes going both ways, until they are told to end: "done N".
hold() { # PORT SECONDS
	on client $PY tcp_many $HOST "$1" 5 "$2" > "$LAB_TMP/held" &
	HELD=$!
	eventually 10 grep -q open "$LAB_TMP/held"
}
held() { wait $HELD; grep -q "done 5" "$LAB_TMP/held"; }
