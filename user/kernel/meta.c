// SPDX-License-Identifier: GPL-2.0-only
/* The numbers of layouts: a hash over the BTF of each map's key and value. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "kernel/datapath.h"
#include "kernel/layout.h"
#include "kernel/meta.h"
#include "version.h"

#define META_PIN "nsx_meta"

int meta_read(const struct pin_dir *d, struct nsx_meta *ret)
{
	char path[PIN_PATH_MAX];
	int fd = bpf_obj_get(pin_path(d, META_PIN, path)), err = 0;
	struct bpf_map_info info = {};
	__u32 size = sizeof(info), zero = 0;

	memset(ret, 0, sizeof(*ret));
	if (fd < 0)
		return -errno;
	if (bpf_obj_get_info_by_fd(fd, &info, &size) || info.value_size != sizeof(*ret))
		err = -EPROTO;
	else if (bpf_map_lookup_elem(fd, &zero, ret))
		err = -errno;
	else if (ret->magic != NSX_META_MAGIC)
		err = -EPROTO;
	close(fd);
	return err;
}

int meta_write(const struct pin_dir *d, const struct nsx_meta *meta)
{
	char path[PIN_PATH_MAX];
	int fd = bpf_obj_get(pin_path(d, META_PIN, path)), err = 0;
	bool made = fd < 0 && errno == ENOENT;
	__u32 zero = 0;

	if (made)
		fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, META_PIN, sizeof(zero), sizeof(*meta), 1,
				    NULL);
	if (fd < 0)
		return -errno;
	if (bpf_map_update_elem(fd, &zero, meta, BPF_ANY) || (made && bpf_obj_pin(fd, path)))
		err = -errno;
	close(fd);
	return err;
}

static int add(struct nsx_meta *meta, const char *name, __u32 layout)
{
	struct nsx_meta_map *m = meta->map;

	while (m < meta->map + NSX_META_MAPS && m->name[0] && strcmp(m->name, name))
		m++;
	if (m == meta->map + NSX_META_MAPS)
		return -E2BIG;
	if (m->name[0])
		return 0;
	snprintf(m->name, sizeof(m->name), "%s", name);
	m->layout = layout;
	return layout ? 0 : -EPROTO;
}

/* What commands give to pinned programs, which may be another build's until "up". */
static const char *const args[] = { "nsx_range", "nsx_flush", "nsx_move", "nsx_veth_change" };

static int add_args(struct nsx_meta *meta, const struct btf *btf)
{
	int err = 0;

	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]) && !err; i++) {
		__u32 layout = layout_struct_number(btf, args[i]);
		char name[32];

		snprintf(name, sizeof(name), "struct %s", args[i]);
		if (layout)
			err = add(meta, name, layout);
	}
	return err;
}

static int add_object(const struct bpf_object *obj, void *arg)
{
	const struct btf *btf = bpf_object__btf(obj);
	const struct bpf_map *map;
	int err = add_args(arg, btf);

	bpf_object__for_each_map(map, obj) {
		const char *name = datapath_pin_name(map);

		if (name && !err)
			err = add(arg, name, layout_number(map, name, btf));
	}
	return err;
}

int meta_own(struct nsx_meta *ret, struct fail *f)
{
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->magic = NSX_META_MAGIC;
	ret->programs = datapath_build();
	ret->state = NSX_META_READY;
	ret->semantics = NSX_SEMANTICS;
	snprintf(ret->version, sizeof(ret->version), "%s", NSXDP_VERSION);
	err = datapath_each_object(add_object, ret);
	return err ? fail_errno(f, err, "cannot tell the layout of the tables") : 0;
}

__u32 meta_layout(const struct nsx_meta *meta, const char *name)
{
	for (const struct nsx_meta_map *m = meta->map;
	     m < meta->map + NSX_META_MAPS && m->name[0]; m++)
		if (strcmp(m->name, name) == 0)
			return m->layout;
	return 0;
}

static bool has_tables(const struct nsx_meta *a, const struct nsx_meta *b)
{
	for (const struct nsx_meta_map *m = b->map; m < b->map + NSX_META_MAPS && m->name[0]; m++)
		if (meta_layout(a, m->name) != m->layout)
			return false;
	return true;
}

bool meta_same_tables(const struct nsx_meta *a, const struct nsx_meta *b)
{
	return a->semantics == b->semantics && has_tables(a, b) && has_tables(b, a);
}
