// SPDX-License-Identifier: GPL-2.0-only
/* The words of "up", to and from the model. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"

#define DEFAULT_POOL "192.168.0.0/16"
#define TIMEOUT_MAX (30UL * 24 * 3600)

const unsigned int config_timeouts[NSX_TIMEOUTS] = {
	[NSX_TO_TCP_OPENING] = 240,		/* RFC 5382 REQ-5: transitory, 4 min or more */
	[NSX_TO_TCP_ESTABLISHED] = 7440,	/* RFC 5382 REQ-5: 2 h 4 min or more */
	[NSX_TO_TCP_CLOSED] = 240,		/* RFC 5382 REQ-5: transitory, 4 min or more */
	/* RFC 7857, 2: as closed, for a RST may be out of window */
	[NSX_TO_TCP_RESET] = 240,
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

static int read_dev(const char *word, void *conf, struct fail *f)
{
	struct up_conf *c = conf;

	if (c->devs == NSX_UPLINKS)
		return fail(f, -EINVAL, "there are %d uplinks at most", NSX_UPLINKS);
	if (parse_ifname(word, c->dev[c->devs]))
		return fail(f, -EINVAL, "not an interface's name");
	for (int n = 0; n < c->devs; n++)
		if (strcmp(c->dev[n], c->dev[c->devs]) == 0)
			return fail(f, -EINVAL, "given twice");
	c->devs++;
	return 0;
}

static void print_dev(const void *conf, FILE *out)
{
	const struct up_conf *c = conf;

	for (int i = 0; i < c->devs; i++)
		fprintf(out, " --dev %s", c->dev[i]);
}

/* OLD=NEW */
static int read_replace_dev(const char *word, void *conf, struct fail *f)
{
	const char *equals = strchr(word, '=');
	struct up_conf *c = conf;
	char old[16];

	if (!equals || (size_t)(equals - word) >= sizeof(old))
		return fail(f, -EINVAL, "not OLD=NEW");
	memcpy(old, word, equals - word);
	old[equals - word] = '\0';
	if (parse_ifname(old, c->replaced) || parse_ifname(equals + 1, c->replacement))
		return fail(f, -EINVAL, "not the names of two interfaces");
	return 0;
}

static int read_pool(const char *word, void *conf, struct fail *f)
{
	struct up_conf *c = conf;
	__u32 v4;

	if (parse_prefix(word, &c->pool, &c->pool_len))
		return fail(f, -EINVAL, "not ADDRESS/LENGTH");
	v4 = addr_v4(&c->pool);
	if (c->pool_len < 8 || c->pool_len > 30)
		return fail(f, -EINVAL, "the length must be from 8 to 30");
	if (v4 & ~mask_v4(c->pool_len))
		return fail(f, -EINVAL, "host bits are set");
	if (!v4 || v4 >> 24 == 127 || v4 >= 0xe0000000U)
		return fail(f, -EINVAL, "hosts cannot have these addresses (RFC 6890)");
	return 0;
}

static void print_pool(const void *conf, FILE *out)
{
	const struct up_conf *c = conf;
	char addr[ADDR_STRLEN];

	if (c->given & UP_GIVEN_POOL)
		fprintf(out, " --pool %s/%u", format_addr(&c->pool, addr), c->pool_len);
}

/* 64:ff9b::/96, by which IPv6 hosts speak to IPv4 ones (RFC 6052). */
static bool is_nat64(const struct nsx_addr *a)
{
	return a->w[0] == htonl(0x0064ff9b) && !a->w[1] && !a->w[2];
}

/* The last 32 bits of a namespace's address are its IPv4 address. */
static int read_pool6(const char *word, void *conf, struct fail *f)
{
	struct up_conf *c = conf;

	if (!strchr(word, '/') || parse_net(word, &c->pool6, &c->pool6_len) ||
	    nsx_is_v4(&c->pool6))
		return fail(f, -EINVAL, "not ADDRESS/LENGTH of IPv6");
	if (c->pool6_len < 16 || c->pool6_len > 96)
		return fail(f, -EINVAL, "the length must be from 16 to 96");
	if (net_has_host_bits(&c->pool6, c->pool6_len))
		return fail(f, -EINVAL, "host bits are set");
	if (!c->pool6.w[0] || addr_is_link_local(&c->pool6) ||
	    (c->pool6.w[0] & htonl(0xff000000)) == htonl(0xff000000) || is_nat64(&c->pool6))
		return fail(f, -EINVAL, "hosts cannot have these addresses (RFC 6890)");
	return 0;
}

