// SPDX-License-Identifier: GPL-2.0-only
/* The private network namespace. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <signal.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel/datapath.h"
#include "kernel/defrag_rule.h"
#include "kernel/link.h"
#include "kernel/netns.h"
#include "kernel/private.h"
#include "parse.h"

#define NEAR "nsx.fib"
#define FAR "far"
#define HOLDER "private"	/* the pin that holds the network namespace, where no link does */
#define NEAR_FORWARDING "net/ipv4/conf/" NEAR "/forwarding"
#define NEAR_RP_FILTER "net/ipv4/conf/" NEAR "/rp_filter"
#define NEAR_FORWARDING6 "net/ipv6/conf/" NEAR "/forwarding"
#define DEFAULT_FORWARDING6 "net/ipv6/conf/default/forwarding"
#define FORWARDING6_IS_SET "forwarding6"
#define NEAR_IPV6 "net/ipv6/conf/" NEAR "/disable_ipv6"

/* The gateway of all routes there: the near end, which has no address. */
#define GATEWAY 0xa9fe0001U	/* 169.254.0.1 */

/* uapi/linux/bpf.h of kernel 6.4 and 6.6; Debian 12's is older. */
#define PROG_TYPE_NETFILTER 32
#define ATTACH_NETFILTER 45
#define NETFILTER_IP_DEFRAG 1
#define NF_ACCEPT 1

/* Of union bpf_attr what BPF_LINK_CREATE takes for a netfilter hook. */
struct netfilter_link {
	__u32 prog_fd;
	__u32 target_fd;	/* 0: the network namespace is the caller's */
	__u32 attach_type;
	__u32 flags;
	__u32 pf;
	__u32 hooknum;		/* 0: NF_INET_PRE_ROUTING */
	__s32 priority;
	__u32 netfilter_flags;
};

/* A router that originates nothing, and gives up on fragments early. */
static const struct sysctl {
	const char *path;
	const char *value;
	bool optional;	/* a kernel without IPv6 has none such */
} sysctls[] = {
	{ "net/ipv6/conf/all/disable_ipv6", "0", true },
	{ "net/ipv6/conf/default/disable_ipv6", "0", true },
	{ "net/ipv6/conf/default/addr_gen_mode", "1", true },	/* none: it has no addresses */
	{ "net/ipv6/conf/default/accept_ra", "0", true },
	{ "net/ipv6/conf/all/forwarding", "1", true },
	{ "net/ipv4/conf/all/rp_filter", "0", false },
	{ "net/ipv4/conf/default/rp_filter", "0", false },
	{ "net/ipv4/conf/all/accept_source_route", "0", false },
	{ "net/ipv4/conf/default/accept_source_route", "0", false },
	{ "net/ipv4/conf/all/log_martians", "0", false },
	{ "net/ipv4/conf/default/log_martians", "0", false },
	{ "net/ipv4/conf/all/send_redirects", "0", false },
	{ "net/ipv4/conf/default/send_redirects", "0", false },
	{ "net/ipv4/ip_forward", "1", false },
	/* Datagrams of one sender come interleaved from many sockets */
	{ "net/ipv4/ipfrag_max_dist", "0", false },
};

static int sysctl_number(const char *path, unsigned int number)
{
	char value[16];

	snprintf(value, sizeof(value), "%u", number);
	return netns_sysctl_write(path, value);
}

/* Bytes that fragments may take up. */
static unsigned int frag_memory(void)
{
	unsigned long long part =
		(unsigned long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) / 16;

	return part < NSX_FRAG_MEMORY ? part : NSX_FRAG_MEMORY;
}

static int write_sysctls(void)
{
	int err = 0;

	for (size_t i = 0; !err && i < sizeof(sysctls) / sizeof(sysctls[0]); i++) {
		err = netns_sysctl_write(sysctls[i].path, sysctls[i].value);
		if (err == -ENOENT && sysctls[i].optional)
			err = 0;
	}
	if (!err)
		err = sysctl_number("net/ipv4/ipfrag_time", NSX_FRAG_TIME);
	return err ? err : sysctl_number("net/ipv4/ipfrag_high_thresh", frag_memory());
}

/*
 * A program that accepts everything: what is wanted is what its link makes the kernel do before it.
 */
static int accept_all(void)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = NF_ACCEPT },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = PROG_TYPE_NETFILTER,
		.expected_attach_type = ATTACH_NETFILTER,
		.insns = (__u64)(unsigned long)insns,
		.insn_cnt = 2,
		.license = (__u64)(unsigned long)"GPL",
		.prog_name = "nsx_defrag",
	};
	int fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

