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

/*
 * As if it had not been made, as far as packets are concerned. The sweeper may be in the middle of a
 * walk of its own; once that has ended nobody else writes, and what it wrote last is put right.
 */
static int undo_datapath(struct instance *in, struct fail *f)
{
	int err = table_undo(in);

	if (!err) {
		__atomic_store_n(&in->conf->confirm, NSX_CONFIRM_UNDONE, __ATOMIC_SEQ_CST);
		flows_wait(in);
		err = table_undo(in);
	}
	if (err)
		return fail_errno(f, err, "cannot take the change back");
	err = confirm_republish(in, f);
	if (!err && in->journal->intent.kind)
		err = publish_recover(in, f);
	if (!err)
		err = apply_recover(in, f);
	return err ? err : confirm_drop(in, f);
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
	if (count == 0)
		config_default_maps(ret, &ret->up, NULL);
	if (count)
		fail(f, -EIO, "cannot read the configuration before: %.400s", errors ? errors : "");
	free(errors);
	return count ? -EIO : 0;
}

static void keep_first(int *err, int more, struct fail *f, const struct fail *why)
{
	if (!more || *err)
		return;
	*err = more;
	*f = *why;
}

/* The rest, as far as that is possible: whatever differs from the configuration before. */
static int restore(struct config *before, struct fail *f)
{
	struct config running = {};
	struct instance in;
	struct fail why;
	int err = 0, more = instance_open(&in, ACCESS_CHANGE, f);

	if (more)
		return more;
	keep_first(&err, apply_clear_gone(&in, before, &why), f, &why);
	more = read_config(&in, &running, &why);
	keep_first(&err, more, f, &why);
	instance_close(&in);
	if (!more && !config_same_up(&running.up, &before->up)) {
		config_whole_up(&before->up);
		keep_first(&err, apply_up(&before->up, &why), f, &why);
	}
	if (!more)
		more = instance_open(&in, ACCESS_CHANGE, &why);
	if (!more) {
		more = apply_change(&in, &running, before, false, &why);
		instance_close(&in);
	}
	keep_first(&err, more, f, &why);
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
	int err = instance_open(&in, ACCESS_CHANGE, f), left = 0;

	confirm_give_up();
	if (err)
		return err;
	was_up = !in.conf->confirm_new;
	if (!was_up)
		table_undo(&in);
	else
		err = undo_datapath(&in, f);
	left = err || !was_up ? 0 : read_before(&in, &before, &why);
	instance_close(&in);
	if (!was_up)
		return apply_down(false, f);
	if (err)
		goto out;
	if (!left)
		left = restore(&before, &why);
	err = instance_open(&in, ACCESS_CHANGE, f);
	if (err)
		goto out;
	if (left && ++in.journal->undo_tries < UNDO_TRIES) {
		err = fail(f, left, "the change was taken back except for this: %.400s", why.text);
	} else {
		if (left)
			note("the change was taken back except for this, which was given up: %s",
			     why.text);
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
		err = confirm_keep(in, f);
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
		err = confirm_check(&in, f);
	else
		is_over = in.conf->confirm != NSX_CONFIRM_NONE;
	instance_close(&in);
	if (!is_over)
		return err;
	err = apply_undo_locked(f);
	if (!err)
		note("a change was not confirmed in time: it has been taken back");
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

int apply_settle(bool wait, struct fail *f)
{
	struct pin_dir lock;
	int err;

	if (!is_due())
		return 0;
	err = pin_hold(&lock, wait, f);
	if (err)
		return err == -EBUSY && !wait ? 0 : err;
	err = apply_settle_locked(f);
	pin_unhold(&lock);
	return err;
}

static int confirm_locked(struct fail *f)
{
	__u32 waiting = NSX_CONFIRM_WAITING;
	struct instance in;
	int err = instance_open(&in, ACCESS_CHANGE, f);

	if (err)
		return err;
	if (in.conf->confirm == NSX_CONFIRM_NONE)
		err = fail(f, -ENOENT, "no change is waiting to be confirmed");
	else if (in.conf->confirm == NSX_CONFIRM_KEEPING)
		err = keep(&in, f);
	else if (confirm_left(&in) &&
		 __atomic_compare_exchange_n(&in.conf->confirm, &waiting, NSX_CONFIRM_KEEPING,
					     false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		err = keep(&in, f);
	else
		err = -ETIME;
	instance_close(&in);
	if (err != -ETIME)
		return err;
	err = apply_undo_locked(f);
	return err ? err : fail(f, -ETIME, "too late: the change has been taken back");
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
	if (state == NSX_CONFIRM_NONE)
		return fail(f, -ENOENT, "no change is waiting to be confirmed");
	if (state == NSX_CONFIRM_KEEPING)
		return fail(f, -EINVAL,
			    "the change is confirmed already: run nsxdp confirm to finish that");
	return apply_undo_locked(f);
}

static int with_lock(int (*run)(struct fail *f), struct fail *f)
{
	struct pin_dir lock;
	int err = pin_hold(&lock, true, f);

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
