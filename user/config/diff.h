/* SPDX-License-Identifier: GPL-2.0-only */
/* wanted - running = steps */
#ifndef NSXDP_DIFF_H
#define NSXDP_DIFF_H

#include "config/config.h"

enum step_object {
	STEP_UP,
	STEP_NS,
	STEP_MAP,
};

/**
 * struct step - one change
 * @before, @after: a struct up_conf, ns_conf or map_conf of the two models, by .object. Without
 *	.before it is made, without .after removed. Exchanged, they are the step that undoes it.
 */
struct step {
	enum step_object object;
	const void *before;
	const void *after;
};

/**
 * struct steps - what is to be done, in order; owned by the caller, steps_free() accepts a zeroed
 * one
 */
struct steps {
	struct step *step;
	size_t count;
};

/*
 * What has to change, both models sorted; keep: what is not wanted stays. What goes does so last,
 * but where something else needs its place. Returns 0, or -ENOMEM.
 */
int config_diff(const struct config *running, const struct config *wanted, bool keep,
		struct steps *ret);
void steps_free(struct steps *s);

/* "+ map add 6000 ns1:8080" and "- ..." */
void step_print(const struct step *step, FILE *out);

/* What they change is one object, of which each family has its own. */
bool steps_are_one(const struct steps *steps);

/* All of them; families: a port that one family has alone says which. */
void steps_print(const struct steps *steps, bool families, FILE *out);

#endif
