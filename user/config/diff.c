// SPDX-License-Identifier: GPL-2.0-only
/* Two sorted models, walked side by side. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/diff.h"

void steps_free(struct steps *s)
{
	free(s->step);
	memset(s, 0, sizeof(*s));
}

static int add_step(struct steps *s, enum step_object object, const void *before, const void *after)
{
	if ((s->count & (s->count - 1)) == 0) {
		struct step *more = realloc(s->step, (s->count ? 2 * s->count : 1) * sizeof(*more));

		if (!more)
			return -ENOMEM;
		s->step = more;
	}
	s->step[s->count++] = (struct step){ object, before, after };
	return 0;
}

/* Adopted namespaces are others': whether one was made or adopted cannot change under its name. */
static bool can_become(const struct ns_conf *running, const struct ns_conf *wanted)
{
	return running->adopted == wanted->adopted;
}

static bool is_wanted_address(const struct config *wanted, const struct ns_conf *ns)
{
	for (size_t i = 0; i < wanted->ns_count; i++)
		if ((wanted->ns[i].given & NS_GIVEN_ADDR) && strcmp(wanted->ns[i].name, ns->name) &&
		    config_overlap(&wanted->ns[i].addr, wanted->ns[i].prefix_len, &ns->addr,
				   ns->prefix_len))
			return true;
	return false;
}

static int compare_ports(const struct map_conf *a, const struct map_conf *b)
{
	if (a->row != b->row)
		return a->row - b->row;
	if (a->port != b->port)
		return a->port - b->port;
	if (a->last != b->last)
		return a->last - b->last;
	return memcmp(&a->at, &b->at, sizeof(a->at));
}

static bool leads_to(const struct map_conf *map, const char *name)
{
	for (int i = 0; i < map->targets; i++)
		if (strcmp(map->target[i].ns, name) == 0)
			return true;
	return false;
}

static bool goes_first(const struct config *wanted, const struct ns_conf *ns)
{
	const struct ns_conf *new = config_ns(wanted, ns->name);

	return new ? !can_become(ns, new) : is_wanted_address(wanted, ns);
}

/* What is published to a namespace that goes first, and is wanted otherwise: taken away with it, and made again. */
static bool falls_with_ns(const struct config *running, const struct config *wanted, const struct map_conf *map)
{
	for (size_t i = 0; i < running->ns_count; i++)
		if (leads_to(map, running->ns[i].name) && goes_first(wanted, &running->ns[i]))
			return true;
	return false;
}

/* Maps that go; first: those whose ports are wanted, which only neighbours in the order can be. */
static int maps_del(const struct config *running, const struct config *wanted, bool first,
		    struct steps *s)
{
	size_t n = 0;

	for (size_t i = 0; i < running->map_count; i++) {
		const struct map_conf *map = &running->map[i];
		bool in_the_way;

		while (n < wanted->map_count && compare_ports(&wanted->map[n], map) < 0)
			n++;
		if (n < wanted->map_count && compare_ports(&wanted->map[n], map) == 0) {
			if (first && !config_same_map(&wanted->map[n], map) &&
			    falls_with_ns(running, wanted, map) && add_step(s, STEP_MAP, map, NULL))
				return -ENOMEM;
			continue;
		}
		in_the_way = (n < wanted->map_count && config_ports_overlap(&wanted->map[n], map)) ||
			     (n && config_ports_overlap(&wanted->map[n - 1], map));
		if ((in_the_way || falls_with_ns(running, wanted, map)) == first && add_step(s, STEP_MAP, map, NULL))
			return -ENOMEM;
	}
	return 0;
}

static int maps_change(const struct config *running, const struct config *wanted, bool keep, struct steps *s)
{
	size_t n = 0;

	for (size_t i = 0; i < wanted->map_count; i++) {
		const struct map_conf *map = &wanted->map[i], *old;

		while (n < running->map_count && compare_ports(&running->map[n], map) < 0)
			n++;
		old = n < running->map_count && compare_ports(&running->map[n], map) == 0
			      ? &running->map[n]
			      : NULL;
		if (old && config_same_map(old, map))
			continue;
		if (old && !keep && falls_with_ns(running, wanted, old))
			old = NULL;
		if (add_step(s, STEP_MAP, old, map))
			return -ENOMEM;
	}
	return 0;
}

static int ns_del(const struct config *running, const struct config *wanted, bool first,
		  struct steps *s)
{
	for (size_t i = 0; i < running->ns_count; i++) {
		const struct ns_conf *ns = &running->ns[i], *new = config_ns(wanted, ns->name);

		if (new && can_become(ns, new))
			continue;
		if ((new || is_wanted_address(wanted, ns)) == first &&
		    add_step(s, STEP_NS, ns, NULL))
			return -ENOMEM;
	}
	return 0;
}

/** struct ns_changes - namespaces that change, one after the other: an address has to be free first */
struct ns_changes {
	const struct config *running;
	const struct config *wanted;
	bool *done;	/* by place in wanted */
};

