// SPDX-License-Identifier: GPL-2.0-only
/* The pinned maps, typed. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/datapath.h"
#include "kernel/meta.h"
#include "kernel/private.h"
#include "kernel/tables.h"

const char *const table_names[TABLES] = {
	[TABLE_CONF] = "nsx_conf",	     [TABLE_LEARNED] = "nsx_learned",
	[TABLE_PORTS] = "nsx_ports",
	[TABLE_SESSIONS] = "nsx_sessions",   [TABLE_REVERSE] = "nsx_reverse",
	[TABLE_VETHS] = "nsx_veths",	     [TABLE_LOCAL] = "nsx_local",
	[TABLE_NAMES] = "nsx_names",	     [TABLE_COUNTS] = "nsx_counts",
	[TABLE_ROUTES] = "nsx_routes",	     [TABLE_SERVICES] = "nsx_services",
	[TABLE_ALLOW] = "nsx_allow",	     [TABLE_TARGET_COUNTS] = "nsx_target_counts",
	[TABLE_EGRESS] = "nsx_egress",
	[TABLE_QUOTAS] = "nsx_quotas",	     [TABLE_OUTSIDE] = "nsx_outside",
	[TABLE_USAGE] = "nsx_usage",	     [TABLE_HELD] = "nsx_held",
	[TABLE_INSIDE] = "nsx_inside",	     [TABLE_IDS] = "nsx_ns_ids",
	[TABLE_PUBLISHED] = "nsx_published", [TABLE_JOURNAL] = "nsx_journal",
	[TABLE_UNDO_LOG] = "nsx_undo_log",   [TABLE_SETTINGS] = "nsx_settings",
};

/*
 * Map [offset, offset + size) of a table, from the page that it begins in; a mapping made before
 * serves again. fd: of a table that is in another, else that of the table.
 */
static void *window_of(struct instance *in, int table, int fd, size_t offset, size_t size)
{
	size_t page = sysconf(_SC_PAGESIZE), start = offset / page * page;
	size_t length = (offset + size - start + page - 1) / page * page;
	struct window *w;
	void *memory;

	for (w = in->window; w < in->window + in->windows; w++)
		if (w->table == table && w->offset <= offset &&
		    offset + size <= w->offset + w->size)
			return (char *)w->memory + (offset - w->offset);
	if (in->windows == TABLE_WINDOWS) {
		errno = ENOMEM;
		return NULL;
	}
	memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, start);
	if (memory == MAP_FAILED)
		return NULL;
	in->window[in->windows++] = (struct window){ table, start, length, memory };
	return (char *)memory + (offset - start);
}

static void *table_window(struct instance *in, enum table table, size_t offset, size_t size)
{
	return window_of(in, table, in->fd[table], offset, size);
}

static void close_window(struct instance *in, int table)
{
	for (int i = 0; i < in->windows; i++)
		if (in->window[i].table == table) {
			munmap(in->window[i].memory, in->window[i].size);
			in->window[i--] = in->window[--in->windows];
		}
}

static void instance_init(struct instance *in)
{
	memset(in, 0, sizeof(*in));
	in->dir.fd = -1;
	for (int i = 0; i < TABLES; i++)
		in->fd[i] = -1;
}

static __u32 conf_size(const struct instance *in)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(in->fd[TABLE_CONF], &info, &size) ? 0 : info.value_size;
}

static int other_version(const struct instance *in, struct fail *f)
{
	return fail(f, -EPROTO,
		    "the instance in %s was made by another version of nsxdp: take it down with that one",
		    in->dir.path);
}

/* The tables are such as this command knows. Without an nsx_meta "up" is about to write it. */
static int check_tables(struct instance *in, struct fail *f)
{
	struct nsx_meta own;
	int err;

	if (in->meta.state > NSX_META_READY)
		return fail(f, -EPROTO,
			    "an upgrade to nsxdp %s was interrupted: run its \"nsxdp up\" to resume it",
			    in->meta.version);
	if (in->meta.programs == datapath_build() || !in->meta.state)
		return conf_size(in) == sizeof(struct nsx_conf) ? 0 : other_version(in, f);
	err = meta_own(&own, f);
	if (err || meta_same_tables(&own, &in->meta))
		return err;
	return fail(f, -EPROTO,
		    "the tables were made by nsxdp %s and have another layout: run \"nsxdp up\" to "
		    "convert them, or use that version",
		    in->meta.version);
}

