/* SPDX-License-Identifier: GPL-2.0-only */
/* The host's own sockets, from the kernel's socket monitoring (sock_diag(7)). */
#ifndef NSXDP_SOCKETS_H
#define NSXDP_SOCKETS_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include "nsxdp.h"

/*
 * Does a socket of the caller's network namespace hold one of these ports (host byte order,
 * inclusive) of a row, NSX_ROW()? at: such a one as takes what comes to this address; NULL: any.
 * Returns the port, with the holder in words ("nginx, process 123"; "a socket" where no process
 * shows it), 0 where none does, or a negative errno.
 */
int sockets_holder(__u8 row, __u16 first, __u16 last, const struct nsx_addr *at, char *holder,
		   size_t size);

/* The kernel also tells of TCP sockets that are bound and neither listen nor connect (Linux 6.8). */
bool sockets_tell_of_bound(void);

/*
 * Many questions are to come, or no more. Meanwhile sockets_holder() answers that a port is free
 * from one listing of all sockets, taken at the first question.
 */
void sockets_listing(bool on);

/** struct socket_item - a port that the host's own sockets hold, host byte order */
struct socket_item {
	__u8 row;		/* NSX_ROW() */
	__u16 port;
	unsigned int inode;
	char holder[64];	/* as of sockets_holder() */
};

/*
 * Every port that sockets of the caller's network namespace hold, once for each row. The
 * caller frees *items.
 */
int sockets_list(struct socket_item **items, size_t *count);

#endif
