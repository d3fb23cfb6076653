// SPDX-License-Identifier: GPL-2.0-only
/* Words about published ports to wanted state. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config.h"

#define WEIGHT_MAX 100
#define RATE_MAX 100000000UL
#define DRAIN_MAX (24UL * 3600)

/* [ADDRESS:]PORT[-PORT] */
static int read_ports(const char *word, struct map_conf *c)
{
	const char *colon = strchr(word, ':');
	char addr[16];

	if (!colon)
		return parse_ports(word, &c->port, &c->last);
	if ((size_t)(colon - word) >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, word, colon - word);
	addr[colon - word] = '\0';
	c->has_at = true;
	return parse_addr(addr, &c->at) ? -EINVAL : parse_ports(colon + 1, &c->port, &c->last);
}

/* NAMESPACE:PORT[=WEIGHT] */
static int read_target(const char *word, struct map_conf *c, struct fail *f)
{
	const char *equals = strrchr(word, '=');
	char head[NSX_NAME_LEN + 8];
	unsigned long weight = 1;

	if (c->targets == NSX_TARGETS)
		return fail(f, -EINVAL, "'%s': a port has %d targets at most", word, NSX_TARGETS);
	if (equals && parse_number(equals + 1, 1, WEIGHT_MAX, &weight))
		return fail(f, -EINVAL, "'%s': the weight is not a number from 1 to %d", word, WEIGHT_MAX);
	if (!equals)
		equals = word + strlen(word);
	if ((size_t)(equals - word) >= sizeof(head))
		return fail(f, -EINVAL, "'%s': not NAMESPACE:PORT", word);
	memcpy(head, word, equals - word);
	head[equals - word] = '\0';
	if (parse_target(head, c->target[c->targets].ns, &c->target[c->targets].port))
		return fail(f, -EINVAL, "'%s': not NAMESPACE:PORT", word);
	for (int i = 0; i < c->targets; i++)
		if (strcmp(c->target[i].ns, c->target[c->targets].ns) == 0 &&
		    c->target[i].port == c->target[c->targets].port)
			return fail(f, -EINVAL, "'%s': this target is there twice", word);
	c->target[c->targets++].weight = weight;
	return 0;
}

/* --allow ADDRESS[/LENGTH] or any */
static int read_allow(const char *word, struct map_conf *c, struct fail *f)
{
	struct nsx_addr addr;
	bool any = strcmp(word, "any") == 0, before = c->said & MAP_SAID_ALLOW;
	__u8 len = 32;

	if (before && (any || !c->allows))
		return fail(f, -EINVAL, "--allow %s: 'any' stands alone", word);
	c->said |= MAP_SAID_ALLOW;
	if (any)
		return 0;
	if (c->allows == MAP_ALLOWS)
		return fail(f, -EINVAL, "--allow %s: a port has %d at most", word, MAP_ALLOWS);
	if (strchr(word, '/') ? parse_prefix(word, &addr, &len) : parse_addr(word, &addr))
		return fail(f, -EINVAL, "--allow %s: not ADDRESS, ADDRESS/LENGTH or any", word);
	if (addr_v4(&addr) & ~mask_v4(len))
		return fail(f, -EINVAL, "--allow %s: host bits are set", word);
	c->allow[c->allows].addr = addr;
	c->allow[c->allows++].len = len;
	return 0;
}

/* --rate NUMBER/s or none */
static int read_rate(const char *word, struct map_conf *c, struct fail *f)
{
	const char *slash = strchr(word, '/');
	char number[16];
	unsigned long rate;

	c->said |= MAP_SAID_RATE;
	if (strcmp(word, "none") == 0) {
		c->rate = 0;
		return 0;
	}
	if (!slash || strcmp(slash, "/s") || (size_t)(slash - word) >= sizeof(number))
		return fail(f, -EINVAL, "--rate %s: not NUMBER/s or none", word);
	memcpy(number, word, slash - word);
	number[slash - word] = '\0';
	if (parse_number(number, 1, RATE_MAX, &rate))
		return fail(f, -EINVAL, "--rate %s: not a number from 1 to %lu", word, RATE_MAX);
	c->rate = rate;
	return 0;
}

