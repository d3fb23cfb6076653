// SPDX-License-Identifier: GPL-2.0-only
/* All links and filters of the instance at once: other programs for them, and their end. */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/block.h"
#include "kernel/clsact.h"
#include "kernel/datapath.h"
#include "kernel/feature.h"

/*
 * The device that a pin is named by, after what all of its kind begin with; 0 where it is none of
 * them.
 */
static int pin_ifindex(const char *name, const char *kind)
{
	size_t len = strlen(kind);

	return strncmp(name, kind, len) == 0 && name[len] >= '1' && name[len] <= '9'
		       ? atoi(name + len)
		       : 0;
}

/* The device of a pin of a filter, or of what is to become one, or of a qdisc; 0 for other pins. */
static int filter_ifindex(const char *pin)
{
	static const char *const kinds[] = { "link_", "link_uplink_", "link_egress_", "qdisc_" };
	int ifindex = 0;

	if (strncmp(pin, PIN_COMING, strlen(PIN_COMING)) == 0)
		pin += strlen(PIN_COMING);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && !ifindex; i++)
		ifindex = pin_ifindex(pin, kinds[i]);
	return ifindex;
}

/* The first uplink's ingress has no pin with its index; its egress, which comes before it, has. */
void datapath_detach_filters(const struct pin_dir *d)
{
	DIR *dir = opendir(d->path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		int ifindex = filter_ifindex(entry->d_name);

		if (ifindex) {
			clsact_unset(ifindex, BPF_TC_INGRESS, PROG_PRIORITY);
			clsact_unset(ifindex, BPF_TC_EGRESS, PROG_PRIORITY);
		}
	}
	rewinddir(dir);
	while ((entry = readdir(dir))) {
		int ifindex = pin_ifindex(entry->d_name, "qdisc_");

		if (ifindex && !clsact_is_used(ifindex))
			clsact_remove(ifindex);
	}
	closedir(dir);
}

static int open_program(const struct pin_dir *from, const char *name, struct fail *f)
{
	char path[PIN_PATH_MAX];
	int prog = bpf_obj_get(pin_path(from, name, path));

	return prog < 0 ? fail_errno(f, -errno, "cannot open %s", path) : prog;
}

/* The program that a pinned link, or filter, should have; NULL where the pin is none of them. */
static const char *program_of(const char *pin, bool veth, int private)
{
	if (strcmp(pin, "link_uplink") == 0 || pin_ifindex(pin, "link_uplink_"))
		return "tc_from_uplink";
	if (pin_ifindex(pin, "link_egress_"))
		return "tc_to_uplink";
	if (pin_ifindex(pin, "link_"))
		return pin_ifindex(pin, "link_") == private ? "tc_from_private" : "tc_from_ns";
	if (pin_ifindex(pin, "netkit_"))
		return "tc_from_ns";
	if (strcmp(pin, "xdp_uplink") == 0)
		return veth ? "xdp_from_uplink_veth" : "xdp_from_uplink";
	if (pin_ifindex(pin, "xdp_"))
		return feature_has(FEATURE_XDP_SKB) ? "xdp_from_ns_veth" : "xdp_from_ns";
	return NULL;
}

/* The pin, which says what program the filter has, is replaced and never missing. */
static int update_filter(const struct pin_dir *d, const char *pin, int uplink, int prog,
			 struct fail *f)
{
	enum bpf_tc_attach_point point = BPF_TC_INGRESS;
	char path[PIN_PATH_MAX], next[PIN_PATH_MAX], name[300];
	int ifindex = uplink, err, there;

