// SPDX-License-Identifier: GPL-2.0-only
/* The words of "ns add", "ns adopt" and "ns set", to and from the model. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

#define MSS_MIN 536	/* what everybody takes (RFC 9293, 3.7.1) */
#define COUNT_MAX 1000000

static int read_addr(const char *word, void *conf, struct fail *f)
{
	struct ns_conf *c = conf;
	__u32 host;

	if (parse_prefix(word, &c->addr, &c->prefix_len))
		return fail(f, -EINVAL, "not ADDRESS/LENGTH");
	host = addr_v4(&c->addr) & ~mask_v4(c->prefix_len);
	if (c->prefix_len < 8 || c->prefix_len > 30)
		return fail(f, -EINVAL, "the length must be from 8 to 30");
	if (host == 0 || host == ~mask_v4(c->prefix_len))
		return fail(f, -EINVAL, "this is the %s address of its network",
			    host ? "broadcast" : "lowest");
	return 0;
}

static void print_addr(const void *conf, FILE *out)
{
	const struct ns_conf *c = conf;
	char addr[ADDR_STRLEN];

	if (c->given & NS_GIVEN_ADDR)
		fprintf(out, " --addr %s/%u", format_addr(&c->addr, addr), c->prefix_len);
}

static int read_link(const char *word, void *conf, struct fail *f)
{
	struct ns_conf *c = conf;

	c->netkit = strcmp(word, "netkit") == 0;
	return c->netkit || strcmp(word, "veth") == 0
		       ? 0
		       : fail(f, -EINVAL, "the link is veth or netkit");
}

static void print_link(const void *conf, FILE *out)
{
	const struct ns_conf *c = conf;

	if (c->netkit)
		fputs(" --link netkit", out);
}

static int read_datapath(const char *word, void *conf, struct fail *f)
{
	struct ns_conf *c = conf;

	c->xdp = strcmp(word, "xdp") == 0;
	return c->xdp || strcmp(word, "tc") == 0 ? 0
						 : fail(f, -EINVAL, "the datapath is tc or xdp");
}

static void print_datapath(const void *conf, FILE *out)
{
	const struct ns_conf *c = conf;

	if (c->xdp)
		fputs(" --datapath xdp", out);
}

/* ADDR, or "host" alone */
static int read_dns(const char *word, void *conf, struct fail *f)
{
	struct ns_conf *c = conf;
	bool host = strcmp(word, "host") == 0;

	if ((c->given & NS_GIVEN_DNS) && (host || !c->dns_count))
		return fail(f, -EINVAL, "'host' stands alone");
	if (host)
		return 0;
	if (c->dns_count == NSX_DNS_MAX)
		return fail(f, -EINVAL, "resolv.conf takes %d", NSX_DNS_MAX);
	if (parse_addr(word, &c->dns[c->dns_count]))
		return fail(f, -EINVAL, "not an address, nor 'host'");
	c->dns_count++;
	return 0;
}

static void print_dns(const void *conf, FILE *out)
{
	const struct ns_conf *c = conf;
	char addr[ADDR_STRLEN];

	for (__u32 i = 0; i < c->dns_count; i++)
		fprintf(out, " --dns %s", format_addr(&c->dns[i], addr));
}

const char *config_filtering_name(__u32 flags)
{
	if (flags & NSX_NS_ANY_REMOTE)
		return "endpoint-independent";
	return flags & NSX_NS_ANY_PORT ? "address-dependent" : "address-and-port-dependent";
}

/* The full cone, unless --filtering narrows it. */
static int read_nat(const char *word, void *conf, struct fail *f)
{
	struct ns_conf *c = conf;

	if (strcmp(word, "endpoint-independent"))
		return fail(f, -EINVAL, "mapping is endpoint-independent, always (RFC 4787)");
	if (!(c->given & NS_GIVEN_FILTERING))
		c->filtering = NSX_NS_ANY_REMOTE;
	return 0;
}

static int read_filtering(const char *word, void *conf, struct fail *f)
{
	static const __u32 flags[] = { NSX_NS_ANY_REMOTE, NSX_NS_ANY_PORT, 0 };
	struct ns_conf *c = conf;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		c->filtering = flags[i];
		if (strcmp(word, config_filtering_name(flags[i])) == 0)
			return 0;
	}
	return fail(f, -EINVAL,
		    "it is endpoint-independent, address-dependent or address-and-port-dependent");
}

