/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where an instance lives: a directory of the BPF file system, named by the cookie of the network
 * namespace that the command runs in, so that instances in different namespaces never meet. A lock
 * on the directory itself guards it; no other file is needed.
 */
#ifndef NSXDP_PIN_H
#define NSXDP_PIN_H

#include <stdbool.h>

#include "fail.h"

#define PIN_PATH_MAX 256

/* Before the name of a pin that is about to take the place of the one of that name. */
#define PIN_COMING "new_"

/** struct pin_dir - the locked directory of an instance */
struct pin_dir {
	char path[PIN_PATH_MAX / 2];
	int fd;		/* holds the lock; -1 where not open */
	bool exclusive;	/* the lock; signals that would end the process wait for its end */
};

/* Mount the BPF file system if it is missing; *mounted tells. */
int pin_mount(bool *mounted, struct fail *f);

/* Our mounts are seen by nobody else: this is not the mount namespace of process 1. */
bool pin_mount_is_private(void);

/* Make the directory where it is missing, and lock it exclusively. */
int pin_dir_create(struct pin_dir *d, struct fail *f);

enum pin_access {
	PIN_NO_LOCK,
	PIN_LOCK,
	PIN_TRY_LOCK,	/* -EBUSY where somebody has it */
};

/* Open an existing one. -ENOENT (without a reason) where there is none. */
int pin_dir_open(struct pin_dir *d, enum pin_access access, struct fail *f);

/* The directory of another instance, by its name, with its lock. */
int pin_dir_open_named(struct pin_dir *d, const char *name, struct fail *f);

/* How long to wait for whoever has the lock, seconds; negative: for as long as that takes. */
extern int pin_wait_seconds;

/* Another command has the lock of an instance that is open without: its tables may change. */
bool pin_is_busy(const struct pin_dir *d);

/* Release the lock; accepts one that is not open. */
void pin_dir_close(struct pin_dir *d);

/*
 * Have the lock for several uses by this process one after the other, with the directory, which is
 * made where it is missing; without wait, -EBUSY where somebody has it. Without a BPF file system there is nothing to lock yet.
 */
int pin_hold(struct pin_dir *d, bool wait, struct fail *f);
void pin_unhold(struct pin_dir *d);

/* The pin that tells that all is there: 1 where it is, 0 where not, or a negative errno. */
int pin_is_up(const struct pin_dir *d);

/* Remove all pins and mounts, and keep the directory and its lock. */
int pin_dir_clear(const struct pin_dir *d, struct fail *f);

/* The same without those of pin_next_make(). */
int pin_remove_all(const struct pin_dir *d, struct fail *f);

/*
 * A directory in that of an instance, for pins that are to take the place of those in it: made
 * anew, opened (-ENOENT where there is none), removed with all that is in it, or committed: each
 * pin in it replaces the one of its name. A commit that dies is gone on with by another. It has no
 * lock of its own.
 */
int pin_next_make(const struct pin_dir *d, struct pin_dir *next, struct fail *f);
int pin_next_open(const struct pin_dir *d, struct pin_dir *next);
int pin_next_remove(const struct pin_dir *d, struct fail *f);
int pin_next_commit(const struct pin_dir *d, struct fail *f);

/*
 * Remove all pins, mounts and the directory; the root too, once it is empty, and its mount where
 * unmount is set.
 */
int pin_dir_remove(struct pin_dir *d, bool unmount, struct fail *f);

/*
 * Keep the caller's network namespace for as long as the directory is there, by a mount under this
 * name, or let it go; returns 0 or a negative errno. Letting go is harmless where there is none.
 */
int pin_hold_netns(const struct pin_dir *d, const char *name);
void pin_release_netns(const struct pin_dir *d, const char *name);

/* Path of a pin in the directory; returns buf. */
const char *pin_path(const struct pin_dir *d, const char *name, char buf[PIN_PATH_MAX]);

#endif
