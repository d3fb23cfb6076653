// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rule for slots under stress: two CPUs in the datapath, commands in a loop, and pauses between
 * the claim of a slot and its publication (NSXDP_TEST_PAUSE). What must hold whatever the order: an
 * outside tuple has one owner, an endpoint has one outside port for one remote, a published port
 * stays published, and when everything has ended nothing is left, in the tables, the indices or the
 * counts.
 */
#include <bpf/bpf.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dp.h"
#include "pkt.h"
#include "world.h"

#define PORTS 88		/* inside ports of each namespace */
#define REMOTES 24
#define PACKETS 12000		/* of each CPU in a run */

struct storm {
	pthread_t thread;
	int cpu;
	unsigned int seed;
	int sent, dropped;
};

/*
 * [namespace][inside port][remote]: the outside port that was seen, or 0; and whether another was
 * seen too.
 */
static unsigned short seen[2][PORTS][REMOTES];
static int moved;
static volatile int watching, running;

static unsigned int next_random(unsigned int *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void saw(int ns, int port, int remote, unsigned short outside)
{
	unsigned short *at = &seen[ns][port][remote];
	unsigned short was = __atomic_exchange_n(at, outside, __ATOMIC_SEQ_CST);

	if (was && was != outside)
		__atomic_add_fetch(&moved, 1, __ATOMIC_SEQ_CST);
}

/*
 * A packet of a random flow, out of either namespace: both CPUs send those of the same endpoints.
 */
static void send_one(struct storm *w, int i)
{
	static __thread uint8_t frame[PKT_MAX], got[PKT_MAX];
	int ns = next_random(&w->seed) % 2, port = (i / 4) % PORTS,
	    remote = next_random(&w->seed) % REMOTES;
	struct __sk_buff skb = {};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_out = got,
		    .data_size_out = PKT_MAX, .ctx_in = &skb, .ctx_size_in = sizeof(skb));
	char words[128], dev[32];
	const char *addr = ns ? "192.168.0.6" : "192.168.0.2";

	snprintf(dev, sizeof(dev), "nsx-ns%d", ns + 1);
	skb.ifindex = skb.ingress_ifindex = if_nametoindex(dev);
	snprintf(words, sizeof(words), "udp %s:%d > 198.51.100.%d:9 eth=%s>host", addr, 5000 + port,
		 remote + 1, addr);
	opts.data_size_in = pkt_build(words, frame);
	w->sent++;
	if (prog_run("tc_from_ns", &opts) != 7) {
		w->dropped++;
		return;
	}
	if (watching)
		saw(ns, port, remote, got[34] << 8 | got[35]);
}

static pthread_barrier_t at_once;

static void *storm(void *arg)
{
	struct storm *w = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(w->cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	for (int i = 0; i < PACKETS || (!watching && running); i++) {
		/* The same packet on both, at the same moment. */
		if (watching)
			pthread_barrier_wait(&at_once);
		send_one(w, i);
	}
	return NULL;
}

static void storm_start(struct storm w[2])
{
	for (int i = 0; i < 2; i++) {
		w[i] = (struct storm){ .cpu = i, .seed = watching ? 77 : 77 + i };
		must(pthread_create(&w[i].thread, NULL, storm, &w[i]), "thread");
	}
}

static void storm_end(struct storm w[2])
{
	for (int i = 0; i < 2; i++)
		pthread_join(w[i].thread, NULL);
}

/* Outside tuples that two endpoints have, by what left. */
static int shared_twice(void)
{
	static unsigned char owner[REMOTES][65536];
	int twice = 0;

	memset(owner, 0, sizeof(owner));
	for (int ns = 0; ns < 2; ns++)
		for (int port = 0; port < PORTS; port++)
			for (int remote = 0; remote < REMOTES; remote++)
				if (seen[ns][port][remote])
					twice += owner[remote][seen[ns][port][remote]]++ != 0;
	return twice;
}

static void count_used(struct nsx_slot *s, void *used)
{
	*(int *)used += NSX_KIND(s->state) != NSX_FREE;
}

/* Everything is over: nothing may be left. */
static int is_clean(void)
{
	const struct nsx_held *held;
	const struct nsx_slot *ports;
	struct nsx_usage usage;
	int used = 0, ok = 1;

	/* The tables may be others by now. */
	instance_close(&in);
	instance_reopen();
	held = table_held(&in);
	ports = table_ports(&in);
	must(table_flush(&in, NULL) < 0, "flush");
	must(table_usage(&in, &usage), "usage");
	table_sessions(&in, count_used, &used);
	for (int p = 0; p < NSX_PROTOS; p++)
		ok = ok && !usage.flows[p] && !held->local[p] && !held->shared[p];
	for (size_t i = 0; i < TABLE_PORTS_COUNT; i++)
		used += NSX_KIND(ports[i].state) != NSX_FREE &&
			NSX_KIND(ports[i].state) != NSX_HOST;
	ok = ok && !used && !usage.places && !table_residue(&in);
	if (!ok)
		printf("# left: %d slots, places %lld, flows %lld, own ports %d, shared %d, in the indices %d\n",
		       used, (long long)usage.places, (long long)usage.flows[NSX_UDP],
		       held->local[NSX_UDP], held->shared[NSX_UDP], table_residue(&in));
	return ok;
}

/* A slot that is published stays so while packets want it. */
static int published_stays(int rounds)
{
	int lost = 0;

	for (int i = 0; i < rounds; i++) {
		const struct nsx_slot *ports = table_ports(&in);

		must(sh("nsxdp map add -p udp 2010-2040 ns1:9000"), "map add");
		for (int look = 0; look < 200; look++)
			for (int port = 2010; port <= 2040; port++)
				lost += NSX_KIND(ports[NSX_UDP << 16 | port].state) != NSX_MAP;
		must(sh("nsxdp map del -p udp 2010-2040"), "map del");
		must(sh("nsxdp flow flush %s", i % 3 ? "ns2" : ""), "flow flush");
		must(sh("nsxdp up --dev ens5 --flows %d", i % 2 ? 20000 : 30000), "resize");
	}
	return lost;
}

int stress_run(int pause)
{
	static struct storm w[2];
	int twice, lost, failed, sent = 0, dropped = 0;
	char number[16];

	snprintf(number, sizeof(number), "%d", pause);
	setenv("NSXDP_TEST_PAUSE", number, 1);
	memset(seen, 0, sizeof(seen));
	moved = 0;
	instance_make(false, "--snat-ports 2000-2199 --flows 20000");
	pthread_barrier_init(&at_once, NULL, 2);
	watching = running = 1;
	storm_start(w);
	storm_end(w);
	for (int i = 0; i < 2; i++) {
		sent += w[i].sent;
		dropped += w[i].dropped;
	}
	twice = shared_twice();
	failed = twice || moved || dropped > sent / 10;
	watching = 0;
	storm_start(w);
	lost = published_stays(6);
	running = 0;
	storm_end(w);
	failed = !is_clean() || failed || lost;
	if (failed)
		printf("# %d outside tuples with two owners, %d flows that changed their port, %d ports not published, %d of %d dropped\n",
		       twice, moved, lost, dropped, sent);
	instance_unmake();
	unsetenv("NSXDP_TEST_PAUSE");
	return !failed;
}
