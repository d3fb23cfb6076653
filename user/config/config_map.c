// SPDX-License-Identifier: GPL-2.0-only
/* The words of "map add", "map set" and "map del", to and from the model. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

#define WEIGHT_MAX 100
#define RATE_MAX 100000000UL
#define BURST_MAX 1000000
#define DRAIN_MAX (24UL * 3600)

static int read_proto(const char *word, void *conf, struct fail *f)
{
	struct map_conf *c = conf;

	return parse_proto(word, &c->row) ? fail(f, -EINVAL, "the protocol is tcp or udp") : 0;
}

static void print_proto(const void *conf, FILE *out)
{
	const struct map_conf *c = conf;

	if (NSX_ROW_PROTO(c->row) == NSX_UDP)
		fputs(" -p udp", out);
}

/* ADDRESS[/LENGTH], or any alone */
static int read_allow(const char *word, void *conf, struct fail *f)
{
	struct map_conf *c = conf;
	struct nsx_addr addr;
	bool any = strcmp(word, "any") == 0;
	__u8 len;

	if ((c->given & MAP_GIVEN_ALLOW) && (any || !c->allows))
		return fail(f, -EINVAL, "'any' stands alone");
	if (any)
		return 0;
	if (c->allows == MAP_ALLOWS)
		return fail(f, -EINVAL, "a port has %d at most", MAP_ALLOWS);
	if (parse_net(word, &addr, &len))
		return fail(f, -EINVAL, "not ADDRESS, ADDRESS/LENGTH or any");
	if (net_has_host_bits(&addr, len))
		return fail(f, -EINVAL, "host bits are set");
	for (int i = 0; i < c->allows; i++)
		if (memcmp(&c->allow[i].addr, &addr, sizeof(addr)) == 0 && c->allow[i].len == len)
			return fail(f, -EINVAL, "given twice");
	c->allow[c->allows].addr = addr;
	c->allow[c->allows++].len = len;
	return 0;
}

static void print_allow(const void *conf, FILE *out)
{
	const struct map_conf *c = conf;
	char addr[ADDR_STRLEN];

	for (int i = 0; i < c->allows; i++)
		fprintf(out, " --allow %s", format_net(&c->allow[i].addr, c->allow[i].len, addr));
}

/* NUMBER/s or none */
static int read_rate(const char *word, void *conf, struct fail *f)
{
	const char *slash = strchr(word, '/');
	struct map_conf *c = conf;
	unsigned long rate = 0;
	char number[16];

	if (strcmp(word, "none")) {
		if (!slash || strcmp(slash, "/s") || (size_t)(slash - word) >= sizeof(number))
			return fail(f, -EINVAL, "not NUMBER/s or none");
		memcpy(number, word, slash - word);
		number[slash - word] = '\0';
		if (parse_number(number, 1, RATE_MAX, &rate))
			return fail(f, -EINVAL, "not a number from 1 to %lu", RATE_MAX);
	}
	c->rate = rate;
	return 0;
}

static unsigned int default_burst(unsigned int rate)
{
	return rate < 10 ? rate != 0 : rate / 10;
}

static void print_rate(const void *conf, FILE *out)
{
	const struct map_conf *c = conf;

	if (c->rate)
		fprintf(out, " --rate %u/s", c->rate);
	if (c->rate && c->burst != default_burst(c->rate))
		fprintf(out, " --burst %u", c->burst);
}

static int read_burst(const char *word, void *conf, struct fail *f)
{
	struct map_conf *c = conf;
	unsigned long number;

	if (parse_number(word, 1, BURST_MAX, &number))
		return fail(f, -EINVAL, "not a number from 1 to %d", BURST_MAX);
	c->burst = number;
	return 0;
}

static int read_affinity(const char *word, void *conf, struct fail *f)
{
	struct map_conf *c = conf;

	c->affinity = strcmp(word, "client") == 0;
	return c->affinity || strcmp(word, "connection") == 0
		       ? 0
		       : fail(f, -EINVAL, "it is client or connection");
}

static void print_affinity(const void *conf, FILE *out)
{
	const struct map_conf *c = conf;

	if (c->affinity)
		fputs(" --affinity client", out);
}

