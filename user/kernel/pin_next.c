// SPDX-License-Identifier: GPL-2.0-only
/* Pins that are to take the place of an instance's. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel/pin.h"

#define PIN_NEXT "next"

static void next_of(const struct pin_dir *d, struct pin_dir *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->fd = -1;
	snprintf(ret->path, sizeof(ret->path), "%.100s/" PIN_NEXT, d->path);
}

int pin_next_remove(const struct pin_dir *d, struct fail *f)
{
	struct pin_dir next;
	int err;

	next_of(d, &next);
	if (access(next.path, F_OK))
		return 0;
	err = pin_remove_all(&next, f);
	if (err)
		return err;
	return rmdir(next.path) ? fail_errno(f, -errno, "cannot remove %s", next.path) : 0;
}

int pin_next_make(const struct pin_dir *d, struct pin_dir *next, struct fail *f)
{
	int err = pin_next_remove(d, f);

	if (err)
		return err;
	next_of(d, next);
	return mkdir(next->path, 0700) ? fail_errno(f, -errno, "cannot make %s", next->path) : 0;
}

int pin_next_open(const struct pin_dir *d, struct pin_dir *next)
{
	next_of(d, next);
	return access(next->path, F_OK) ? -errno : 0;
}

int pin_next_commit(const struct pin_dir *d, struct fail *f)
{
	char from[PIN_PATH_MAX], to[PIN_PATH_MAX];
	struct dirent **entry = NULL;
	struct pin_dir next;
	int count, err = 0;

	next_of(d, &next);
	/* All names first: a directory that changes meanwhile is not listed whole. */
	count = scandir(next.path, &entry, NULL, NULL);
	if (count < 0)
		return errno == ENOENT ? 0 : fail_errno(f, -errno, "cannot read %s", next.path);
	for (int i = 0; i < count; i++) {
		if (!err && entry[i]->d_name[0] != '.' &&
		    rename(pin_path(&next, entry[i]->d_name, from),
			   pin_path(d, entry[i]->d_name, to)))
			err = fail_errno(f, -errno, "cannot move %s", from);
		free(entry[i]);
	}
	free(entry);
	if (!err && rmdir(next.path))
		err = fail_errno(f, -errno, "cannot remove %s", next.path);
	return err;
}
