// SPDX-License-Identifier: GPL-2.0-only
/* Loading and pinning the BPF programs, and attaching those for sockets. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernel/datapath.h"
#include "build.h"
#include "kernel/tables.h"
/* They use the types of tables.h. */
#include "nsxdp_cmd.skel.h"
#include "nsxdp_sock.skel.h"
#include "nsxdp_tc.skel.h"
#include "nsxdp_xdp.skel.h"

/* libbpf's own words only help those who debug the loading. */
static int print_libbpf(enum libbpf_print_level level, const char *format, va_list ap)
{
	if (level == LIBBPF_DEBUG || !getenv("NSXDP_DEBUG"))
		return 0;
	return vfprintf(stderr, format, ap);
}

void datapath_hush_libbpf(void)
{
	libbpf_set_print(print_libbpf);
}

/* Tests have whoever wins a slot wait for so many turns. */
static __u32 test_pause(void)
{
	const char *turns = getenv("NSXDP_TEST_PAUSE");

	return turns ? atoi(turns) : 0;
}

int datapath_wait(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);
	int inner = bpf_map_create(BPF_MAP_TYPE_ARRAY, "nsx_wait", sizeof(__u32), sizeof(__u32), 1,
				   NULL);
	int outer = -1, err = inner < 0 ? -errno : 0;
	__u32 zero = 0;

	opts.inner_map_fd = inner;
	if (!err)
		outer = bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "nsx_wait", sizeof(__u32),
				       sizeof(__u32), 1, &opts);
	if (!err && (outer < 0 || bpf_map_update_elem(outer, &zero, &inner, BPF_ANY)))
		err = -errno;
	if (outer >= 0)
		close(outer);
	if (inner >= 0)
		close(inner);
	return err;
}

#define SHARED_DATA ".data."	/* begins the name of a section that the objects share */

const char *datapath_pin_name(const struct bpf_map *map)
{
	const char *name = bpf_map__name(map);

	if (!bpf_map__is_internal(map))
		return name;
	return strncmp(name, SHARED_DATA, strlen(SHARED_DATA)) ? NULL : name + strlen(SHARED_DATA);
}

/* What is pinned has this map's shape. How many entries there are may depend on the machine. */
static bool is_like(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	return bpf_obj_get_info_by_fd(fd, &info, &size) == 0 && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       (bpf_map__is_internal(map) || info.value_size == bpf_map__value_size(map));
}

/* Let an object use the maps that are pinned. Those of its own are new. */
static int reuse_maps(const struct pin_dir *d, struct bpf_object *obj)
{
	char path[PIN_PATH_MAX];
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		const char *name = datapath_pin_name(map);
		int fd = name ? bpf_obj_get(pin_path(d, name, path)) : -1, err;

		if (fd < 0)
			continue;
		err = is_like(map, fd) ? bpf_map__reuse_fd(map, fd) : -EPROTO;
		close(fd);
		if (err)
			return err;
	}
	return 0;
}

/* The maps of an object that are shared, or are to outlive it. Those that are pinned stay. */
static int pin_maps(const struct pin_dir *d, struct bpf_object *obj, struct fail *f)
{
	char path[PIN_PATH_MAX];
	struct bpf_map *map;

	bpf_object__for_each_map(map, obj) {
		const char *name = datapath_pin_name(map);

		if (name && bpf_obj_pin(bpf_map__fd(map), pin_path(d, name, path)) && errno != EEXIST)
			return fail_errno(f, -errno, "cannot pin %s", path);
	}
	return 0;
}

/* In the place of one that is pinned there, if any. */
static int pin_program(const struct pin_dir *d, const struct bpf_program *prog, const char *pin,
		       struct fail *f)
{
	char path[PIN_PATH_MAX], next[PIN_PATH_MAX], name[64];

	pin_path(d, pin, path);
	if (bpf_obj_pin(bpf_program__fd(prog), path) == 0)
		return 0;
	if (errno != EEXIST)
		return fail_errno(f, -errno, "cannot pin %s", path);
	snprintf(name, sizeof(name), PIN_COMING "%s", pin);
	unlink(pin_path(d, name, next));	/* of a command that died here */
	if (bpf_obj_pin(bpf_program__fd(prog), next) || rename(next, path))
		return fail_errno(f, -errno, "cannot pin %s", path);
	return 0;
}

