// SPDX-License-Identifier: GPL-2.0-only
/*
 * An instance that runs gets the programs of another build, while packets flow.
 *
 * The new programs are loaded and pinned in a directory of their own, with the tables whose layout
 * stays, which both builds' programs then work on, and new tables in the place of the others. Those
 * are filled while nothing of the old ones changes hands and no flow begins (frozen_until), which
 * takes some ten milliseconds; packets of flows that are there go on. Then one link after the other
 * gets its new program, what the old ones saw of flows meanwhile is caught up on, and the new pins
 * take the place of the old ones.
 *
 * Where the command dies before the first link is switched, the old programs go on with the old
 * tables: the freeze ends by itself, and the next "up" begins anew. After that nsx_meta says that
 * the change has begun, and the next "up" of the same build goes on with it.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <net/if.h>
#include <string.h>
#include <sys/syscall.h>
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
	struct nsx_conf conf;	/* that run */
	struct nsx_journal journal;
};

/* What the tables of another layout hold is needed, but for these. */
static bool is_needed(const char *map)
{
	if (strcmp(map, "nsx_counts") == 0 || strcmp(map, "nsx_target_counts") == 0)
		return false;
	for (int i = 0; i < TABLES; i++)
		if (strcmp(table_names[i], map) == 0)
			return true;
	return strcmp(map, "nsx_dialled") == 0;
}

/* Nor can these be, but for caches and what is of one CPU for one packet, which begin empty. */
static bool is_worth_a_try(const char *map)
{
	static const char *const maps[] = { "nsx_counts", "nsx_target_counts", "nsx_frags",
					    "nsx_transit", "nsx_ids" };

	for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
		if (strcmp(maps[i], map) == 0)
			return true;
	return false;
}

static bool changes(const struct upgrade *u, const char *map)
{
	__u32 was = meta_layout(&u->running, map), is = meta_layout(&u->own, map);

	return was && is && was != is;
}

