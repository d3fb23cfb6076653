// SPDX-License-Identifier: GPL-2.0-only
/* Words to wanted state. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config.h"

#define DEFAULT_POOL "192.168.0.0/16"
#define MSS_MIN 536	/* what everybody takes (RFC 9293, 3.7.1) */

const unsigned int config_timeouts[NSX_TIMEOUTS] = {
	[NSX_TO_TCP_OPENING] = 240,		/* RFC 5382 REQ-5: transitory, 4 min or more */
	[NSX_TO_TCP_ESTABLISHED] = 7440,	/* RFC 5382 REQ-5: 2 h 4 min or more */
	[NSX_TO_TCP_CLOSED] = 240,		/* RFC 5382 REQ-5: transitory, 4 min or more */
	[NSX_TO_TCP_RESET] = 240,		/* RFC 7857, 2: as closed, for a RST may be out of window */
	[NSX_TO_UDP_ONEWAY] = 120,		/* RFC 4787 REQ-5: 2 min or more */
	[NSX_TO_UDP] = 300,			/* RFC 4787 REQ-5: 5 min recommended */
	[NSX_TO_ICMP] = 60,			/* RFC 5508 REQ-1: 60 s or more */
};

const char *const config_timeout_names[NSX_TIMEOUTS] = {
	[NSX_TO_TCP_OPENING] = "tcp-opening",
	[NSX_TO_TCP_ESTABLISHED] = "tcp-established",
	[NSX_TO_TCP_CLOSED] = "tcp-closed",
	[NSX_TO_TCP_RESET] = "tcp-reset",
	[NSX_TO_UDP_ONEWAY] = "udp-oneway",
	[NSX_TO_UDP] = "udp",
	[NSX_TO_ICMP] = "icmp",
};

#define TIMEOUT_MAX (30UL * 24 * 3600)

static const char *const mode_names[] = {
	[NSX_MODE_TC] = "tc",
	[NSX_MODE_XDP] = "xdp",
	[NSX_MODE_XDP_GENERIC] = "xdp-generic",
	[NSX_MODE_AUTO] = "auto",
};
#define MODES (sizeof(mode_names) / sizeof(mode_names[0]))

const char *config_mode_name(__u8 mode)
{
	return mode < MODES ? mode_names[mode] : "?";
}

const char *config_value(int argc, char **argv, int *i, struct fail *f)
{
	if (*i + 1 >= argc) {
		fail(f, -EINVAL, "%s needs a value", argv[*i]);
		return NULL;
	}
	return argv[++*i];
}

/* NAME=SECONDS */
static int read_timeout(const char *word, struct up_conf *c, struct fail *f)
{
	const char *equals = strchr(word, '=');
	unsigned long seconds;

	for (int i = 0; equals && i < NSX_TIMEOUTS; i++) {
		size_t len = strlen(config_timeout_names[i]);

		if (len != (size_t)(equals - word) || strncmp(word, config_timeout_names[i], len))
			continue;
		if (parse_number(equals + 1, 1, TIMEOUT_MAX, &seconds))
			return fail(f, -EINVAL, "--timeout %s: not a number of seconds from 1 to %lu", word, TIMEOUT_MAX);
		c->timeout[i] = seconds;
		c->has_timeout = true;
		return 0;
	}
	return fail(f, -EINVAL,
		    "--timeout %s: not NAME=SECONDS with tcp-opening, tcp-established, tcp-closed, tcp-reset, "
		    "udp-oneway, udp or icmp", word);
}

/* --snat ADDR[-ADDR] */
static int read_snat(const char *word, struct up_conf *c, struct fail *f)
{
	const char *dash = strchr(word, '-');
	struct nsx_addr first, last;
	char text[ADDR_STRLEN];

	c->has_snat = true;
	if (strcmp(word, "none") == 0)
		return 0;
	snprintf(text, sizeof(text), "%.*s", dash ? (int)(dash - word) : (int)sizeof(text) - 1, word);
	if (parse_addr(text, &first) || parse_addr(dash ? dash + 1 : text, &last))
		return fail(f, -EINVAL, "--snat %s: not ADDRESS or ADDRESS-ADDRESS", word);
	if (addr_v4(&last) < addr_v4(&first))
		return fail(f, -EINVAL, "--snat %s: the range ends before it begins", word);
	for (__u32 v4 = addr_v4(&first);; v4++) {
		struct nsx_addr addr;

		addr_set_v4(&addr, v4);
		for (__u32 i = 0; i < c->snat_count; i++)
			if (memcmp(&c->snat[i], &addr, sizeof(addr)) == 0)
				return fail(f, -EINVAL, "--snat %s: %s is there twice", word, format_addr(&addr, text));
		if (c->snat_count == NSX_SNAT_MAX)
			return fail(f, -EINVAL, "--snat %s: there are %d addresses at most", word, NSX_SNAT_MAX);
		c->snat[c->snat_count++] = addr;
		if (v4 == addr_v4(&last))
			return 0;
	}
}

