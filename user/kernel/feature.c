// SPDX-License-Identifier: GPL-2.0-only
/* Features of the kernel. */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/datapath.h"
#include "kernel/feature.h"
#include "kernel/private.h"
#include "kernel/sockets.h"

/* enum bpf_attach_type of kernels 6.6 and 6.7; libbpf 1.1 does not name them. */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_NETKIT_PRIMARY 54

static struct btf *kernel_types(void)
{
	static struct btf *btf;

	if (!btf)
		btf = btf__load_vmlinux_btf();
	return btf;
}

static bool has_enumerator(const char *name)
{
	const struct btf *btf = kernel_types();

	for (__u32 id = 1; btf && id < btf__type_cnt(btf); id++) {
		const struct btf_type *t = btf__type_by_id(btf, id);

		for (int i = 0; btf_is_enum(t) && i < btf_vlen(t); i++)
			if (strcmp(btf__name_by_offset(btf, btf_enum(t)[i].name_off), name) == 0)
				return true;
	}
	return false;
}

static bool has_member(const struct btf *btf, const char *type, const char *member)
{
	__s32 id = btf ? btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT) : -1;
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, id) : NULL;

	for (int i = 0; t && i < btf_vlen(t); i++)
		if (strcmp(btf__name_by_offset(btf, btf_members(t)[i].name_off), member) == 0)
			return true;
	return false;
}

static bool has_function(const char *name)
{
	const struct btf *btf = kernel_types();

	return btf && btf__find_by_name_kind(btf, name, BTF_KIND_FUNC) > 0;
}

/*
 * Asked of the loopback device, which has no program of ours and may be the wrong kind of device
 * (ENXIO). Whatever else keeps the kernel from an answer, it is asked again; in the end the feature
 * is taken for there, so that attaching fails, where a filter beside a link would do everything
 * twice.
 */
static bool has_attach_type(int type)
{
	__u32 ids[1], count = 0;

	for (int tries = 0; tries < 3; tries++) {
		if (bpf_prog_query(1, type, 0, NULL, ids, &count) == 0 || errno == ENXIO)
			return true;
		if (errno == EINVAL)
			return false;
	}
	return true;
}

static bool has_tcx(void)
{
	return !getenv("NSXDP_TEST_NO_TCX") && has_attach_type(ATTACH_TCX_INGRESS);
}

static bool has_netkit(void)
{
	return has_tcx() && has_attach_type(ATTACH_NETKIT_PRIMARY);
}

static bool has_defrag_link(void)
{
	return private_has_link();
}

static bool has_fib_skip_neigh(void)
{
	return has_enumerator("BPF_FIB_LOOKUP_SKIP_NEIGH");
}

static bool has_fib_src(void)
{
	return has_enumerator("BPF_FIB_LOOKUP_SRC");
}

/* What veth has around a frame holds the packet. Veth may be a module. */
static bool veth_has_skb(void)
{
	struct btf *module;
	bool ret;

	if (has_member(kernel_types(), "veth_xdp_buff", "skb"))
		return true;
	module = btf__load_module_btf("veth", kernel_types());
	/* The module is not loaded. This function came in the same version. */
	if (!module)
		return has_function("bpf_xdp_metadata_rx_timestamp");
	ret = has_member(module, "veth_xdp_buff", "skb");
	btf__free(module);
	return ret;
}

static bool has_xdp_skb(void)
{
	return !getenv("NSXDP_TEST_NO_XDP_SKB") && has_function("bpf_rdonly_cast") && veth_has_skb();
}

static bool has_socket_ports(void)
{
	return has_member(kernel_types(), "inet_sock", "local_port_range");
}

static bool has_netkit_scrub(void)
{
	return has_enumerator("NETKIT_SCRUB_NONE");
}

static bool has_bound_sockets(void)
{
	return !getenv("NSXDP_TEST_NO_BOUND_SOCKETS") && sockets_tell_of_bound();
}

static bool has_kernel_context(void)
{
	return has_function("bpf_cast_to_kern_ctx") && has_function("bpf_rdonly_cast");
}

static bool has_helper(enum bpf_prog_type type, enum bpf_func_id helper)
{
	const char *missing = getenv("NSXDP_TEST_NO_HELPER");

	datapath_hush_libbpf();
	return !(missing && atoi(missing) == (int)helper) &&
	       libbpf_probe_bpf_helper(type, helper, NULL) != 0;
}

