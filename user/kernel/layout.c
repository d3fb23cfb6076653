// SPDX-License-Identifier: GPL-2.0-only
/* Layouts of maps, by BTF (Documentation/bpf/btf.rst). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/layout.h"
#include "verdict.h"

#define V(id, class, name, sentence) name " "
static const char verdicts[] = NSX_VERDICTS(V);
#undef V

const char *layout_struct(const char *map)
{
	static const char *const types[][2] = {
		{ "nsx_conf", "nsx_conf" },
		{ "nsx_learned", "nsx_learned" },
		{ "nsx_sessions", "nsx_bucket" },
		{ "nsx_outside", "nsx_line" },
		{ "nsx_undo_log", "nsx_undo" },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i][0], map) == 0)
			return types[i][1];
	return NULL;
}

static __u64 mix(__u64 hash, __u64 value)
{
	return (hash ^ value) * 0x100000001b3ULL;
}

static __u64 mix_name(__u64 hash, const char *name)
{
	while (*name)
		hash = mix(hash, (unsigned char)*name++);
	return mix(hash, 0);
}

static __u64 mix_type(__u64 hash, const struct btf *btf, __u32 id)
{
	const struct btf_type *t;
	int real = btf__resolve_type(btf, id);

	t = real < 0 ? NULL : btf__type_by_id(btf, real);
	if (!id || !t)
		return mix(hash, 0);
	hash = mix(hash, btf_kind(t));
	if (btf_is_array(t)) {
		hash = mix(hash, btf_array(t)->nelems);
		return mix_type(hash, btf, btf_array(t)->type);
	}
	if (btf_is_int(t) || btf_is_any_enum(t) || btf_is_composite(t))
		hash = mix(hash, t->size);
	for (int i = 0; btf_is_composite(t) && i < btf_vlen(t); i++) {
		const struct btf_member *m = &btf_members(t)[i];

		hash = mix_name(hash, btf__name_by_offset(btf, m->name_off));
		hash = mix(hash, btf_member_bit_offset(t, i));
		hash = mix(hash, btf_member_bitfield_size(t, i));
		hash = mix_type(hash, btf, m->type);
	}
	return hash;
}

__u32 layout_number(const struct bpf_map *map, const char *name, const struct btf *btf)
{
	const char *type = layout_struct(name);
	int value = type ? btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT)
			 : (int)bpf_map__btf_value_type_id(map);
	__u64 hash = 0xcbf29ce484222325ULL;

	if (value < 0)
		return 0;
	hash = mix(hash, bpf_map__type(map));
	hash = mix(hash, bpf_map__max_entries(map));
	hash = mix(hash, bpf_map__map_flags(map));
	/* Its places are verdicts. */
	if (strcmp(name, "nsx_counts") == 0)
		hash = mix_name(hash, verdicts);
	if (!type)
		hash = mix_type(hash, btf, bpf_map__btf_key_type_id(map));
	hash = mix_type(hash, btf, value);
	return (hash ^ hash >> 32) | 1; /* 0 is none */
}

__u32 layout_struct_number(const struct btf *btf, const char *name)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);
	__u64 hash = id < 0 ? 0 : mix_type(0xcbf29ce484222325ULL, btf, id);

	return id < 0 ? 0 : (hash ^ hash >> 32) | 1;
}

/** struct planner - a plan that is being made */
struct planner {
	const struct btf *from, *to;
	struct layout_plan *plan;
	const char *field;	/* that is being looked at, for errors */
	struct fail *f;
};

static int refuse(struct planner *p, const char *what)
{
	return fail(p->f, -EPROTO, "field %s: the new layout has %s", p->field, what);
}