static void print_pool6(const void *conf, FILE *out)
{
	const struct up_conf *c = conf;
	char addr[ADDR_STRLEN];

	if ((c->given & UP_GIVEN_POOL6) && c->ipv6 != NSX_IPV6_OFF)
		fprintf(out, " --pool6 %s", format_prefix(&c->pool6, c->pool6_len, addr));
}

static const char *const ipv6_names[] = {
	[NSX_IPV6_OFF] = "off",
	[NSX_IPV6_NAT] = "nat",
	[NSX_IPV6_ROUTED] = "routed",
};
#define IPV6_NAMES (sizeof(ipv6_names) / sizeof(ipv6_names[0]))

const char *config_ipv6_name(__u8 ipv6)
{
	return ipv6 < IPV6_NAMES ? ipv6_names[ipv6] : "?";
}

static int read_ipv6(const char *word, void *conf, struct fail *f)
{
	struct up_conf *c = conf;

	for (c->ipv6 = 0; c->ipv6 < IPV6_NAMES && strcmp(word, ipv6_names[c->ipv6]); c->ipv6++)
		;
	return c->ipv6 < IPV6_NAMES ? 0 : fail(f, -EINVAL, "it is nat, routed or off");
}

static void print_ipv6(const void *conf, FILE *out)
{
	const struct up_conf *c = conf;

	if (c->given & UP_GIVEN_IPV6)
		fprintf(out, " --ipv6 %s", config_ipv6_name(c->ipv6));
}

static int read_mode(const char *word, void *conf, struct fail *f)
{
	struct up_conf *c = conf;

	for (c->mode = 0; c->mode < MODES && strcmp(word, mode_names[c->mode]); c->mode++)
		;
	return c->mode < MODES ? 0 : fail(f, -EINVAL, "the mode is auto, tc, xdp or xdp-generic");
}

static void print_mode(const void *conf, FILE *out)
{
	const struct up_conf *c = conf;

	if (c->given & UP_GIVEN_MODE)
		fprintf(out, " --mode %s", config_mode_name(c->mode));
}

static int read_attach(const char *word, void *conf, struct fail *f)
{
	struct up_conf *c = conf;

	c->attach = strcmp(word, "block") == 0 ? NSX_ATTACH_BLOCK : NSX_ATTACH_TCX;
	return c->attach || strcmp(word, "tcx") == 0 ? 0 : fail(f, -EINVAL, "it is tcx or block");
}

static void print_attach(const void *conf, FILE *out)
{
	const struct up_conf *c = conf;

	if (c->attach == NSX_ATTACH_BLOCK)
		fputs(" --attach block", out);
}

/* NAME=SECONDS */
static int read_timeout(const char *word, void *conf, struct fail *f)
{
	const char *equals = strchr(word, '=');
	struct up_conf *c = conf;
	unsigned long seconds;

	for (int i = 0; equals && i < NSX_TIMEOUTS; i++) {
		size_t len = strlen(config_timeout_names[i]);

		if (len != (size_t)(equals - word) || strncmp(word, config_timeout_names[i], len))
			continue;
		if (parse_number(equals + 1, 1, TIMEOUT_MAX, &seconds))
			return fail(f, -EINVAL, "not a number of seconds from 1 to %lu",
				    TIMEOUT_MAX);
		if (c->timeouts_given >> i & 1)
			return fail(f, -EINVAL, "given twice");
		c->timeout[i] = seconds;
		c->timeouts_given |= 1U << i;
		return 0;
	}
	return fail(f, -EINVAL,
		    "not NAME=SECONDS with tcp-opening, tcp-established, tcp-closed, tcp-reset, "
		    "udp-oneway, udp or icmp");
}

