// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copying tables. Meanwhile the datapath lets no entry change hands (nsx_conf.frozen_until), and
 * writes only times, counters and what it sees of flows; those of a flow are caught up on.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/convert.h"
#include "kernel/layout.h"

/** struct side - a map */
struct side {
	int fd;
	struct bpf_map_info info;
	struct btf *btf;	/* its own types, or NULL */
};

static void side_close(struct side *s)
{
	if (s->fd >= 0)
		close(s->fd);
	btf__free(s->btf);
	s->fd = -1;
	s->btf = NULL;
}

static int side_set(struct side *s, int fd)
{
	__u32 size = sizeof(s->info);

	memset(s, 0, sizeof(*s));
	s->fd = fd;
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &s->info, &size))
		return -errno;
	if (s->info.btf_id)
		s->btf = btf__load_from_kernel_by_id(s->info.btf_id);
	return s->info.btf_id && !s->btf ? -errno : 0;
}

static int side_open(struct side *s, const struct pin_dir *d, const char *map, struct fail *f)
{
	char path[PIN_PATH_MAX];
	int err = side_set(s, bpf_obj_get(pin_path(d, map, path)));

	if (!err)
		return 0;
	side_close(s);
	return fail_errno(f, err, "cannot open %s", path);
}

static struct btf *types_in(const struct pin_dir *d, struct fail *f)
{
	struct btf *ret = NULL;
	struct side s;

	if (side_open(&s, d, "nsx_ports", f))
		return NULL;
	ret = s.btf;
	s.btf = NULL;
	side_close(&s);
	if (!ret)
		fail(f, -EPROTO, "the kernel does not know the types of the tables in %s", d->path);
	return ret;
}

int conversion_open(struct conversion *c, const struct pin_dir *from, const struct pin_dir *to,
		    struct fail *f)
{
	*c = (struct conversion){ .from = from, .to = to };
	c->from_btf = types_in(from, f);
	c->to_btf = c->from_btf ? types_in(to, f) : NULL;
	if (c->to_btf)
		return 0;
	conversion_close(c);
	return -EPROTO;
}

void conversion_close(struct conversion *c)
{
	btf__free(c->from_btf);
	btf__free(c->to_btf);
	c->from_btf = c->to_btf = NULL;
}

/* Of the values in a map, or of those in its inner maps. */
static int plan_values(const struct conversion *c, const char *map, const struct side *from,
		       const struct side *to, struct layout_plan *ret, struct fail *f)
{
	const char *name = layout_struct(map);
	int was, is;

	if (!name && from->btf && to->btf)
		return layout_plan(from->btf, from->info.btf_value_type_id, to->btf,
				   to->info.btf_value_type_id, ret, f);
	was = name ? btf__find_by_name_kind(c->from_btf, name, BTF_KIND_STRUCT) : -ENOENT;
	is = name ? btf__find_by_name_kind(c->to_btf, name, BTF_KIND_STRUCT) : -ENOENT;
	if (was < 0 || is < 0)
		return fail(f, -EPROTO, "%s: the kernel does not know its type", map);
	return layout_plan(c->from_btf, was, c->to_btf, is, ret, f);
}

static int plan_keys(const struct side *from, const struct side *to, struct layout_plan *ret,
		     struct fail *f)
{
	if (!from->btf || !to->btf)
		return fail(f, -EPROTO, "the kernel does not know the type of its keys");
	return layout_plan(from->btf, from->info.btf_key_type_id, to->btf,
			   to->info.btf_key_type_id, ret, f);
}

static size_t step_of(const struct side *s)
{
	return (s->info.value_size + 7UL) & ~7UL;
}

static void *map_memory(const struct side *s, size_t *size)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *ret;

	*size = (step_of(s) * s->info.max_entries + page - 1) / page * page;
	ret = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	return ret == MAP_FAILED ? NULL : ret;
}

/** struct arrays - two arrays of as many entries, in memory */
struct arrays {
	char *from, *to;
	size_t from_size, to_size;
};

static void arrays_close(struct arrays *a)
{
	if (a->from)
		munmap(a->from, a->from_size);
	if (a->to)
		munmap(a->to, a->to_size);
}

static int arrays_open(struct arrays *a, const struct side *from, const struct side *to)
{
	memset(a, 0, sizeof(*a));
	a->from = map_memory(from, &a->from_size);
	a->to = a->from ? map_memory(to, &a->to_size) : NULL;
	if (a->to)
		return 0;
	arrays_close(a);
	return -errno;
}

static bool is_zero(const char *p, size_t size)
{
	return size == 0 || (*p == 0 && memcmp(p, p + 1, size - 1) == 0);
}

static int copy_memory(const struct side *from, const struct side *to, const struct layout_plan *plan)
{
	struct arrays a;
	int err = arrays_open(&a, from, to);

	if (err)
		return err;
	for (__u32 i = 0; i < from->info.max_entries; i++) {
		const char *value = a.from + i * step_of(from);

		if (!is_zero(value, plan->from_size))
			layout_convert(plan, value, a.to + i * step_of(to));
	}
	arrays_close(&a);
	return 0;
}