static int open_tables(struct instance *in, struct fail *f)
{
	char path[PIN_PATH_MAX];

	for (int i = 0; i < TABLES; i++) {
		in->fd[i] = bpf_obj_get(pin_path(&in->dir, table_names[i], path));
		/* The instance is there, so that a table of it that is missing is another thing. */
		if (in->fd[i] < 0 && errno == ENOENT)
			return fail(f, -EPROTO,
				    "cannot open %s: another version of nsxdp made the instance, or it was removed",
				    path);
		if (in->fd[i] < 0)
			return fail_errno(f, -errno, "cannot open %s", path);
	}
	return 0;
}

/* An upgrade meanwhile replaces tables one after the other: what nsx_meta says is asked twice. */
static int open_one_build(struct instance *in, struct fail *f)
{
	struct nsx_meta again;
	int err = meta_read(&in->dir, &in->meta), then;

	if (err == -EPROTO)
		return other_version(in, f);
	if (err && err != -ENOENT)
		return fail_errno(f, err, "cannot read which version runs");
	err = open_tables(in, f);
	then = meta_read(&in->dir, &again);
	if (then && then != -ENOENT)
		return fail_errno(f, then, "cannot read which version runs");
	if (memcmp(&in->meta, &again, sizeof(again)))
		return fail(f, -EPROTO, "an upgrade to nsxdp %s is under way", again.version);
	return err ? err : check_tables(in, f);
}

int instance_open_dir(struct instance *in, struct pin_dir *d, struct fail *f)
{
	int err;

	instance_init(in);
	in->dir = *d;
	d->fd = -1;
	err = open_one_build(in, f);
	if (err)
		return err;
	in->conf = table_window(in, TABLE_CONF, 0, sizeof(struct nsx_conf));
	if (in->conf)
		in->learned = table_window(in, TABLE_LEARNED, 0, sizeof(struct nsx_learned));
	if (in->learned)
		in->journal = table_window(in, TABLE_JOURNAL, 0, sizeof(struct nsx_journal));
	return in->journal ? 0
			   : fail_errno(f, -errno, "cannot map the tables in %s", in->dir.path);
}

int instance_open(struct instance *in, enum access_mode mode, struct fail *f)
{
	struct pin_dir d;
	int err, up = 0;

	instance_init(in);
	err = pin_dir_open(&d, mode == ACCESS_CHANGE ? PIN_LOCK : PIN_NO_LOCK, f);
	/* The uplink's link is the last thing that "up" pins. */
	if (!err)
		up = pin_is_up(&d);
	if (!err && up <= 0)
		err = up ? fail_errno(f, up, "cannot look into %s", d.path) : -ENOENT;
	if (err == -ENOENT) {
		pin_dir_close(&d);
		return fail(f, err,
			    "not up in this network namespace: run nsxdp up --dev DEV first");
	}
	if (err) {
		pin_dir_close(&d);
		return err;
	}
	err = instance_open_dir(in, &d, f);
	if (err)
		instance_close(in);
	else if (mode == ACCESS_CHANGE)
		private_mend(&in->dir, in->conf);
	return err;
}

void instance_close(struct instance *in)
{
	for (int i = 0; i < in->windows; i++)
		munmap(in->window[i].memory, in->window[i].size);
	for (int i = 0; i < TABLES; i++)
		if (in->fd[i] >= 0)
			close(in->fd[i]);
	pin_dir_close(&in->dir);
	instance_init(in);
}

/* Whoever needs many entries gets the whole table, for there are few windows. */
#define WINDOWS_FOR_ENTRIES (TABLE_WINDOWS / 2)

struct nsx_slot *table_port(struct instance *in, __u8 row, __u16 port)
{
	size_t index = (size_t)row << 16 | port;
	struct nsx_slot *all = in->windows < WINDOWS_FOR_ENTRIES ? NULL : table_ports(in);

	if (all)
		return &all[index];
	return table_window(in, TABLE_PORTS, index * sizeof(struct nsx_slot),
			    sizeof(struct nsx_slot));
}

struct nsx_slot *table_ports(struct instance *in)
{
	return table_window(in, TABLE_PORTS, 0, TABLE_PORTS_COUNT * sizeof(struct nsx_slot));
}

int table_inner(struct instance *in, enum table table, __u32 which)
{
	__u32 id;

	if (bpf_map_lookup_elem(in->fd[table], &which, &id))
		return -errno;
	return bpf_map_get_fd_by_id(id);
}

