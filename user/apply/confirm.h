/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A change that an operator has to confirm, or else it is taken back; without a process, by the
 * sweeper (bpf/undo.h). While it is being made, each step is noted in the undo log before packets
 * meet it, and what only the state before needs stays. Functions return 0 or a negative errno, with
 * the reason in words.
 */
#ifndef NSXDP_CONFIRM_H
#define NSXDP_CONFIRM_H

#include "kernel/tables.h"

struct config;

/*
 * A change begins, which is taken back after so many seconds; before: what runs, that is what comes
 * back. NULL: nothing runs yet, so that all of the instance goes.
 */
int confirm_begin(struct instance *in, unsigned int seconds, const struct config *before,
		  struct fail *f);

/* It will have so many steps. */
int confirm_expect(struct instance *in, size_t steps, struct fail *f);

/* It is whole. From now on there are so many seconds. */
int confirm_end(struct instance *in, unsigned int seconds, struct fail *f);

/*
 * Note a step that is about to be made, where a change is being made that has to be confirmed: 1
 * where it was noted, 0 where there is no such change.
 */
int confirm_note_ports(struct instance *in, struct fail *f);
int confirm_note_veth(struct instance *in, const struct nsx_veth_change *was, struct fail *f);
int confirm_note_new_ns(struct instance *in, const struct nsx_ns *ns, struct fail *f);
int confirm_note_del_ns(struct instance *in, const char *name, struct fail *f);

/* Ports that were published before the change are known to be. */
int confirm_republish(struct instance *in, struct fail *f);

/* No step is noted any more: the change is taken back by whoever makes it. */
void confirm_give_up(void);

/* The step that the intent in the journal is about was taken back. */
void confirm_forget_ports(struct instance *in);

/* -EBUSY where a change waits to be confirmed: no other one is made meanwhile. */
int confirm_check(struct instance *in, struct fail *f);

/* This command makes a change that has to be confirmed, so that its steps can be taken back. */
bool confirm_is_noting(void);

/*
 * The change is settled: what was kept to take it back goes (keep), or what the change alone needed
 * (drop). Either may be done again where it fails.
 */
int confirm_keep(struct instance *in, struct fail *f);
int confirm_drop(struct instance *in, struct fail *f);

/* Nothing waits any more. */
int confirm_clear(struct instance *in, struct fail *f);

/* The configuration before the change, as a file has it; valid until confirm_clear(). */
const char *confirm_text(struct instance *in);

#endif
