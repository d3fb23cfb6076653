// SPDX-License-Identifier: GPL-2.0-only
/* Ending flows and sessions, by whose they are. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "tables.h"

static bool slot_of_endpoint(const struct nsx_slot *s, const struct nsx_addr *inside, __u8 proto, __u16 first,
			     unsigned int count)
{
	__u32 kind = NSX_KIND(s->state);

	if (kind != NSX_FLOW && kind != NSX_ALIAS && kind != NSX_RETURN)
		return false;
	if (count && (s->proto != proto || (__u32)ntohs(s->inside_port) - first >= count))
		return false;
	if (memcmp(&s->inside, inside, sizeof(*inside)) == 0)
		return true;
	/* The client of a hairpin goes with its namespace. */
	return !count && kind == NSX_RETURN && memcmp(&s->remote, inside, sizeof(*inside)) == 0;
}

static void flush_slot(struct nsx_slot *s, const struct nsx_addr *inside, __u8 proto, __u16 first, unsigned int count)
{
	if (!slot_of_endpoint(s, inside, proto, first, count))
		return;
	slot_take(s);
	slot_give(s, NSX_FREE);
}

int table_flush(struct instance *in, const struct nsx_addr *inside)
{
	struct nsx_slot *ports = table_ports(in), *sessions = table_sessions(in);

	if (!ports || !sessions)
		return -errno;
	for (size_t i = 0; i < TABLE_PORTS_COUNT; i++)
		flush_slot(&ports[i], inside, 0, 0, 0);
	for (size_t i = 0; i < TABLE_SESSIONS_COUNT; i++)
		flush_slot(&sessions[i], inside, 0, 0, 0);
	return 0;
}

int table_flush_own(struct instance *in, __u8 own)
{
	struct nsx_slot *tables[2] = { table_ports(in), table_sessions(in) };
	const size_t counts[2] = { TABLE_PORTS_COUNT, TABLE_SESSIONS_COUNT };

	if (!tables[0] || !tables[1])
		return -errno;
	for (int t = 0; t < 2; t++)
		for (struct nsx_slot *s = tables[t]; s < tables[t] + counts[t]; s++) {
			__u32 kind = NSX_KIND(s->state);

			if ((kind != NSX_FLOW && kind != NSX_RETURN) || s->own != own)
				continue;
			slot_take(s);
			slot_give(s, NSX_FREE);
		}
	return 0;
}

#define PIECE 64	/* buckets */

/*
 * Call cb for every session (a copy) and its index. The table is read in pieces by system calls, for to touch all
 * of it in memory costs more.
 */
static int sessions_each(struct instance *in, int (*cb)(struct instance *, const struct nsx_slot *, size_t, void *), void *arg)
{
	static struct nsx_bucket piece[PIECE];
	__u32 keys[PIECE], batch, n = PIECE;
	void *from = NULL;
	int err = 0;

	/* -ENOENT tells that this piece is the last. */
	while (!err && (bpf_map_lookup_batch(in->fd[TABLE_SESSIONS], from, &batch, keys, piece, &n, NULL) == 0 ||
			errno == ENOENT)) {
		for (__u32 i = 0; i < n * NSX_WAYS && !err; i++)
			err = cb(in, &piece[i / NSX_WAYS].way[i % NSX_WAYS], (size_t)keys[i / NSX_WAYS] * NSX_WAYS + i % NSX_WAYS, arg);
		if (n < PIECE || keys[n - 1] == NSX_BUCKETS - 1)
			return err;
		from = &batch;
	}
	return err ? err : -errno;
}

/* Some ports of a namespace, host byte order. */
struct endpoints {
	const struct nsx_addr *inside;
	__u8 proto;
	__u16 first;
	unsigned int count;
};

static int flush_alias(struct instance *in, const struct nsx_slot *s, size_t index, void *arg)
{
	const struct endpoints *e = arg;
	struct nsx_slot *port;

	(void)index;
	if (NSX_KIND(s->state) != NSX_ALIAS || !slot_of_endpoint(s, e->inside, e->proto, e->first, e->count))
		return 0;
	port = table_port(in, e->proto, ntohs(s->outside_port));
	if (!port)
		return -errno;
	flush_slot(port, e->inside, e->proto, e->first, e->count);
	return 0;
}

int table_flush_mappings(struct instance *in, const struct nsx_addr *inside, __u8 proto, __u16 first, unsigned int count)
{
	struct endpoints e = { inside, proto, first, count };

	for (unsigned int i = 0; i < count; i++) {
		struct nsx_slot *s = table_port(in, proto, first + i);

		if (!s)
			return -errno;
		flush_slot(s, inside, proto, first, count);
	}
	return sessions_each(in, flush_alias, &e);
}

static int flush_return(struct instance *in, const struct nsx_slot *s, size_t index, void *arg)
{
	const struct endpoints *e = arg;
	struct nsx_slot *live;

	if (NSX_KIND(s->state) != NSX_RETURN || !slot_of_endpoint(s, e->inside, e->proto, e->first, e->count))
		return 0;
	live = table_sessions(in);
	if (!live)
		return -errno;
	flush_slot(&live[index], e->inside, e->proto, e->first, e->count);
	return 0;
}

int table_flush_returns(struct instance *in, const struct nsx_addr *inside, __u8 proto, __u16 first, unsigned int count)
{
	struct endpoints e = { inside, proto, first, count };

	return sessions_each(in, flush_return, &e);
}
