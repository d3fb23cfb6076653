// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replace the programs of a running instance with those of this build, while packets flow.
 *
 * The new programs are loaded and pinned in a directory of their own ("next"), with the tables
 * whose layout stays, which both builds' programs then work on, and new tables in place of the
 * others. Those are filled while the old programs give no entry another owner and begin no flow
 * (the freeze, nsx_conf.frozen_until); packets of existing flows go on. Then one link after the
 * other gets its new program, what the old ones saw of flows meanwhile is copied again, and the
 * new pins replace the old ones.
 *
 * Where layouts differ, nsx_meta tells how far that has come, for a command that dies:
 *
 * READY: no link has been touched. The freeze ends by itself, and the next "up" begins anew.
 * SWITCHING: links may have programs of either build; the pins of both are there. The next "up" of
 * the same build switches all links and copies what was seen again. Flows that began by old
 * programs after the freeze are lost.
 * COMMITTING: all links have their new programs. The next "up" moves the other pins.
 *
 * Where they are the same, links of either build serve, and a directory that is left over makes the
 * next "up" begin anew.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apply/up.h"
#include "kernel/convert.h"
#include "kernel/datapath.h"
#include "kernel/link.h"
#include "kernel/meta.h"

/** struct upgrade - from what runs to this command's own */
struct upgrade {
	const struct pin_dir *d;
	struct pin_dir next;
	struct nsx_meta running, own;
	struct nsx_conf conf;		/* that run */
	struct nsx_journal journal;
	struct conversion c;
	__u32 frozen_until;		/* ticks */
	bool convert;			/* layouts differ */
	bool marked;			/* nsx_meta says that the switch has begun */
};

static bool is_one_of(const char *map, const char *const *maps, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(map, maps[i]) == 0)
			return true;
	return false;
}

/* Tables that are converted where that is possible; caches and what is of one packet are not. */
static bool is_optional(const char *map)
{
	static const char *const maps[] = {
		"nsx_counts", "nsx_target_counts", "nsx_frags", "nsx_transit", "nsx_ids",
	};

	return is_one_of(map, maps, sizeof(maps) / sizeof(maps[0]));
}

/* Nothing is in them, for a change that waits to be confirmed is in the way of an upgrade. */
static bool is_empty(const char *map)
{
	static const char *const maps[] = { "nsx_undo_log", "nsx_settings" };

	return is_one_of(map, maps, sizeof(maps) / sizeof(maps[0]));
}

/* Tables without which there is no upgrade. */
static bool is_required(const char *map)
{
	return !is_optional(map) && !is_empty(map) &&
	       (is_one_of(map, table_names, TABLES) || strcmp(map, "nsx_dialled") == 0);
}

static bool changes(const struct upgrade *u, const char *map)
{
	__u32 was = meta_layout(&u->running, map), is = meta_layout(&u->own, map);

	return was && is && was != is;
}

/* The tables whose layout stays are pinned beside the new programs, which use them then. */
static int keep_tables(const struct upgrade *u, struct fail *f)
{
	const struct nsx_meta_map *m = u->running.map;
	char path[PIN_PATH_MAX];

	for (; m < u->running.map + NSX_META_MAPS && m->name[0]; m++) {
		int fd, err = 0;

		if (meta_layout(&u->own, m->name) != m->layout)
			continue;
		fd = bpf_obj_get(pin_path(u->d, m->name, path));
		if (fd < 0 && errno == ENOENT)
			continue; /* its object is not loaded */
		if (fd < 0 || bpf_obj_pin(fd, pin_path(&u->next, m->name, path)))
			err = fail_errno(f, -errno, "cannot pin %s", path);
		if (fd >= 0)
			close(fd);
		if (err)
			return err;
	}
	return 0;
}

/* The new programs; what is wanted is looked at before anything is changed. */
static int prepare(struct upgrade *u, const struct up_conf *wanted, struct fail *f)
{
	int err = keep_tables(u, f);

	if (!err)
		err = datapath_load(&u->next, f);
	if (!err)
		err = datapath_load_cmd(&u->next, f);
	if (!err)
		err = conversion_open(&u->c, u->d, &u->next, f);
	if (!err)
		err = conversion_read(&u->c, "nsx_conf", &u->conf, f);
	if (!err)
		err = conversion_read(&u->c, "nsx_journal", &u->journal, f);
	if (!err)
		err = up_check_running(&u->conf, &u->journal, wanted, f);
	if (!err && u->conf.confirm)
		err = fail(f, -EBUSY,
			   "a change that has to be confirmed is not settled, and other programs "
			   "cannot take it back: run \"nsxdp confirm\" or \"nsxdp undo\" of nsxdp %s "
			   "first",
			   u->running.version);
	if (!err && u->conf.mode != NSX_MODE_TC)
		err = datapath_load_xdp(&u->next, f);
	if (!err && !u->journal.local_reason[0])
		err = datapath_load_sock(&u->next, f);
	return err;
}