static void print_filtering(const void *conf, FILE *out)
{
	const struct ns_conf *c = conf;

	if (c->filtering)
		fprintf(out, " --filtering %s", config_filtering_name(c->filtering));
}

/* BYTES or none; nothing: what the path takes */
static int read_mss(const char *word, void *conf, struct fail *f)
{
	unsigned long bytes = MSS_PATH;
	struct ns_conf *c = conf;

	if (word && strcmp(word, "none") == 0)
		bytes = 0;
	else if (word && parse_number(word, MSS_MIN, MSS_PATH - 1, &bytes))
		return fail(f, -EINVAL, "not a number of bytes from %d to %d, nor 'none'", MSS_MIN,
			    MSS_PATH - 1);
	c->mss = bytes;
	return 0;
}

static void print_mss(const void *conf, FILE *out)
{
	const struct ns_conf *c = conf;

	if (c->mss == MSS_PATH)
		fputs(" --clamp-mss", out);
	else if (c->mss)
		fprintf(out, " --clamp-mss=%u", c->mss);
}

/* N or none */
static int read_max_flows(const char *word, void *conf, struct fail *f)
{
	struct ns_conf *c = conf;
	unsigned long number = 0;

	if (strcmp(word, "none") && parse_number(word, 1, COUNT_MAX, &number))
		return fail(f, -EINVAL, "not a number from 1 to %d, nor 'none'", COUNT_MAX);
	c->max_flows = number;
	return 0;
}

static void print_max_flows(const void *conf, FILE *out)
{
	const struct ns_conf *c = conf;

	if (c->max_flows)
		fprintf(out, " --max-flows %u", c->max_flows);
}

static const struct {
	const char *name;
	__u64 bits;
} rate_units[] = { { "gbit", 1000000000 }, { "mbit", 1000000 }, { "kbit", 1000 } };
#define RATE_UNITS (sizeof(rate_units) / sizeof(rate_units[0]))

/* NUMBERkbit, mbit or gbit, as tc(8) has it; or none */
static int read_egress_rate(const char *word, void *conf, struct fail *f)
{
	size_t digits = strspn(word, "0123456789");
	struct ns_conf *c = conf;
	unsigned long number;
	char head[16];

	c->egress_rate = 0;
	if (strcmp(word, "none") == 0)
		return 0;
	if (digits && digits < sizeof(head)) {
		memcpy(head, word, digits);
		head[digits] = '\0';
		for (size_t i = 0; i < RATE_UNITS && !parse_number(head, 1, COUNT_MAX, &number);
		     i++)
			if (strcmp(word + digits, rate_units[i].name) == 0)
				c->egress_rate = number * rate_units[i].bits;
	}
	return c->egress_rate
		       ? 0
		       : fail(f, -EINVAL,
			      "not a number from 1 to %d with kbit, mbit or gbit, nor 'none'",
			      COUNT_MAX);
}

static void print_egress_rate(const void *conf, FILE *out)
{
	const struct ns_conf *c = conf;

	for (size_t i = 0; c->egress_rate && i < RATE_UNITS; i++)
		if (c->egress_rate % rate_units[i].bits == 0) {
			fprintf(out, " --egress-rate %llu%s",
				(unsigned long long)(c->egress_rate / rate_units[i].bits),
				rate_units[i].name);
			return;
		}
}

/* on, which is what nothing means, or off */
static int read_link_local(const char *word, void *conf, struct fail *f)
{
	struct ns_conf *c = conf;

	c->link_local = !word || strcmp(word, "on") == 0;
	return c->link_local || strcmp(word, "off") == 0 ? 0 : fail(f, -EINVAL, "it is on or off");
}

static void print_link_local(const void *conf, FILE *out)
{
	const struct ns_conf *c = conf;

	if (c->link_local)
		fputs(" --link-local", out);
}

static int read_prefer_ipv6(const char *word, void *conf, struct fail *f)
{
	struct ns_conf *c = conf;

	c->prefer_ipv6 = !word || strcmp(word, "on") == 0;
	return c->prefer_ipv6 || strcmp(word, "off") == 0 ? 0 : fail(f, -EINVAL, "it is on or off");
}

