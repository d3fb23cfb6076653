/* SPDX-License-Identifier: GPL-2.0-only */
/* Which of a service's targets a client is for. */
#ifndef NSXDP_TARGET_H
#define NSXDP_TARGET_H

#include "defs.h"
#include "maps.h"

/*
 * A place of a service's table for 32 bits of a hash; the verifier sees the bound of this, not of a
 * remainder.
 */
static __always_inline __u32 table_place(__u32 hash)
{
	return (__u64)hash * NSX_TABLE >> 32;
}

/* What is published there answers at this address, by itself. */
static __always_inline bool at_is(__be32 at, const struct nsx_addr *asked)
{
	__u32 number = nsx_at_v6(at);

	if (nsx_is_v4(asked))
		return at == asked->w[3];
	return number && addr_eq(&nsx_conf.at6[(number - 1) & (NSX_AT6_MAX - 1)], asked);
}

/**
 * address_place() - the target at the address that was asked, in a service with NSX_S_BY_ADDRESS
 * @index: of the service
 * @owners: the devices that have the address, as address_owners() says
 * @was: of those that are drained
 *
 * The one at the address itself comes before one at its device. A function that the verifier looks
 * at once. Return: its place in the list, or NSX_NO_TARGET.
 */
__noinline int address_place(__u32 index, const struct nsx_addr *asked, __u32 owners, int was)
{
	const struct nsx_service *svc = bpf_map_lookup_elem(&nsx_services, &index);
	__u32 place = NSX_NO_TARGET;

	if (!asked)
		return NSX_NO_TARGET;

	for (__u32 i = 0; svc && i < NSX_TARGETS; i++) {
		__be32 at;

		if (i >= (was ? svc->was_count : svc->count))
			break;
		at = (was ? &svc->was[i] : &svc->target[i])->at;
		if (at_is(at, asked))
			return i;
		if (nsx_at_owners(at, owners))
			place = i;
	}
	return place;
}

#endif