void table_sessions(struct instance *in, void (*cb)(struct nsx_slot *s, void *arg), void *arg)
{
	for (__u32 which = 0; which < 2; which++) {
		__u32 count = in->conf->buckets[which];
		struct nsx_bucket *b;
		int fd;

		if (!count)
			continue;
		fd = table_inner(in, TABLE_SESSIONS, which);
		b = fd < 0 ? NULL
			   : window_of(in, TABLES + which, fd, 0, (size_t)count * sizeof(*b));
		if (fd >= 0)
			close(fd);
		for (__u32 i = 0; b && i < count; i++)
			for (int way = 0; way < NSX_WAYS; way++)
				if (b[i].tag[way])
					cb(&b[i].way[way], arg);
	}
}

int table_residue(struct instance *in)
{
	int count = 0;

	for (__u32 which = 0; which < 2; which++) {
		int buckets = in->conf->buckets[which] ? table_inner(in, TABLE_SESSIONS, which)
						       : -1;
		int lines = in->conf->buckets[which] ? table_inner(in, TABLE_OUTSIDE, which) : -1;
		struct nsx_bucket b;
		struct nsx_line l;

		for (__u32 i = 0; buckets >= 0 && i < in->conf->buckets[which] &&
				  !bpf_map_lookup_elem(buckets, &i, &b);
		     i++) {
			count += b.spilled[0] + b.spilled[1];
			for (int way = 0; way < NSX_WAYS; way++)
				count += b.tag[way] != 0;
		}
		for (__u32 i = 0; lines >= 0 && i < in->conf->lines[which] &&
				  !bpf_map_lookup_elem(lines, &i, &l);
		     i++)
			for (int cell = 0; cell < NSX_CELLS; cell++)
				count += l.cell[cell] != 0;
		if (buckets >= 0)
			close(buckets);
		if (lines >= 0)
			close(lines);
	}
	return count;
}

#define UNDO_WINDOW(which) (TABLES + 2 + (int)(which))

int table_undo_make(struct instance *in, enum nsx_undo_map which, __u32 count)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_INNER_MAP | BPF_F_MMAPABLE);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "nsx_undos", sizeof(__u32),
				sizeof(struct nsx_undo), count ? count : 1, &opts);
	__u32 key = which;
	int err = fd < 0 ? -errno : 0;

	close_window(in, UNDO_WINDOW(which));
	if (!err && bpf_map_update_elem(in->fd[TABLE_UNDO_LOG], &key, &fd, BPF_ANY))
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

void table_undo_drop(struct instance *in)
{
	for (__u32 which = 0; which < NSX_UNDO_MAPS; which++) {
		close_window(in, UNDO_WINDOW(which));
		bpf_map_delete_elem(in->fd[TABLE_UNDO_LOG], &which);
	}
}

struct nsx_undo *table_undo_log(struct instance *in, enum nsx_undo_map which, __u32 *count)
{
	int fd = table_inner(in, TABLE_UNDO_LOG, which);
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	struct nsx_undo *ret = NULL;

	*count = 0;
	if (fd < 0) {
		errno = -fd;
		return NULL;
	}
	if (bpf_obj_get_info_by_fd(fd, &info, &size) == 0)
		ret = window_of(in, UNDO_WINDOW(which), fd, 0,
				(size_t)info.max_entries * sizeof(*ret));
	if (ret)
		*count = info.max_entries;
	close(fd);
	return ret;
}

struct nsx_settings *table_settings(struct instance *in)
{
	return table_window(in, TABLE_SETTINGS, 0, sizeof(struct nsx_settings));
}

int table_usage(struct instance *in, struct nsx_usage *ret)
{
	int cpus = libbpf_num_possible_cpus();
	__u32 zero = 0;

	memset(ret, 0, sizeof(*ret));
	if (cpus < 1)
		return cpus;
	struct nsx_usage each[cpus];

	if (bpf_map_lookup_elem(in->fd[TABLE_USAGE], &zero, each))
		return -errno;
	for (int cpu = 0; cpu < cpus; cpu++) {
		const __u64 *from = (const __u64 *)&each[cpu];
		__u64 *to = (__u64 *)ret;

		for (size_t i = 0; i < sizeof(*ret) / sizeof(__u64); i++)
			to[i] += from[i];
	}
	return 0;
}

const struct nsx_held *table_held(struct instance *in)
{
	return table_window(in, TABLE_HELD, 0, sizeof(struct nsx_held));
}

int table_ns_get(struct instance *in, const char name[NSX_NAME_LEN], struct nsx_ns *ret)
{
	return bpf_map_lookup_elem(in->fd[TABLE_NAMES], name, ret) ? -errno : 0;
}