static void print_prefer_ipv6(const void *conf, FILE *out)
{
	const struct ns_conf *c = conf;

	if (c->prefer_ipv6)
		fputs(" --prefer-ipv6", out);
}

static int compare_networks(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct nsx_network));
}

const char *config_egress_name(const struct nsx_network *network, char buf[ADDR_STRLEN])
{
	return network_is_any(network) ? strcpy(buf, "any")
					: format_prefix(&network->addr, network->len, buf);
}

/* ADDR[/LEN] or any: all may be reached, or none. */
static int read_egress(const char *word, struct ns_conf *c, bool deny, struct fail *f)
{
	struct nsx_network network = network_any();
	bool any = !deny && strcmp(word, "any") == 0;

	if ((c->given & NS_GIVEN_EGRESS) && (any || !c->egress_count))
		return fail(f, -EINVAL, "'any' stands alone");
	if (any)
		return 0;
	network.deny = deny;
	if (strcmp(word, "any") && parse_net(word, &network.addr, &network.len))
		return fail(f, -EINVAL, "not ADDRESS, ADDRESS/LENGTH or any");
	if (!network_is_any(&network) && net_has_host_bits(&network.addr, network.len))
		return fail(f, -EINVAL, "host bits are set");
	for (__u32 i = 0; i < c->egress_count; i++)
		if (memcmp(&c->egress[i].addr, &network.addr, sizeof(network.addr)) == 0 &&
		    c->egress[i].len == network.len)
			return fail(f, -EINVAL, "given twice");
	if (c->egress_count == NSX_EGRESS_MAX)
		return fail(f, -EINVAL, "there are %d networks at most", NSX_EGRESS_MAX);
	c->egress[c->egress_count++] = network;
	qsort(c->egress, c->egress_count, sizeof(c->egress[0]), compare_networks);
	return 0;
}

static int read_egress_allow(const char *word, void *conf, struct fail *f)
{
	return read_egress(word, conf, false, f);
}

static int read_egress_deny(const char *word, void *conf, struct fail *f)
{
	return read_egress(word, conf, true, f);
}

static void print_egress(const void *conf, bool deny, FILE *out)
{
	const struct ns_conf *c = conf;
	char addr[ADDR_STRLEN];

	for (__u32 i = 0; i < c->egress_count; i++)
		if (c->egress[i].deny == deny)
			fprintf(out, " --egress-%s %s", deny ? "deny" : "allow",
				config_egress_name(&c->egress[i], addr));
}

static void print_egress_allow(const void *conf, FILE *out)
{
	print_egress(conf, false, out);
}

static void print_egress_deny(const void *conf, FILE *out)
{
	print_egress(conf, true, out);
}

/* ADDR or none */
static int read_source(const char *word, void *conf, struct fail *f)
{
	struct ns_conf *c = conf;

	struct nsx_addr addr;
	bool none = strcmp(word, "none") == 0;

	if ((c->given & NS_GIVEN_SOURCE) &&
	    (none || !(addr_is_set(&c->source[NSX_V4]) || addr_is_set(&c->source[NSX_V6]))))
		return fail(f, -EINVAL, "'none' stands alone");
	if (none)
		return 0;
	if (parse_addr(word, &addr) || !addr_is_set(&addr))
		return fail(f, -EINVAL, "not an address, nor 'none'");
	if (addr_is_set(&c->source[addr_family(&addr)]))
		return fail(f, -EINVAL, "there is one of each family at most");
	c->source[addr_family(&addr)] = addr;
	return 0;
}

static void print_source(const void *conf, FILE *out)
{
	const struct ns_conf *c = conf;
	char addr[ADDR_STRLEN];

	for (int i = 0; i < NSX_FAMILIES; i++)
		if (addr_is_set(&c->source[i]))
			fprintf(out, " --source %s", format_addr(&c->source[i], addr));
}

#define NS_ALL (NS_ADD | NS_ADOPT | NS_SET)