/* Neighbours that stay neighbours are copied as one. */
static int add_copy(struct planner *p, __u32 from, __u32 to, __u32 bits)
{
	struct layout_plan *plan = p->plan;
	struct layout_copy *last = plan->count ? &plan->copy[plan->count - 1] : NULL;

	if (last && last->from + last->bits == from && last->to + last->bits == to) {
		last->bits += bits;
		return 0;
	}
	if ((plan->count & (plan->count - 1)) == 0) {
		size_t room = plan->count ? 2 * plan->count : 1;
		struct layout_copy *more = realloc(plan->copy, room * sizeof(*more));

		if (!more)
			return fail_errno(p->f, -ENOMEM, "cannot plan the conversion");
		plan->copy = more;
	}
	plan->copy[plan->count++] = (struct layout_copy){ from, to, bits };
	return 0;
}

/** struct field - a field of a struct, or of an unnamed one in it */
struct field {
	__u32 type;
	__u32 at;	/* bits */
	__u32 bits;	/* of a bit-field; 0: it is none */
};

static struct field field_of(const struct btf_type *t, int i, __u32 base)
{
	return (struct field){ btf_members(t)[i].type, base + btf_member_bit_offset(t, i),
			       btf_member_bitfield_size(t, i) };
}

static bool find_field(const struct btf *btf, __u32 id, __u32 base, const char *name,
		       struct field *ret)
{
	const struct btf_type *t = btf__type_by_id(btf, btf__resolve_type(btf, id));

	for (int i = 0; t && btf_is_composite(t) && i < btf_vlen(t); i++) {
		struct field field = field_of(t, i, base);
		const char *own = btf__name_by_offset(btf, btf_members(t)[i].name_off);

		if (*own && strcmp(own, name) == 0) {
			*ret = field;
			return true;
		}
		if (!*own && find_field(btf, field.type, field.at, name, ret))
			return true;
	}
	return false;
}

static int plan_type(struct planner *p, __u32 from, __u32 from_at, __u32 to, __u32 to_at);

static int plan_bits(struct planner *p, const struct field *from, const struct field *to)
{
	__u32 was = from->bits ? from->bits : 8 * btf__resolve_size(p->from, from->type);
	__u32 is = to->bits ? to->bits : 8 * btf__resolve_size(p->to, to->type);

	return was > is ? refuse(p, "fewer bits") : add_copy(p, from->at, to->at, was);
}

/* Fields of to, unnamed structs included, by those of the same names in from. */
static int plan_fields(struct planner *p, __u32 from, __u32 from_at, __u32 to, __u32 to_at)
{
	const struct btf_type *t = btf__type_by_id(p->to, btf__resolve_type(p->to, to));
	int err = 0;

	for (int i = 0; i < btf_vlen(t) && !err; i++) {
		struct field new = field_of(t, i, to_at), old;
		const char *name = btf__name_by_offset(p->to, btf_members(t)[i].name_off);

		if (!*name) {
			err = plan_fields(p, from, from_at, new.type, new.at);
			continue;
		}
		if (!find_field(p->from, from, from_at, name, &old))
			continue;
		p->field = name;
		err = new.bits || old.bits ? plan_bits(p, &old, &new)
					   : plan_type(p, old.type, old.at, new.type, new.at);
	}
	return err;
}

static int plan_array(struct planner *p, const struct btf_array *from, __u32 from_at,
		      const struct btf_array *to, __u32 to_at)
{
	__u32 from_step = 8 * btf__resolve_size(p->from, from->type);
	__u32 to_step = 8 * btf__resolve_size(p->to, to->type);
	int err = 0;

	if (from->nelems > to->nelems)
		return refuse(p, "fewer elements");
	for (__u32 i = 0; i < from->nelems && !err; i++)
		err = plan_type(p, from->type, from_at + i * from_step, to->type,
				to_at + i * to_step);
	return err;
}

static bool is_number(const struct btf_type *t)
{
	return btf_is_int(t) || btf_is_any_enum(t);
}

