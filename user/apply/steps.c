// SPDX-License-Identifier: GPL-2.0-only
/* The one door: steps are carried out here, and undone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apply/apply.h"
#include "apply/confirm.h"
#include "apply/ipv6.h"
#include "apply/ns.h"
#include "apply/twins.h"
#include "config/edit.h"
#include "kernel/pin.h"
#include "kernel/private.h"
#include "kernel/sockets.h"
#include "apply/map.h"
#include "state/health.h"
#include "state/read.h"

static int apply_step(struct instance *in, const struct step *step, struct fail *f)
{
	if (step->object == STEP_NS)
		return apply_ns(in, step->before, step->after, f);
	return apply_map(in, step->before, step->after, f);
}

/*
 * A namespace that was removed comes back empty: what ran in it is gone with its name. Ports go back
 * at once, without a draining of what was there for a moment.
 */
static void undo(struct instance *in, const struct steps *steps, size_t done)
{
	struct map_conf *map = malloc(sizeof(*map));
	struct fail f;

	sockets_listing(false);
	while (done--) {
		const struct step *step = &steps->step[done];
		struct step back = { step->object, step->after, step->before };

		if (map && step->object == STEP_MAP && step->before) {
			*map = *(const struct map_conf *)step->before;
			map->given |= MAP_GIVEN_DRAIN;
			map->drain = 0;
			back.after = map;
		}
		if (apply_step(in, &back, &f))
			note("cannot undo a step: %s", f.text);
	}
	free(map);
}

/* The reason, with the object that it is about. */
static void name_object(const struct step *step, struct fail *f)
{
	const void *side = step->after ? step->after : step->before;
	char name[ADDR_STRLEN], reason[sizeof(f->text)];
	const struct map_conf *map = side;
	const struct ns_conf *ns = side;

	memcpy(reason, f->text, sizeof(reason));
	if (step->object == STEP_NS)
		fail(f, 0, "ns %s: %.400s", ns->name, reason);
	else
		fail(f, 0, "map %s: %.400s",
		     config_port_name(map->row, map->port, map->last, name), reason);
}

/** struct progress - a line on a terminal, for what takes longer than a second */
struct progress {
	struct timespec start;
	bool terminal;
	bool shown;
};

static void progress_begin(struct progress *p)
{
	clock_gettime(CLOCK_MONOTONIC, &p->start);
	p->terminal = isatty(STDERR_FILENO);
	p->shown = false;
}

static void progress_show(struct progress *p, size_t done, size_t all)
{
	struct timespec now;

	if (!p->terminal || done % 16)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec - p->start.tv_sec < 2)
		return;
	fprintf(stderr, "\r%zu of %zu", done, all);
	p->shown = true;
}

static void progress_end(struct progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
}

static bool is_new_port(const struct step *step)
{
	return step->object == STEP_MAP && !step->before;
}

/* The steps up to the last that publishes a new port; later ones change or remove ports. */
static size_t count_publishing(const struct steps *steps)
{
	size_t count = steps->count;

	while (count && !is_new_port(&steps->step[count - 1]))
		count--;
	return count;
}

/*
 * A socket of the host may have taken a port after it was found free and before it was published.
 * With the bind guard none can after that.
 */
static int check_published(struct instance *in, const struct steps *steps, size_t count,
			   size_t *failed, struct fail *f)
{
	int err = 0;

	sockets_listing(count > 1);
	for (size_t i = 0; i < count && !err; i++) {
		*failed = i;
		if (is_new_port(&steps->step[i]) && !map_is_beyond(in, steps->step[i].after))
			err = map_check_host(steps->step[i].after, f);
	}
	sockets_listing(false);
	return err;
}

/*
 * What was before a change that was taken back: each step for itself, for there is nothing to go
 * back to. The first error is kept.
 */
