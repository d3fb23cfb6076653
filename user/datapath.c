// SPDX-License-Identifier: GPL-2.0-only
/* Loading, attaching and pinning the BPF programs. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "datapath.h"
#include "nsxdp_tc.skel.h"
#include "tables.h"

/* enum bpf_attach_type of kernel 6.6; libbpf 1.1 does not name it. */
#define ATTACH_TCX_INGRESS 46

#define LINK_UPLINK "link_uplink"

/* libbpf's own words only help those who debug the loading. */
static int print_libbpf(enum libbpf_print_level level, const char *format, va_list ap)
{
	if (level == LIBBPF_DEBUG || !getenv("NSXDP_DEBUG"))
		return 0;
	return vfprintf(stderr, format, ap);
}

int datapath_load(const struct pin_dir *d, struct fail *f)
{
	struct nsxdp_tc_bpf *skel;
	char path[PIN_PATH_MAX];
	struct bpf_map *map;
	int err;

	libbpf_set_print(print_libbpf);
	skel = nsxdp_tc_bpf__open();
	if (!skel)
		return fail_errno(f, -errno, "cannot open the BPF object");
	skel->rodata->force_csum_helpers = getenv("NSXDP_TEST_CSUM_HELPERS") != NULL;
	err = nsxdp_tc_bpf__load(skel);
	if (err) {
		fail_errno(f, err, "the kernel does not take the BPF programs (NSXDP_DEBUG=1 shows its log)");
		goto out;
	}
	bpf_object__for_each_map(map, skel->obj) {
		if (bpf_map__is_internal(map))
			continue;
		if (bpf_obj_pin(bpf_map__fd(map), pin_path(d, bpf_map__name(map), path))) {
			err = fail_errno(f, -errno, "cannot pin %s", path);
			goto out;
		}
	}
	if (bpf_obj_pin(bpf_program__fd(skel->progs.tc_from_uplink), pin_path(d, "tc_from_uplink", path)) ||
	    bpf_obj_pin(bpf_program__fd(skel->progs.tc_from_ns), pin_path(d, "tc_from_ns", path)))
		err = fail_errno(f, -errno, "cannot pin %s", path);
out:
	nsxdp_tc_bpf__destroy(skel);
	return err;
}

static int attach(const struct pin_dir *d, const char *prog_name, int ifindex, const char *link_name, struct fail *f)
{
	char path[PIN_PATH_MAX];
	int prog, link, err = 0;

	prog = bpf_obj_get(pin_path(d, prog_name, path));
	if (prog < 0)
		return fail_errno(f, -errno, "cannot open %s", path);
	link = bpf_link_create(prog, ifindex, ATTACH_TCX_INGRESS, NULL);
	if (link < 0)
		err = fail_errno(f, -errno, "cannot attach to interface %d (tcx needs kernel 6.6)", ifindex);
	else if (bpf_obj_pin(link, pin_path(d, link_name, path)))
		err = fail_errno(f, -errno, "cannot pin %s", path);
	if (link >= 0)
		close(link);
	close(prog);
	return err;
}

int datapath_attach_uplink(const struct pin_dir *d, int ifindex, struct fail *f)
{
	return attach(d, "tc_from_uplink", ifindex, LINK_UPLINK, f);
}

static const char *ns_link_name(int ifindex, char buf[32])
{
	snprintf(buf, 32, "link_%d", ifindex);
	return buf;
}

int datapath_attach_ns(const struct pin_dir *d, int ifindex, struct fail *f)
{
	char name[32], path[PIN_PATH_MAX];

	if (access(pin_path(d, ns_link_name(ifindex, name), path), F_OK) == 0)
		return 0;
	return attach(d, "tc_from_ns", ifindex, name, f);
}

void datapath_detach_ns(const struct pin_dir *d, int ifindex)
{
	char name[32], path[PIN_PATH_MAX];

	unlink(pin_path(d, ns_link_name(ifindex, name), path));
}
