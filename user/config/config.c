// SPDX-License-Identifier: GPL-2.0-only
/* The model as a whole, and what its parts share. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

void config_free(struct config *c)
{
	free(c->ns);
	free(c->map);
	memset(c, 0, sizeof(*c));
}

/* Room for one more of these, in steps of powers of two. */
static void *grow(void **list, size_t count, size_t size)
{
	char *more = *list;

	if ((count & (count - 1)) == 0) {
		more = realloc(*list, (count ? 2 * count : 1) * size);
		if (!more)
			return NULL;
		*list = more;
	}
	return memset(more + count * size, 0, size);
}

struct ns_conf *config_add_ns(struct config *c)
{
	struct ns_conf *ret = grow((void **)&c->ns, c->ns_count, sizeof(*ret));

	c->ns_count += ret != NULL;
	return ret;
}

struct map_conf *config_add_map(struct config *c)
{
	struct map_conf *ret = grow((void **)&c->map, c->map_count, sizeof(*ret));

	c->map_count += ret != NULL;
	return ret;
}

static int compare_ns(const void *a, const void *b)
{
	return strcmp(((const struct ns_conf *)a)->name, ((const struct ns_conf *)b)->name);
}

static int compare_map(const void *a, const void *b)
{
	const struct map_conf *x = a, *y = b;

	if (x->row != y->row)
		return x->row - y->row;
	if (x->port != y->port)
		return x->port - y->port;
	return memcmp(&x->at, &y->at, sizeof(x->at));
}

void config_sort(struct config *c)
{
	if (c->ns_count)
		qsort(c->ns, c->ns_count, sizeof(*c->ns), compare_ns);
	if (c->map_count)
		qsort(c->map, c->map_count, sizeof(*c->map), compare_map);
}

struct ns_conf *config_ns(const struct config *c, const char *name)
{
	struct ns_conf key = {};

	snprintf(key.name, sizeof(key.name), "%s", name);
	return c->ns_count ? bsearch(&key, c->ns, c->ns_count, sizeof(key), compare_ns) : NULL;
}

const char *config_port_name(__u8 row, __u16 first, __u16 last, char buf[ADDR_STRLEN])
{
	const char *proto = proto_name(NSX_ROW_PROTO(row));

	if (first == last)
		snprintf(buf, ADDR_STRLEN, "%u/%s", first, proto);
	else
		snprintf(buf, ADDR_STRLEN, "%u-%u/%s", first, last, proto);
	return buf;
}

const char *config_over(__u8 row)
{
	return NSX_ROW_FAMILY(row) == NSX_V6 ? " over IPv6" : "";
}

bool config_ports_overlap(const struct map_conf *a, const struct map_conf *b)
{
	return a->row == b->row && a->port <= b->last && b->port <= a->last;
}

const struct map_conf *config_twin(const struct config *c, const struct map_conf *map)
{
	struct map_conf key = { .port = map->port, .at = map->at };
	const struct map_conf *found;

	key.row = (map->row + NSX_PROTOS) % NSX_ROWS;
	found = c->map_count ? bsearch(&key, c->map, c->map_count, sizeof(key), compare_map) : NULL;
	return found && config_are_twins(found, map) ? found : NULL;
}

bool config_may_lack_ipv6(const struct map_conf *map)
{
	return (map->given & MAP_GIVEN_EITHER) && NSX_ROW_FAMILY(map->row) == NSX_V6;
}

static bool is_beyond(const struct map_conf *map, const struct config *running)
{
	if (!running || !config_may_lack_ipv6(map))
		return false;
	for (int i = 0; i < map->targets; i++) {
		const struct ns_conf *ns = config_ns(running, map->target[i].ns);

		if (ns && ns->no_ipv6)
			return true;
	}
	return false;
}

void config_default_maps(struct config *c, const struct up_conf *up, const struct config *running)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->map_count; i++)
		if (config_default_at(&c->map[i], up) && !is_beyond(&c->map[i], running))
			c->map[kept++] = c->map[i];
	c->map_count = kept;
	config_sort(c);
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
