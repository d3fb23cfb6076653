/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Instances whose network namespace was deleted without "down": their pins keep maps, and programs
 * on the root of the control groups that slow every connect(2) of the machine.
 */
#ifndef NSXDP_ORPHANS_H
#define NSXDP_ORPHANS_H

#include <stdbool.h>

#include "fail.h"

/*
 * How many there are, and with remove: remove them. A negative errno where that cannot be known. An
 * instance is one only where no network namespace that can be found, by a process or by a mount, is
 * the one that it is named by.
 */
int orphans_find(bool remove, struct fail *f);

#endif
