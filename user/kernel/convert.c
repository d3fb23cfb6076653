// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copying tables. Meanwhile the datapath gives no entry another owner (nsx_conf.frozen_until), and
 * writes only times, counters and what it sees of flows; the latter is brought over once more, by
 * conversion_catch_up().
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kernel/convert_pair.h"

void side_close(struct side *s)
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
	return -EIO;
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

size_t side_step(const struct side *s)
{
	return (s->info.value_size + 7UL) & ~7UL;
}

static void *map_memory(const struct side *s, size_t *size)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *ret;

	*size = (side_step(s) * s->info.max_entries + page - 1) / page * page;
	ret = mmap(NULL, *size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	return ret == MAP_FAILED ? NULL : ret;
}

void arrays_close(struct arrays *a)
{
	if (a->from)
		munmap(a->from, a->from_size);
	if (a->to)
		munmap(a->to, a->to_size);
}

int arrays_open(struct arrays *a, const struct side *from, const struct side *to)
{
	memset(a, 0, sizeof(*a));
	a->from = map_memory(from, &a->from_size);
	a->to = a->from ? map_memory(to, &a->to_size) : NULL;
	if (a->to)
		return 0;
	arrays_close(a);
	return -errno;
}

bool value_is_zero(const char *p, size_t size)
{
	return size == 0 || (*p == 0 && memcmp(p, p + 1, size - 1) == 0);
}

/* Something that is not 0 has no place: once for a map. */
static void note_lost(const char *map, const struct layout_plan *plan, const void *value,
		      bool *noted)
{
	if (*noted || !layout_loses(plan, value))
		return;
	*noted = true;
	note("up: %s has something that this version does not know: it is left out", map);
}

static int copy_memory(const char *map, const struct side *from, const struct side *to,
		       const struct layout_plan *plan)
{
	bool noted = false;
	struct arrays a;
	int err = arrays_open(&a, from, to);

	if (err)
		return err;
	for (__u32 i = 0; i < from->info.max_entries; i++) {
		const char *value = a.from + i * side_step(from);

		if (value_is_zero(value, plan->from_size))
			continue;
		layout_convert(plan, value, a.to + i * side_step(to));
		note_lost(map, plan, value, &noted);
	}
	arrays_close(&a);
	return 0;
}

/* By system calls; of a map for each CPU all its values. */
static int copy_array(const struct side *from, const struct side *to,
		      const struct layout_plan *plan)
{
	int cpus = from->info.type == BPF_MAP_TYPE_PERCPU_ARRAY ? libbpf_num_possible_cpus() : 1;
	char *was = calloc(cpus > 0 ? cpus : 1, side_step(from));
	char *is = calloc(cpus > 0 ? cpus : 1, side_step(to));
	int err = cpus < 1 ? cpus : was && is ? 0 : -ENOMEM;

	for (__u32 i = 0; i < from->info.max_entries && !err; i++) {
		if (bpf_map_lookup_elem(from->fd, &i, was))
			err = -errno;
		if (err || value_is_zero(was, cpus * side_step(from)))
			continue;
		for (int cpu = 0; cpu < cpus; cpu++)
			layout_convert(plan, was + cpu * side_step(from), is + cpu * side_step(to));
		if (bpf_map_update_elem(to->fd, &i, is, BPF_ANY))
			err = -errno;
	}
	free(was);
	free(is);
	return err;
}

/** struct copy - buffers for the keys and values of a hash table */
struct copy {
	struct layout_plan keys;
	char *key, *next, *to_key, *was, *is;
};

static void copy_free(struct copy *c)
{
	layout_free(&c->keys);
	free(c->key);
	free(c->next);
	free(c->to_key);
	free(c->was);
	free(c->is);
}

static int copy_init(struct copy *c, const struct side *from, const struct side *to, struct fail *f)
{
	memset(c, 0, sizeof(*c));
	c->key = malloc(from->info.key_size);
	c->next = malloc(from->info.key_size);
	c->to_key = malloc(to->info.key_size);
	c->was = calloc(1, side_step(from));
	c->is = calloc(1, side_step(to));
	return c->key && c->next && c->to_key && c->was && c->is ? plan_keys(from, to, &c->keys, f)
								  : -ENOMEM;
}

/* One that went in this moment is no loss; one that is there already is newer. */
static int copy_key(struct copy *c, const struct side *from, const struct side *to,
		    const struct layout_plan *plan)
{
	if (bpf_map_lookup_elem(from->fd, c->key, c->was))
		return errno == ENOENT ? 0 : -errno;
	layout_convert(&c->keys, c->key, c->to_key);
	layout_convert(plan, c->was, c->is);
	return bpf_map_update_elem(to->fd, c->to_key, c->is, BPF_NOEXIST) && errno != EEXIST
		       ? -errno
		       : 0;
}

/*
 * A walk over keys begins anew where the key that it was at is gone, which only happens in tables
 * that the datapath writes; then it ends after as many steps as a full table needs.
 */
