// SPDX-License-Identifier: GPL-2.0-only
/*
 * A program of a namespace's own, which sends frames out by its link with a mark that it chooses.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define ETH0 2	/* the first device that a namespace has beside lo */
#define MARK 0x6e737061

SEC("tc")
int remark(struct __sk_buff *skb)
{
	skb->mark = MARK;
	return bpf_redirect_peer(ETH0, 0);
}

char LICENSE[] SEC("license") = "GPL";