static int carry_out_each(struct instance *in, const struct steps *steps, struct fail *f)
{
	struct fail why;
	int first = 0;

	for (size_t i = 0; i < steps->count; i++) {
		int err = apply_step(in, &steps->step[i], &why);

		if (!err || first)
			continue;
		first = err;
		*f = why;
		name_object(&steps->step[i], f);
	}
	return first;
}

static int carry_out(struct instance *in, const struct steps *steps, size_t *done, size_t end,
		     struct progress *p, struct fail *f)
{
	int err = 0;

	for (; *done < end && !err; *done += !err) {
		progress_show(p, *done, steps->count);
		err = apply_step(in, &steps->step[*done], f);
	}
	return err;
}

int apply_steps(struct instance *in, const struct steps *steps, struct fail *f)
{
	const size_t publishing = count_publishing(steps);
	struct progress progress;
	size_t done = 0, failed;
	int err;

	if (in->conf->confirm == NSX_CONFIRM_UNDONE)
		return carry_out_each(in, steps, f);
	progress_begin(&progress);
	twins_begin(in, steps);
	err = carry_out(in, steps, &done, publishing, &progress, f);
	failed = done;
	/* Before what is not wanted any more is removed: that cannot be brought back whole. */
	if (!err)
		err = check_published(in, steps, publishing, &failed, f);
	if (!err) {
		err = carry_out(in, steps, &done, steps->count, &progress, f);
		failed = done;
	}
	progress_end(&progress);
	devices_follow(in);
	if (!err) {
		twins_end(in);
		return 0;
	}
	if (!steps_are_one(steps))
		name_object(&steps->step[failed], f);
	/* Else all of it is taken back, by what was noted. */
	if (!confirm_is_noting())
		undo(in, steps, done);
	twins_end(in);
	return err;
}

/* Namespaces that a command was making or removing when it died. */
static int clear_unfinished(struct instance *in)
{
	struct ns_list list = {};
	int err = table_ns_list(in, &list);

	for (size_t i = 0; i < list.count && !err; i++)
		if (list.item[i].ns.state != NSX_NS_READY) {
			err = ns_remove(in, list.item[i].name, &list.item[i].ns, false);
			if (list.item[i].ns.ifindex)
				reverse_purge(in, list.item[i].ns.ifindex);
		}
	ns_list_free(&list);
	return err;
}

/* "down" has removed the links already, and perhaps more. */
static int clear_all(struct instance *in)
{
	struct ns_list list = {};
	int err = table_ns_list(in, &list);

	for (size_t i = 0; i < list.count && !err; i++) {
		err = ns_remove(in, list.item[i].name, &list.item[i].ns,
				in->journal->going == NSX_GOING_RELEASED);
		if (list.item[i].ns.ifindex)
			reverse_purge(in, list.item[i].ns.ifindex);
	}
	ns_list_free(&list);
	return err;
}

int apply_recover(struct instance *in, struct fail *f)
{
	char name[NSX_NAME_LEN];
	int err = 0;

	private_settle(&in->dir);
	if (!in->journal->intent.kind && !in->journal->going && !in->journal->changing[0] &&
	    !in->journal->twins.changing)
		return 0;
	if (in->journal->intent.kind)
		err = publish_recover(in, f);
	if (!err && in->journal->twins.changing) {
		if (twins_recover(in, f))
			note("port %u: a command that died changed it for IPv4 alone: %s",
			     in->journal->twins.first, f->text);
		twins_end(in);
	}
	if (!err && in->journal->changing[0]) {
		memcpy(name, in->journal->changing, sizeof(name));
		/* What a tenant did inside is no reason to stop everything else. */
		if (ns_set_recover(in, name, f)) {
			note("%s: its last change was interrupted and cannot be completed: %s",
			     name, f->text);
			in->journal->changing[0] = '\0';
		}
	}
	if (!err) {
		err = in->journal->going >= NSX_GOING_ALL ? clear_all(in) : clear_unfinished(in);
		if (err)
			fail_errno(f, err, "cannot remove what a command left that died");
	}
	services_sweep(in);
	egress_sweep(in);
	ns_recount(in);
	if (!err)
		in->journal->going = NSX_GOING_NONE;
	return err;
}