static const struct ns_conf *old_of(const struct ns_changes *c, const struct ns_conf *ns)
{
	const struct ns_conf *old = config_ns(c->running, ns->name);

	return old && can_become(old, ns) ? old : NULL;
}

static bool moves(const struct ns_conf *old, const struct ns_conf *ns)
{
	return old && (ns->given & NS_GIVEN_ADDR) && memcmp(&old->addr, &ns->addr, sizeof(ns->addr));
}

/* Its address is still another one's, which is to move. */
static bool is_blocked(const struct ns_changes *c, const struct ns_conf *ns)
{
	for (size_t i = 0; i < c->wanted->ns_count && (ns->given & NS_GIVEN_ADDR); i++) {
		const struct ns_conf *other = &c->wanted->ns[i], *old;

		if (c->done[i] || other == ns || !(other->given & NS_GIVEN_ADDR))
			continue;
		old = old_of(c, other);
		if (moves(old, other) &&
		    config_overlap(&ns->addr, ns->prefix_len, &old->addr, old->prefix_len))
			return true;
	}
	return false;
}

/* One round: those that can; how many there were, or -ENOMEM. all: the rest, whose addresses form a ring. */
static int ns_change_round(struct ns_changes *c, bool some_move, bool all, struct steps *s)
{
	int count = 0;

	for (size_t i = 0; i < c->wanted->ns_count; i++) {
		const struct ns_conf *ns = &c->wanted->ns[i], *old;

		if (c->done[i] || (some_move && !all && is_blocked(c, ns)))
			continue;
		c->done[i] = true;
		count++;
		old = old_of(c, ns);
		if ((!old || !config_same_ns(old, ns)) && add_step(s, STEP_NS, old, ns))
			return -ENOMEM;
	}
	return count;
}

static int ns_change(const struct config *running, const struct config *wanted, struct steps *s)
{
	struct ns_changes c = { running, wanted, calloc(wanted->ns_count + 1, sizeof(*c.done)) };
	bool some_move = false;
	int count;

	if (!c.done)
		return -ENOMEM;
	for (size_t i = 0; i < wanted->ns_count && !some_move; i++)
		some_move = moves(old_of(&c, &wanted->ns[i]), &wanted->ns[i]);
	do
		count = ns_change_round(&c, some_move, false, s);
	while (count > 0);
	if (!count)
		count = ns_change_round(&c, some_move, true, s);
	free(c.done);
	return count < 0 ? count : 0;
}

int config_diff(const struct config *running, const struct config *wanted, bool keep,
		struct steps *ret)
{
	int err = 0;

	memset(ret, 0, sizeof(*ret));
	if (!keep)
		err = maps_del(running, wanted, true, ret);
	if (!err && !keep)
		err = ns_del(running, wanted, true, ret);
	if (!err)
		err = ns_change(running, wanted, ret);
	if (!err)
		err = maps_change(running, wanted, keep, ret);
	if (!err && !keep)
		err = maps_del(running, wanted, false, ret);
	if (!err && !keep)
		err = ns_del(running, wanted, false, ret);
	if (err)
		steps_free(ret);
	return err;
}

/* The same step for the other family. */
static bool are_twins(const struct step *a, const struct step *b)
{
	if (a->object != STEP_MAP || b->object != STEP_MAP || !a->before != !b->before ||
	    !a->after != !b->after)
		return false;
	return (!a->before || config_are_twins(a->before, b->before)) &&
	       (!a->after || config_are_twins(a->after, b->after));
}

static bool has_twin(const struct steps *steps, const struct step *step)
{
	for (size_t i = 0; i < steps->count; i++)
		if (are_twins(&steps->step[i], step))
			return true;
	return false;
}

static void print_side(const struct step *step, const void *side, bool alone, char sign, FILE *out)
{
	if (!side)
		return;
	fprintf(out, "%c ", sign);
	if (step->object == STEP_UP)
		config_print_up(side, out);
	else if (step->object == STEP_NS)
		config_print_ns(side, NS_ADD, out);
	else
		config_print_map(side, MAP_ADD, alone, out);
	fputc('\n', out);
}

void step_print(const struct step *step, FILE *out)
{
	print_side(step, step->before, true, '-', out);
	print_side(step, step->after, true, '+', out);
}

bool steps_are_one(const struct steps *steps)
{
	return steps->count <= 1 ||
	       (steps->count == 2 && are_twins(&steps->step[0], &steps->step[1]));
}

void steps_print(const struct steps *steps, bool families, FILE *out)
{
	for (size_t i = 0; i < steps->count; i++) {
		const struct step *step = &steps->step[i];
		const struct map_conf *map = step->after ? step->after : step->before;
		bool twin = step->object == STEP_MAP && has_twin(steps, step);

		if (twin && NSX_ROW_FAMILY(map->row) == NSX_V6)
			continue;
		print_side(step, step->before, families && !twin, '-', out);
		print_side(step, step->after, families && !twin, '+', out);
	}
}