static int read_drain(const char *word, void *conf, struct fail *f)
{
	struct map_conf *c = conf;

	return parse_seconds(word, 0, DRAIN_MAX, &c->drain)
		       ? fail(f, -EINVAL, "not a time of a day or less, as 60s, 5m or 2h")
		       : 0;
}

/* A name, or none. */
static int read_owner(const char *word, void *conf, struct fail *f)
{
	struct map_conf *c = conf;

	if (!*word || strlen(word) >= sizeof(c->owner) ||
	    word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")])
		return fail(f, -EINVAL, "not a name of up to %zu letters, digits, -, _ and .",
			    sizeof(c->owner) - 1);
	memset(c->owner, 0, sizeof(c->owner));
	if (strcmp(word, "none"))
		strcpy(c->owner, word);
	return 0;
}

static void print_owner(const void *conf, FILE *out)
{
	const struct map_conf *c = conf;

	if (*c->owner)
		fprintf(out, " --owner %s", c->owner);
}

#define MAP_ALL (MAP_ADD | MAP_SET | MAP_DEL | MAP_LIST)

static const struct option_desc options[] = {
	{ "proto", "tcp|udp", "the protocol (tcp; list: both)", MAP_GIVEN_PROTO, MAP_ALL, 'p', false,
	  read_proto, print_proto },
	{ "allow", "ADDR[/LEN]",
	  "let in only these clients, up to 64 networks; any: everybody (any)", MAP_GIVEN_ALLOW,
	  MAP_ADD | MAP_SET, 0, true, read_allow, print_allow },
	{ "rate", "N/s",
	  "limit of new connections (TCP) or packets (UDP) a second; none: unlimited (none)",
	  MAP_GIVEN_RATE, MAP_ADD | MAP_SET, 0, false, read_rate, print_rate },
	{ "burst", "N", "how many of those at once (a tenth of a second's)", MAP_GIVEN_BURST,
	  MAP_ADD | MAP_SET, 0, false, read_burst, NULL },
	{ "affinity", "client|connection",
	  "whether all connections of a client's address go to one target (connection)",
	  MAP_GIVEN_AFFINITY, MAP_ADD | MAP_SET, 0, false, read_affinity, print_affinity },
	{ "owner", "NAME",
	  "the container engine that manages the port: the host's sockets may hold it (none)",
	  MAP_GIVEN_OWNER, MAP_ADD | MAP_SET, 0, false, read_owner, print_owner },
	{ "drain", "TIME",
	  "let running TCP connections finish where they are, for so long (set: 5m, del: 0s)",
	  MAP_GIVEN_DRAIN, MAP_SET | MAP_DEL, 0, false, read_drain, NULL },
	{ "ipv4", NULL, "for IPv4 alone (both)", MAP_GIVEN_V4, MAP_ALL, '4', false, NULL, NULL },
	{ "ipv6", NULL, "for IPv6 alone (both)", MAP_GIVEN_V6, MAP_ALL, '6', false, NULL, NULL },
	{},
};

/* An address, or what is not made like one: the name of a device. */
static int read_at(const char *word, struct map_conf *c)
{
	if (strcmp(word, "*") == 0) {
		c->given |= MAP_GIVEN_ANY_AT;
	} else if (!word[strspn(word, "0123456789.")] || strchr(word, ':')) {
		if (parse_addr(word, &c->at.addr) ||
		    (!nsx_is_v4(&c->at.addr) && addr_is_link_local(&c->at.addr)))
			return -EINVAL;
		c->has_at = addr_is_set(&c->at.addr);
		if (!c->has_at)
			c->given |= MAP_GIVEN_ANY_AT |
				    (nsx_is_v4(&c->at.addr) ? MAP_GIVEN_V4 : MAP_GIVEN_V6);
	} else {
		/* In a file "#" begins a comment. */
		if (word[0] == '#' || parse_ifname(word, c->at.dev))
			return -EINVAL;
		c->has_at = true;
	}
	if (!c->has_at)
		memset(&c->at, 0, sizeof(c->at));
	return 0;
}

/* [ADDRESS:|[ADDRESS]:|DEV:]PORT[-PORT] */
static int read_ports(const char *word, struct map_conf *c)
{
	const char *colon = strrchr(word, ':'), *end = colon;
	bool bracketed = word[0] == '[';
	char at[INET6_ADDRSTRLEN];

	if (!colon)
		return parse_ports(word, &c->port, &c->last);
	if (bracketed) {
		if (colon[-1] != ']')
			return -EINVAL;
		word++;
		end--;
	}
	if (end <= word || (size_t)(end - word) >= sizeof(at))
		return -EINVAL;
	memcpy(at, word, end - word);
	at[end - word] = '\0';
	/* Of an address with colons only the brackets tell where it ends. */
	if (bracketed != (strchr(at, ':') != NULL))
		return -EINVAL;
	return read_at(at, c) ? -EINVAL : parse_ports(colon + 1, &c->port, &c->last);
}

/* NAMESPACE:PORT[=WEIGHT] */
static int read_target(const char *word, struct map_conf *c, struct fail *f)
{
	const char *equals = strrchr(word, '=');
	struct map_target *t = &c->target[c->targets];
	char head[NSX_NAME_LEN + 8];
	unsigned long weight = 1;

	if (c->targets == NSX_TARGETS)
		return fail(f, -EINVAL, "'%s': a port has %d targets at most", word, NSX_TARGETS);
	if (equals && parse_number(equals + 1, 1, WEIGHT_MAX, &weight))
		return fail(f, -EINVAL, "'%s': the weight is not a number from 1 to %d", word,
			    WEIGHT_MAX);
	if (!equals)
		equals = word + strlen(word);
	if ((size_t)(equals - word) >= sizeof(head))
		return fail(f, -EINVAL, "'%s': not NAMESPACE:PORT", word);
	memcpy(head, word, equals - word);
	head[equals - word] = '\0';
	if (parse_target(head, t->ns, &t->port))
		return fail(f, -EINVAL, "'%s': not NAMESPACE:PORT", word);
	for (int i = 0; i < c->targets; i++)
		if (strcmp(c->target[i].ns, t->ns) == 0 && c->target[i].port == t->port)
			return fail(f, -EINVAL, "'%s': this target is given twice", word);
	t->weight = weight;
	c->targets++;
	return 0;
}

static int read_word(const char *word, void *conf, struct fail *f)
{
	struct map_conf *c = conf;

	if (c->port)
		return read_target(word, c, f);
	return read_ports(word, c)
		       ? fail(f, -EINVAL,
			      "'%s': not a port from 1 to 65535, nor a range FIRST-LAST, alone or "
			      "behind ADDRESS:, [ADDRESS]: or DEV:",
			      word)
		       : 0;
}

/* A port alone. */
static int read_port_word(const char *word, void *conf, struct fail *f)
{
	struct map_conf *c = conf;

	return c->port ? fail(f, -EINVAL, "unknown argument '%s'", word) : read_word(word, conf, f);
}

const struct grammar map_add_grammar = { options, MAP_ADD, read_word };
const struct grammar map_set_grammar = { options, MAP_SET, read_word };
const struct grammar map_del_grammar = { options, MAP_DEL, read_port_word };
const struct grammar map_list_grammar = { options, MAP_LIST, read_port_word };

static const struct grammar *grammar_of(enum verb verb)
{
	return verb == MAP_ADD	  ? &map_add_grammar
	       : verb == MAP_SET  ? &map_set_grammar
	       : verb == MAP_LIST ? &map_list_grammar
				  : &map_del_grammar;
}

int config_check_map(const struct map_conf *c, struct fail *f)
{
	for (int i = 0; i < c->targets; i++)
		if (c->target[i].port + (c->last - c->port) > 65535)
			return fail(f, -EINVAL,
				    "%u-%u: a range of so many does not fit from %s:%u on", c->port,
				    c->last, c->target[i].ns, c->target[i].port);
	return 0;
}

int config_read_map(int argc, char **argv, enum verb verb, struct map_conf *ret, struct fail *f)
{
	struct map_conf c = { .row = NSX_TCP };
	int err = options_read(grammar_of(verb), argc, argv, &c, f);

	if (err)
		return err;
	if (!c.port && verb == MAP_LIST) {
		c.port = 1;
		c.last = 65535;
	}
	if (!c.port)
		return fail(f, -EINVAL, "the port is missing");
	if (verb == MAP_ADD && !c.targets)
		return fail(f, -EINVAL, "%u: the target NAMESPACE:PORT is missing", c.port);
	if (verb == MAP_SET && !c.targets &&
	    !(c.given & ~(MAP_GIVEN_PROTO | MAP_GIVEN_DRAIN | MAP_GIVEN_ANY_AT | MAP_GIVEN_V4 |
			  MAP_GIVEN_V6)))
		return fail(f, -EINVAL, "%u: nothing to change is given", c.port);
	if ((c.has_at && !c.at.dev[0] &&
	     (c.given & (nsx_is_v4(&c.at.addr) ? MAP_GIVEN_V6 : MAP_GIVEN_V4))) ||
	    ((c.given & MAP_GIVEN_ANY_AT) && (c.given & MAP_GIVEN_V4) && (c.given & MAP_GIVEN_V6)))
		return fail(f, -EINVAL, "-4 or -6: the address is of the other family");
	if ((c.given & MAP_GIVEN_BURST) && !c.rate &&
	    (verb == MAP_ADD || (c.given & MAP_GIVEN_RATE)))
		return fail(f, -EINVAL, "--burst %u: there is no --rate", c.burst);
	err = config_check_map(&c, f);
	if (err)
		return err;
	if (c.rate && !c.burst)
		c.burst = default_burst(c.rate);
	config_normal_map(&c);
	*ret = c;
	return 0;
}

void config_print_map(const struct map_conf *c, enum verb verb, bool alone, FILE *out)
{
	char addr[ADDR_STRLEN];

	fprintf(out, "map %s", verb == MAP_ADD ? "add" : verb == MAP_SET ? "set" : "del");
	print_proto(c, out);
	if (alone && (c->has_at ? c->at.dev[0] != 0 : !(c->given & MAP_GIVEN_ANY_AT)))
		fputs(NSX_ROW_FAMILY(c->row) == NSX_V6 ? " -6" : " -4", out);
	fputc(' ', out);
	if (c->has_at)
		fprintf(out, !c->at.dev[0] && !nsx_is_v4(&c->at.addr) ? "[%s]:" : "%s:",
			config_at_name(&c->at, addr));
	else if (c->given & MAP_GIVEN_ANY_AT)
		fputs(!alone ? "*:" : NSX_ROW_FAMILY(c->row) == NSX_V6 ? "[::]:" : "0.0.0.0:", out);
	fprintf(out, c->port == c->last ? "%u" : "%u-%u", c->port, c->last);
	if (verb == MAP_DEL)
		return;
	for (int i = 0; i < c->targets; i++)
		fprintf(out, c->target[i].weight == 1 ? " %s:%u" : " %s:%u=%u", c->target[i].ns,
			c->target[i].port, c->target[i].weight);
	print_allow(c, out);
	print_rate(c, out);
	print_affinity(c, out);
	print_owner(c, out);
}

const char *config_at_name(const struct map_at *at, char buf[ADDR_STRLEN])
{
	if (!at->dev[0])
		return format_addr(&at->addr, buf);
	strcpy(buf, at->dev);
	return buf;
}

int config_split_map(const struct map_conf *c, struct map_conf ret[NSX_FAMILIES])
{
	unsigned int given = c->given & (MAP_GIVEN_V4 | MAP_GIVEN_V6);
	int count = 0;

	if (c->has_at && !c->at.dev[0])
		given = nsx_is_v4(&c->at.addr) ? MAP_GIVEN_V4 : MAP_GIVEN_V6;
	for (int family = NSX_V4; family < NSX_FAMILIES; family++) {
		if (given && !(given & (family == NSX_V4 ? MAP_GIVEN_V4 : MAP_GIVEN_V6)))
			continue;
		ret[count] = *c;
		ret[count].given |= given ? 0 : MAP_GIVEN_EITHER;
		ret[count++].row = NSX_ROW(NSX_ROW_PROTO(c->row), family);
	}
	return count;
}

bool config_default_at(struct map_conf *c, const struct up_conf *up)
{
	enum nsx_family family = NSX_ROW_FAMILY(c->row);

	if ((c->given & MAP_GIVEN_EITHER) && family == NSX_V6 && up->ipv6 == NSX_IPV6_OFF)
		return false;
	if (c->has_at || (c->given & MAP_GIVEN_ANY_AT) || !addr_is_set(&up->publish_at))
		return true;
	if (addr_family(&up->publish_at) != family)
		return !(c->given & MAP_GIVEN_EITHER);
	c->at.addr = up->publish_at;
	c->has_at = true;
	return true;
}

void config_say_at(struct map_conf *c, const struct up_conf *up)
{
	if (!c->has_at && addr_is_set(&up->publish_at))
		c->given |= MAP_GIVEN_ANY_AT;
}

void config_normal_map(struct map_conf *c)
{
	if (c->targets == 1)
		c->target[0].weight = 1;
}

void config_set_map(struct map_conf *c, const struct map_conf *changes)
{
	unsigned int given = changes->given;

	if (changes->targets) {
		memcpy(c->target, changes->target, sizeof(c->target));
		c->targets = changes->targets;
	}
	if (given & MAP_GIVEN_ALLOW) {
		memcpy(c->allow, changes->allow, sizeof(c->allow));
		c->allows = changes->allows;
	}
	if (given & MAP_GIVEN_RATE) {
		c->rate = changes->rate;
		c->burst = default_burst(c->rate);
	}
	if (given & (MAP_GIVEN_BURST | MAP_GIVEN_RATE) && changes->burst)
		c->burst = changes->burst;
	if (given & MAP_GIVEN_AFFINITY)
		c->affinity = changes->affinity;
	if (given & MAP_GIVEN_OWNER)
		memcpy(c->owner, changes->owner, sizeof(c->owner));
	if (given & MAP_GIVEN_DRAIN)
		c->drain = changes->drain;
	c->given |= given;
}

bool config_same_ports(const struct map_conf *a, const struct map_conf *b)
{
	return a->row == b->row && a->port == b->port && a->last == b->last &&
	       a->has_at == b->has_at && (!a->has_at || memcmp(&a->at, &b->at, sizeof(a->at)) == 0);
}

static bool has_target(const struct map_conf *c, const struct map_target *t)
{
	for (int i = 0; i < c->targets; i++)
		if (strcmp(c->target[i].ns, t->ns) == 0 && c->target[i].port == t->port &&
		    c->target[i].weight == t->weight)
			return true;
	return false;
}

static bool has_allow(const struct map_conf *c, const struct map_allow *a)
{
	for (int i = 0; i < c->allows; i++)
		if (memcmp(&c->allow[i].addr, &a->addr, sizeof(a->addr)) == 0 &&
		    c->allow[i].len == a->len)
			return true;
	return false;
}

bool config_are_twins(const struct map_conf *a, const struct map_conf *b)
{
	struct map_conf other;

	if (a->port != b->port || NSX_ROW_FAMILY(a->row) == NSX_ROW_FAMILY(b->row) ||
	    (a->has_at && !a->at.dev[0]))
		return false;
	other = *b;
	other.row = NSX_ROW(NSX_ROW_PROTO(b->row), NSX_ROW_FAMILY(a->row));
	return config_same_map(a, &other);
}

bool config_same_map(const struct map_conf *a, const struct map_conf *b)
{
	if (!config_same_ports(a, b) || a->targets != b->targets || a->allows != b->allows ||
	    a->rate != b->rate || a->burst != b->burst || a->affinity != b->affinity ||
	    strcmp(a->owner, b->owner))
		return false;
	for (int i = 0; i < a->targets; i++)
		if (!has_target(b, &a->target[i]))
			return false;
	for (int i = 0; i < a->allows; i++)
		if (!has_allow(b, &a->allow[i]))
			return false;
	return true;
}