/*
 * Ready for a change. What others left is not touched where one waits to be confirmed, or is being
 * made that has to be.
 */
static int open_to_change(struct instance *in, struct fail *f)
{
	int err = instance_open(in, ACCESS_CHANGE, f);

	if (err || in->conf->confirm)
		return err;
	err = apply_recover(in, f);
	if (err) {
		instance_close(in);
		return err;
	}
	publish_reap(in);
	devices_follow(in);
	ipv6_follow(in);
	return 0;
}

/* Another command may begin a change before this one has the lock. */
int apply_open(struct instance *in, struct fail *f)
{
	int err = 0;

	while (!err) {
		err = apply_settle(true, f);
		if (!err)
			err = open_to_change(in, f);
		if (err || !in->conf->confirm)
			return err;
		err = confirm_check(in, f);
		instance_close(in);
	}
	return err;
}

/* Namespaces that somebody deleted are made again. */
int apply_clear_gone(struct instance *in, const struct config *wanted, struct fail *f)
{
	int err = 0;

	for (size_t i = 0; i < wanted->ns_count && !err; i++)
		err = apply_ns_clear(in, wanted->ns[i].name, f);
	return err;
}

/* What would fail for a reason that can be seen before anything is changed. */
static int check_step(struct instance *in, const struct config *running, const struct step *step,
		      bool keep, struct fail *f)
{
	const struct ns_conf *ns = step->after;
	int err = 0;

	if (!step->after)
		return 0;
	if (step->object == STEP_NS)
		return config_ns(running, ns->name) ? 0 : ns_check_new(in, ns, f);
	if (keep && !step->before)
		err = edit_map_check(running, step->after, f);
	return err ? err : map_check_new(in, step->before, step->after, f);
}

static int check_steps(struct instance *in, const struct config *running,
		       const struct config *wanted, const struct steps *steps, bool keep,
		       struct fail *f)
{
	int err = 0;

	for (size_t i = 0; i < wanted->ns_count; i++) {
		const struct ns_conf *ns = &wanted->ns[i], *old = config_ns(running, ns->name);

		if (old && old->adopted != ns->adopted)
			return fail(f, -EEXIST, "ns %s: it was %s", ns->name,
				    old->adopted ? "adopted, not made: ns adopt"
						 : "made, not adopted: ns add");
	}
	for (size_t i = 0; i < steps->count && !err; i++) {
		err = check_step(in, running, &steps->step[i], keep, f);
		if (err)
			name_object(&steps->step[i], f);
	}
	return err;
}

int apply_change(struct instance *in, const struct config *running, const struct config *wanted,
		 bool keep, struct fail *f)
{
	struct steps steps;
	int err = config_diff(running, wanted, keep, &steps);

	if (err)
		return fail_errno(f, err, "cannot plan the change");
	/* What is bound meanwhile is found by a second one; see check_published(). */
	sockets_listing(steps.count > 1);
	if (in->conf->confirm != NSX_CONFIRM_UNDONE)
		err = check_steps(in, running, wanted, &steps, keep, f);
	if (!err && confirm_is_noting())
		err = confirm_expect(in, steps.count, f);
	if (!err)
		err = apply_steps(in, &steps, f);
	sockets_listing(false);
	steps_free(&steps);
	return err;
}

/* What runs before; nothing where the instance is not up. good: nothing of it is to be mended. */
static int read_running(struct config *running, bool *good, struct fail *f)
{
	struct instance in;
	int err = instance_open(&in, ACCESS_READ, f);

	if (err == -ENOENT)
		return 0;
	if (!err) {
		err = read_config(&in, running, f);
		*good = health_is_good(&in);
		instance_close(&in);
	}
	return err;
}

