// SPDX-License-Identifier: GPL-2.0-only
/* Devices whose addresses ports are published at: a place for each, by name. */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "apply/apply.h"
#include "apply/map.h"
#include "state/read.h"

static int note_used(struct instance *in, struct nsx_slot *s, void *arg)
{
	__u32 *used = arg;
	struct nsx_service svc;

	map_service(in, s, &svc);
	for (__u32 i = 0; i < svc.count + svc.was_count; i++) {
		const struct nsx_target *t = i < svc.count ? &svc.target[i]
							   : &svc.was[i - svc.count];

		*used |= nsx_at_device(t->at) ? 1U << (nsx_at_device(t->at) - 1) : 0;
	}
	return 0;
}

static bool any_taken(const struct nsx_journal *journal)
{
	for (int i = 0; i < NSX_DEVICES; i++)
		if (journal->device_names[i][0])
			return true;
	return false;
}

/* Ports that a change that waits to be confirmed may bring back are not found in the registry. */
static void free_places(struct instance *in)
{
	__u32 used = 0;

	if (in->conf->confirm || !any_taken(in->journal) || published_each(in, note_used, &used))
		return;
	for (int i = 0; i < NSX_DEVICES; i++)
		if (!(used >> i & 1)) {
			in->conf->devices[i] = 0;
			memset(in->journal->device_names[i], 0,
			       sizeof(in->journal->device_names[i]));
		}
}

static int free_place(const struct nsx_journal *journal)
{
	for (int i = 0; i < NSX_DEVICES; i++)
		if (!journal->device_names[i][0])
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

int device_take(struct instance *in, const struct map_conf *c, struct fail *f)
{
	__be32 at;
	int place;

	if (!c->has_at || !c->at.dev[0])
		return 0;
	if (find_at(in, c, &at) == 0)
		return 0;
	place = free_place(in->journal);
	if (place < 0) {
		free_places(in);
		place = free_place(in->journal);
	}
	if (place < 0)
		return fail(f, -ENOSPC, "ports are already published at %d interfaces, the maximum",
			    NSX_DEVICES);
	take(in, place, c->at.dev);
	return 0;
}

void devices_follow(struct instance *in)
{
	free_places(in);
	for (int i = 0; i < NSX_DEVICES; i++)
		if (in->journal->device_names[i][0])
			set_device(in, i, if_nametoindex(in->journal->device_names[i]));
	if (any_taken(in->journal))
		apply_local_addr_learn(in);
}
