/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Named network namespaces as iproute2 keeps them: a bind mount below /run/netns.
 * Functions return 0 or a descriptor, or a negative errno.
 */
#ifndef NSXDP_NETNS_H
#define NSXDP_NETNS_H

#include <stdbool.h>
#include <sys/types.h>

#define NETNS_RUN_DIR "/run/netns"
#define NETNS_ETC_DIR "/etc/netns"

/* Make /run/netns as "ip netns" does; *made tells whether it was missing. */
int netns_prepare(bool *made);

/* Undo netns_prepare() where nothing is left in it. */
void netns_unprepare(void);

/* A new namespace under this name. -EEXIST where the name is taken. */
int netns_create(const char *name);

/*
 * Take the name away; the namespace lives on while processes are in it. Harmless where there is
 * none.
 */
int netns_delete(const char *name);

/*
 * A descriptor of the named namespace, close-on-exec; -ENOENT, or -EINVAL where the name is no
 * namespace.
 */
int netns_open(const char *name);
bool netns_exists(const char *name);

/*
 * A number by which an open network namespace is told from others, also from one that is made later
 * under its name; 0 where that fails. netns_is(): a name is this one's; false only if certain.
 */
unsigned int netns_id(int fd);
bool netns_is(const char *name, unsigned int id);

/*
 * Delete the namespace of a name, unless it is another one than that with the inode, if that is
 * known.
 */
int netns_remove_ours(const char *name, unsigned int id);

/* The caller's own namespace. */
int netns_open_self(void);
int netns_enter(int fd);

/* Enter the one that the caller came from. Does not return without that. */
void netns_return(int self);

/* SO_NETNS_COOKIE of the caller's network namespace: never used twice while the machine runs. */
int netns_cookie(unsigned long long *cookie);

/* Write a sysctl of the caller's network namespace; path is relative to /proc/sys. */
int netns_sysctl_write(const char *path, const char *value);
int netns_sysctl_read(const char *path, char *value, size_t size);

#endif