static int plan_type(struct planner *p, __u32 from, __u32 from_at, __u32 to, __u32 to_at)
{
	const struct btf_type *old = btf__type_by_id(p->from, btf__resolve_type(p->from, from));
	const struct btf_type *new = btf__type_by_id(p->to, btf__resolve_type(p->to, to));

	if (!old || !new)
		return refuse(p, "no type");
	if (btf_is_array(old) && btf_is_array(new))
		return plan_array(p, btf_array(old), from_at, btf_array(new), to_at);
	if (btf_is_composite(old) && btf_is_composite(new))
		return plan_fields(p, from, from_at, to, to_at);
	if (!is_number(old) || !is_number(new))
		return refuse(p, "a type of another kind");
	if (old->size > new->size)
		return refuse(p, "a smaller type");
	if (old->size < new->size && btf_is_int(old) && (btf_int_encoding(old) & BTF_INT_SIGNED))
		return refuse(p, "a wider type for a signed number");
	return add_copy(p, from_at, to_at, 8 * old->size);
}

#define UNION_COPIES 32		/* those of one union follow each other */

/* Fields of a union are copied one by one: what is the same byte for two has to stay so. */
static int check_unions(struct planner *p)
{
	const struct layout_plan *plan = p->plan;

	for (size_t i = 0; i < plan->count; i++)
		for (size_t n = i < UNION_COPIES ? 0 : i - UNION_COPIES; n < i; n++) {
			const struct layout_copy *a = &plan->copy[i], *b = &plan->copy[n];

			if (a->to < b->to + b->bits && b->to < a->to + a->bits &&
			    a->to - a->from != b->to - b->from)
				return fail(p->f, -EPROTO, "fields of a union have moved apart");
		}
	return 0;
}

static int note_lost(struct layout_plan *plan)
{
	plan->lost = malloc(plan->from_size);
	if (!plan->lost)
		return -ENOMEM;
	memset(plan->lost, 1, plan->from_size);
	for (size_t i = 0; i < plan->count; i++) {
		const struct layout_copy *c = &plan->copy[i];

		memset(plan->lost + c->from / 8, 0, (c->from + c->bits + 7) / 8 - c->from / 8);
	}
	return 0;
}

bool layout_loses(const struct layout_plan *plan, const void *from)
{
	for (__u32 i = 0; i < plan->from_size; i++)
		if (plan->lost[i] && ((const char *)from)[i])
			return true;
	return false;
}

int layout_plan(const struct btf *from_btf, __u32 from, const struct btf *to_btf, __u32 to,
		struct layout_plan *ret, struct fail *f)
{
	struct planner p = { from_btf, to_btf, ret, "it", f };
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->from_size = btf__resolve_size(from_btf, from);
	ret->to_size = btf__resolve_size(to_btf, to);
	err = plan_type(&p, from, 0, to, 0);
	if (!err)
		err = check_unions(&p);
	if (!err && note_lost(ret))
		err = fail_errno(f, -ENOMEM, "cannot plan the conversion");
	if (err)
		layout_free(ret);
	return err;
}

void layout_free(struct layout_plan *plan)
{
	free(plan->copy);
	free(plan->lost);
	memset(plan, 0, sizeof(*plan));
}

/* Bit 0 is the lowest of the first byte, as little-endian machines number bit-fields. */
static void copy_bits(const struct layout_copy *c, const __u8 *from, __u8 *to)
{
	for (__u32 i = 0; i < c->bits; i++) {
		__u32 bit = from[(c->from + i) / 8] >> (c->from + i) % 8 & 1;
		__u8 *byte = &to[(c->to + i) / 8];

		*byte = (*byte & ~(1U << (c->to + i) % 8)) | bit << (c->to + i) % 8;
	}
}

void layout_convert(const struct layout_plan *plan, const void *from, void *to)
{
	memset(to, 0, plan->to_size);
	for (size_t i = 0; i < plan->count; i++) {
		const struct layout_copy *c = &plan->copy[i];

		if ((c->from | c->to | c->bits) % 8)
			copy_bits(c, from, to);
		else
			memcpy((char *)to + c->to / 8, (const char *)from + c->from / 8,
			       c->bits / 8);
	}
}

int layout_offset(const struct btf *btf, const char *name, const char *field)
{
	int id = btf__find_by_name_kind(btf, name, BTF_KIND_STRUCT);
	struct field found;

	return id < 0 || !find_field(btf, id, 0, field, &found) ? -ENOENT : (int)found.at / 8;
}