static void print_timeout(const void *conf, FILE *out)
{
	const struct up_conf *c = conf;

	for (int i = 0; i < NSX_TIMEOUTS; i++)
		if (c->timeout[i] != config_timeouts[i])
			fprintf(out, " --timeout %s=%u", config_timeout_names[i], c->timeout[i]);
}

static int read_flows(const char *word, void *conf, struct fail *f)
{
	struct up_conf *c = conf;
	unsigned long flows = 0;

	if (strcmp(word, "auto") && parse_number(word, NSX_FLOWS_MIN, NSX_FLOWS_MAX, &flows))
		return fail(f, -EINVAL, "not a number from %d to %u, nor 'auto'", NSX_FLOWS_MIN,
			    NSX_FLOWS_MAX);
	c->flows = flows;
	return 0;
}

static void print_flows(const void *conf, FILE *out)
{
	const struct up_conf *c = conf;

	if (c->flows)
		fprintf(out, " --flows %u", c->flows);
}

static int add_snat(struct up_conf *c, const struct nsx_addr *addr, struct fail *f)
{
	char text[ADDR_STRLEN];

	for (__u32 i = 0; i < c->snat_count; i++)
		if (memcmp(&c->snat[i], addr, sizeof(*addr)) == 0)
			return fail(f, -EINVAL, "%s is given twice", format_addr(addr, text));
	if (c->snat_count == NSX_SNAT_MAX)
		return fail(f, -EINVAL, "there are %d addresses at most", NSX_SNAT_MAX);
	c->snat[c->snat_count++] = *addr;
	return 0;
}

/* ADDR[-ADDR] or none */
static int read_snat(const char *word, void *conf, struct fail *f)
{
	const char *dash = strchr(word, '-');
	bool none = strcmp(word, "none") == 0;
	struct nsx_addr first, last, addr;
	struct up_conf *c = conf;
	char text[ADDR_STRLEN];
	int err = 0;

	if ((c->given & UP_GIVEN_SNAT) && (none || !c->snat_count))
		return fail(f, -EINVAL, "'none' stands alone");
	if (none)
		return 0;
	snprintf(text, sizeof(text), "%.*s", dash ? (int)(dash - word) : (int)sizeof(text) - 1,
		 word);
	if (!dash && parse_addr(text, &addr) == 0 && !nsx_is_v4(&addr))
		return add_snat(conf, &addr, f);
	if (parse_addr4(text, &first) || parse_addr4(dash ? dash + 1 : text, &last))
		return fail(f, -EINVAL, "not ADDRESS, or ADDRESS-ADDRESS of IPv4");
	if (addr_v4(&last) < addr_v4(&first))
		return fail(f, -EINVAL, "the range ends before it begins");
	for (__u64 v4 = addr_v4(&first); v4 <= addr_v4(&last) && !err; v4++) {
		addr_set_v4(&addr, v4);
		err = add_snat(conf, &addr, f);
	}
	return err;
}

static void print_snat(const void *conf, FILE *out)
{
	const struct up_conf *c = conf;
	char addr[ADDR_STRLEN];

	for (__u32 i = 0; i < c->snat_count; i++)
		fprintf(out, " --snat %s", format_addr(&c->snat[i], addr));
}

/* ADDR or any */
static int read_publish_at(const char *word, void *conf, struct fail *f)
{
	struct up_conf *c = conf;

	if (strcmp(word, "any") == 0)
		return 0;
	if (parse_addr(word, &c->publish_at) || !addr_is_set(&c->publish_at))
		return fail(f, -EINVAL, "not an address, nor 'any'");
	return 0;
}

static void print_publish_at(const void *conf, FILE *out)
{
	const struct up_conf *c = conf;
	char addr[ADDR_STRLEN];

	if (addr_is_set(&c->publish_at))
		fprintf(out, " --publish-at %s", format_addr(&c->publish_at, addr));
}