/* --snat-ports LO-HI */
static int read_snat_ports(const char *word, struct up_conf *c, struct fail *f)
{
	const char *dash = strchr(word, '-');
	unsigned long lo, hi;
	char head[8];

	if (dash && dash - word < (long)sizeof(head)) {
		snprintf(head, sizeof(head), "%.*s", (int)(dash - word), word);
		if (parse_number(head, NSX_PORT_MIN, 65535, &lo) == 0 && parse_number(dash + 1, lo, 65535, &hi) == 0) {
			c->snat_lo = lo;
			c->snat_hi = hi;
			return 0;
		}
	}
	return fail(f, -EINVAL, "--snat-ports %s: not LOW-HIGH, from %d to 65535", word, NSX_PORT_MIN);
}

int config_read_up(int argc, char **argv, struct up_conf *ret, struct fail *f)
{
	struct up_conf c = { .mode = NSX_MODE_AUTO };
	const char *value;

	parse_prefix(DEFAULT_POOL, &c.pool, &c.pool_len);
	memcpy(c.timeout, config_timeouts, sizeof(c.timeout));
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--dev") == 0) {
			value = config_value(argc, argv, &i, f);
			if (!value)
				return -EINVAL;
			if (c.devs == NSX_UPLINKS)
				return fail(f, -EINVAL, "--dev %s: there are %d uplinks at most", value, NSX_UPLINKS);
			if (parse_ifname(value, c.dev[c.devs]))
				return fail(f, -EINVAL, "--dev %s: not an interface's name", value);
			for (int n = 0; n < c.devs; n++)
				if (strcmp(c.dev[n], c.dev[c.devs]) == 0)
					return fail(f, -EINVAL, "--dev %s: it is there twice", value);
			c.devs++;
		} else if (strcmp(argv[i], "--pool") == 0) {
			value = config_value(argc, argv, &i, f);
			if (!value)
				return -EINVAL;
			if (parse_prefix(value, &c.pool, &c.pool_len))
				return fail(f, -EINVAL, "--pool %s: not ADDRESS/LENGTH", value);
			if (c.pool_len < 8 || c.pool_len > 30)
				return fail(f, -EINVAL, "--pool %s: the length must be from 8 to 30", value);
			if (addr_v4(&c.pool) & ~mask_v4(c.pool_len))
				return fail(f, -EINVAL, "--pool %s: host bits are set", value);
			c.has_pool = true;
		} else if (strcmp(argv[i], "--timeout") == 0) {
			value = config_value(argc, argv, &i, f);
			if (!value || read_timeout(value, &c, f))
				return -EINVAL;
		} else if (strcmp(argv[i], "--flows") == 0) {
			unsigned long flows;

			value = config_value(argc, argv, &i, f);
			if (!value)
				return -EINVAL;
			if (parse_number(value, NSX_FLOWS_MIN, NSX_FLOWS_MAX, &flows))
				return fail(f, -EINVAL, "--flows %s: not a number from %d to %u", value, NSX_FLOWS_MIN, NSX_FLOWS_MAX);
			c.flows = flows;
		} else if (strcmp(argv[i], "--snat") == 0) {
			value = config_value(argc, argv, &i, f);
			if (!value || read_snat(value, &c, f))
				return -EINVAL;
		} else if (strcmp(argv[i], "--snat-ports") == 0) {
			value = config_value(argc, argv, &i, f);
			if (!value || read_snat_ports(value, &c, f))
				return -EINVAL;
		} else if (strcmp(argv[i], "--no-bind-guard") == 0) {
			c.no_bind_guard = true;
		} else if (strcmp(argv[i], "--mode") == 0) {
			value = config_value(argc, argv, &i, f);
			if (!value)
				return -EINVAL;
			for (c.mode = 0; c.mode < MODES && strcmp(value, mode_names[c.mode]); c.mode++)
				;
			if (c.mode == MODES)
				return fail(f, -EINVAL, "--mode %s: the mode is auto, tc, xdp or xdp-generic", value);
			c.has_mode = true;
		} else {
			return fail(f, -EINVAL, "unknown word '%s'", argv[i]);
		}
	}
	if (!c.devs)
		return fail(f, -EINVAL, "--dev DEV is missing: which interface leads outside?");
	*ret = c;
	return 0;
}

