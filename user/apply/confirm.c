// SPDX-License-Identifier: GPL-2.0-only
/* The undo log of a change that has to be confirmed. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apply/confirm.h"
#include "apply/map.h"
#include "apply/ns.h"
#include "config/file.h"

/* Steps besides those that are planned: what one of them brings about, such as ports that follow. */
#define STEPS_MORE 64

/* Of this process: others that find such a change know that whoever made it has died. */
static bool noting;

bool confirm_is_noting(void)
{
	return noting;
}

void confirm_give_up(void)
{
	noting = false;
}

static void keep_settings(const struct nsx_conf *conf, struct nsx_settings *ret)
{
	memcpy(ret->timeout, conf->timeout, sizeof(ret->timeout));
	memcpy(ret->snat, conf->snat, sizeof(ret->snat));
	ret->snat_count = conf->snat_count;
	ret->port_lo = conf->port_lo;
	ret->port_hi = conf->port_hi;
	ret->host_lo = conf->host_lo;
	ret->host_hi = conf->host_hi;
	ret->publish_at = conf->publish_at;
}

static int keep_text(struct instance *in, const struct config *before)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct nsx_undo *log;
	__u32 count;
	int err;

	if (!out)
		return -errno;
	config_print(before, out);
	err = fclose(out) ? -errno : 0;
	if (!err)
		err = table_undo_make(in, NSX_UNDO_TEXT, size / sizeof(*log) + 1);
	if (!err) {
		log = table_undo_log(in, NSX_UNDO_TEXT, &count);
		if (log)
			memcpy(log, text, size + 1);
		else
			err = -errno;
	}
	free(text);
	return err;
}

static void set_deadline(struct instance *in, unsigned int seconds)
{
	__u32 until = now_tick(in) + nsx_ticks(in->conf, seconds);

	__atomic_store_n(&in->conf->confirm_until, until, __ATOMIC_SEQ_CST);
}

int confirm_begin(struct instance *in, unsigned int seconds, const struct config *before,
		  struct fail *f)
{
	struct nsx_settings *settings = table_settings(in);
	int err = settings ? 0 : -errno;

	if (!in->conf->lease)
		return fail(f, -ENOTSUP,
			    "--confirm: this kernel has no timers for BPF programs, which would "
			    "take the change back");
	if (!err && before) {
		keep_settings(in->conf, settings);
		err = keep_text(in, before);
	}
	if (!err)
		err = table_undo_make(in, NSX_UNDO_STEPS, STEPS_MORE);
	if (err) {
		table_undo_drop(in);
		return fail_errno(f, err, "cannot record the state before the change");
	}
	in->conf->undo_count = 0;
	in->conf->confirm_new = !before;
	in->conf->confirm_number++;
	set_deadline(in, seconds);
	noting = true;
	__atomic_store_n(&in->conf->confirm, NSX_CONFIRM_MAKING, __ATOMIC_SEQ_CST);
	return 0;
}

int confirm_expect(struct instance *in, size_t steps, struct fail *f)
{
	/* Some are made already: there is room for a few more. */
	int err = in->conf->undo_count
			  ? 0
			  : table_undo_make(in, NSX_UNDO_STEPS, 2 * steps + STEPS_MORE);

	return err ? fail_errno(f, err, "cannot record the state before the change") : 0;
}

static int too_late(struct fail *f)
{
	return fail(f, -ETIME, "the time ran out before the change was complete");
}

int confirm_end(struct instance *in, unsigned int seconds, struct fail *f)
{
	__u32 making = NSX_CONFIRM_MAKING;

	noting = false;
	set_deadline(in, seconds);
	return __atomic_compare_exchange_n(&in->conf->confirm, &making, NSX_CONFIRM_WAITING, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)
		       ? 0
		       : too_late(f);
}

/* The next entry, which counts from add_step() on; NULL without an error: nothing is to be noted. */
static struct nsx_undo *next_step(struct instance *in, struct fail *f, int *err)
{
	struct nsx_undo *log;
	__u32 room;

	*err = 0;
	if (!noting)
		return NULL;
	if (__atomic_load_n(&in->conf->confirm, __ATOMIC_SEQ_CST) != NSX_CONFIRM_MAKING)
		*err = too_late(f);
	if (*err || in->conf->confirm_new)
		return NULL;
	log = table_undo_log(in, NSX_UNDO_STEPS, &room);
	if (!log)
		*err = fail_errno(f, -errno, "cannot record the state before the change");
	else if (in->conf->undo_count >= room)
		*err = fail(f, -ENOSPC, "this change has too many steps to be taken back");
	return *err ? NULL : &log[in->conf->undo_count];
}

/* The sweeper may look at it from now on, or the command may die. */
static int add_step(struct instance *in, struct nsx_undo *step, enum nsx_undo_kind kind)
{
	__atomic_store_n(&step->kind, kind, __ATOMIC_SEQ_CST);
	__atomic_store_n(&in->conf->undo_count, in->conf->undo_count + 1, __ATOMIC_SEQ_CST);
	return 1;
}

int confirm_note_ports(struct instance *in, struct fail *f)
{
	struct nsx_intent *intent = &in->journal->intent;
	int err;
	struct nsx_undo *step = next_step(in, f, &err);

	if (!step)
		return err;
	step->before = intent->before;
	step->after = intent->after;
	intent->undo = in->conf->undo_count + 1;
	return add_step(in, step, NSX_UNDO_PORTS);
}