/* LOW-HIGH or all */
static int read_snat_ports(const char *word, void *conf, struct fail *f)
{
	const char *dash = strchr(word, '-');
	struct up_conf *c = conf;
	unsigned long lo, hi;
	char head[8];

	if (strcmp(word, "all") == 0)
		return 0;
	if (dash && dash - word < (long)sizeof(head)) {
		snprintf(head, sizeof(head), "%.*s", (int)(dash - word), word);
		if (parse_number(head, NSX_PORT_MIN, 65535, &lo) == 0 &&
		    parse_number(dash + 1, lo, 65535, &hi) == 0) {
			c->snat_lo = lo;
			c->snat_hi = hi;
			return 0;
		}
	}
	return fail(f, -EINVAL, "not LOW-HIGH, from %d to 65535, nor 'all'", NSX_PORT_MIN);
}

static void print_snat_ports(const void *conf, FILE *out)
{
	const struct up_conf *c = conf;

	if (c->snat_lo)
		fprintf(out, " --snat-ports %u-%u", c->snat_lo, c->snat_hi);
}

#define CONFIRM_MAX (24 * 3600)

int config_read_confirm(const char *word, unsigned int *seconds, struct fail *f)
{
	return parse_seconds(word, 1, CONFIRM_MAX, seconds)
		       ? fail(f, -EINVAL, "not a time from 1s to a day, as 60s, 5m or 2h")
		       : 0;
}

static int read_confirm(const char *word, void *conf, struct fail *f)
{
	struct up_conf *c = conf;

	return config_read_confirm(word, &c->confirm, f);
}

static void print_no_bind_guard(const void *conf, FILE *out)
{
	const struct up_conf *c = conf;

	if (c->given & UP_GIVEN_NO_BIND_GUARD)
		fputs(" --no-bind-guard", out);
}

static const struct option_desc options[] = {
	{ "dev", "DEV", "an interface that leads outside, up to 8 of them; XDP is on the first",
	  UP_GIVEN_DEV, VERB_UP, 0, true, read_dev, print_dev },
	{ "replace-dev", "OLD=NEW",
	  "the uplink OLD has another name now, or another device is to be used in its place",
	  UP_GIVEN_REPLACE_DEV, VERB_UP, 0, false, read_replace_dev, NULL },
	{ "pool", "ADDR/LEN", "where namespaces get their addresses from (" DEFAULT_POOL ")",
	  UP_GIVEN_POOL, VERB_UP, 0, false, read_pool, print_pool },
	{ "ipv6", "nat|routed|off",
	  "whether namespaces get IPv6 too: masqueraded as IPv4 is, or with addresses of --pool6 that are routed to this host and closed but for published ports (nat, where the kernel has IPv6)",
	  UP_GIVEN_IPV6, VERB_UP, 0, false, read_ipv6, print_ipv6 },
	{ "pool6", "ADDR/LEN",
	  "where they get their IPv6 addresses from (a random fd00::/8 network of 48 bits)",
	  UP_GIVEN_POOL6, VERB_UP, 0, false, read_pool6, print_pool6 },
	{ "mode", "auto|tc|xdp|xdp-generic",
	  "whether XDP takes what it can before TC (auto: on a NIC with native XDP)", UP_GIVEN_MODE,
	  VERB_UP, 0, false, read_mode, print_mode },
	{ "attach", "tcx|block",
	  "how links made from now on are served: each by a program of its own, or all by one on a block that they share, which is a little slower and much faster to set up (tcx)",
	  UP_GIVEN_ATTACH, VERB_UP, 0, false, read_attach, print_attach },
	{ "timeout", "NAME=SECONDS",
	  "idle time of tcp-opening, tcp-established, tcp-closed, tcp-reset, udp-oneway, udp or icmp flows",
	  UP_GIVEN_TIMEOUT, VERB_UP, 0, true, read_timeout, print_timeout },
	{ "flows", "N",
	  "masqueraded flows that there is room for (auto: as the machine's memory says, 262144 or more)",
	  UP_GIVEN_FLOWS, VERB_UP, 0, false, read_flows, print_flows },
	{ "snat", "ADDR[-ADDR]",
	  "spread masquerading over these addresses of the host; none: the route chooses",
	  UP_GIVEN_SNAT, VERB_UP, 0, true, read_snat, print_snat },
	{ "snat-ports", "LOW-HIGH",
	  "ports for masquerading (all: those from 1024 on that ip_local_port_range leaves)",
	  UP_GIVEN_SNAT_PORTS, VERB_UP, 0, false, read_snat_ports, print_snat_ports },
	{ "publish-at", "ADDR",
	  "the host's address at which ports are published that are given without one, as 127.0.0.1 (any)",
	  UP_GIVEN_PUBLISH_AT, VERB_UP, 0, false, read_publish_at, print_publish_at },
	{ "confirm", "TIME", CONFIRM_HELP, UP_GIVEN_CONFIRM, VERB_UP, 0, false, read_confirm, NULL },
	{ "no-bind-guard", NULL, "let processes of the host bind to published ports",
	  UP_GIVEN_NO_BIND_GUARD, VERB_UP, 0, false, NULL, print_no_bind_guard },
	{},
};