static int pin_programs(const struct pin_dir *d, struct bpf_object *obj, struct fail *f)
{
	struct bpf_program *prog;
	int err = 0;

	bpf_object__for_each_program(prog, obj)
		if (!err)
			err = pin_program(d, prog, bpf_program__name(prog), f);
	return err;
}

__u64 datapath_build(void)
{
	__u64 build = NSXDP_BUILD;

	for (const char *test = getenv("NSXDP_TEST_BUILD"); test && *test; test++)
		build = (build ^ (unsigned char)*test) * 0x100000001b3ULL;
	return build;
}

int datapath_each_object(int (*cb)(const struct bpf_object *obj, void *arg), void *arg)
{
	const void *(*const objects[])(size_t *) = {
		nsxdp_tc_bpf__elf_bytes,
		nsxdp_xdp_bpf__elf_bytes,
		nsxdp_sock_bpf__elf_bytes,
		nsxdp_cmd_bpf__elf_bytes,
	};

	int err = 0;

	datapath_hush_libbpf();
	for (size_t i = 0; !err && i < sizeof(objects) / sizeof(objects[0]); i++) {
		size_t size;
		const void *bytes = objects[i](&size);
		struct bpf_object *obj = bpf_object__open_mem(bytes, size, NULL);

		err = obj ? cb(obj, arg) : -errno;
		bpf_object__close(obj);
	}
	return err;
}

int datapath_load(const struct pin_dir *d, struct fail *f)
{
	struct nsxdp_tc_bpf *skel;
	int err;

	datapath_hush_libbpf();
	skel = nsxdp_tc_bpf__open();
	if (!skel)
		return fail_errno(f, -errno, "cannot open the BPF object");
	skel->rodata->test_old_kernel = getenv("NSXDP_TEST_OLD_KERNEL") != NULL;
	skel->rodata->cpus = libbpf_num_possible_cpus();
	skel->rodata->test_pause = test_pause();
	bpf_map__set_max_entries(skel->maps.nsx_transit,
				 bpf_map__max_entries(skel->maps.nsx_transit) *
					 libbpf_num_possible_cpus());
	err = reuse_maps(d, skel->obj);
	if (!err)
		err = nsxdp_tc_bpf__load(skel);
	if (err)
		fail_errno(
			f, err,
			"the kernel does not take the BPF programs (NSXDP_DEBUG=1 shows its log)");
	if (!err)
		err = pin_maps(d, skel->obj, f);
	if (!err)
		err = pin_programs(d, skel->obj, f);
	nsxdp_tc_bpf__destroy(skel);
	return err;
}

int datapath_load_cmd(const struct pin_dir *d, struct fail *f)
{
	struct nsxdp_cmd_bpf *skel = nsxdp_cmd_bpf__open();
	int err;

	if (!skel)
		return fail_errno(f, -errno, "cannot open the BPF object for the command");
	skel->rodata->cpus = libbpf_num_possible_cpus();
	skel->rodata->test_pause = test_pause();
	err = reuse_maps(d, skel->obj);
	if (!err)
		err = nsxdp_cmd_bpf__load(skel);
	if (err)
		fail_errno(
			f, err,
			"the kernel does not take the programs for the command (NSXDP_DEBUG=1 shows its log)");
	/* A timer runs for as long as its map is pinned. */
	if (!err)
		err = pin_maps(d, skel->obj, f);
	if (!err)
		err = pin_programs(d, skel->obj, f);
	nsxdp_cmd_bpf__destroy(skel);
	return err;
}

int datapath_load_xdp(const struct pin_dir *d, struct fail *f)
{
	struct nsxdp_xdp_bpf *skel = nsxdp_xdp_bpf__open();
	int err;

	if (!skel)
		return fail_errno(f, -errno, "cannot open the BPF object for XDP");
	skel->rodata->test_old_kernel = getenv("NSXDP_TEST_OLD_KERNEL") != NULL;
	skel->rodata->cpus = libbpf_num_possible_cpus();
	skel->rodata->test_pause = test_pause();
	err = reuse_maps(d, skel->obj);
	if (!err)
		err = nsxdp_xdp_bpf__load(skel);
	if (err)
		fail_errno(
			f, err,
			"the kernel does not take the XDP programs (NSXDP_DEBUG=1 shows its log)");
	if (!err)
		err = pin_maps(d, skel->obj, f);
	if (!err)
		err = pin_programs(d, skel->obj, f);
	nsxdp_xdp_bpf__destroy(skel);
	return err;
}