static int copy_hash(const char *map, const struct side *from, const struct side *to,
		     const struct layout_plan *plan, struct fail *f)
{
	bool noted = false;
	struct copy c;
	int err = copy_init(&c, from, to, f);

	for (__u64 i = 0; !err && i <= 2ULL * from->info.max_entries; i++) {
		if (bpf_map_get_next_key(from->fd, i ? c.key : NULL, c.next)) {
			err = errno == ENOENT ? 0 : -errno;
			break;
		}
		memcpy(c.key, c.next, from->info.key_size);
		err = copy_key(&c, from, to, plan);
		note_lost(map, plan, c.was, &noted);
	}
	copy_free(&c);
	return err;
}

static int inner_of(int outer, __u32 which)
{
	__u32 id;

	return bpf_map_lookup_elem(outer, &which, &id) ? -errno : bpf_map_get_fd_by_id(id);
}

int inner_open(const struct pair *p, __u32 which, struct side *was, struct side *is)
{
	int err = side_set(was, inner_of(p->from.fd, which));

	memset(is, 0, sizeof(*is));
	is->fd = -1;
	return err ? err : side_set(is, inner_of(p->to.fd, which));
}

static int make_inner(const struct pair *p, __u32 which, const struct side *was)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = was->info.map_flags);
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, was->info.name, sizeof(__u32), p->plan.to_size,
				was->info.max_entries, &opts);
	int err = fd < 0 || bpf_map_update_elem(p->to.fd, &which, &fd, BPF_ANY) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

static int copy_inner(const char *map, const struct pair *p, __u32 which)
{
	struct side was, is;
	int err = inner_open(p, which, &was, &is);

	if (err == -ENOENT && was.fd < 0)
		return 0; /* there is none */
	if (err == -ENOENT) {
		err = make_inner(p, which, &was);
		side_close(&was);
		if (!err)
			err = inner_open(p, which, &was, &is);
	}
	if (!err)
		err = was.info.map_flags & BPF_F_MMAPABLE ? copy_memory(map, &was, &is, &p->plan)
							   : copy_array(&was, &is, &p->plan);
	side_close(&was);
	side_close(&is);
	return err;
}

static int copy_all(const char *map, const struct pair *p, struct fail *f)
{
	const struct side *from = &p->from, *to = &p->to;
	int err = 0;

	switch (from->info.type) {
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
		for (__u32 which = 0; which < from->info.max_entries && !err; which++)
			err = copy_inner(map, p, which);
		return err;
	case BPF_MAP_TYPE_ARRAY:
		return from->info.map_flags & to->info.map_flags & BPF_F_MMAPABLE
			       ? copy_memory(map, from, to, &p->plan)
			       : copy_array(from, to, &p->plan);
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return copy_array(from, to, &p->plan);
	case BPF_MAP_TYPE_HASH:
	case BPF_MAP_TYPE_LRU_HASH:
	case BPF_MAP_TYPE_LPM_TRIE:
		return copy_hash(map, from, to, &p->plan, f);
	}
	return -EOPNOTSUPP;
}

void pair_close(struct pair *p)
{
	side_close(&p->from);
	side_close(&p->to);
	layout_free(&p->plan);
}

/* Places in an array mean something. */
static bool same_size(const struct side *from, const struct side *to)
{
	return (from->info.type != BPF_MAP_TYPE_ARRAY &&
		from->info.type != BPF_MAP_TYPE_PERCPU_ARRAY) ||
	       from->info.max_entries == to->info.max_entries;
}

int pair_open(const struct conversion *c, const char *map, struct pair *p, struct fail *f)
{
	int err;

	memset(p, 0, sizeof(*p));
	p->to.fd = -1;
	err = side_open(&p->from, c->from, map, f);
	if (!err)
		err = side_open(&p->to, c->to, map, f);
	if (!err)
		err = plan_values(c, map, &p->from, &p->to, &p->plan, f);
	if (!err && (p->from.info.type != p->to.info.type || !same_size(&p->from, &p->to)))
		err = fail(f, -EPROTO, "the table is of another kind or size");
	if (err)
		pair_close(p);
	return err;
}

/* The reason, with the map that it is about. */
static int name_map(int err, const char *map, struct fail *f)
{
	char reason[sizeof(f->text)];

	if (!err)
		return 0;
	memcpy(reason, f->text, sizeof(reason));
	return fail(f, err, "cannot convert %s: %.400s", map, reason);
}

int conversion_copy(const struct conversion *c, const char *map, struct fail *f)
{
	struct pair p;
	int err = pair_open(c, map, &p, f);

	if (err)
		return name_map(err, map, f);
	f->text[0] = '\0';
	err = copy_all(map, &p, f);
	pair_close(&p);
	if (err && !f->text[0])
		return fail_errno(f, err, "cannot convert %s", map);
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
	was = calloc(1, side_step(&p.from));
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
		return fail(f, -EPROTO,
			    "the running programs do not support a conversion: run \"nsxdp save\" "
			    "and \"nsxdp down\" with that version first");
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