void confirm_forget_ports(struct instance *in)
{
	__u32 undo = in->journal->intent.undo, room;
	struct nsx_undo *log = undo ? table_undo_log(in, NSX_UNDO_STEPS, &room) : NULL;

	if (log && undo <= room)
		__atomic_store_n(&log[undo - 1].kind, NSX_UNDO_NONE, __ATOMIC_SEQ_CST);
}

int confirm_note_veth(struct instance *in, const struct nsx_veth_change *was, struct fail *f)
{
	int err;
	struct nsx_undo *step = next_step(in, f, &err);

	if (!step)
		return err;
	step->veth = *was;
	return add_step(in, step, NSX_UNDO_VETH);
}

int confirm_note_new_ns(struct instance *in, const struct nsx_ns *ns, struct fail *f)
{
	int err;
	struct nsx_undo *step = next_step(in, f, &err);

	if (!step)
		return err;
	step->veth = (struct nsx_veth_change){ .ifindex = ns->ifindex,
					       .source = { ns->addr, ns->addr6 } };
	return add_step(in, step, NSX_UNDO_NEW_NS);
}

int confirm_note_del_ns(struct instance *in, const char *name, struct fail *f)
{
	int err;
	struct nsx_undo *step = next_step(in, f, &err);

	if (!step)
		return err;
	snprintf(step->name, sizeof(step->name), "%s", name);
	return add_step(in, step, NSX_UNDO_DEL_NS);
}

int confirm_check(struct instance *in, struct fail *f)
{
	unsigned int left = confirm_left(in);

	return left ? fail(f, -EBUSY,
			   "a change is waiting to be confirmed (%u seconds left): run nsxdp confirm "
			   "or nsxdp undo",
			   left)
		    : 0;
}

/* Room for flows of a namespace that has no limit of them any more. */
static void release_quota(struct instance *in, __u32 ifindex)
{
	struct nsx_veth veth;

	if (bpf_map_lookup_elem(in->fd[TABLE_VETHS], &ifindex, &veth) == 0 && !veth.max_flows)
		bpf_map_delete_elem(in->fd[TABLE_QUOTAS], &ifindex);
}

static int keep_step(struct instance *in, struct nsx_undo *step)
{
	struct nsx_ns ns;
	int err = 0;

	switch (step->kind) {
	case NSX_UNDO_PORTS: return publish_end(in, &step->before);
	case NSX_UNDO_VETH: release_quota(in, step->veth.ifindex); return 0;
	case NSX_UNDO_DEL_NS:
		err = table_ns_get(in, step->name, &ns);
		if (!err)
			err = ns_remove(in, step->name, &ns, false);
		return err == -ENOENT ? 0 : err;
	}
	return 0;
}

static int drop_step(struct instance *in, struct nsx_undo *step)
{
	return step->kind == NSX_UNDO_PORTS ? publish_end(in, &step->after) : 0;
}

/* newest: from the last one on. Those that are left where it fails can be taken back still. */
static int each_step(struct instance *in, int (*cb)(struct instance *in, struct nsx_undo *step),
		     bool newest, struct fail *f)
{
	__u32 count = in->conf->undo_count, room;
	struct nsx_undo *log = count ? table_undo_log(in, NSX_UNDO_STEPS, &room) : NULL;
	int err = 0;

	if (count && !log)
		return fail_errno(f, -errno, "cannot read what was recorded of the change");
	for (__u32 i = 0; i < count && i < room && !err; i++) {
		struct nsx_undo *step = &log[newest ? count - 1 - i : i];

		err = cb(in, step);
		if (!err)
			__atomic_store_n(&step->kind, NSX_UNDO_NONE, __ATOMIC_SEQ_CST);
	}
	if (!err)
		err = reverses_settle(in);
	return err ? fail_errno(f, err, "cannot remove everything that is no longer needed") : 0;
}

int confirm_republish(struct instance *in, struct fail *f)
{
	__u32 count = in->conf->undo_count, room;
	struct nsx_undo *log = count ? table_undo_log(in, NSX_UNDO_STEPS, &room) : NULL;
	int err = count && !log ? -errno : 0;

	for (__u32 i = 0; i < count && i < room && !err; i++)
		if (log[i].kind == NSX_UNDO_PORTS && log[i].before.ifindex)
			err = table_published_set(in, nsx_slot_row(&log[i].before),
						  log[i].before.first);
	return err ? fail_errno(f, err, "cannot note what is published") : 0;
}

int confirm_keep(struct instance *in, struct fail *f)
{
	return each_step(in, keep_step, false, f);
}

int confirm_drop(struct instance *in, struct fail *f)
{
	return each_step(in, drop_step, true, f);
}

/* What recoveries on the way have left to be counted is counted now. */
int confirm_clear(struct instance *in, struct fail *f)
{
	int err = counters_recount(in);

	if (err)
		return fail_errno(f, err, "cannot take stock of what is counted");
	services_sweep(in);
	egress_sweep(in);
	services_recount(in);
	ns_recount(in);
	in->conf->undo_count = 0;
	in->conf->confirm_new = 0;
	in->journal->undo_tries = 0;
	__atomic_store_n(&in->conf->confirm, NSX_CONFIRM_NONE, __ATOMIC_SEQ_CST);
	table_undo_drop(in);
	return 0;
}

const char *confirm_text(struct instance *in)
{
	__u32 count;
	struct nsx_undo *log = table_undo_log(in, NSX_UNDO_TEXT, &count);

	return log ? log->text : NULL;
}
