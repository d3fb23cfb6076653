// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a change that has to be confirmed becomes. The sweeper has given packets back what was
 * before, or is asked to; what packets do not meet (names, files, links of new namespaces) a command
 * brings back, the next one whichever it is, from the configuration that was kept.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apply/apply.h"
#include "apply/confirm.h"
#include "apply/map.h"
#include "apply/ns.h"
#include "apply/up.h"
#include "config/file.h"
#include "state/read.h"

/* As if it had not been made, as far as packets are concerned. */
static int undo_datapath(struct instance *in, struct fail *f)
{
	int err = in->conf->confirm == NSX_CONFIRM_UNDONE ? 0 : table_undo(in);

	/* The sweeper may have come to its end in this moment. */
	if (err && err != -ENOENT)
		return fail_errno(f, err, "cannot take the change back");
	__atomic_store_n(&in->conf->confirm, NSX_CONFIRM_UNDONE, __ATOMIC_SEQ_CST);
	flows_wait(in);
	if (in->journal->intent.kind)
		err = publish_recover(in, f);
	else
		err = 0;
	if (!err)
		err = apply_recover(in, f);
	return err ? err : confirm_release(in, true, f);
}

static int read_before(struct instance *in, struct config *ret, struct fail *f)
{
	const char *text = confirm_text(in);
	char *errors = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&errors, &size);
	int count = -ENOMEM;

	if (text && out)
		count = config_read_text(text, ret, out);
	if (out)
		fclose(out);
	for (size_t i = 0; count == 0 && i < ret->map_count; i++)
		config_default_at(&ret->map[i], &ret->up);
	config_sort(ret);
	if (count)
		fail(f, -EIO, "cannot read the configuration before: %.400s", errors ? errors : "");
	free(errors);
	return count ? -EIO : 0;
}

/* The rest: whatever differs from the configuration before. */
static int restore(struct config *before, struct fail *f)
{
	struct config running = {};
	struct instance in;
	int err = instance_open(&in, ACCESS_READ, f);

	if (err)
		return err;
	err = read_config(&in, &running, f);
	instance_close(&in);
	if (!err && !config_same_up(&running.up, &before->up)) {
		config_whole_up(&before->up);
		err = apply_up(&before->up, f);
	}
	if (!err)
		err = instance_open(&in, ACCESS_CHANGE, f);
	if (!err) {
		err = apply_change(&in, &running, before, false, f);
		instance_close(&in);
	}
	config_free(&running);
	return err;
}

/* Until then the next command tries again. What stands in the way may be there for good. */
#define UNDO_TRIES 3

int apply_undo_locked(struct fail *f)
{
	struct config before = {};
	struct instance in;
	struct fail why;
	bool was_up;
	int err = instance_open(&in, ACCESS_CHANGE, f), left;

	if (err)
		return err;
	was_up = !in.conf->confirm_new;
	if (!was_up)
		table_undo(&in);
	else
		err = undo_datapath(&in, f);
	if (!err && was_up)
		err = read_before(&in, &before, f);
	instance_close(&in);
	if (!was_up)
		return apply_down(false, f);
	if (err)
		goto out;
	left = restore(&before, &why);
	err = instance_open(&in, ACCESS_CHANGE, f);
	if (err)
		goto out;
	if (left && ++in.journal->undo_tries < UNDO_TRIES) {
		err = fail(f, left, "the change is taken back but for this: %.400s", why.text);
	} else {
		if (left)
			note("the change is taken back but for this, which is given up: %s", why.text);
		egress_sweep(&in);
		err = confirm_clear(&in, f);
	}
	instance_close(&in);
out:
	config_free(&before);
	return err;
}

/* Once it is confirmed; also where the command that was told so has died. */
static int keep(struct instance *in, struct fail *f)
{
	int err = apply_recover(in, f);

	if (!err)
		err = confirm_release(in, false, f);
	return err ? err : confirm_clear(in, f);
}

/* Whoever made it has the lock, or has died. */
int apply_settle_locked(struct fail *f)
{
	struct instance in;
	struct fail ignored;
	bool is_over = false;
	int err = 0;

	/* The command that comes finds out why. */
	if (instance_open(&in, ACCESS_CHANGE, &ignored))
		return 0;
	if (in.conf->confirm == NSX_CONFIRM_KEEPING)
		err = keep(&in, f);
	else if (in.conf->confirm == NSX_CONFIRM_WAITING && confirm_left(&in))
		err = confirm_refuse(&in, f);
	else
		is_over = in.conf->confirm != NSX_CONFIRM_NONE;
	instance_close(&in);
	if (!is_over)
		return err;
	err = apply_undo_locked(f);
	if (!err)
		note("a change was not confirmed in time: it is taken back");
	return err;
}

/* Without the lock: another command may be making it. */
static bool is_due(void)
{
	struct instance in;
	struct fail ignored;
	bool ret = false;

	if (instance_open(&in, ACCESS_READ, &ignored))
		return false;
	ret = in.conf->confirm && !confirm_left(&in);
	if (in.conf->confirm == NSX_CONFIRM_MAKING && !pin_is_busy(&in.dir))
		ret = true;
	instance_close(&in);
	return ret;
}

void apply_settle(void)
{
	struct pin_dir lock;
	struct fail f;
	int err;

	if (!is_due())
		return;
	err = pin_hold(&lock, &f);
	if (!err) {
		err = apply_settle_locked(&f);
		pin_unhold(&lock);
	}
	if (err && err != -EBUSY)
		note("a change that was not confirmed cannot be taken back whole: %s", f.text);
}

static int confirm_locked(struct fail *f)
{
	__u32 waiting = NSX_CONFIRM_WAITING;
	struct instance in;
	int err = instance_open(&in, ACCESS_CHANGE, f);

	if (err)
		return err;
	if (in.conf->confirm == NSX_CONFIRM_NONE)
		err = fail(f, -ENOENT, "no change waits to be confirmed");
	else if (confirm_left(&in) &&
		 __atomic_compare_exchange_n(&in.conf->confirm, &waiting, NSX_CONFIRM_KEEPING, false,
					     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		err = keep(&in, f);
	else
		err = -ETIME;
	instance_close(&in);
	if (err != -ETIME)
		return err;
	err = apply_undo_locked(f);
	return err ? err : fail(f, -ETIME, "too late: the change is taken back");
}

static int undo_locked(struct fail *f)
{
	struct instance in;
	__u32 state;
	int err = instance_open(&in, ACCESS_CHANGE, f);

	if (err)
		return err;
	state = in.conf->confirm;
	instance_close(&in);
	return state == NSX_CONFIRM_NONE ? fail(f, -ENOENT, "no change waits to be confirmed")
					 : apply_undo_locked(f);
}

static int with_lock(int (*run)(struct fail *f), struct fail *f)
{
	struct pin_dir lock;
	int err = pin_hold(&lock, f);

	if (err)
		return err;
	err = run(f);
	pin_unhold(&lock);
	return err;
}

int apply_confirm(struct fail *f)
{
	return with_lock(confirm_locked, f);
}

int apply_undo(struct fail *f)
{
	return with_lock(undo_locked, f);
}