static int mark(struct upgrade *u, enum nsx_meta_state state, struct fail *f)
{
	struct nsx_meta meta = u->own;
	int err;

	meta.state = state;
	err = meta_write(u->d, &meta);
	if (err)
		return fail_errno(f, err, "cannot write which version runs");
	u->marked = state != NSX_META_READY;
	return 0;
}

static int open_next(const struct upgrade *u, struct instance *in, struct fail *f)
{
	struct pin_dir next = u->next;
	int err = instance_open_dir(in, &next, f);

	if (err)
		instance_close(in);
	return err;
}

static __u32 tick(const struct upgrade *u)
{
	struct instance in = { .dir = u->next };

	return now_tick(&in);
}

/* Freeze, or freeze for longer. -ETIME where the freeze has ended meanwhile. */
static int freeze(struct upgrade *u, struct fail *f)
{
	__u32 now = tick(u), until = now + nsx_ticks(&u->conf, NSX_FROZEN_SECONDS);

	if (!now)
		return fail(f, -EIO, "cannot read the datapath's clock");
	if (u->frozen_until && (__s32)(u->frozen_until - now) <= 1)
		return fail(f, -ETIME, "the tables could not be converted within %d seconds",
			    NSX_FROZEN_SECONDS);
	u->frozen_until = until ? until : 1;
	return conversion_freeze(&u->c, u->frozen_until, f);
}

static int wait_for_programs(struct fail *f)
{
	int err = datapath_wait();

	return err ? fail_errno(f, err, "cannot wait for running programs") : 0;
}

static int copy_tables(struct upgrade *u, struct fail *f)
{
	const struct nsx_meta_map *m = u->own.map;
	struct fail why;
	int err = 0;

	for (; m < u->own.map + NSX_META_MAPS && m->name[0] && !err; m++) {
		/* The only one that is not there without the programs for sockets. */
		if (!changes(u, m->name) ||
		    (u->journal.local_reason[0] && strcmp(m->name, "nsx_dialled") == 0))
			continue;
		if (is_required(m->name))
			err = conversion_copy(&u->c, m->name, f);
		else if (is_optional(m->name) && conversion_copy(&u->c, m->name, &why))
			note("up: %s: it begins empty", why.text);
		if (!err)
			err = freeze(u, f);
	}
	return err;
}

static int convert(struct upgrade *u, struct fail *f)
{
	struct fail ignored;
	int err = freeze(u, f);

	if (!err)
		err = wait_for_programs(f);
	if (!err)
		err = copy_tables(u, f);
	if (!err)
		err = mark(u, NSX_META_SWITCHING, f);
	if (err)
		conversion_freeze(&u->c, 0, &ignored);
	return err;
}

/* All links get the programs that are pinned in from: next, or those of before. */
static int switch_links(const struct upgrade *u, const struct pin_dir *from, struct fail *f)
{
	struct link_info uplink = {};
	struct nl nl = {};
	bool veth;
	int err = nl_open(&nl);

	if (!err)
		link_get(&nl, NULL, u->conf.uplinks[0], &uplink); /* gone: "up" mends that */
	nl_close(&nl);
	veth = strcmp(uplink.kind, "veth") == 0 && u->conf.mode == NSX_MODE_XDP;
	err = datapath_update_links(u->d, from, u->conf.uplinks[0], veth, u->conf.asker, f);
	if (err || u->journal.local_reason[0])
		return err;
	return host_local_attach(u->d, from, u->conf.flags & NSX_UP_BIND_GUARD, f);
}

/* Where that fails too, nsx_meta goes on saying that the switch has begun. */
static void switch_back(struct upgrade *u)
{
	struct fail ignored;

	if (u->running.state != NSX_META_READY || switch_links(u, u->d, &ignored))
		return;
	conversion_freeze(&u->c, 0, &ignored);
	if (meta_write(u->d, &u->running) == 0)
		u->marked = false;
}

/*
 * No old program runs any more. The sweeper's timer gets its new callback, for the old one would
 * count in old tables.
 */
static int catch_up(struct upgrade *u, struct fail *f)
{
	struct instance in;
	int err = open_next(u, &in, f);

	if (err)
		return err;
	table_sweep_start(&in); /* where a kernel does not let it run it did not before */
	instance_close(&in);
	err = wait_for_programs(f);
	if (!err && changes(u, "nsx_ports"))
		err = conversion_catch_up(&u->c, "nsx_ports", f);
	if (!err && changes(u, "nsx_sessions"))
		err = conversion_catch_up(&u->c, "nsx_sessions", f);
	if (!err && !u->journal.local_reason[0] && changes(u, "nsx_dialled"))
		err = conversion_copy(&u->c, "nsx_dialled", f);
	return err;
}

