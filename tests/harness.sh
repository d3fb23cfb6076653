# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Runs the functions t_* of a script as tests and prints TAP. A test is a list of commands of which
# each must succeed; what it printed is shown where one fails. SKIP only for what the kernel lacks.
#
#   . harness.sh; lab_up; ...; run_tests "$@"     arguments: only tests whose name has one of these words

HERE=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
. "$HERE/lab.sh"
PY="/usr/bin/python3 $HERE/net.py"
SLOW=$((${NSXDP_SLOW:-0} * 9 + 1))	# times as long as on a real machine, where one is emulated (vm.sh)
T_COUNT=0
T_FAILED=0

skip() { echo "SKIP: $*"; exit 77; }

# Must fail with this exit status and these words: refuse STATUS WORDS COMMAND...
refuse() {
	local status=$1 words=$2 out got; shift 2
	out=$("$@" 2>&1) && got=0 || got=$?
	if [ "$got" != "$status" ] || [[ $out != *"$words"* ]]; then
		echo "'$*': status $got, wanted $status; said '$out', wanted '$words'"
		return 1
	fi
}

# The command must fail; "! COMMAND" never ends a test.
not() {
	! "$@" || { echo "this should fail: $*"; return 1; }
}

# What a test leaves behind is undone however it ends: at_end COMMAND
AT_END=()
at_end() {
	AT_END=("$*" "${AT_END[@]}")
	trap 'rc=$?; trap - ERR; set +e; for c in "${AT_END[@]}"; do eval "$c" > /dev/null 2>&1; done; exit $rc' EXIT
}

# So many seconds, or as many more as an emulated machine needs: scaled SECONDS; pause SECONDS
scaled() { awk "BEGIN { print $1 * $SLOW }"; }
pause() { sleep "$(scaled "$1")"; }

# Retry a command for some seconds: eventually SECONDS COMMAND...
eventually() {
	local end=$((SECONDS + $1 * SLOW)); shift
	until "$@" > "$LAB_TMP/eventually"; do
		[ $SECONDS -lt $end ] || { cat "$LAB_TMP/eventually"; echo "never true: $*"; return 1; }
		sleep 0.1
	done
}

# Packets that got a verdict: counted VERDICT
counted() {
	nsxdp -j status | /usr/bin/python3 -c 'import json, sys
print(sum(v["packets"] for v in json.load(sys.stdin)["verdicts"] if v["verdict"] == sys.argv[1]))' "$1"
}

# A command, whatever its status, makes a verdict count: grows VERDICT COMMAND...
grows() {
	local before; before=$(counted "$1")
	"${@:2}" > /dev/null 2>&1 || true
	[ "$(counted "$1")" -gt "$before" ]
}

# A namespace's IPv6 address
address6() { nsxdp -j ns show "$1" | sed -n 's/.*"address6": "\(.*\)".*/\1/p' | head -1; }

# Where a test failed, and from where that was called: failed_at LINE COMMAND LINE...
failed_at() {
	local line=$1 command=$2; shift 2
	# The last three are of this file and of the end of the script.
	while [ $# -gt 3 ]; do line="$line, called by line $1"; shift; done
	echo "failed: line $line: $command"
}

run_tests() {
	local t word wanted rc begin
	for t in $(declare -F | awk '{print $3}' | grep '^t_' | sort -t_ -k2,2n); do
		wanted=$([ $# = 0 ] && echo yes)
		for word in "$@"; do [[ $t == *"$word"* ]] && wanted=yes; done
		[ "$wanted" ] || continue
		T_COUNT=$((T_COUNT + 1))
		begin=$SECONDS
		set +e
		( set -eE; trap 'failed_at "$LINENO" "$BASH_COMMAND" "${BASH_LINENO[@]}"' ERR; "$t" ) > "$LAB_TMP/out" 2>&1
		rc=$?
		if [ $rc = 0 ]; then
			echo "ok $T_COUNT - ${T_GROUP:-e2e}: ${t#t_}"
		elif [ $rc = 77 ]; then
			echo "ok $T_COUNT - ${T_GROUP:-e2e}: ${t#t_} # $(tail -1 "$LAB_TMP/out")"
		else
			T_FAILED=$((T_FAILED + 1))
			sed 's/^/# /' "$LAB_TMP/out"
			echo "not ok $T_COUNT - ${T_GROUP:-e2e}: ${t#t_}"
		fi
		[ $((SECONDS - begin)) -lt 5 ] || echo "# $((SECONDS - begin)) s"
	done
	echo "1..$T_COUNT"
	[ $T_FAILED = 0 ]
}