static const struct option_desc options[] = {
	{ "addr", "ADDR/LEN",
	  "its address, with the length of the network on its link (a free /30 of the pool)",
	  NS_GIVEN_ADDR, NS_ALL, 0, false, read_addr, print_addr },
	{ "link", "veth|netkit",
	  "what its link is made of: netkit devices (Linux 6.7) send straight into the datapath (veth)",
	  NS_GIVEN_LINK, NS_ALL, 0, false, read_link, print_link },
	{ "datapath", "tc|xdp", "whether XDP takes what it sends before TC (tc)", NS_GIVEN_DATAPATH,
	  NS_ALL, 0, false, read_datapath, print_datapath },
	{ "dns", "ADDR",
	  "a name server in its resolv.conf, up to 3; host: those of the host that can be reached (host)",
	  NS_GIVEN_DNS, NS_ALL, 0, true, read_dns, print_dns },
	{ "nat", "endpoint-independent",
	  "let everybody answer its UDP (full cone), unless --filtering says otherwise",
	  NS_GIVEN_NAT, NS_ALL, 0, false, read_nat, NULL },
	{ "filtering", "KIND",
	  "who may answer its UDP: endpoint-independent, address-dependent or address-and-port-dependent, which is the default",
	  NS_GIVEN_FILTERING, NS_ALL, 0, false, read_filtering, print_filtering },
	{ "clamp-mss", "[BYTES]",
	  "lower the segment size that TCP announces to what the path takes, or to BYTES; none ends that",
	  NS_GIVEN_MSS, NS_ALL, 0, false, read_mss, print_mss },
	{ "max-flows", "N", "limit of its masqueraded flows; none: unlimited (none)",
	  NS_GIVEN_MAX_FLOWS, NS_ALL, 0, false, read_max_flows, print_max_flows },
	{ "egress-rate", "RATE",
	  "limit of what it sends outside, as 100mbit; none: unlimited (none)",
	  NS_GIVEN_EGRESS_RATE, NS_ALL, 0, false, read_egress_rate, print_egress_rate },
	{ "source", "ADDR",
	  "the host's address that its flows leave from, one of each family; none: as the route says (none)",
	  NS_GIVEN_SOURCE, NS_ALL, 0, true, read_source, print_source },
	{ "prefer-ipv6", "[on|off]",
	  "let its programs try IPv6 first, by /etc/netns/NAME/gai.conf: with private addresses they try IPv4 (off)",
	  NS_GIVEN_PREFER_IPV6, NS_ALL, 0, false, read_prefer_ipv6, print_prefer_ipv6 },
	{ "egress-allow", "ADDR[/LEN]",
	  "let it open connections to these networks alone, up to 32; any: to all (any)",
	  NS_GIVEN_EGRESS, NS_ALL, 0, true, read_egress_allow, print_egress_allow },
	{ "egress-deny", "ADDR[/LEN]",
	  "and none to these, any: to none; the most specific match wins",
	  NS_GIVEN_EGRESS, NS_ALL, 0, true, read_egress_deny, print_egress_deny },
	{ "link-local", "[on|off]",
	  "let it reach 169.254.0.0/16: on a cloud host, the metadata service with the host's credentials (off)",
	  NS_GIVEN_LINK_LOCAL, NS_ALL, 0, false, read_link_local, print_link_local },
	{},
};

static int read_name(const char *word, void *conf, struct fail *f)
{
	struct ns_conf *c = conf;
	int err;

	if (c->name[0])
		return fail(f, -EINVAL, "unknown argument '%s'", word);
	err = parse_name(word, c->name);
	return err ? fail(f, -EINVAL, "'%s': %s", word,
			  err == -ERANGE ? "the name is too long" : "not a name for a namespace")
		   : 0;
}

const struct grammar ns_add_grammar = { options, NS_ADD, read_name };
const struct grammar ns_adopt_grammar = { options, NS_ADOPT, read_name };
const struct grammar ns_set_grammar = { options, NS_SET, read_name };
const struct grammar ns_name_grammar = { NULL, NS_NAME, read_name };

static const struct grammar *grammar_of(enum verb verb)
{
	return verb == NS_ADD ? &ns_add_grammar : verb == NS_ADOPT ? &ns_adopt_grammar :
	       verb == NS_SET ? &ns_set_grammar : &ns_name_grammar;
}

