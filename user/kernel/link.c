// SPDX-License-Identifier: GPL-2.0-only
/* Links, addresses and routes. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/pkt_sched.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel/link.h"
#include "parse.h"

/*
 * <linux/if_link.h> of kernels 6.7 and 6.13: IFLA_NETKIT_*, enum netkit_mode and enum netkit_scrub
 */
#define NETKIT_PEER_INFO 1
#define NETKIT_PRIMARY 2
#define NETKIT_MODE 5
#define NETKIT_PEER_SCRUB 7
#define NETKIT_MODE_L2 0
#define NETKIT_SCRUB_NONE 0

static void link_decode_netkit(const struct nlattr *nest, struct link_info *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		switch (mnl_attr_get_type(attr)) {
		case NETKIT_PRIMARY:
			link->primary = mnl_attr_get_u8(attr);
			break;
		case NETKIT_MODE:
			link->l3 = mnl_attr_get_u32(attr) != NETKIT_MODE_L2;
			break;
		case NETKIT_PEER_SCRUB:
			link->marks = mnl_attr_get_u32(attr) == NETKIT_SCRUB_NONE;
			break;
		}
	}
}

static void link_decode_info(const struct nlattr *nest, struct link_info *link)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest) {
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			snprintf(link->kind, sizeof(link->kind), "%s", mnl_attr_get_str(attr));
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA &&
			 strcmp(link->kind, "netkit") == 0)
			link_decode_netkit(attr, link);
	}
}

static void link_decode(const struct nlmsghdr *nlh, struct link_info *link)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(nlh);
	const struct nlattr *attr;

	memset(link, 0, sizeof(*link));
	link->peer_nsid = -1;
	link->ifindex = ifi->ifi_index;
	link->flags = ifi->ifi_flags;
	link->type = ifi->ifi_type;
	mnl_attr_for_each(attr, nlh, sizeof(*ifi)) {
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			snprintf(link->name, sizeof(link->name), "%s", mnl_attr_get_str(attr));
			break;
		case IFLA_MTU:
			link->mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK:
			link->peer = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK_NETNSID:
			link->peer_nsid = mnl_attr_get_u32(attr);
			break;
		case IFLA_GROUP:
			link->group = mnl_attr_get_u32(attr);
			break;
		case IFLA_MASTER:
			link->master = mnl_attr_get_u32(attr);
			break;
		case IFLA_ADDRESS:
			if (mnl_attr_get_payload_len(attr) == sizeof(link->mac))
				memcpy(link->mac, mnl_attr_get_payload(attr), sizeof(link->mac));
			break;
		case IFLA_LINKINFO:
			link_decode_info(attr, link);
			break;
		}
	}
}

static int link_get_cb(const struct nlmsghdr *nlh, void *arg)
{
	link_decode(nlh, arg);
	return MNL_CB_OK;
}

int link_get(struct nl *nl, const char *name, int ifindex, struct link_info *ret)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_GETLINK, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	struct link_info link = {};
	int err;

	if (name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, name);
	else
		ifi->ifi_index = ifindex;
	err = nl_do(nl, nlh, link_get_cb, &link);
	if (!err)
		*ret = link;
	return err;
}

struct each_arg {
	union {
		link_cb link;
		addr_cb addr;
		route_cb route;
	};
	int af;	/* what a kernel without that family answers is another's */
	int ifindex;
	void *arg;
};

static int link_each_cb(const struct nlmsghdr *nlh, void *arg)
{
	struct each_arg *each = arg;
	struct link_info link;

	link_decode(nlh, &link);
	each->link(&link, each->arg);
	return MNL_CB_OK;
}

int link_each(struct nl *nl, link_cb cb, void *arg)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_GETLINK, NLM_F_DUMP);
	struct each_arg each = { .link = cb, .arg = arg };

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	return nl_do(nl, nlh, link_each_cb, &each);
}

bool link_is_pair(const struct link_info *link)
{
	return strcmp(link->kind, "veth") == 0 || strcmp(link->kind, "netkit") == 0;
}

static void put_link(struct nlmsghdr *nlh, const __u8 *mac, unsigned int mtu)
{
	if (mac)
		mnl_attr_put(nlh, IFLA_ADDRESS, 6, mac);
	if (mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
}

int link_veth_add(struct nl *nl, const struct veth_spec *spec)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct nlattr *info, *data, *peer;

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, spec->host_if);
	put_link(nlh, spec->host_mac, spec->mtu);
	if (spec->group)
		mnl_attr_put_u32(nlh, IFLA_GROUP, spec->group);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, spec->netkit ? "netkit" : "veth");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	if (spec->netkit)
		mnl_attr_put_u32(nlh, NETKIT_MODE, NETKIT_MODE_L2);
	peer = mnl_attr_nest_start(nlh, spec->netkit ? NETKIT_PEER_INFO : VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(nlh, IFLA_IFNAME, spec->ns_if);
	put_link(nlh, spec->ns_mac, spec->mtu);
	if (spec->ns_fd >= 0)
		mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, spec->ns_fd);
	mnl_attr_nest_end(nlh, peer);
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
	return nl_do(nl, nlh, NULL, NULL);
}

