/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The families of one port. A command that dies between them is finished by the next one: IPv6 gets
 * what IPv4 has.
 */
#ifndef NSXDP_APPLY_TWINS_H
#define NSXDP_APPLY_TWINS_H

#include "apply/apply.h"

/* Note that steps are about one port, if they are, until twins_end(). */
void twins_begin(struct instance *in, const struct steps *steps);
void twins_end(struct instance *in);

/* Finish what a command left that died in between. Returns 0 or a negative errno, with the reason. */
int twins_recover(struct instance *in, struct fail *f);

#endif