/* By system calls; of a map for each CPU all its values. */
static int copy_array(const struct side *from, const struct side *to, const struct layout_plan *plan)
{
	int cpus = from->info.type == BPF_MAP_TYPE_PERCPU_ARRAY ? libbpf_num_possible_cpus() : 1;
	char *was = calloc(cpus > 0 ? cpus : 1, step_of(from));
	char *is = calloc(cpus > 0 ? cpus : 1, step_of(to));
	int err = cpus < 1 ? cpus : was && is ? 0 : -ENOMEM;

	for (__u32 i = 0; i < from->info.max_entries && !err; i++) {
		if (bpf_map_lookup_elem(from->fd, &i, was))
			err = -errno;
		if (err || is_zero(was, cpus * step_of(from)))
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			layout_convert(plan, was + cpu * step_of(from), is + cpu * step_of(to));
		if (bpf_map_update_elem(to->fd, &i, is, BPF_ANY))
			err = -errno;
	}
	free(was);
	free(is);
	return err;
}

static int copy_hash(const struct side *from, const struct side *to, const struct layout_plan *plan,
		     struct fail *f)
{
	char *key = malloc(from->info.key_size), *next = malloc(from->info.key_size);
	char *to_key = malloc(to->info.key_size);
	char *was = calloc(1, step_of(from)), *is = calloc(1, step_of(to));
	struct layout_plan keys = {};
	bool first = true;
	int err = key && next && to_key && was && is ? plan_keys(from, to, &keys, f) : -ENOMEM;

	while (!err && bpf_map_get_next_key(from->fd, first ? NULL : key, next) == 0) {
		first = false;
		memcpy(key, next, from->info.key_size);
		/* One that went in this moment is no loss. */
		if (bpf_map_lookup_elem(from->fd, key, was))
			continue;
		layout_convert(&keys, key, to_key);
		layout_convert(plan, was, is);
		if (bpf_map_update_elem(to->fd, to_key, is, BPF_ANY))
			err = -errno;
	}
	layout_free(&keys);
	free(key);
	free(next);
	free(to_key);
	free(was);
	free(is);
	return err;
}

static int inner_of(int outer, __u32 which)
{
	__u32 id;

	return bpf_map_lookup_elem(outer, &which, &id) ? -errno : bpf_map_get_fd_by_id(id);
}

/* A map in a table of maps, and its counterpart, which is made where that is missing. */
static int open_inner(const struct side *from, const struct side *to, const struct layout_plan *plan,
		      __u32 which, struct side *was, struct side *is)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	int fd, err = side_set(was, inner_of(from->fd, which));

	is->fd = -1;
	is->btf = NULL;
	if (err)
		return err;
	fd = inner_of(to->fd, which);
	if (fd < 0) {
		opts.map_flags = was->info.map_flags;
		fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, was->info.name, sizeof(__u32), plan->to_size,
				    was->info.max_entries, &opts);
		if (fd >= 0 && bpf_map_update_elem(to->fd, &which, &fd, BPF_ANY)) {
			err = -errno;
			close(fd);
			return err;
		}
	}
	return side_set(is, fd);
}

static int copy_inner(const struct side *from, const struct side *to, const struct layout_plan *plan)
{
	int err = 0;

	for (__u32 which = 0; which < from->info.max_entries && !err; which++) {
		struct side was, is;

		err = open_inner(from, to, plan, which, &was, &is);
		if (!err)
			err = was.info.map_flags & BPF_F_MMAPABLE ? copy_memory(&was, &is, plan)
								   : copy_array(&was, &is, plan);
		else if (was.fd < 0)
			err = 0; /* there is none */
		side_close(&was);
		side_close(&is);
	}
	return err;
}

static int copy_all(const struct side *from, const struct side *to, const struct layout_plan *plan,
		    struct fail *f)
{
	switch (from->info.type) {
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
		return copy_inner(from, to, plan);
	case BPF_MAP_TYPE_ARRAY:
		return from->info.map_flags & to->info.map_flags & BPF_F_MMAPABLE
			       ? copy_memory(from, to, plan)
			       : copy_array(from, to, plan);
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return copy_array(from, to, plan);
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_LPM_TRIE:
		return copy_hash(from, to, plan, f);
	}
	return fail(f, -EPROTO, "tables of its kind are not converted");
}

/** struct pair - a map, its counterpart, and how a value is converted */
struct pair {
	struct side from, to;
	struct layout_plan plan;
};

static void pair_close(struct pair *p)
{
	side_close(&p->from);
	side_close(&p->to);
	layout_free(&p->plan);
}

static int pair_open(const struct conversion *c, const char *map, struct pair *p, struct fail *f)
{
	int err;

	memset(p, 0, sizeof(*p));
	p->to.fd = -1;
	err = side_open(&p->from, c->from, map, f);
	if (!err)
		err = side_open(&p->to, c->to, map, f);
	if (!err)
		err = plan_values(c, map, &p->from, &p->to, &p->plan, f);
	if (!err && (p->from.info.type != p->to.info.type ||
		     (p->from.info.type == BPF_MAP_TYPE_ARRAY &&
		      p->from.info.max_entries != p->to.info.max_entries)))
		err = fail(f, -EPROTO, "it is of another kind or size");
	if (err)
		pair_close(p);
	return err;
}

