// SPDX-License-Identifier: GPL-2.0-only
/* The services of published ports, read in place. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/services.h"

int table_target_count(struct instance *in, __u32 place, struct nsx_count *ret)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct nsx_count *values = cpus > 0 ? calloc(cpus, sizeof(*values)) : NULL;

	memset(ret, 0, sizeof(*ret));
	if (!values)
		return cpus < 0 ? cpus : -ENOMEM;
	if (bpf_map_lookup_elem(in->fd[TABLE_TARGET_COUNTS], &place, values))
		err = -errno;
	for (int cpu = 0; cpu < cpus && !err; cpu++) {
		ret->packets += values[cpu].packets;
		ret->bytes += values[cpu].bytes;
	}
	free(values);
	return err;
}

int service_allows(struct instance *in, __u32 index, allow_cb cb, void *arg)
{
	struct nsx_allow key, next;
	void *prev = NULL;
	int count = 0;

	while (bpf_map_get_next_key(in->fd[TABLE_ALLOW], prev, &next) == 0) {
		if (NSX_NET_NUMBER(next.set) == index) {
			count++;
			cb(&next, arg);
		}
		key = next;
		prev = &key;
	}
	return errno == ENOENT ? count : -errno;
}

bool service_has_ns(struct instance *in, __u32 index, __u32 ns_id)
{
	const struct nsx_service *svc = table_service(in, index);

	for (__u32 i = 0; svc && i < svc->count + svc->was_count; i++)
		if ((i < svc->count ? svc->target[i].id : svc->was[i - svc->count].id) == ns_id)
			return true;
	return false;
}