/* Every program that began before has ended: they run in RCU read-side critical sections. */
static void wait_for_programs(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		usleep(100000);
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

static int copy_tables(const struct upgrade *u, const struct conversion *c, struct fail *f)
{
	const struct nsx_meta_map *m = u->own.map;
	struct fail ignored;
	int err = 0;

	for (; m < u->own.map + NSX_META_MAPS && m->name[0] && !err; m++) {
		if (!changes(u, m->name))
			continue;
		if (is_needed(m->name))
			err = conversion_copy(c, m->name, f);
		else if (is_worth_a_try(m->name) && conversion_copy(c, m->name, &ignored))
			note("up: %s", ignored.text);
	}
	return err;
}

static int mark(const struct upgrade *u, enum nsx_meta_state state, struct fail *f)
{
	struct nsx_meta meta = u->own;
	int err;

	meta.state = state;
	err = meta_write(u->d, &meta);
	return err ? fail_errno(f, err, "cannot write which version runs") : 0;
}

/* Tables that only the old build has. */
static void drop_tables(const struct upgrade *u)
{
	const struct nsx_meta_map *m = u->running.map;
	char path[PIN_PATH_MAX];

	for (; m < u->running.map + NSX_META_MAPS && m->name[0]; m++)
		if (!meta_layout(&u->own, m->name))
			unlink(pin_path(u->d, m->name, path));
}

/* Before anything of the old build is gone. */
static void switch_back(const struct upgrade *u, bool veth)
{
	struct fail ignored;

	datapath_update_links(u->d, u->d, u->conf.uplinks[0], veth, u->conf.asker, &ignored);
	meta_write(u->d, &u->running);
}

/* The links' programs, and those of sockets, whose links are pinned in d. */
static int switch_links(const struct upgrade *u, struct fail *f)
{
	const struct nsx_conf *conf = &u->conf;
	struct link_info uplink = {};
	struct nl nl = {};
	bool veth;
	int err = nl_open(&nl);

	if (!err)
		link_get(&nl, NULL, conf->uplinks[0], &uplink); /* gone: "up" mends that */
	nl_close(&nl);
	veth = strcmp(uplink.kind, "veth") == 0 && conf->mode == NSX_MODE_XDP;
	err = datapath_update_links(u->d, &u->next, conf->uplinks[0], veth, conf->asker, f);
	if (!err && !u->journal.local_reason[0])
		err = host_local_attach(u->d, &u->next, conf->flags & NSX_UP_BIND_GUARD, f);
	if (err && u->running.state == NSX_META_READY)
		switch_back(u, veth);
	return err;
}

/* Again by another "up", where this one dies after the first link. */
static int finish(const struct upgrade *u, const struct conversion *c, struct fail *f)
{
	int err = switch_links(u, f);

	if (err)
		return err;
	wait_for_programs();
	if (c && changes(u, "nsx_ports"))
		err = conversion_catch_up(c, "nsx_ports", f);
	if (!err && c && changes(u, "nsx_sessions"))
		err = conversion_catch_up(c, "nsx_sessions", f);
	if (!err)
		err = pin_next_commit(u->d, f);
	if (!err)
		drop_tables(u);
	return err ? err : mark(u, NSX_META_READY, f);
}

static int convert(const struct upgrade *u, struct conversion *c, struct fail *f)
{
	struct fail ignored;
	struct pin_dir next = u->next;
	struct instance in;
	__u32 until;
	int err = instance_open_dir(&in, &next, f);

	if (err) {
		instance_close(&in);
		return err;
	}
	until = now_tick(&in) + nsx_ticks(&u->conf, NSX_FROZEN_SECONDS);
	instance_close(&in);
	err = conversion_freeze(c, until ? until : 1, f);
	if (err)
		return err;
	wait_for_programs();
	err = copy_tables(u, c, f);
	if (!err)
		err = mark(u, NSX_META_CONVERTING, f);
	if (err)
		conversion_freeze(c, 0, &ignored);
	return err;
}

/* What the new programs have; it may have been committed. */
static int read_next(const struct upgrade *u, const char *map, void *ret, struct fail *f)
{
	char path[PIN_PATH_MAX];
	__u32 zero = 0;
	int fd = bpf_obj_get(pin_path(&u->next, map, path)), err = 0;

	if (fd < 0 && errno == ENOENT)
		fd = bpf_obj_get(pin_path(u->d, map, path));
	if (fd < 0 || bpf_map_lookup_elem(fd, &zero, ret))
		err = fail_errno(f, -errno, "cannot read %s", path);
	if (fd >= 0)
		close(fd);
	return err;
}

/* Whoever began has died. Tables of another build's are not this one's to read. */
static int go_on(struct upgrade *u, struct fail *f)
{
	int err;

	if (u->running.programs != u->own.programs)
		return fail(f, -EPROTO,
			    "an upgrade to nsxdp %s has not been finished: its \"nsxdp up\" goes on with it",
			    u->running.version);
	pin_next_open(u->d, &u->next);
	err = read_next(u, "nsx_conf", &u->conf, f);
	if (!err)
		err = read_next(u, "nsx_journal", &u->journal, f);
	return err ? err : finish(u, NULL, f);
}

/* The new programs, with the tables that stay; and what is wanted is looked at before anything is changed. */
static int prepare(struct upgrade *u, const struct up_conf *wanted, struct conversion *c,
		   struct fail *f)
{
	int err = keep_tables(u, f);

	if (!err)
		err = datapath_load(&u->next, f);
	if (!err)
		err = datapath_load_cmd(&u->next, f);
	if (!err)
		err = conversion_open(c, u->d, &u->next, f);
	if (err)
		return err;
	err = conversion_read(c, "nsx_conf", &u->conf, f);
	if (!err)
		err = conversion_read(c, "nsx_journal", &u->journal, f);
	if (!err)
		err = up_check_running(&u->conf, &u->journal, wanted, f);
	if (!err && u->conf.mode != NSX_MODE_TC)
		err = datapath_load_xdp(&u->next, f);
	return err;
}

int up_upgrade(const struct pin_dir *d, const struct up_conf *wanted, struct fail *f)
{
	struct upgrade u = { .d = d };
	struct conversion c = {};
	struct fail ignored;
	bool same;
	int err = meta_read(d, &u.running);

	/* What is wrong with it "up" finds when it opens the instance. */
	if (err || (u.running.state == NSX_META_READY && u.running.programs == datapath_build()))
		return 0;
	err = meta_own(&u.own, f);
	if (!err && u.running.state == NSX_META_CONVERTING)
		return go_on(&u, f);
	if (!err && u.running.meaning != u.own.meaning)
		err = fail(f, -EPROTO,
			   "the tables of nsxdp %s cannot be converted: save what runs, and take it down with that version",
			   u.running.version);
	if (!err)
		err = pin_next_make(d, &u.next, f);
	if (err)
		return err;
	same = meta_same_tables(&u.running, &u.own);
	err = prepare(&u, wanted, &c, f);
	if (!err && !same)
		err = convert(&u, &c, f);
	if (!err)
		err = finish(&u, same ? NULL : &c, f);
	conversion_close(&c);
	if (err)
		pin_next_remove(d, &ignored);
	else
		note("up: replaced the programs of another build with this one's");
	return err;
}