/* Programs for sockets: pinned by these names behind "prog_", and their links by the names. */
static const struct sock_hook {
	const char *name;
	enum bpf_attach_type type;
} sock_hooks[] = {
	{ "sock_connect4", BPF_CGROUP_INET4_CONNECT },
	{ "sock_sendmsg4", BPF_CGROUP_UDP4_SENDMSG },
	{ "sock_recvmsg4", BPF_CGROUP_UDP4_RECVMSG },
	{ "sock_getpeername4", BPF_CGROUP_INET4_GETPEERNAME },
	{ "sock_connect6", BPF_CGROUP_INET6_CONNECT },
	{ "sock_sendmsg6", BPF_CGROUP_UDP6_SENDMSG },
	{ "sock_recvmsg6", BPF_CGROUP_UDP6_RECVMSG },
	{ "sock_getpeername6", BPF_CGROUP_INET6_GETPEERNAME },
	{ "sock_post_bind4", BPF_CGROUP_INET4_POST_BIND },
	{ "sock_post_bind6", BPF_CGROUP_INET6_POST_BIND },
};
#define SOCK_HOOKS (sizeof(sock_hooks) / sizeof(sock_hooks[0]))

static const char *sock_program(const char *name, char buf[64])
{
	snprintf(buf, 64, "prog_%s", name);
	return buf;
}

int datapath_load_sock(const struct pin_dir *d, struct fail *f)
{
	struct nsxdp_sock_bpf *skel = nsxdp_sock_bpf__open();
	struct bpf_program *prog;
	char name[64];
	int err;

	if (!skel)
		return fail_errno(f, -errno, "cannot open the BPF object for sockets");
	err = reuse_maps(d, skel->obj);
	if (!err)
		err = nsxdp_sock_bpf__load(skel);
	if (err)
		fail_errno(f, err, "the kernel does not take the programs for sockets");
	if (!err)
		err = pin_maps(d, skel->obj, f);
	bpf_object__for_each_program(prog, skel->obj)
		if (!err)
			err = pin_program(d, prog, sock_program(bpf_program__name(prog), name), f);
	nsxdp_sock_bpf__destroy(skel);
	return err;
}

/* A link that runs gets the new program. */
static int attach_sock(const struct pin_dir *d, const struct pin_dir *from, int cgroup,
		       const struct sock_hook *h, struct fail *f)
{
	char path[PIN_PATH_MAX], name[64];
	int prog = bpf_obj_get(pin_path(from, sock_program(h->name, name), path)), link, err = 0;

	if (prog < 0)
		return fail_errno(f, -errno, "cannot open %s", path);
	link = bpf_obj_get(pin_path(d, h->name, path));
	if (link >= 0) {
		if (bpf_link_update(link, prog, NULL))
			err = fail_errno(f, -errno, "cannot replace %s", h->name);
	} else {
		link = bpf_link_create(prog, cgroup, h->type, NULL);
		if (link < 0)
			err = fail_errno(f, -errno, "cannot attach %s to the control groups",
					 h->name);
		else if (bpf_obj_pin(link, path))
			err = fail_errno(f, -errno, "cannot pin %s", path);
	}
	if (link >= 0)
		close(link);
	close(prog);
	return err;
}

int datapath_attach_sock(const struct pin_dir *d, const struct pin_dir *from, int cgroup,
			 bool guard, struct fail *f)
{
	char path[PIN_PATH_MAX];
	bool runs = access(pin_path(d, "sock_connect4", path), F_OK) == 0;
	int err = 0;

	for (size_t i = 0; i < SOCK_HOOKS && !err; i++)
		if (guard || !strstr(sock_hooks[i].name, "post_bind"))
			err = attach_sock(d, from, cgroup, &sock_hooks[i], f);
	if (err && !runs)
		datapath_detach_sock(d);
	return err;
}

void datapath_detach_guard(const struct pin_dir *d)
{
	char path[PIN_PATH_MAX];

	unlink(pin_path(d, "sock_post_bind4", path));
	unlink(pin_path(d, "sock_post_bind6", path));
}

void datapath_detach_sock(const struct pin_dir *d)
{
	char path[PIN_PATH_MAX];

	for (size_t i = 0; i < SOCK_HOOKS; i++)
		unlink(pin_path(d, sock_hooks[i].name, path));
}
