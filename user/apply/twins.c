// SPDX-License-Identifier: GPL-2.0-only
/* A port that is published over both families: one wish, and two steps. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"
#include "apply/twins.h"
#include "state/read.h"

void twins_begin(struct instance *in, const struct steps *steps)
{
	struct nsx_twins *twins = &in->journal->twins;
	const struct map_conf *map;

	if (steps->count < 2 || !steps_are_one(steps))
		return;
	map = steps->step[0].after ? steps->step[0].after : steps->step[0].before;
	twins->row = NSX_ROW(NSX_ROW_PROTO(map->row), NSX_V4);
	twins->first = map->port;
	twins->last = map->last;
	memcpy(twins->dev, map->at.dev, sizeof(twins->dev));
	__atomic_store_n(&twins->changing, 1, __ATOMIC_SEQ_CST);
}

void twins_end(struct instance *in)
{
	__atomic_store_n(&in->journal->twins.changing, 0, __ATOMIC_SEQ_CST);
}

static struct map_conf *find_twin(struct config *c, const struct nsx_twins *twins)
{
	for (size_t i = 0; i < c->map_count; i++) {
		struct map_conf *map = &c->map[i];

		if (map->port == twins->first && map->last == twins->last &&
		    strcmp(map->at.dev, twins->dev) == 0 && (!map->has_at || map->at.dev[0]))
			return map;
	}
	return NULL;
}

int twins_recover(struct instance *in, struct fail *f)
{
	const struct nsx_twins *twins = &in->journal->twins;
	__u8 row = NSX_ROW(NSX_ROW_PROTO(twins->row), NSX_V6);
	struct config v4 = {}, v6 = {};
	const struct map_conf *is, *was;
	struct map_conf *wanted = NULL;
	int err = read_ports(in, twins->row, twins->first, twins->last, &v4, f);

	if (!err)
		err = read_ports(in, row, twins->first, twins->last, &v6, f);
	is = find_twin(&v4, twins);
	was = find_twin(&v6, twins);
	if (!err && is && !(was && config_are_twins(is, was))) {
		wanted = malloc(sizeof(*wanted));
		if (!wanted)
			err = fail_errno(f, -ENOMEM, "cannot plan the change");
	}
	if (wanted) {
		*wanted = *is;
		wanted->row = row;
		wanted->given |= MAP_GIVEN_EITHER;
		err = apply_map(in, was, wanted, f);
	} else if (!err && !is && was) {
		err = apply_map(in, was, NULL, f);
	}
	free(wanted);
	config_free(&v4);
	config_free(&v6);
	return err;
}