/*
 * A link that has the kernel reassemble in the caller's network namespace, which it holds. Returns
 * its descriptor.
 */
static int defrag_link(enum nsx_family family)
{
	struct netfilter_link attr = {
		.attach_type = ATTACH_NETFILTER,
		.pf = family == NSX_V6 ? AF_INET6 : AF_INET,
		.netfilter_flags = NETFILTER_IP_DEFRAG,
	};
	int prog = getenv("NSXDP_TEST_NO_DEFRAG_LINK") ? -EINVAL : accept_all(), link;

	if (prog < 0)
		return prog;
	attr.prog_fd = prog;
	link = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	if (link < 0)
		link = -errno;
	close(prog);
	return link;
}

/* The same for IPv6, in the namespace that is held already. */
static int defrag6_here(const struct pin_dir *d)
{
	int link = defrag_link(NSX_V6), err = 0;
	char path[PIN_PATH_MAX];

	if (link < 0)
		err = defrag_rule_add(NSX_V6);
	else if (bpf_obj_pin(link, pin_path(d, "defrag6", path)))
		err = -errno;
	if (link >= 0)
		close(link);
	sysctl_number("net/netfilter/nf_conntrack_frag6_timeout", NSX_FRAG_TIME);
	sysctl_number("net/netfilter/nf_conntrack_frag6_high_thresh", frag_memory());
	return err;
}

/* Have the kernel reassemble in the caller's network namespace, which a pin holds from now on. */
static int defrag_here(const struct pin_dir *d, struct nsx_conf *conf)
{
	int link = defrag_link(NSX_V4), err = 0;
	char path[PIN_PATH_MAX];

	if (link < 0) {
		err = defrag_rule_add(NSX_V4);
		if (!err)
			err = pin_hold_netns(d, HOLDER);
	} else {
		if (bpf_obj_pin(link, pin_path(d, "defrag", path)))
			err = -errno;
		close(link);
	}
	conf->defrag = err ? 0 : 1 << NSX_V4;
	if (!err && conf->ipv6 != NSX_IPV6_OFF) {
		int lacks = defrag6_here(d);

		conf->defrag |= lacks ? 0 : 1 << NSX_V6;
		if (lacks)
			note("up: the kernel does not reassemble IPv6 for nsxdp (%s): fragments that come out of order "
			     "are dropped", strerror(-lacks));
	}
	return err;
}

static bool can_reassemble(enum nsx_family family, bool by_rule)
{
	int link = defrag_link(family);

	if (link >= 0)
		close(link);
	return link >= 0 || (by_rule && defrag_rule_add(family) == 0);
}

static bool probe_link(void)
{
	return can_reassemble(NSX_V4, false);
}

static bool probe_v4(void)
{
	return can_reassemble(NSX_V4, true);
}

static bool probe_v6(void)
{
	return can_reassemble(NSX_V6, true);
}

/* In a network namespace that is gone afterwards. */
static bool probe_aside(bool (*probe)(void))
{
	int self = netns_open_self();
	bool ret;

	if (self < 0 || unshare(CLONE_NEWNET)) {
		if (self >= 0)
			close(self);
		return false;
	}
	ret = probe();
	netns_return(self);
	close(self);
	return ret;
}

bool private_has_link(void)
{
	return probe_aside(probe_link);
}

static struct nsx_addr v4(__u32 addr)
{
	struct nsx_addr ret;

	addr_set_v4(&ret, addr);
	return ret;
}

/* All packets go back by the link; one to a size's address is cut to that size. */
static int route_back(struct nl *nl)
{
	const __u8 near_mac[6] = NSX_PRIVATE_MAC;
	struct nsx_addr gateway = v4(GATEWAY), dst = v4(0), gateway6 = { .w = { htonl(0xfe800000) } };
	struct link_info far;
	int err = link_get(nl, FAR, 0, &far);

	if (!err)
		err = link_up(nl, far.ifindex);
	if (!err)
		err = neigh_set(nl, far.ifindex, &gateway, near_mac);
	if (!err)
		err = route_add_private(nl, far.ifindex, &gateway, &dst, 0, 0);
	/* A kernel without IPv6 needs none. */
	gateway6.w[3] = htonl(1);
	if (!err && neigh_set(nl, far.ifindex, &gateway6, near_mac) == 0)
		err = route_add_private(nl, far.ifindex, &gateway6, &gateway6, 0, 0);
	for (unsigned int size = NSX_CUT_MIN; !err && size <= 65535;) {
		dst = v4(NSX_CUT_NET | size);
		err = route_add_private(nl, far.ifindex, &gateway, &dst, 32, size);
		if (size < NSX_CUT_FINE)
			size = size + NSX_CUT_STEP;
		else
			size = (size / NSX_CUT_COARSE + 1) * NSX_CUT_COARSE;
	}
	return err;
}

