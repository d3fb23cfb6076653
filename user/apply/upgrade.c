// SPDX-License-Identifier: GPL-2.0-only
/* An instance that runs gets the programs of another build, while packets flow. */
#include <errno.h>
#include <string.h>

#include "apply/up.h"
#include "kernel/datapath.h"

/*
 * The programs of this command take the place of another build's, one link after the other: both
 * work on the same tables, and packets meet the one or the other. The caller writes the number of
 * the build after all else, so that the next "up" does it again where this one dies.
 */
int up_replace_programs(struct instance *in, const struct link_info *uplink, struct fail *f)
{
	bool veth = strcmp(uplink->kind, "veth") == 0 && in->conf->mode == NSX_MODE_XDP;
	int err = datapath_load(&in->dir, f);

	if (!err)
		err = datapath_load_cmd(&in->dir, f);
	if (!err && in->conf->mode != NSX_MODE_TC)
		err = datapath_load_xdp(&in->dir, f);
	if (!err)
		err = datapath_update_links(&in->dir, in->conf->uplinks[0], veth,
					    in->conf->asker, f);
	if (err)
		return err;
	if (in->conf->local_reason[0])
		return 0;
	up_attach_local(&in->dir, in->conf, in->conf->flags & NSX_UP_BIND_GUARD);
	if (!in->conf->local_reason[0])
		return 0;
	/* The older ones serve still. */
	err = fail(f, -EIO, "%s", in->conf->local_reason);
	in->conf->local_reason[0] = '\0';
	return err;
}
