// SPDX-License-Identifier: GPL-2.0-only
/* The rows of both families of a port, shown as one. */
#include <stdbool.h>
#include <string.h>

#include "state/merge.h"

/* The same in both rows. */
static bool same(const json_t *a, const json_t *b, const char *const *keys)
{
	for (; *keys; keys++) {
		json_t *x = json_object_get(a, *keys), *y = json_object_get(b, *keys);

		if ((x || y) && !json_equal(x, y))
			return false;
	}
	return true;
}

static bool same_lists(const json_t *a, const json_t *b, const char *list, const char *const *keys)
{
	const json_t *x = json_object_get(a, list), *y = json_object_get(b, list);

	if (json_array_size(x) != json_array_size(y))
		return false;
	for (size_t i = 0; i < json_array_size(x); i++)
		if (!same(json_array_get(x, i), json_array_get(y, i), keys))
			return false;
	return true;
}

static bool are_twins(const json_t *a, const json_t *b)
{
	static const char *const row[] = { "port", "last_port", "proto", "at", "allow", "rate",
					   "burst", "owner", "affinity", NULL };
	static const char *const target[] = { "ns", "ns_port", "weight", NULL };

	return same(a, b, row) && same_lists(a, b, "targets", target) &&
	       same_lists(a, b, "draining", target);
}

static void add_count(json_t *to, const json_t *from, const char *key)
{
	json_t *a = json_object_get(to, key), *b = json_object_get(from, key);

	if (json_is_integer(a) && json_is_integer(b))
		json_object_set_new(to, key,
				    json_integer(json_integer_value(a) + json_integer_value(b)));
}

static void add_list(json_t *to, const json_t *from, const char *list)
{
	json_t *target;
	size_t i;

	json_array_foreach(json_object_get(to, list), i, target) {
		const json_t *other = json_array_get(json_object_get(from, list), i);

		add_count(target, other, "packets");
		add_count(target, other, "bytes");
		json_object_set(target, "address6", json_object_get(other, "address"));
	}
}

static void add(json_t *to, const json_t *from)
{
	add_list(to, from, "targets");
	add_list(to, from, "draining");
	json_object_set_new(to, "family", json_string("both"));
	json_object_set(to, "address6", json_object_get(from, "address"));
}

static bool is_family(const json_t *row, const char *family)
{
	const char *value = json_string_value(json_object_get(row, "family"));

	return value && strcmp(value, family) == 0;
}

/* Both families have their rows in one order, so the search goes on where it was. */
json_t *merge_families(json_t *rows)
{
	size_t count = json_array_size(rows), first = 0, at = 0;

	while (first < count && is_family(json_array_get(rows, first), "ipv4"))
		first++;
	for (size_t i = first; i < json_array_size(rows);) {
		json_t *six = json_array_get(rows, i);
		size_t n;

		for (n = 0; n < first; n++) {
			json_t *four = json_array_get(rows, (at + n) % first);

			if (is_family(four, "ipv4") && are_twins(four, six)) {
				add(four, six);
				at = (at + n + 1) % first;
				break;
			}
		}
		if (n < first)
			json_array_remove(rows, i);
		else
			i++;
	}
	return rows;
}
