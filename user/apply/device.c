// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where ports are published, if not at an IPv4 address: devices at whose addresses they are, by name,
 * and IPv6 addresses. There is a place for each, whose number nsx_slot.at has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "apply/apply.h"
#include "apply/map.h"
#include "state/read.h"

/* Places that are used, a bit for each. */
struct used {
	__u32 devices;
	__u64 at6;
};

static int note_used(struct instance *in, struct nsx_slot *s, void *arg)
{
	struct used *used = arg;
	struct nsx_service svc;

	map_service(in, s, &svc);
	for (__u32 i = 0; i < svc.count + svc.was_count; i++) {
		const struct nsx_target *t = i < svc.count ? &svc.target[i]
							   : &svc.was[i - svc.count];

		used->devices |= nsx_at_device(t->at) ? 1U << (nsx_at_device(t->at) - 1) : 0;
		used->at6 |= nsx_at_v6(t->at) ? 1ULL << (nsx_at_v6(t->at) - 1) : 0;
	}
	return 0;
}

static bool any_device(const struct nsx_journal *journal)
{
	for (int i = 0; i < NSX_DEVICES; i++)
		if (journal->device_names[i][0])
			return true;
	return false;
}

static bool any_at6(const struct nsx_conf *conf)
{
	for (int i = 0; i < NSX_AT6_MAX; i++)
		if (addr_is_set(&conf->at6[i]))
			return true;
	return false;
}

/* Ports that a change that waits to be confirmed may bring back are not found in the registry. */
static void free_places(struct instance *in)
{
	struct used used = {};

	if (in->conf->confirm || (!any_device(in->journal) && !any_at6(in->conf)) ||
	    published_each(in, note_used, &used))
		return;
	for (int i = 0; i < NSX_AT6_MAX; i++)
		if (!(used.at6 >> i & 1))
			memset(&in->conf->at6[i], 0, sizeof(in->conf->at6[i]));
	for (int i = 0; i < NSX_DEVICES; i++)
		if (!(used.devices >> i & 1)) {
			in->conf->devices[i] = 0;
			memset(in->journal->device_names[i], 0,
			       sizeof(in->journal->device_names[i]));
		}
}

static int free_device(const struct nsx_journal *journal)
{
	for (int i = 0; i < NSX_DEVICES; i++)
		if (!journal->device_names[i][0])
			return i;
	return -1;
}

static int free_at6(const struct nsx_conf *conf)
{
	for (int i = 0; i < NSX_AT6_MAX; i++)
		if (!addr_is_set(&conf->at6[i]))
			return i;
	return -1;
}

/* Which addresses it has the datapath finds out, at once. */
static void set_device(struct instance *in, int place, __u32 ifindex)
{
	if (in->conf->devices[place] == ifindex)
		return;
	in->conf->devices[place] = ifindex;
	for (__u32 i = 0; i < NSX_LOCAL_MAX && i < in->learned->local_count; i++) {
		in->learned->local[i].owners &= ~(1U << place);
		in->learned->local[i].owners_until = 0;
	}
}

/* The name tells that the place is taken; the device has a number while it is there. */
static void take(struct instance *in, int place, const char *name)
{
	set_device(in, place, if_nametoindex(name));
	snprintf(in->journal->device_names[place], sizeof(in->journal->device_names[place]), "%s",
		 name);
}

static int take_device(struct instance *in, const char *name, struct fail *f)
{
	int place = free_device(in->journal);

	if (place < 0) {
		free_places(in);
		place = free_device(in->journal);
	}
	if (place < 0)
		return fail(f, -ENOSPC, "ports are already published at %d interfaces, the maximum",
			    NSX_DEVICES);
	take(in, place, name);
	return 0;
}

static int take_at6(struct instance *in, const struct nsx_addr *addr, struct fail *f)
{
	int place = free_at6(in->conf);

	if (place < 0) {
		free_places(in);
		place = free_at6(in->conf);
	}
	if (place < 0)
		return fail(f, -ENOSPC, "ports are already published at %d IPv6 addresses, the maximum",
			    NSX_AT6_MAX);
	in->conf->at6[place] = *addr;
	return 0;
}

int place_take(struct instance *in, const struct map_conf *c, struct fail *f)
{
	__be32 at;

	if (!c->has_at || find_at(in, c, &at) == 0)
		return 0;
	return c->at.dev[0] ? take_device(in, c->at.dev, f) : take_at6(in, &c->at.addr, f);
}

void devices_follow(struct instance *in)
{
	free_places(in);
	for (int i = 0; i < NSX_DEVICES; i++)
		if (in->journal->device_names[i][0])
			set_device(in, i, if_nametoindex(in->journal->device_names[i]));
	if (any_device(in->journal))
		apply_local_addr_learn(in);
}