static bool has_set_retval(void)
{
	return has_helper(BPF_PROG_TYPE_CGROUP_SOCK, BPF_FUNC_set_retval);
}

static bool has_loop(void)
{
	return has_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_loop);
}

static bool has_xdp_load_bytes(void)
{
	return has_helper(BPF_PROG_TYPE_XDP, BPF_FUNC_xdp_load_bytes);
}

static bool has_percpu_elem(void)
{
	return has_helper(BPF_PROG_TYPE_SCHED_CLS, BPF_FUNC_map_lookup_percpu_elem);
}

#define NEEDED "nsxdp does not run"

enum without {
	LESS,		/* something is less good */
	NO_LOSS,	/* or only an option is refused */
	NOTHING,	/* nothing runs */
};

static const struct {
	struct feature_info info;
	bool (*probe)(void);
	enum without without;
} features[FEATURES] = {
	[FEATURE_TCX] = { { "tcx links", "6.6",
			    "programs are filters at clsact qdiscs, and a little slower" },
			  has_tcx },
	[FEATURE_DEFRAG_LINK] = { { "reassembly for BPF netfilter links", "6.6",
				    "an nftables rule asks for it, if the kernel has tproxy" },
				  has_defrag_link },
	[FEATURE_FIB_SKIP_NEIGH] = { { "BPF_FIB_LOOKUP_SKIP_NEIGH", "6.3",
				       "the MTU of a route is its device's until the neighbour is known" },
				     has_fib_skip_neigh },
	[FEATURE_FIB_SRC] = { { "BPF_FIB_LOOKUP_SRC", "6.7",
				"the source of a route is the uplink's first address, over IPv6 its best match" },
			      has_fib_src },
	[FEATURE_XDP_SKB] = { { "the packet behind a veth's XDP frame", "6.3",
				"XDP on an uplink that is a veth leaves every packet to TC" },
			      has_xdp_skb },
	[FEATURE_NETKIT] = { { "netkit devices", "6.7",
			       "links are veths: --link netkit is refused" },
			     has_netkit,
			     NO_LOSS },
	[FEATURE_KERNEL_CONTEXT] = { { "bpf_cast_to_kern_ctx and bpf_rdonly_cast", "6.2",
				       "the same is read by bpf_probe_read_kernel" },
				     has_kernel_context,
				     NO_LOSS },
	[FEATURE_SET_RETVAL] = { { "bpf_set_retval", "5.18", NEEDED }, has_set_retval, NOTHING },
	[FEATURE_LOOP] = { { "bpf_loop", "5.17", NEEDED }, has_loop, NOTHING },
	[FEATURE_XDP_LOAD_BYTES] = { { "bpf_xdp_load_bytes", "5.18", NEEDED },
				     has_xdp_load_bytes,
				     NOTHING },
	[FEATURE_PERCPU_ELEM] = { { "bpf_map_lookup_percpu_elem", "5.19", NEEDED },
				  has_percpu_elem,
				  NOTHING },
	[FEATURE_BOUND_SOCKETS] = { { "sock_diag for bound TCP sockets", "6.8",
				      "map add does not see TCP sockets of the host that are bound but do not listen" },
				    has_bound_sockets },
	[FEATURE_SOCKET_PORTS] = { { "IP_LOCAL_PORT_RANGE", "6.3",
				     "sockets cannot have a port range of their own" },
				   has_socket_ports,
				   NO_LOSS },
	[FEATURE_NETKIT_SCRUB] = { { "netkit scrub settings", "6.13",
				     "netkit always clears marks, which is what nsxdp needs" },
				   has_netkit_scrub,
				   NO_LOSS },
};

const struct feature_info *feature_info(enum feature feature)
{
	return &features[feature].info;
}

bool feature_has(enum feature feature)
{
	static signed char known[FEATURES];

	if (!known[feature])
		known[feature] = features[feature].probe() ? 1 : -1;
	return known[feature] > 0;
}

__u32 features_missing(void)
{
	__u32 missing = 0;

	for (int i = 0; i < FEATURES; i++)
		if (features[i].without == LESS && !feature_has(i))
			missing |= 1U << i;
	return missing;
}

enum feature feature_needed(void)
{
	enum feature i = 0;

	while (i < FEATURES && (features[i].without != NOTHING || feature_has(i)))
		i++;
	return i;
}