/* The reason, with the map that it is about. */
static int name_map(int err, const char *map, struct fail *f)
{
	char reason[sizeof(f->text)];

	memcpy(reason, f->text, sizeof(reason));
	return err ? fail(f, err, "cannot convert %s: %.400s", map, reason) : 0;
}

int conversion_copy(const struct conversion *c, const char *map, struct fail *f)
{
	struct pair p;
	int err = pair_open(c, map, &p, f);

	if (err)
		return name_map(err, map, f);
	fail_errno(f, -EIO, "it cannot be read or written");
	err = copy_all(&p.from, &p.to, &p.plan, f);
	pair_close(&p);
	return name_map(err, map, f);
}

int conversion_read(const struct conversion *c, const char *map, void *ret, struct fail *f)
{
	struct pair p;
	__u32 zero = 0;
	int err = pair_open(c, map, &p, f);
	char *was;

	if (err)
		return name_map(err, map, f);
	was = calloc(1, step_of(&p.from));
	if (!was || bpf_map_lookup_elem(p.from.fd, &zero, was))
		err = fail_errno(f, -errno, "cannot read %s", map);
	else
		layout_convert(&p.plan, was, ret);
	free(was);
	pair_close(&p);
	return err;
}

int conversion_freeze(const struct conversion *c, __u32 until, struct fail *f)
{
	int at = layout_offset(c->from_btf, "nsx_conf", "frozen_until"), err;
	struct side s;
	size_t size;
	char *conf;

	if (at < 0)
		return fail(f, -EPROTO, "the programs that run cannot wait for a conversion: save what "
					"runs, and take it down with that version");
	err = side_open(&s, c->from, "nsx_conf", f);
	if (err)
		return err;
	conf = map_memory(&s, &size);
	if (conf) {
		__atomic_store_n((__u32 *)(conf + at), until, __ATOMIC_SEQ_CST);
		munmap(conf, size);
	} else {
		err = fail_errno(f, -errno, "cannot map the settings");
	}
	side_close(&s);
	return err;
}

/*
 * What a program of the old build has seen of a flow since it was copied. New programs may see
 * something of it on any CPU in this moment: each word is raised, none is set back.
 */
static void catch_up(struct nsx_slot *to, const struct nsx_slot *was)
{
	__u32 *bits = (__u32 *)((char *)to + offsetof(struct nsx_slot, flags) - 3), seen;
	const __u32 *more = (const __u32 *)((const char *)was + offsetof(struct nsx_slot, flags) - 3);

	if (!to->state || to->state != was->state || NSX_KIND(was->state) == NSX_MAP)
		return;
	__atomic_fetch_or(bits, *more, __ATOMIC_SEQ_CST);
	seen = __atomic_load_n(&to->seen, __ATOMIC_RELAXED);
	if ((__s32)(was->seen - seen) > 0)
		__atomic_compare_exchange_n(&to->seen, &seen, was->seen, false, __ATOMIC_SEQ_CST,
					    __ATOMIC_RELAXED);
}

/* count slots in each value, which begin at an offset of the new layout's */
static int catch_up_all(const struct side *from, const struct side *to,
			const struct layout_plan *plan, size_t first, int count)
{
	char *now = malloc(plan->to_size);
	struct arrays a;
	int err = now ? arrays_open(&a, from, to) : -ENOMEM;

	for (__u32 i = 0; i < from->info.max_entries && !err; i++) {
		const char *value = a.from + i * step_of(from);
		struct nsx_slot *slot = (struct nsx_slot *)(a.to + i * step_of(to) + first);

		if (is_zero(value, plan->from_size))
			continue;
		layout_convert(plan, value, now);
		for (int n = 0; n < count; n++)
			catch_up(&slot[n], (const struct nsx_slot *)(now + first) + n);
	}
	if (!err)
		arrays_close(&a);
	free(now);
	return err;
}

static int catch_up_inner(const struct pair *p)
{
	int err = 0;

	for (__u32 which = 0; which < p->from.info.max_entries && !err; which++) {
		struct side was, is;

		if (open_inner(&p->from, &p->to, &p->plan, which, &was, &is) == 0)
			err = catch_up_all(&was, &is, &p->plan, offsetof(struct nsx_bucket, way),
					   NSX_WAYS);
		side_close(&was);
		side_close(&is);
	}
	return err;
}

int conversion_catch_up(const struct conversion *c, const char *map, struct fail *f)
{
	struct pair p;
	int err = pair_open(c, map, &p, f);

	if (err)
		return name_map(err, map, f);
	err = p.from.info.type == BPF_MAP_TYPE_ARRAY_OF_MAPS
		      ? catch_up_inner(&p)
		      : catch_up_all(&p.from, &p.to, &p.plan, 0, 1);
	pair_close(&p);
	return err ? fail_errno(f, err, "cannot catch up on %s", map) : 0;
}
