// SPDX-License-Identifier: GPL-2.0-only
/*
 * Published ports as the host's own processes see them: programs on the root of the control groups.
 */
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apply/up.h"
#include "kernel/datapath.h"

/* The root of the unified hierarchy, wherever it is mounted. */
static int cgroup_open(void)
{
	FILE *mounts = setmntent("/proc/self/mounts", "re");
	struct mntent *m;
	int fd = -ENOENT;

	while (mounts && fd < 0 && (m = getmntent(mounts)))
		if (strcmp(m->mnt_type, "cgroup2") == 0) {
			fd = open(m->mnt_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
			if (fd < 0)
				fd = -errno;
		}
	if (mounts)
		endmntent(mounts);
	return fd;
}

int host_local_attach(const struct pin_dir *d, const struct pin_dir *from, bool guard,
		      struct fail *f)
{
	int cgroup = cgroup_open(), err = cgroup < 0 ? cgroup : 0;

	if (err == -ENOENT)
		fail(f, err, "control groups of version 2 are not mounted");
	else if (err)
		fail_errno(f, err, "cannot open the root of the control groups");
	else
		err = datapath_attach_sock(d, from, cgroup, guard, f);
	if (cgroup >= 0)
		close(cgroup);
	return err;
}

void up_attach_local(struct instance *in, bool guard)
{
	char *reason = in->journal->local_reason;
	struct fail f;

	if (datapath_load_sock(&in->dir, &f) == 0 &&
	    host_local_attach(&in->dir, &in->dir, guard, &f) == 0) {
		in->conf->flags |= guard ? NSX_UP_BIND_GUARD : 0;
		reason[0] = '\0';
		return;
	}
	snprintf(reason, sizeof(in->journal->local_reason), "%.*s",
		 (int)sizeof(in->journal->local_reason) - 1, f.text);
	note("up: the host's own processes do not reach published ports at its addresses, and may bind to them: %s",
	     f.text);
}