int link_del(struct nl *nl, int ifindex)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_DELLINK, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = ifindex;
	return nl_do(nl, nlh, NULL, NULL);
}

int link_del_group(struct nl *nl, __u32 group)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_DELLINK, 0);

	mnl_nlmsg_put_extra_header(nlh, sizeof(struct ifinfomsg));
	mnl_attr_put_u32(nlh, IFLA_GROUP, group);
	return nl_do(nl, nlh, NULL, NULL);
}

int link_set_group(struct nl *nl, int ifindex, __u32 group)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_NEWLINK, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = ifindex;
	mnl_attr_put_u32(nlh, IFLA_GROUP, group);
	return nl_do(nl, nlh, NULL, NULL);
}

int link_set_mtu(struct nl *nl, int ifindex, unsigned int mtu)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_NEWLINK, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = ifindex;
	mnl_attr_put_u32(nlh, IFLA_MTU, mtu);
	return nl_do(nl, nlh, NULL, NULL);
}

static int link_set_up(struct nl *nl, int ifindex, bool up)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_NEWLINK, 0);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));

	ifi->ifi_index = ifindex;
	ifi->ifi_flags = up ? IFF_UP : 0;
	ifi->ifi_change = IFF_UP;
	return nl_do(nl, nlh, NULL, NULL);
}

int link_up(struct nl *nl, int ifindex)
{
	return link_set_up(nl, ifindex, true);
}

int link_down(struct nl *nl, int ifindex)
{
	return link_set_up(nl, ifindex, false);
}

static int af_of(enum nsx_family family)
{
	return family == NSX_V6 ? AF_INET6 : AF_INET;
}

/* An address in an attribute. */
static void get_addr(const struct nlattr *attr, enum nsx_family family, struct nsx_addr *ret)
{
	if (family == NSX_V6)
		memcpy(ret, mnl_attr_get_payload(attr), sizeof(*ret));
	else
		addr_set_v4(ret, ntohl(mnl_attr_get_u32(attr)));
}

static void put_addr(struct nlmsghdr *nlh, __u16 type, const struct nsx_addr *addr)
{
	if (nsx_is_v4(addr))
		mnl_attr_put_u32(nlh, type, addr->w[3]);
	else
		mnl_attr_put(nlh, type, sizeof(*addr), addr);
}

static int addr_each_cb(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(nlh);
	enum nsx_family family = ifa->ifa_family == AF_INET6 ? NSX_V6 : NSX_V4;
	struct each_arg *each = arg;
	struct addr_info info = {
		.ifindex = ifa->ifa_index,
		.prefix_len = ifa->ifa_prefixlen,
		.secondary = ifa->ifa_flags & IFA_F_SECONDARY,
	};
	const struct nlattr *attr;
	bool found = false;

	if (ifa->ifa_family != each->af || (each->ifindex && each->ifindex != info.ifindex))
		return MNL_CB_OK;
	if (family == NSX_V6) {
		if (ifa->ifa_scope == RT_SCOPE_LINK)
			return MNL_CB_OK;
		info.deprecated = ifa->ifa_flags & IFA_F_DEPRECATED;
		info.duplicate = ifa->ifa_flags & IFA_F_DADFAILED;
	}
	mnl_attr_for_each(attr, nlh, sizeof(*ifa)) {
		int type = mnl_attr_get_type(attr);

		/* On a point-to-point link IFA_ADDRESS is the far end: the local one wins. */
		if (type == IFA_LOCAL || (type == IFA_ADDRESS && !found)) {
			get_addr(attr, family, &info.addr);
			found = true;
		}
	}
	if (found)
		each->addr(&info, each->arg);
	return MNL_CB_OK;
}

int addr_each(struct nl *nl, enum nsx_family family, int ifindex, addr_cb cb, void *arg)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));
	struct each_arg each = { .addr = cb, .af = af_of(family), .ifindex = ifindex, .arg = arg };
	int err;

	ifa->ifa_family = af_of(family);
	err = nl_do(nl, nlh, addr_each_cb, &each);
	return family == NSX_V6 && err == -EOPNOTSUPP ? 0 : err;
}