int table_ns_set(struct instance *in, const char name[NSX_NAME_LEN], const struct nsx_ns *ns)
{
	struct nsx_ns old;
	int err = table_ns_get(in, name, &old);

	if (err && err != -ENOENT)
		return err;
	if (bpf_map_update_elem(in->fd[TABLE_NAMES], name, ns, BPF_ANY))
		return -errno;
	/* A namespace keeps its id. One without is unfinished, and removed by the next command. */
	if (!err || bpf_map_update_elem(in->fd[TABLE_IDS], &ns->id, name, BPF_ANY) == 0)
		return 0;
	err = -errno;
	bpf_map_delete_elem(in->fd[TABLE_NAMES], name);
	return err;
}

int table_ns_del(struct instance *in, const char name[NSX_NAME_LEN])
{
	struct nsx_ns ns;

	int err = table_ns_get(in, name, &ns);

	if (err && err != -ENOENT)
		return err;
	if (!err && bpf_map_delete_elem(in->fd[TABLE_IDS], &ns.id) && errno != ENOENT)
		return -errno;
	return bpf_map_delete_elem(in->fd[TABLE_NAMES], name) && errno != ENOENT ? -errno : 0;
}

int table_ns_name(struct instance *in, __u32 id, char name[NSX_NAME_LEN])
{
	return bpf_map_lookup_elem(in->fd[TABLE_IDS], &id, name) ? -errno : 0;
}

static int ns_item_compare(const void *a, const void *b)
{
	return strcmp(((const struct ns_item *)a)->name, ((const struct ns_item *)b)->name);
}

#define NS_BATCH 1024

/* Names and entries, as many at a time as a batch has; the kernel says where it goes on. */
static int read_batches(struct instance *in, struct ns_list *list, char (*names)[NSX_NAME_LEN],
			struct nsx_ns *ns)
{
	__u32 place = 0, *from = NULL, count;
	int err;

	do {
		count = NS_BATCH;
		err = bpf_map_lookup_batch(in->fd[TABLE_NAMES], from, &place, names, ns, &count,
					   NULL)
			      ? -errno
			      : 0;
		if (err && err != -ENOENT)
			return err;
		from = &place;
		if (count) {
			struct ns_item *more =
				realloc(list->item, (list->count + count) * sizeof(*more));

			if (!more)
				return -ENOMEM;
			list->item = more;
		}
		for (__u32 i = 0; i < count; i++, list->count++) {
			memcpy(list->item[list->count].name, names[i], NSX_NAME_LEN);
			list->item[list->count].ns = ns[i];
		}
	} while (!err);
	return 0;
}

int table_ns_list(struct instance *in, struct ns_list *ret)
{
	char (*names)[NSX_NAME_LEN] = calloc(NS_BATCH, sizeof(*names));
	struct nsx_ns *ns = calloc(NS_BATCH, sizeof(*ns));
	struct ns_list list = {};
	int err = names && ns ? read_batches(in, &list, names, ns) : -ENOMEM;

	free(names);
	free(ns);
	if (err) {
		ns_list_free(&list);
		return err;
	}
	if (list.count)
		qsort(list.item, list.count, sizeof(*list.item), ns_item_compare);
	*ret = list;
	return 0;
}

void ns_list_free(struct ns_list *list)
{
	free(list->item);
	memset(list, 0, sizeof(*list));
}

const struct ns_item *ns_list_by_id(const struct ns_list *list, __u32 id)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->item[i].ns.id == id)
			return &list->item[i];
	return NULL;
}

const struct ns_item *ns_list_by_addr(const struct ns_list *list, const struct nsx_addr *addr)
{
	for (size_t i = 0; i < list->count; i++)
		if (memcmp(&list->item[i].ns.addr, addr, sizeof(*addr)) == 0 ||
		    memcmp(&list->item[i].ns.addr6, addr, sizeof(*addr)) == 0)
			return &list->item[i];
	return NULL;
}

struct nsx_reverse_bucket *table_reverse_buckets(struct instance *in)
{
	return table_window(in, TABLE_REVERSE, 0,
			    NSX_REVERSE_BUCKETS * sizeof(struct nsx_reverse_bucket));
}

struct nsx_published *table_published(struct instance *in)
{
	return table_window(in, TABLE_PUBLISHED, 0, sizeof(struct nsx_published));
}

int table_published_set(struct instance *in, __u8 row, __u16 first)
{
	struct nsx_published *published = table_published(in);

	if (!published)
		return -errno;
	published->first[row][first / 64] |= 1ULL << first % 64;
	return 0;
}