/* --drain SECONDS[s], MINUTESm or HOURSh */
static int read_drain(const char *word, struct map_conf *c, struct fail *f)
{
	size_t len = strlen(word);
	unsigned long unit = 1, value;
	char number[16];

	if (len && len < sizeof(number)) {
		memcpy(number, word, len + 1);
		switch (word[len - 1]) {
		case 'h':
			unit *= 60;	/* fall through */
		case 'm':
			unit *= 60;	/* fall through */
		case 's':
			number[len - 1] = '\0';
		}
		if (parse_number(number, 0, DRAIN_MAX / unit, &value) == 0) {
			c->drain = value * unit;
			c->has_drain = true;
			return 0;
		}
	}
	return fail(f, -EINVAL, "--drain %s: not a time of a day or less, as 60s, 5m or 2h", word);
}

/* An option of which the value follows; -ENOENT where it is none that the command takes. */
static int read_option(const char *option, const char *value, enum map_words words, struct map_conf *c, struct fail *f)
{
	unsigned long number;

	if (strcmp(option, "-p") == 0)
		return parse_proto(value, &c->proto) ? fail(f, -EINVAL, "-p %s: the protocol is tcp or udp", value) : 0;
	if (words != MAP_TARGETS && strcmp(option, "--drain") == 0)
		return read_drain(value, c, f);
	if (words == MAP_PORTS)
		return -ENOENT;
	if (strcmp(option, "--allow") == 0)
		return read_allow(value, c, f);
	if (strcmp(option, "--rate") == 0)
		return read_rate(value, c, f);
	if (strcmp(option, "--burst") == 0) {
		if (parse_number(value, 1, 1000000, &number))
			return fail(f, -EINVAL, "--burst %s: not a number from 1 to 1000000", value);
		c->burst = number;
		return 0;
	}
	if (strcmp(option, "--affinity") == 0) {
		c->said |= MAP_SAID_AFFINITY;
		c->affinity = strcmp(value, "client") == 0;
		if (!c->affinity && strcmp(value, "connection"))
			return fail(f, -EINVAL, "--affinity %s: it is client or connection", value);
		return 0;
	}
	return -ENOENT;
}

/* What can only be seen once all words are read. */
static int check_map(const struct map_conf *c, enum map_words words, struct fail *f)
{
	if (!c->port)
		return fail(f, -EINVAL, "the port is missing");
	if (words == MAP_PORTS)
		return 0;
	if (!c->targets)
		return fail(f, -EINVAL, "%u: the target NAMESPACE:PORT is missing", c->port);
	for (int i = 0; i < c->targets; i++)
		if (c->target[i].port + (c->last - c->port) > 65535)
			return fail(f, -EINVAL, "%u-%u: a range of so many does not fit from %s:%u on", c->port, c->last,
				    c->target[i].ns, c->target[i].port);
	if (c->burst && !c->rate)
		return fail(f, -EINVAL, "--burst %u: there is no --rate", c->burst);
	return 0;
}

int config_read_map(int argc, char **argv, enum map_words words, struct map_conf *ret, struct fail *f)
{
	struct map_conf c = { .proto = NSX_TCP };
	int err;

	for (int i = 0; i < argc; i++) {
		if (argv[i][0] == '-') {
			const char *option = argv[i], *value = config_value(argc, argv, &i, f);

			err = read_option(option, value ? value : "", words, &c, f);
			if (err == -ENOENT)
				return fail(f, -EINVAL, "unknown option '%s'", option);
			if (!value)
				return fail(f, -EINVAL, "%s needs a value", option);
		} else if (!c.port) {
			err = read_ports(argv[i], &c) ?
				      fail(f, -EINVAL, "'%s': not a port from 1 to 65535, nor a range FIRST-LAST, alone or "
					   "behind ADDRESS:", argv[i]) : 0;
		} else if (words != MAP_PORTS) {
			err = read_target(argv[i], &c, f);
		} else {
			err = fail(f, -EINVAL, "unknown word '%s'", argv[i]);
		}
		if (err)
			return err;
	}
	err = check_map(&c, words, f);
	if (err)
		return err;
	if (c.rate && !c.burst)
		c.burst = c.rate / 10 ? c.rate / 10 : 1;
	*ret = c;
	return 0;
}