static int add(struct nl *nl, int ifindex, const struct nsx_addr *addr, __u8 prefix_len,
	       bool deprecated)
{
	const struct ifa_cacheinfo lifetimes = { .ifa_prefered = 0, .ifa_valid = 0xffffffff };
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	ifa->ifa_family = af_of(addr_family(addr));
	ifa->ifa_prefixlen = prefix_len;
	ifa->ifa_index = ifindex;
	put_addr(nlh, IFA_LOCAL, addr);
	put_addr(nlh, IFA_ADDRESS, addr);
	if (!nsx_is_v4(addr))
		mnl_attr_put_u32(nlh, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE);
	else if (prefix_len < 31)
		mnl_attr_put_u32(nlh, IFA_BROADCAST,
				 htonl(addr_v4(addr) | ~mask_v4(prefix_len)));
	if (deprecated)
		mnl_attr_put(nlh, IFA_CACHEINFO, sizeof(lifetimes), &lifetimes);
	return nl_do(nl, nlh, NULL, NULL);
}

int link_listen(const char *ifname, const __u8 mac[6], bool on)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;
	struct ifreq ifr = { .ifr_hwaddr.sa_family = AF_UNSPEC };

	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", ifname);
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	if (ioctl(fd, on ? SIOCADDMULTI : SIOCDELMULTI, &ifr))
		err = -errno;
	close(fd);
	return err;
}

int addr_add(struct nl *nl, int ifindex, const struct nsx_addr *addr, __u8 prefix_len)
{
	return add(nl, ifindex, addr, prefix_len, false);
}

int addr_add_deprecated(struct nl *nl, int ifindex, const struct nsx_addr *addr, __u8 prefix_len)
{
	return add(nl, ifindex, addr, prefix_len, true);
}

bool addr_exists(struct nl *nl, int ifindex, const struct nsx_addr *addr)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_GETADDR, 0);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	ifa->ifa_family = af_of(addr_family(addr));
	ifa->ifa_index = ifindex;
	put_addr(nlh, IFA_LOCAL, addr);
	return nl_do(nl, nlh, NULL, NULL) == 0;
}

int addr_del(struct nl *nl, int ifindex, const struct nsx_addr *addr, __u8 prefix_len)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_DELADDR, 0);
	struct ifaddrmsg *ifa = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifa));

	ifa->ifa_family = af_of(addr_family(addr));
	ifa->ifa_prefixlen = prefix_len;
	ifa->ifa_index = ifindex;
	put_addr(nlh, IFA_LOCAL, addr);
	return nl_do(nl, nlh, NULL, NULL);
}

static int route_each_cb(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	enum nsx_family family = rtm->rtm_family == AF_INET6 ? NSX_V6 : NSX_V4;
	struct route_info info = {
		.prefix_len = rtm->rtm_dst_len + (family == NSX_V6 ? 0 : 96),
	};
	struct each_arg *each = arg;
	const struct nlattr *attr, *metric;

	/* RTM_F_CLONED: the path MTU of a destination that one of the host's sockets has learnt. */
	if (rtm->rtm_family != each->af || rtm->rtm_table != RT_TABLE_MAIN ||
	    rtm->rtm_type != RTN_UNICAST || (rtm->rtm_flags & RTM_F_CLONED))
		return MNL_CB_OK;
	if (family == NSX_V4)
		addr_set_v4(&info.dst, 0);
	mnl_attr_for_each(attr, nlh, sizeof(*rtm)) {
		int type = mnl_attr_get_type(attr);

		if (type == RTA_DST)
			get_addr(attr, family, &info.dst);
		else if (type == RTA_OIF)
			info.ifindex = mnl_attr_get_u32(attr);
		else if (type == RTA_METRICS)
			mnl_attr_for_each_nested(metric, attr)
				if (mnl_attr_get_type(metric) == RTAX_MTU)
					info.mtu = mnl_attr_get_u32(metric);
	}
	each->route(&info, each->arg);
	return MNL_CB_OK;
}

int route_each(struct nl *nl, enum nsx_family family, route_cb cb, void *arg)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_GETROUTE, NLM_F_DUMP);
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	struct each_arg each = { .route = cb, .af = af_of(family), .arg = arg };
	int err;

	rtm->rtm_family = af_of(family);
	err = nl_do(nl, nlh, route_each_cb, &each);
	return family == NSX_V6 && err == -EOPNOTSUPP ? 0 : err;
}

