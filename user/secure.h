/* SPDX-License-Identifier: GPL-2.0-only */
/* Settings of the host's end of a namespace's link. */
#ifndef NSXDP_SECURE_H
#define NSXDP_SECURE_H

#include "fail.h"
#include "nsxdp.h"

/*
 * Make the host's stack distrust a namespace's link: it forwards nothing that comes in there, takes no source address
 * but one that is routed there, and believes no redirects or router advertisements. Returns 0 or a negative errno, with
 * the reason in words.
 */
int secure_link(const struct nsx_ns *ns, struct fail *f);

/* Note in ns what is set before that, for secure_link_undo(), which a link needs that stays. */
int secure_link_note(struct nsx_ns *ns, struct fail *f);
void secure_link_undo(const struct nsx_ns *ns);

#endif