/* A bit whose port is published no more is cleared on the way, where others are kept out. */
static int published_word(struct instance *in, __u64 *word, struct nsx_slot *slots, published_cb cb,
			  void *arg)
{
	for (__u64 bits = *word; bits; bits &= bits - 1) {
		int bit = __builtin_ctzll(bits), err;
		struct nsx_slot *s = &slots[bit];

		if (NSX_KIND(s->state) != NSX_MAP || s->first != ntohs(s->outside_port)) {
			/* What a change that has to be confirmed has removed may come back. */
			if (in->dir.exclusive && !in->conf->confirm &&
			    NSX_KIND(s->state) != NSX_CLAIMED)
				*word &= ~(1ULL << bit);
			continue;
		}
		err = cb(in, s, arg);
		if (err)
			return err;
	}
	return 0;
}

int published_each(struct instance *in, published_cb cb, void *arg)
{
	struct nsx_published *published = table_published(in);
	struct nsx_slot *ports = table_ports(in);
	int err = 0;

	if (!published || !ports)
		return -errno;
	for (int row = 0; row < NSX_ROWS && !err; row++)
		for (int i = 0; i < NSX_PORTS / 64 && !err; i++)
			if (published->first[row][i])
				err = published_word(in, &published->first[row][i],
						     &ports[(size_t)row << 16 | i * 64], cb, arg);
	return err;
}

const struct nsx_addr *table_at6(const struct instance *in, __be32 at)
{
	__u32 number = nsx_at_v6(at);

	return number ? &in->conf->at6[number - 1] : NULL;
}

const char *table_device(const struct instance *in, __be32 at)
{
	__u32 number = nsx_at_device(at);

	return number ? in->journal->device_names[number - 1] : NULL;
}

struct nsx_service *table_service(struct instance *in, __u32 index)
{
	struct nsx_service *all;

	if (!index || index >= NSX_SERVICES)
		return NULL;
	all = table_window(in, TABLE_SERVICES, 0, NSX_SERVICES * sizeof(*all));
	return all ? &all[index] : NULL;
}

int table_counts(struct instance *in, struct nsx_count ret[NSX_HOOKS][NSX_VERDICT_COUNT])
{
	enum { ENTRIES = NSX_HOOKS * NSX_VERDICT_COUNT };
	int cpus = libbpf_num_possible_cpus(), err = 0;
	__u32 keys[ENTRIES], count = ENTRIES, batch;
	struct nsx_count *values;

	if (cpus < 0)
		return cpus;
	values = calloc((size_t)ENTRIES * cpus, sizeof(*values));
	if (!values)
		return -ENOMEM;
	/* -ENOENT tells that this batch was the last. */
	if (bpf_map_lookup_batch(in->fd[TABLE_COUNTS], NULL, &batch, keys, values, &count, NULL) &&
	    errno != ENOENT)
		err = -errno;
	memset(ret, 0, sizeof(struct nsx_count) * ENTRIES);
	for (__u32 i = 0; i < count && !err; i++) {
		struct nsx_count *sum =
			&ret[keys[i] / NSX_VERDICT_COUNT][keys[i] % NSX_VERDICT_COUNT];

		for (int cpu = 0; cpu < cpus; cpu++) {
			sum->packets += values[(size_t)i * cpus + cpu].packets;
			sum->bytes += values[(size_t)i * cpus + cpu].bytes;
		}
	}
	free(values);
	return err;
}

static struct nsx_reverse_bucket *reverse_bucket(struct instance *in, __u32 ifindex,
						 __be16 inside_port, __u8 row, int probe)
{
	size_t index = nsx_reverse_bucket(ifindex, inside_port, row, probe);

	return table_window(in, TABLE_REVERSE, index * sizeof(struct nsx_reverse_bucket),
			    sizeof(struct nsx_reverse_bucket));
}

struct nsx_reverse *table_reverse(struct instance *in, __u32 ifindex, __be16 inside_port,
				  __u8 row)
{
	for (int probe = 0; probe < NSX_REVERSE_PROBES; probe++) {
		struct nsx_reverse_bucket *b =
			reverse_bucket(in, ifindex, inside_port, row, probe);

		for (struct nsx_reverse *reverse = b ? b->way : NULL;
		     reverse && reverse < b->way + NSX_REVERSE_WAYS; reverse++)
			if (reverse->ifindex == ifindex && reverse->inside_port == inside_port &&
			    reverse->row == row)
				return reverse;
	}
	return NULL;
}

void table_reverse_del(struct nsx_reverse *reverse)
{
	/* Not 0: look-ups of others may have to pass it. */
	__atomic_store_n(&reverse->ifindex, NSX_REVERSE_GONE, __ATOMIC_SEQ_CST);
}