/*
 * From here on what is changed is noted; what runs before is what comes back. What others have
 * deleted is mended first, for that is no part of the change.
 */
static int begin_confirmed(struct config *before, unsigned int seconds, struct fail *f)
{
	struct instance in;
	int err = open_to_change(&in, f);

	if (err)
		return err;
	err = apply_clear_gone(&in, before, f);
	config_free(before);
	if (!err)
		err = read_config(&in, before, f);
	if (!err)
		err = confirm_begin(&in, seconds, before, f);
	instance_close(&in);
	return err;
}

static int change_all(const struct config *wanted, bool keep, unsigned int confirm, struct fail *f)
{
	struct config running = {};
	struct instance in;
	int err = open_to_change(&in, f);

	if (err)
		return err;
	err = apply_clear_gone(&in, wanted, f);
	if (!err)
		err = read_config(&in, &running, f);
	if (!err)
		err = apply_change(&in, &running, wanted, keep, f);
	if (!err && confirm)
		err = confirm_end(&in, confirm, f);
	instance_close(&in);
	config_free(&running);
	return err;
}

/* Where it has to be confirmed all of it can be taken back. */
static void go_back(struct config *before, bool has_up, unsigned int confirm)
{
	struct fail ignored, why;

	if (confirm) {
		if (apply_undo_locked(&why))
			note("cannot take the change back completely: %s", why.text);
	} else if (has_up) {
		config_whole_up(&before->up);
		if (before->has_up)
			apply_up(&before->up, &ignored);
		else
			apply_down(false, &ignored);
	}
}

static int apply_locked(const struct config *wanted, bool keep, unsigned int confirm,
			struct fail *f)
{
	struct config before = {};
	struct up_conf up = wanted->up;
	bool good = false, up_failed;
	int err = apply_settle_locked(f);

	config_whole_up(&up);
	if (!err)
		err = read_running(&before, &good, f);
	/* Another build's tables. */
	if (err == -EPROTO && wanted->has_up && !confirm) {
		err = apply_up(&up, f);
		if (!err)
			err = read_running(&before, &good, f);
	}
	if (!err && confirm && before.has_up)
		err = begin_confirmed(&before, confirm, f);
	if (err)
		goto out;
	up.confirm = confirm;
	if (wanted->has_up && !(good && config_same_up(&before.up, &wanted->up)))
		err = apply_up(&up, f);
	else if (!before.has_up)
		err = fail(f, -ENOENT,
			   "not up in this network namespace, and there is no 'up' line");
	up_failed = err;
	if (!err)
		err = change_all(wanted, keep, confirm, f);
	/* An "up" that failed has left nothing where there was nothing. */
	if (err && (before.has_up || !up_failed))
		go_back(&before, wanted->has_up, confirm);
out:
	config_free(&before);
	return err;
}

int apply_config(const struct config *wanted, bool keep, unsigned int confirm, struct fail *f)
{
	struct pin_dir lock;
	int err = pin_hold(&lock, true, f);

	if (err)
		return err;
	err = apply_locked(wanted, keep, confirm, f);
	pin_unhold(&lock);
	return err;
}

int apply_up_confirmed(const struct up_conf *c, struct fail *f)
{
	struct config before = {};
	struct instance in;
	struct pin_dir lock;
	bool good, begun = false;
	int err = pin_hold(&lock, true, f);

	if (err)
		return err;
	err = apply_settle_locked(f);
	if (!err)
		err = read_running(&before, &good, f);
	if (!err && before.has_up) {
		err = begin_confirmed(&before, c->confirm, f);
		begun = !err;
	}
	if (!err)
		err = apply_up(c, f);
	if (!err) {
		begun = true;
		err = open_to_change(&in, f);
		if (!err) {
			err = confirm_end(&in, c->confirm, f);
			instance_close(&in);
		}
	}
	if (err && begun)
		go_back(&before, false, c->confirm);
	pin_unhold(&lock);
	config_free(&before);
	return err;
}
