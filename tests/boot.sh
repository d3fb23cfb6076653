#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# docs/boot.md as it is written: what its commands made is saved, a virtual machine boots Debian's
# systemd twice from one disk, and both servers are reached by another machine each time.
#
#   boot.sh VERSION		of the kernel, as for vm.sh
T_GROUP=boot
VERSION=${1:-6.1}
. "$(dirname "$0")/harness.sh"
top=$(realpath "$HERE/..")
trap 'exit 130' INT TERM HUP
lab_up

# What the disk has in addition to this machine's files.
disk() {
	local u=$LAB_TMP/disk/u n
	mkdir -p "$LAB_TMP/disk/w" "$u"/{usr/local/sbin,etc/nsxdp,etc/systemd/system/multi-user.target.wants,srv}
	cp "$NSXDP" "$u/usr/local/sbin/nsxdp"
	sed 's|@SBINDIR@|/usr/local/sbin|' "$top/systemd/nsxdp.service.in" > "$u/etc/systemd/system/nsxdp.service"
	python3 "$HERE/docs.py" "$top/docs/boot.md" units "$u/etc/systemd/system"
	for n in 1 2; do
		cat > "$u/srv/flask$n.py" <<-END
			import flask
			app = flask.Flask(__name__)
			app.add_url_rule("/", view_func=lambda: "server $n\n")
		END
	done
	# The uplink, and the other machine behind it.
	cat > "$u/etc/systemd/system/wire.service" <<-'END'
		[Unit]
		Before=network-online.target
		[Service]
		Type=oneshot
		RemainAfterExit=yes
		ExecStart=/bin/bash -ec 'modprobe virtio_net; while [ ! -e /sys/class/net/eth1 ]; do sleep 0.1; done; ip link set eth0 name ens5; ip addr add 203.0.113.1/24 dev ens5; ip link set ens5 up; \
			ip netns add client; ip link set eth1 netns client; ip -n client addr add 203.0.113.10/24 dev eth1; \
			ip -n client link set eth1 up'
		[Install]
		WantedBy=multi-user.target
	END
	for n in wire nsxdp flask1 flask2; do
		ln -s "/etc/systemd/system/$n.service" "$u/etc/systemd/system/multi-user.target.wants/"
	done
	sed "s/-$LAB_ID//" "$LAB_TMP/saved.conf" > "$u/etc/nsxdp/nsxdp.conf"
	truncate -s 64M "$LAB_TMP/disk.img"
	mkfs.ext4 -q -d "$LAB_TMP/disk" "$LAB_TMP/disk.img"
}

save() {
	local line
	while read -r line; do	# names of this run alone
		line=$(sed "s/\bweb[12]\b/&-$LAB_ID/" <<< "$line")
		[ "$line" != "nsxdp save" ] || line+=" $LAB_TMP/saved.conf"
		${line/#nsxdp/nsxdp}
	done < <(python3 "$HERE/docs.py" "$top/docs/boot.md" commands)
}

served() { # NTH boot
	local rc=0
	boot_and_look "$1" || rc=$?
	[ $rc != 77 ] || skip "there is no package of kernel $VERSION"
	return $rc
}

# From the root directory, for systemd has a /tmp of its own.
boot_and_look() { # NTH boot
	cd /
	VM_DISK=$LAB_TMP/disk.img VM_MEMORY=2048 VM_TIMEOUT=400 "$top/tests/vm.sh" "$VERSION" bash -ec '
		date >> /var/boots
		[ "$(wc -l < /var/boots)" = '"$1"' ]
		systemctl --no-pager --lines=0 status nsxdp flask1 flask2 | grep -E "service -|Active:"
		systemctl is-active nsxdp flask1 flask2 || { journalctl --no-pager -b -o cat -u nsxdp -u wire -u "flask*"; exit 1; }
		for i in {1..60}; do ip netns exec client curl -fsS -m 5 http://203.0.113.1:6001/ && break; sleep 1; done
		[ "$(ip netns exec client curl -fsS -m 9 http://203.0.113.1:6000/)" = "server 1" ]
		[ "$(ip netns exec client curl -fsS -m 9 http://203.0.113.1:6001/)" = "server 2" ]
		/usr/local/sbin/nsxdp export | diff - /etc/nsxdp/nsxdp.conf
		systemctl reload nsxdp
		/usr/local/sbin/nsxdp doctor'
}

t_01_saved() {
	save
	disk
}
t_02_first_boot() { served 1; }
t_03_second_boot_from_the_same_disk() { served 2; }

run_tests