static struct rtmsg *route_put(struct nlmsghdr *nlh, enum nsx_family family, unsigned char type)
{
	struct rtmsg *rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));

	rtm->rtm_family = af_of(family);
	rtm->rtm_table = RT_TABLE_MAIN;
	rtm->rtm_protocol = RTPROT_STATIC;
	rtm->rtm_scope = RT_SCOPE_UNIVERSE;
	rtm->rtm_type = type;
	return rtm;
}

int route_add_default(struct nl *nl, int ifindex, const struct nsx_addr *via)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);

	route_put(nlh, NSX_V4, RTN_UNICAST);
	put_addr(nlh, RTA_GATEWAY, via);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	return nl_do(nl, nlh, NULL, NULL);
}

#define DEFAULT6_METRIC 1024	/* IP6_RT_PRIO_USER, which the kernel takes where none is given */

int route_set_default6(struct nl *nl, int ifindex, const struct nsx_addr *via, bool on)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = on ? nl_begin(nl, buf, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL)
				  : nl_begin(nl, buf, RTM_DELROUTE, 0);
	struct rtmsg *rtm = route_put(nlh, NSX_V6, RTN_UNICAST);

	rtm->rtm_flags = RTNH_F_ONLINK;
	put_addr(nlh, RTA_GATEWAY, via);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	/* Where it goes, no other of the same next hop does in its place. */
	mnl_attr_put_u32(nlh, RTA_PRIORITY, DEFAULT6_METRIC);
	return nl_do(nl, nlh, NULL, NULL);
}

int route_set_host6(struct nl *nl, int ifindex, const struct nsx_addr *addr,
		    const struct nsx_addr *src, bool on)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = on ? nl_begin(nl, buf, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL)
				  : nl_begin(nl, buf, RTM_DELROUTE, 0);
	struct rtmsg *rtm = route_put(nlh, NSX_V6, RTN_UNICAST);

	rtm->rtm_dst_len = 128;
	put_addr(nlh, RTA_DST, addr);
	if (src)
		put_addr(nlh, RTA_PREFSRC, src);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	return nl_do(nl, nlh, NULL, NULL);
}

int neigh_set(struct nl *nl, int ifindex, const struct nsx_addr *addr, const __u8 mac[6])
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
	struct ndmsg *ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));

	ndm->ndm_family = af_of(addr_family(addr));
	ndm->ndm_ifindex = ifindex;
	ndm->ndm_state = NUD_PERMANENT;
	put_addr(nlh, NDA_DST, addr);
	mnl_attr_put(nlh, NDA_LLADDR, 6, mac);
	return nl_do(nl, nlh, NULL, NULL);
}

int route_add_private(struct nl *nl, int ifindex, const struct nsx_addr *via,
		      const struct nsx_addr *dst, __u8 prefix_len, __u32 mtu)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
	struct rtmsg *rtm = route_put(nlh, addr_family(via), RTN_UNICAST);
	struct nlattr *metrics;

	rtm->rtm_table = RT_TABLE_LOCAL;
	rtm->rtm_flags = RTNH_F_ONLINK;
	rtm->rtm_dst_len = prefix_len;
	if (prefix_len)
		put_addr(nlh, RTA_DST, dst);
	put_addr(nlh, RTA_GATEWAY, via);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	if (mtu) {
		metrics = mnl_attr_nest_start(nlh, RTA_METRICS);
		mnl_attr_put_u32(nlh, RTAX_LOCK, 1 << RTAX_MTU);
		mnl_attr_put_u32(nlh, RTAX_MTU, mtu);
		mnl_attr_nest_end(nlh, metrics);
	}
	return nl_do(nl, nlh, NULL, NULL);
}

static int route_guard(struct nl *nl, int type, int flags, const struct nsx_addr *addr,
		       __u8 prefix_len)
{
	char buf[NL_BUF_SIZE];
	struct nlmsghdr *nlh = nl_begin(nl, buf, type, flags);
	struct rtmsg *rtm = route_put(nlh, addr_family(addr), RTN_UNREACHABLE);
	struct nsx_addr net = *addr;

	addr_mask(&net, prefix_len + (nsx_is_v4(addr) ? 96 : 0));
	rtm->rtm_dst_len = prefix_len;
	put_addr(nlh, RTA_DST, &net);
	mnl_attr_put_u32(nlh, RTA_PRIORITY, UINT32_MAX);
	return nl_do(nl, nlh, NULL, NULL);
}

int route_guard_add(struct nl *nl, const struct nsx_addr *addr, __u8 prefix_len)
{
	return route_guard(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, addr, prefix_len);
}

int route_guard_del(struct nl *nl, const struct nsx_addr *addr, __u8 prefix_len)
{
	return route_guard(nl, RTM_DELROUTE, 0, addr, prefix_len);
}