static int check_ns_addr(const struct ns_conf *c, const char *word, struct fail *f)
{
	__u32 v4 = addr_v4(&c->addr), host = v4 & ~mask_v4(c->prefix_len);

	if (c->prefix_len < 8 || c->prefix_len > 30)
		return fail(f, -EINVAL, "--addr %s: the length must be from 8 to 30", word);
	if (host == 0 || host == ~mask_v4(c->prefix_len))
		return fail(f, -EINVAL, "--addr %s: this is the %s address of its network", word,
			    host ? "broadcast" : "lowest");
	return 0;
}

const char *config_filtering_name(__u32 flags)
{
	if (flags & NSX_NS_ANY_REMOTE)
		return "endpoint-independent";
	return flags & NSX_NS_ANY_PORT ? "address-dependent" : "address-and-port-dependent";
}

/* --filtering, in the words of RFC 4787; --nat endpoint-independent is the full cone, unless --filtering narrows it. */
static int read_filtering(const char *option, const char *value, struct ns_conf *c, struct fail *f)
{
	static const __u32 flags[] = { NSX_NS_ANY_REMOTE, NSX_NS_ANY_PORT, 0 };

	if (strcmp(option, "--nat") == 0) {
		if (strcmp(value, "endpoint-independent"))
			return fail(f, -EINVAL, "--nat %s: mapping is endpoint-independent, always (RFC 4787)", value);
		if (!c->has_filtering)
			c->filtering = NSX_NS_ANY_REMOTE;
		return 0;
	}
	c->has_filtering = true;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		c->filtering = flags[i];
		if (strcmp(value, config_filtering_name(flags[i])) == 0)
			return 0;
	}
	return fail(f, -EINVAL, "--filtering %s: it is endpoint-independent, address-dependent or "
		    "address-and-port-dependent", value);
}

/* --clamp-mss, or --clamp-mss=BYTES */
static int read_mss(const char *word, struct ns_conf *c, struct fail *f)
{
	const char *equals = strchr(word, '=');
	unsigned long bytes = MSS_PATH;

	if (equals && parse_number(equals + 1, MSS_MIN, MSS_PATH - 1, &bytes))
		return fail(f, -EINVAL, "%s: not a number of bytes from %d to %d", word, MSS_MIN, MSS_PATH - 1);
	c->mss = bytes;
	return 0;
}

/* --egress-rate NUMBERkbit, mbit or gbit, as tc(8) has it */
static int read_egress(const char *word, struct ns_conf *c, struct fail *f)
{
	static const struct {
		const char *name;
		__u64 bits;
	} units[] = { { "kbit", 1000 }, { "mbit", 1000000 }, { "gbit", 1000000000 } };
	size_t digits = strspn(word, "0123456789");
	unsigned long number;
	char head[16];

	if (digits && digits < sizeof(head)) {
		memcpy(head, word, digits);
		head[digits] = '\0';
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (strcmp(word + digits, units[i].name) == 0 && parse_number(head, 1, 1000000, &number) == 0) {
				c->egress_rate = number * units[i].bits;
				return 0;
			}
	}
	return fail(f, -EINVAL, "--egress-rate %s: not a number from 1 to 1000000 with kbit, mbit or gbit", word);
}