int config_check_ns(const struct ns_conf *c, struct fail *f)
{
	if (c->xdp && c->netkit)
		return fail(f, -EINVAL, "--datapath xdp: netkit devices have no XDP");
	if (c->xdp && c->egress_rate)
		return fail(f, -EINVAL, "--egress-rate: not with --datapath xdp");
	return 0;
}

int config_read_ns(int argc, char **argv, enum verb verb, struct ns_conf *ret, struct fail *f)
{
	struct ns_conf c = {};
	int err = options_read(grammar_of(verb), argc, argv, &c, f);

	if (!err && !c.name[0])
		err = fail(f, -EINVAL, "the namespace's name is missing");
	if (!err)
		err = config_check_ns(&c, f);
	if (err)
		return err;
	if (c.given & NS_GIVEN_NAT)
		c.given |= NS_GIVEN_FILTERING;
	c.adopted = verb == NS_ADOPT;
	*ret = c;
	return 0;
}

void config_print_ns(const struct ns_conf *c, enum verb verb, FILE *out)
{
	fprintf(out, "ns %s %s",
		verb == NS_SET	 ? "set"
		: verb == NS_DEL ? "del"
		: c->adopted	 ? "adopt"
				 : "add",
		c->name);
	if (verb != NS_DEL)
		options_print(grammar_of(verb == NS_SET ? verb
					 : c->adopted	? NS_ADOPT
							: NS_ADD),
			      c, out);
}

void config_set_ns(struct ns_conf *c, const struct ns_conf *changes)
{
	unsigned int given = changes->given;

	if (given & NS_GIVEN_ADDR) {
		c->addr = changes->addr;
		c->prefix_len = changes->prefix_len;
	}
	if (given & NS_GIVEN_LINK)
		c->netkit = changes->netkit;
	if (given & NS_GIVEN_DATAPATH)
		c->xdp = changes->xdp;
	if (given & NS_GIVEN_DNS) {
		memcpy(c->dns, changes->dns, sizeof(c->dns));
		c->dns_count = changes->dns_count;
	}
	if (given & NS_GIVEN_FILTERING)
		c->filtering = changes->filtering;
	if (given & NS_GIVEN_MSS)
		c->mss = changes->mss;
	if (given & NS_GIVEN_MAX_FLOWS)
		c->max_flows = changes->max_flows;
	if (given & NS_GIVEN_EGRESS_RATE)
		c->egress_rate = changes->egress_rate;
	if (given & NS_GIVEN_LINK_LOCAL)
		c->link_local = changes->link_local;
	if (given & NS_GIVEN_SOURCE)
		memcpy(c->source, changes->source, sizeof(c->source));
	if (given & NS_GIVEN_PREFER_IPV6)
		c->prefer_ipv6 = changes->prefer_ipv6;
	if (given & NS_GIVEN_EGRESS) {
		memcpy(c->egress, changes->egress, sizeof(c->egress));
		c->egress_count = changes->egress_count;
	}
	c->given |= given;
}

bool config_same_ns(const struct ns_conf *running, const struct ns_conf *wanted)
{
	if (wanted->adopted != running->adopted)
		return false;
	if ((wanted->given & NS_GIVEN_ADDR) &&
	    (memcmp(&wanted->addr, &running->addr, sizeof(wanted->addr)) ||
	     wanted->prefix_len != running->prefix_len))
		return false;
	if ((wanted->given & NS_GIVEN_LINK || !running->adopted) &&
	    wanted->netkit != running->netkit)
		return false;
	return wanted->xdp == running->xdp && wanted->filtering == running->filtering &&
	       wanted->link_local == running->link_local && wanted->mss == running->mss &&
	       wanted->max_flows == running->max_flows &&
	       wanted->egress_rate == running->egress_rate &&
	       wanted->prefer_ipv6 == running->prefer_ipv6 &&
	       memcmp(wanted->source, running->source, sizeof(wanted->source)) == 0 &&
	       wanted->egress_count == running->egress_count &&
	       memcmp(wanted->egress, running->egress, sizeof(wanted->egress)) == 0 &&
	       wanted->dns_count == running->dns_count &&
	       memcmp(wanted->dns, running->dns, sizeof(wanted->dns[0]) * wanted->dns_count) == 0;
}
