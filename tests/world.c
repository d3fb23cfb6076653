// SPDX-License-Identifier: GPL-2.0-only
/* The world of tests that feed programs with packets. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "world.h"

const char *const verdict_names[NSX_VERDICT_COUNT] = {
#define V(id, class, name, sentence) name,
	NSX_VERDICTS(V)
#undef V
};

enum nsx_class verdict_class(const char *name)
{
	static const enum nsx_class classes[NSX_VERDICT_COUNT] = {
#define V(id, class, name, sentence) NSX_CLASS_##class,
		NSX_VERDICTS(V)
#undef V
	};

	for (int v = 0; v < NSX_VERDICT_COUNT; v++)
		if (strcmp(verdict_names[v], name) == 0)
			return classes[v];
	return NSX_CLASS_DROP;
}

struct instance in;

int sh(const char *format, ...)
{
	char command[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	return system(command);
}

void must(int bad, const char *what)
{
	if (!bad)
		return;
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

void world_path(const char *binary)
{
	char *real = realpath(binary, NULL), path[5000];

	must(!real, binary);
	*strrchr(real, '/') = '\0';
	snprintf(path, sizeof(path), "%s:/usr/sbin:/usr/bin:/sbin:/bin", real);
	setenv("PATH", path, 1);
	free(real);
}

void world_make(void)
{
	must(unshare(CLONE_NEWNET | CLONE_NEWNS), "unshare");
	must(mount("", "/", "none", MS_REC | MS_PRIVATE, NULL), "private mounts");
	must(mount("tmpfs", "/run", "tmpfs", 0, NULL), "tmpfs on /run");
	must(mount("tmpfs", "/etc", "tmpfs", 0, NULL), "tmpfs on /etc");
	must(mount("sysfs", "/sys", "sysfs", 0, NULL), "sysfs");
	must(mount("bpf", "/sys/fs/bpf", "bpf", 0, NULL), "bpffs");
	must(mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL), "cgroup2");
	/* No noise */
	must(sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1;"
		"ip link set lo up; ip link add ens5 address 02:00:00:00:00:01 type veth peer name far &&"
		"ip addr add 203.0.113.1/24 dev ens5 && ip link set ens5 up && ip link set far up &&"
		"ip neigh add 203.0.113.10 lladdr 02:00:00:00:00:aa dev ens5 &&"
		"ip route add default via 203.0.113.10"),
	     "the test's uplink");
}

static int world_has;

void world_family(int family)
{
	world_has = family;
	if (family == 4) {
		must(sh("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1"), "no IPv6");
		return;
	}
	must(sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=0 net.ipv6.conf.lo.disable_ipv6=0 "
		"net.ipv6.conf.ens5.disable_ipv6=0 net.ipv6.conf.ens5.accept_ra=0;"
		"ip -6 addr replace 2001:db8:1::cb00:7101/120 dev ens5 nodad &&"
		"ip -6 neigh replace 2001:db8:1::cb00:710a lladdr 02:00:00:00:00:aa dev ens5 &&"
		"ip -6 route replace default via 2001:db8:1::cb00:710a"),
	     "IPv6 of the test's uplink");
}

static const char *family_options(void)
{
	return world_has == 6 ? "--pool6 fd00:6e73:7864::/48" : "";
}

void instance_reopen(void)
{
	struct fail f;

	if (instance_open(&in, ACCESS_READ, &f)) {
		printf("Bail out! %s\n", f.text);
		exit(1);
	}
	close(in.dir.fd);	/* no lock: the rows run commands */
	in.dir.fd = -1;
	in.conf->mark_index = 0;	/* a test run takes no skb->tc_index */
}

static void add_namespaces(bool xdp)
{
	for (int i = 1; i <= 2; i++)
		must(sh("nsxdp ns add ns%d --dns 9.9.9.9 --datapath %s && nsenter --net=/run/netns/ns%d "
			"sysctl -qw net.ipv6.conf.all.disable_ipv6=1",
			i, xdp ? "xdp" : "tc", i),
		     "nsxdp ns add");
	usleep(100000);	/* what the links said of their own accord before that is counted by then */
	instance_reopen();
}

void instance_make(bool xdp, const char *options)
{
	must(sh("nsxdp up --dev ens5 --mode %s %s %s", xdp ? "xdp" : "tc", options,
		strstr(options, "--ipv6 off") ? "" : family_options()),
	     "nsxdp up");
	add_namespaces(xdp);
}

void instance_unmake(void)
{
	instance_close(&in);
	must(sh("nsxdp down"), "nsxdp down");
}

/* The host listens on port 7777, at TCP and UDP. */
void host_listen(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons(7777) };
	struct sockaddr_in6 a6 = { .sin6_family = AF_INET6, .sin6_port = htons(7777) };
	int on = 1;

	for (int i = 0; i < 2; i++) {
		int fd = socket(AF_INET, types[i], 0);

		must(fd < 0 || bind(fd, (void *)&a, sizeof(a)) || (i == 0 && listen(fd, 1)),
		     "listen");
		fd = socket(AF_INET6, types[i], 0);
		must(fd < 0 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) ||
			     bind(fd, (void *)&a6, sizeof(a6)) || (i == 0 && listen(fd, 1)),
		     "listen by IPv6");
	}
}

int prog_run(const char *name, struct bpf_test_run_opts *opts)
{
	char path[PIN_PATH_MAX];
	int prog = bpf_obj_get(pin_path(&in.dir, name, path)), err;

	must(prog < 0, "open program");
	err = bpf_prog_test_run_opts(prog, opts);
	close(prog);
	must(err, "test run");
	return (int)opts->retval;
}