/* An option of a namespace's limits; -ENOENT where it is none. */
static int read_limit(const char *option, const char *value, struct ns_conf *c, struct fail *f)
{
	unsigned long number;

	if (strcmp(option, "--egress-rate") == 0)
		return read_egress(value, c, f);
	if (strcmp(option, "--max-flows"))
		return -ENOENT;
	if (parse_number(value, 1, 1000000, &number))
		return fail(f, -EINVAL, "--max-flows %s: not a number from 1 to 1000000", value);
	c->max_flows = number;
	return 0;
}

int config_read_ns(int argc, char **argv, bool with_dns, struct ns_conf *ret, struct fail *f)
{
	struct ns_conf c = {};
	const char *value;
	int err;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--addr") == 0) {
			value = config_value(argc, argv, &i, f);
			if (!value)
				return -EINVAL;
			if (parse_prefix(value, &c.addr, &c.prefix_len))
				return fail(f, -EINVAL, "--addr %s: not ADDRESS/LENGTH", value);
			err = check_ns_addr(&c, value, f);
			if (err)
				return err;
			c.has_addr = true;
		} else if (with_dns && strcmp(argv[i], "--dns") == 0) {
			value = config_value(argc, argv, &i, f);
			if (!value)
				return -EINVAL;
			if (c.dns_count == DNS_MAX)
				return fail(f, -EINVAL, "--dns %s: resolv.conf takes %d", value, DNS_MAX);
			if (parse_addr(value, &c.dns[c.dns_count++]))
				return fail(f, -EINVAL, "--dns %s: not an IPv4 address", value);
		} else if (strcmp(argv[i], "--nat") == 0 || strcmp(argv[i], "--filtering") == 0) {
			const char *option = argv[i];

			value = config_value(argc, argv, &i, f);
			if (!value || read_filtering(option, value, &c, f))
				return -EINVAL;
		} else if (strcmp(argv[i], "--max-flows") == 0 || strcmp(argv[i], "--egress-rate") == 0) {
			const char *option = argv[i];

			value = config_value(argc, argv, &i, f);
			if (!value || read_limit(option, value, &c, f))
				return -EINVAL;
		} else if (strcmp(argv[i], "--clamp-mss") == 0 || strncmp(argv[i], "--clamp-mss=", 12) == 0) {
			if (read_mss(argv[i], &c, f))
				return -EINVAL;
		} else if (strcmp(argv[i], "--link-local") == 0) {
			c.link_local = true;
		} else if (strcmp(argv[i], "--datapath") == 0) {
			value = config_value(argc, argv, &i, f);
			if (!value)
				return -EINVAL;
			if (strcmp(value, "xdp") && strcmp(value, "tc"))
				return fail(f, -EINVAL, "--datapath %s: the datapath is tc or xdp", value);
			c.xdp = strcmp(value, "xdp") == 0;
			c.has_datapath = true;
		} else if (argv[i][0] == '-' || c.name[0]) {
			return fail(f, -EINVAL, "unknown word '%s'", argv[i]);
		} else if ((err = parse_name(argv[i], c.name)) != 0) {
			return fail(f, -EINVAL, "'%s': %s", argv[i],
				    err == -ERANGE ? "the name is too long" : "not a name for a namespace");
		}
	}
	if (!c.name[0])
		return fail(f, -EINVAL, "the namespace's name is missing");
	if (c.xdp && c.egress_rate)
		return fail(f, -EINVAL, "--egress-rate: not with --datapath xdp");
	*ret = c;
	return 0;
}

const char *config_port_name(__u8 proto, __u16 first, __u16 last, char buf[ADDR_STRLEN])
{
	if (first == last)
		snprintf(buf, ADDR_STRLEN, "%u/%s", first, proto_name(proto));
	else
		snprintf(buf, ADDR_STRLEN, "%u-%u/%s", first, last, proto_name(proto));
	return buf;
}

bool config_overlap(const struct nsx_addr *a, __u8 a_len, const struct nsx_addr *b, __u8 b_len)
{
	__u32 mask = mask_v4(a_len < b_len ? a_len : b_len);

	return ((addr_v4(a) ^ addr_v4(b)) & mask) == 0;
}

void config_gateway(const struct nsx_addr *addr, __u8 prefix_len, struct nsx_addr *ret)
{
	__u32 net = addr_v4(addr) & mask_v4(prefix_len);

	addr_set_v4(ret, net + 1 == addr_v4(addr) ? net + 2 : net + 1);
}