static int add_pair(const struct veth_spec *spec)
{
	struct nl nl = {};
	int err = nl_open(&nl);

	if (!err)
		err = link_veth_add(&nl, spec);
	nl_close(&nl);
	return err;
}

void private_settle(const struct pin_dir *d)
{
	char path[PIN_PATH_MAX];

	if (access(pin_path(d, FORWARDING6_IS_SET, path), F_OK) == 0 &&
	    netns_sysctl_write(DEFAULT_FORWARDING6, "0") == 0)
		rmdir(path);
}

/*
 * Make a pair whose near end forwards IPv6, because the kernel answers route look-ups only for a
 * forwarding device. To set it on a device that is there would delete the default route that the host
 * has from router advertisements, whatever device it is. A new device has what "default" says; so that
 * says it for this moment. A process of its own does it, which neither a signal nor the end of this
 * one interrupts; where even that is killed, a directory among the pins tells the next command.
 */
static int add_forwarding_pair(const struct pin_dir *d, const struct nsx_conf *conf,
			       const struct veth_spec *spec)
{
	char path[PIN_PATH_MAX], was[8] = "";
	int status, err;
	sigset_t all;
	pid_t pid;

	if (conf->ipv6 == NSX_IPV6_OFF ||
	    netns_sysctl_read(DEFAULT_FORWARDING6, was, sizeof(was)) || was[0] != '0')
		return add_pair(spec);
	if (mkdir(pin_path(d, FORWARDING6_IS_SET, path), 0700))
		return -errno;
	pid = fork();
	if (pid < 0) {
		err = -errno;
		private_settle(d);
		return err;
	}
	if (pid == 0) {
		sigfillset(&all);
		sigprocmask(SIG_BLOCK, &all, NULL);
		err = netns_sysctl_write(DEFAULT_FORWARDING6, "1");
		if (!err)
			err = add_pair(spec);
		private_settle(d);
		_exit(-err & 0xff);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	private_settle(d);	/* where the child was killed */
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

/* In the new network namespace, fd; the caller returns to the host's. */
static int set_up(const struct pin_dir *d, struct nsx_conf *conf, int fd, int self)
{
	const __u8 mac[6] = NSX_PRIVATE_MAC;
	const struct veth_spec spec = { .host_if = NEAR,
					.ns_if = FAR,
					.host_mac = mac,
					.ns_mac = mac,
					.mtu = 65535,
					.ns_fd = fd };
	struct nl nl = {};
	int err = write_sysctls();

	if (!err)
		err = netns_enter(self);
	if (!err)
		err = add_forwarding_pair(d, conf, &spec);
	if (!err)
		err = netns_enter(fd);
	if (!err)
		err = nl_open(&nl);
	if (!err)
		err = route_back(&nl);
	nl_close(&nl);
	return err ? err : defrag_here(d, conf);
}

static int make_with_defrag(const struct pin_dir *d, struct nsx_conf *conf)
{
	int self = netns_open_self(), fd, err;

	if (self < 0)
		return self;
	if (unshare(CLONE_NEWNET)) {
		err = -errno;
		close(self);
		return err;
	}
	fd = netns_open_self();
	err = fd < 0 ? fd : set_up(d, conf, fd, self);
	netns_return(self);
	if (fd >= 0)
		close(fd);
	close(self);
	return err;
}

/* Only the device, whose far end stays here. */
static int make_without(const struct pin_dir *d, const struct nsx_conf *conf)
{
	const struct veth_spec spec = { .host_if = NEAR, .ns_if = NEAR ".peer", .ns_fd = -1 };

	return add_forwarding_pair(d, conf, &spec);
}

static int make(const struct pin_dir *d, struct nsx_conf *conf)
{
	char path[PIN_PATH_MAX];
	int err;

	unlink(pin_path(d, "defrag", path));
	unlink(pin_path(d, "defrag6", path));
	pin_release_netns(d, HOLDER);
	conf->defrag = 0;
	err = make_with_defrag(d, conf);
	if (!err)
		return 0;
	pin_release_netns(d, HOLDER);
	private_remove();
	note("up: the kernel does not reassemble for nsxdp (%s): fragments that come out of order are dropped, and what is "
	     "too large for its route is not cut",
	     strerror(-err));
	return make_without(d, conf);
}

/*
 * The kernel answers route look-ups only for a forwarding device. If others remove the guard,
 * nothing is forwarded even so: IPv4 fails rp_filter, as no source is behind this link, and IPv6 is
 * disabled on it.
 */
static int forward(void)
{
	int err = netns_sysctl_write(NEAR_RP_FILTER, "1");

	return err ? err : netns_sysctl_write(NEAR_FORWARDING, "1");
}

/* The instance's own link, with its program; what else may have this name is nobody's to set up. */
static bool is_ours(struct nl *nl, const struct pin_dir *d, const struct nsx_conf *conf,
		    struct link_info *link)
{
	return conf->defrag && nl_open(nl) == 0 && link_get(nl, NEAR, 0, link) == 0 &&
	       link->ifindex == (int)conf->asker &&
	       datapath_private_attached(d, link->ifindex);
}

void private_mend(const struct pin_dir *d, const struct nsx_conf *conf)
{
	struct link_info link;
	struct nl nl = {};

	if (if_nametoindex(NEAR) == conf->asker)
		forward();
	if (is_ours(&nl, d, conf, &link) && !(link.flags & IFF_UP))
		link_up(&nl, link.ifindex);
	nl_close(&nl);
}

bool private_reassembles(const struct pin_dir *d, const struct nsx_conf *conf)
{
	struct link_info link;
	struct nl nl = {};
	bool ret = is_ours(&nl, d, conf, &link) && (link.flags & IFF_RUNNING);

	nl_close(&nl);
	return ret;
}

static bool forwards(const char *sysctl)
{
	char value[8] = "";

	return netns_sysctl_read(sysctl, value, sizeof(value)) == 0 && value[0] == '1';
}

bool private_works(const struct nsx_conf *conf)
{
	return if_nametoindex(NEAR) == conf->asker && forwards(NEAR_FORWARDING) &&
	       (conf->ipv6 == NSX_IPV6_OFF || forwards(NEAR_FORWARDING6));
}

/* Or it would look for routers and neighbours once it is up. */
static int ipv6_off(void)
{
	int err = netns_sysctl_write(NEAR_IPV6, "1");

	return err == -ENOENT ? 0 : err;
}

int private_make(const struct pin_dir *d, struct nsx_conf *conf, struct fail *f)
{
	struct link_info link;
	struct nl nl = {};
	int err = nl_open(&nl);

	private_settle(d);
	if (!err)
		err = link_get(&nl, NEAR, 0, &link);
	/*
	 * One that does not forward IPv6 is made anew, for setting it would delete the host's
	 * route. Without IPv6 it stays.
	 */
	if (!err && conf->ipv6 != NSX_IPV6_OFF && !forwards(NEAR_FORWARDING6)) {
		private_remove();
		err = -ENODEV;
	}
	/* What the kernel could not do at the first "up" it may do now: a module was missing. */
	if (!err && ((!(conf->defrag & 1 << NSX_V4) && probe_aside(probe_v4)) ||
		     (conf->ipv6 != NSX_IPV6_OFF && !(conf->defrag & 1 << NSX_V6) &&
		      probe_aside(probe_v6)))) {
		private_remove();
		err = -ENODEV;
	}
	if (err == -ENODEV) {
		datapath_forget_private(d, conf->asker);
		err = make(d, conf);
		if (!err)
			err = link_get(&nl, NEAR, 0, &link);
	}
	if (!err)
		err = forward();
	if (!err)
		err = ipv6_off();
	if (!err && conf->defrag && (err = datapath_attach_private(d, link.ifindex, f)) != 0) {
		nl_close(&nl);
		return err;
	}
	/* Last, for what comes in there is forwarded by whoever finds it. */
	if (!err && conf->defrag)
		err = link_up(&nl, link.ifindex);
	nl_close(&nl);
	if (err)
		return fail_errno(
			f, err, "cannot make %s, the link to the private network namespace", NEAR);
	conf->asker = link.ifindex;
	conf->frag_scale = (NSX_FRAG_MEMORY + frag_memory() - 1) / frag_memory();
	return 0;
}

void private_remove(void)
{
	struct link_info link;
	struct nl nl = {};

	if (nl_open(&nl) == 0 && link_get(&nl, NEAR, 0, &link) == 0)
		link_del(&nl, link.ifindex);
	nl_close(&nl);
}