const struct grammar up_grammar = { options, VERB_UP, NULL };

void config_default_up(struct up_conf *c)
{
	memset(c, 0, sizeof(*c));
	c->mode = NSX_MODE_AUTO;
	c->ipv6 = NSX_IPV6_NAT;
	parse_prefix(DEFAULT_POOL, &c->pool, &c->pool_len);
	memcpy(c->timeout, config_timeouts, sizeof(c->timeout));
}

int config_read_up(int argc, char **argv, struct up_conf *ret, struct fail *f)
{
	struct up_conf c;
	int err;

	config_default_up(&c);
	err = options_read(&up_grammar, argc, argv, &c, f);
	if (err)
		return err;
	if (!c.devs)
		return fail(f, -EINVAL, "--dev DEV is missing: which interface leads outside?");
	if (c.ipv6 == NSX_IPV6_OFF && (c.given & UP_GIVEN_POOL6))
		return fail(f, -EINVAL, "--pool6: the instance is to have no IPv6 (--ipv6 off)");
	if (c.ipv6 == NSX_IPV6_ROUTED && !(c.given & UP_GIVEN_POOL6))
		return fail(f, -EINVAL,
			    "--ipv6 routed: --pool6 ADDR/LEN is missing: which network is routed to this host?");
	if (c.confirm && (c.given & UP_GIVEN_REPLACE_DEV))
		return fail(f, -EINVAL, "--replace-dev cannot be combined with --confirm: it cannot be taken back");
	*ret = c;
	return 0;
}

void config_print_up(const struct up_conf *c, FILE *out)
{
	fputs("up", out);
	options_print(&up_grammar, c, out);
}

void config_whole_up(struct up_conf *c)
{
	c->given |= UP_GIVEN_ATTACH | UP_GIVEN_TIMEOUT | UP_GIVEN_FLOWS | UP_GIVEN_SNAT |
		    UP_GIVEN_SNAT_PORTS | UP_GIVEN_PUBLISH_AT;
}

bool config_same_up(const struct up_conf *running, const struct up_conf *wanted)
{
	if (running->devs != wanted->devs || running->snat_count != wanted->snat_count ||
	    running->snat_lo != wanted->snat_lo || running->snat_hi != wanted->snat_hi ||
	    running->flows != wanted->flows || running->attach != wanted->attach ||
	    memcmp(running->timeout, wanted->timeout, sizeof(running->timeout)) ||
	    memcmp(running->snat, wanted->snat, sizeof(running->snat)) ||
	    memcmp(&running->publish_at, &wanted->publish_at, sizeof(running->publish_at)) ||
	    ((running->given ^ wanted->given) & UP_GIVEN_NO_BIND_GUARD))
		return false;
	for (int i = 0; i < running->devs; i++)
		if (strcmp(running->dev[i], wanted->dev[i]))
			return false;
	if ((wanted->given & UP_GIVEN_POOL) &&
	    (memcmp(&running->pool, &wanted->pool, sizeof(running->pool)) ||
	     running->pool_len != wanted->pool_len))
		return false;
	if ((wanted->given & UP_GIVEN_IPV6) && running->ipv6 != wanted->ipv6)
		return false;
	if ((wanted->given & UP_GIVEN_POOL6) && running->ipv6 != NSX_IPV6_OFF &&
	    (memcmp(&running->pool6, &wanted->pool6, sizeof(running->pool6)) ||
	     running->pool6_len != wanted->pool6_len))
		return false;
	return !(wanted->given & UP_GIVEN_MODE) || running->mode == wanted->mode;
}