	if (pin_ifindex(pin, "link_egress_")) {
		ifindex = pin_ifindex(pin, "link_egress_");
		point = BPF_TC_EGRESS;
	} else if (pin_ifindex(pin, "link_uplink_")) {
		ifindex = pin_ifindex(pin, "link_uplink_");
	} else if (pin_ifindex(pin, "link_")) {
		ifindex = pin_ifindex(pin, "link_");
	}
	/* The filter is gone, perhaps with its device: mending attaches the new program. */
	there = clsact_has_filter(ifindex, point, PROG_PRIORITY);
	if (there <= 0)
		return there ? fail_errno(f, there, "cannot look at the filter of %s", pin) : 0;
	err = clsact_set(ifindex, point, PROG_PRIORITY, prog, pin, f);
	if (err)
		return err;
	snprintf(name, sizeof(name), PIN_COMING "%s", pin);
	unlink(pin_path(d, name, next));
	pin_path(d, pin, path);
	return bpf_obj_pin(prog, next) || rename(next, path)
		       ? fail_errno(f, -errno, "cannot pin %s", path)
		       : 0;
}

static int update_link(const struct pin_dir *d, const char *pin, int prog, int uplink,
		       struct fail *f)
{
	bool filter = strncmp(pin, "link_", 5) == 0 && !feature_has(FEATURE_TCX);
	char path[PIN_PATH_MAX];
	int link = bpf_obj_get(pin_path(d, pin, path)), err = 0;

	if (link < 0)
		return fail_errno(f, -errno, "cannot open %s", path);
	if (filter)
		err = update_filter(d, pin, uplink, prog, f);
	/* Of a device that is gone: what mends it attaches the new one. */
	else if (bpf_link_update(link, prog, NULL) && errno != ENOLINK && errno != ENODEV)
		err = fail_errno(f, -errno, "cannot replace the program of %s", path);
	close(link);
	return err;
}

/* Where no link is served by the block there is nothing to replace. */
static int update_block(const struct pin_dir *from, struct fail *f)
{
	static const struct {
		__u32 block;
		__u16 priority;
		const char *name;
	} filters[] = {
		{ BLOCK_INGRESS, PROG_PRIORITY, "tc_from_ns" },
		{ BLOCK_INGRESS, GUARD_PRIORITY, "tc_guard_from_ns" },
		{ BLOCK_EGRESS, GUARD_PRIORITY, "tc_guard_to_ns" },
	};
	struct nl nl = {};
	int err = nl_open(&nl);

	if (err)
		return fail_errno(f, err, "cannot look at the links' block");
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]) && !err; i++) {
		int prog;

		if (!block_filter_prog(&nl, filters[i].block, filters[i].priority))
			continue;
		prog = open_program(from, filters[i].name, f);
		err = prog < 0 ? prog
			       : block_filter_set(&nl, filters[i].block, filters[i].priority, prog,
						  filters[i].name);
		if (prog >= 0 && err)
			fail_errno(f, err, "cannot replace %s of the links' block",
				   filters[i].name);
		if (prog >= 0)
			close(prog);
	}
	nl_close(&nl);
	return err;
}

/*
 * Guards of namespaces' links get theirs when "up" mends the links. So does this one if it is gone.
 */
static int update_private_guard(const struct pin_dir *from, int private, struct fail *f)
{
	int there = clsact_has_filter(private, BPF_TC_INGRESS, GUARD_PRIORITY);

	if (there <= 0)
		return there ? fail_errno(f, there, "cannot look at the guard of nsx.fib") : 0;
	return clsact_set_pinned(from, "tc_guard_from_ns", private, BPF_TC_INGRESS, GUARD_PRIORITY, f);
}

int datapath_update_links(const struct pin_dir *d, const struct pin_dir *from, int uplink,
			  bool veth, int private, struct fail *f)
{
	struct dirent **pin = NULL;
	int err = update_block(from, f), count = 0;

	if (!err && private)
		err = update_private_guard(from, private, f);
	/* All names first, for pins of filters are renamed on the way. */
	if (!err)
		count = scandir(d->path, &pin, NULL, NULL);
	if (count < 0)
		return fail_errno(f, -errno, "cannot read %s", d->path);
	for (int i = 0; i < count; i++) {
		const char *program = program_of(pin[i]->d_name, veth, private);
		int prog = !err && program ? open_program(from, program, f) : -1;

		if (!err && program)
			err = prog < 0 ? prog : update_link(d, pin[i]->d_name, prog, uplink, f);
		if (prog >= 0)
			close(prog);
		free(pin[i]);
	}
	free(pin);
	return err;
}