/* Tables and programs that the new build does not have. */
static int drop_stale(const struct upgrade *u, struct fail *f)
{
	static const char *const kinds[] = { "nsx_", "tc_", "xdp_from", "prog_" };
	char path[PIN_PATH_MAX];
	struct dirent **pin;
	int count = scandir(u->d->path, &pin, NULL, NULL);
	if (count < 0)
		return fail_errno(f, -errno, "cannot read %s", u->d->path);
	for (int i = 0; i < count; i++) {
		const char *name = pin[i]->d_name;
		bool ours = false;

		for (size_t n = 0; n < sizeof(kinds) / sizeof(kinds[0]); n++)
			ours = ours || strncmp(name, kinds[n], strlen(kinds[n])) == 0;
		if (ours && strcmp(name, "nsx_meta") &&
		    access(pin_path(&u->next, name, path), F_OK) && errno == ENOENT)
			unlink(pin_path(u->d, name, path));
		free(pin[i]);
	}
	free(pin);
	return 0;
}

/* Where the tables stay, commands of the new build may use the old one's pinned programs. */
static int commit(struct upgrade *u, struct fail *f)
{
	int err = u->convert ? 0 : mark(u, NSX_META_READY, f);

	if (!err)
		err = pin_next_commit(u->d, f);
	return err || !u->convert ? err : mark(u, NSX_META_READY, f);
}

/* Tests make what old programs see after the copy last for longer than some milliseconds. */
static void test_pause(void)
{
	const char *seconds = getenv("NSXDP_TEST_UPGRADE_PAUSE");

	if (seconds)
		sleep(atoi(seconds));
}

static int finish(struct upgrade *u, struct fail *f)
{
	int err;

	test_pause();
	err = switch_links(u, &u->next, f);

	if (err) {
		switch_back(u);
		return err;
	}
	err = wait_for_programs(f);
	if (!err && u->convert)
		err = catch_up(u, f);
	if (!err)
		err = drop_stale(u, f);
	if (!err && u->convert)
		err = mark(u, NSX_META_COMMITTING, f);
	return err ? err : commit(u, f);
}

/* A command of this build has died in the middle of it. */
static int resume(struct upgrade *u, struct fail *f)
{
	int err;

	if (u->running.programs != u->own.programs)
		return fail(f, -EPROTO,
			    "an upgrade to nsxdp %s was interrupted: run its \"nsxdp up\" to resume it",
			    u->running.version);
	u->marked = u->convert = true;
	if (u->running.state == NSX_META_COMMITTING)
		return commit(u, f);
	err = pin_next_open(u->d, &u->next);
	if (err)
		return fail_errno(f, err, "cannot open %s", u->next.path);
	/* Which layouts the old tables have is not known any more: all are looked at. */
	memset(u->running.map, 0, sizeof(u->running.map));
	for (int i = 0; i < NSX_META_MAPS && u->own.map[i].name[0]; i++) {
		u->running.map[i] = u->own.map[i];
		u->running.map[i].layout ^= 0xffffffffU;
	}
	err = conversion_open(&u->c, u->d, &u->next, f);
	if (!err)
		err = conversion_read(&u->c, "nsx_conf", &u->conf, f);
	if (!err)
		err = conversion_read(&u->c, "nsx_journal", &u->journal, f);
	return err ? err : finish(u, f);
}

static int begin(struct upgrade *u, const struct up_conf *wanted, struct fail *f)
{
	int err;

	if (u->running.semantics != u->own.semantics)
		return fail(f, -EPROTO,
			    "cannot convert the tables of nsxdp %s: run \"nsxdp save\" and "
			    "\"nsxdp down\" with that version first",
			    u->running.version);
	err = pin_next_make(u->d, &u->next, f);
	if (err)
		return err;
	u->convert = !meta_same_tables(&u->running, &u->own);
	err = prepare(u, wanted, f);
	if (!err && u->convert)
		err = convert(u, f);
	return err ? err : finish(u, f);
}

int up_upgrade(const struct pin_dir *d, const struct up_conf *wanted, struct fail *f)
{
	struct upgrade u = { .d = d };
	struct fail ignored;
	int err = meta_read(d, &u.running);

	/* What is wrong with it "up" finds when it opens the instance. */
	if (err || (u.running.state == NSX_META_READY && u.running.programs == datapath_build() &&
		    pin_next_open(d, &u.next) == -ENOENT))
		return 0;
	err = meta_own(&u.own, f);
	if (err)
		return err;
	err = u.running.state == NSX_META_READY ? begin(&u, wanted, f) : resume(&u, f);
	conversion_close(&u.c);
	if (err && !u.marked && u.running.state == NSX_META_READY)
		pin_next_remove(d, &ignored);
	if (!err)
		note("up: replaced the programs of another build with this one's");
	return err;
}
