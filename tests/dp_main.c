// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the rows through BPF_PROG_TEST_RUN on the pinned programs of a real instance, in network and
 * mount namespaces of its own that vanish with the process. Prints TAP.
 *
 *   dp_test NSXDP [WORD]    only rows whose name has WORD
 *   dp_test NSXDP --few     at TC, and the tables that look at the kernel most
 */
#include <bpf/bpf.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dp.h"
#include "pkt.h"
#include "world.h"

#define RACES 5000
#define XDP_ROWS 35	/* so many packets of the rows are for the fast path */

/* Which contexts the rows run in. */
static enum { DIRECT, OLD_KERNEL, XDP, CONTEXTS } context;
static const char *const family_names[] = { [4] = "", [6] = "IPv6, " };
static int finished_at_xdp;

static int rows, failed;

/* Before the hook's name: the packet comes back from where fragments are put in order. */
#define BACK "back "

static int is_reverse(const char *at)
{
	return strncmp(at, BACK, strlen(BACK)) == 0;
}

/*
 * Run a hook's programs: where XDP passes the packet, unchanged as it must, TC has it. Returns the
 * action of TC; a redirect at XDP counts as one.
 */
static int hook_run(const char *at, const uint8_t *frame, size_t len, uint8_t *out, size_t *out_len)
{
	int reverse = is_reverse(at), uplink = strcmp(at += reverse * strlen(BACK), "uplink") == 0,
	    action;
	struct __sk_buff skb = { .mark = reverse ? in.conf->defrag_mark : 0 };
	struct xdp_md xdp = { .data_end = len };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame, .data_size_in = len, .data_out = out,
		    .data_size_out = PKT_MAX);
	char name[32];

	snprintf(name, sizeof(name), uplink ? "ens5" : "nsx-%s", at);
	skb.ifindex = skb.ingress_ifindex = xdp.ingress_ifindex = if_nametoindex(name);
	must(!skb.ifindex, "interface");
	if (context == XDP) {
		opts.ctx_in = &xdp;
		opts.ctx_size_in = sizeof(xdp);
		action = prog_run(uplink ? "xdp_from_uplink" : "xdp_from_ns", &opts);
		*out_len = opts.data_size_out;
		if (action == XDP_REDIRECT) {
			finished_at_xdp++;
			return 7;
		}
		if (action == XDP_DROP)
			return 2;
		if (action != XDP_PASS || *out_len != len || memcmp(out, frame, len)) {
			printf("# XDP: action %d, or a changed packet passed\n", action);
			return -99;
		}
	}
	opts.ctx_in = &skb;
	opts.ctx_size_in = sizeof(skb);
	opts.data_size_out = PKT_MAX;
	action = prog_run(uplink ? "tc_from_uplink" : "tc_from_ns", &opts);
	*out_len = opts.data_size_out;
	return action;
}

/* The verdict that was counted between two readings; says so where it is not exactly one. */
static const char *verdict_between(struct nsx_count before[NSX_HOOKS][NSX_VERDICT_COUNT],
				   struct nsx_count after[NSX_HOOKS][NSX_VERDICT_COUNT], int hook)
{
	const char *name = "none";
	int count = 0;

	/* The kernel's own listener reports come from the private namespace at any time. */
	for (int h = 0; h < NSX_FROM_PRIVATE; h++)
		for (int v = 0; v < NSX_VERDICT_COUNT; v++)
			if (after[h][v].packets != before[h][v].packets) {
				count += h == hook
						 ? (int)(after[h][v].packets - before[h][v].packets)
						 : 99;
				name = verdict_names[v];
			}
	return count > 1 ? "several" : name;
}

/* From a namespace nothing is passed on to the guard behind the program. */
static int wanted_action(const char *verdict, int hook)
{
	switch (verdict_class(verdict)) {
	case NSX_CLASS_PASS:
		return hook == NSX_FROM_NS ? 0 : -1;
	case NSX_CLASS_DROP:
		return 2;
	default:
		return 7;
	}
}

/* The port (or echo identifier) of the host's side that the last packet with a '*' got. */
static unsigned captured_port;

/* The IP identification of the last first fragment that left. */
static uint8_t captured_id[2];

static unsigned sender_port(const uint8_t *frame)
{
	const uint8_t *l4 = frame + 14 + (frame[14] >> 4 == 6 ? 40 : (frame[14] & 15) * 4);

	if (frame[14] >> 4 == 6 && frame[20] == 44)
		l4 += 8;
	if (frame[14] >> 4 == 6 ? frame[20] == 58 : frame[23] == 1)
		l4 += 4;
	return l4[0] << 8 | l4[1];
}

/* Put the captured port in place of ":*", ":=", "id=*" and "id==". */
static size_t build(const char *words, uint8_t *frame)
{
	char text[1024], *mark;

	snprintf(text, sizeof(text), "%s", words);
	while ((mark = strpbrk(text, "*")) || (mark = strstr(text, ":=")) ||
	       (mark = strstr(text, "=="))) {
		char rest[1024];

		mark += *mark != '*';
		snprintf(rest, sizeof(rest), "%s", mark + 1);
		snprintf(mark, sizeof(text) - (mark - text), "%u%s", captured_port, rest);
	}
	return pkt_build(text, frame);
}

static int step_packet(const struct step *s)
{
	static struct nsx_count before[NSX_HOOKS][NSX_VERDICT_COUNT],
		after[NSX_HOOKS][NSX_VERDICT_COUNT];
	static uint8_t frame[PKT_MAX], want[PKT_MAX], got[PKT_MAX];
	size_t len = build(s->in, frame), want_len, got_len;
	const char *at = s->at + is_reverse(s->at) * strlen(BACK);
	int hook = strcmp(at, "uplink") == 0 ? NSX_FROM_UPLINK : NSX_FROM_NS, action, ok = 1;
	int finished = finished_at_xdp;
	uint8_t next_hop[12];
	const char *verdict;

	must(table_counts(&in, before), "counters");
	action = hook_run(s->at, frame, len, got, &got_len);
	must(table_counts(&in, after), "counters");
	verdict = verdict_between(before, after, hook);
	if (s->out && strchr(s->out, '*'))
		captured_port = sender_port(got);
	want_len = build(s->out ? s->out : s->in, want);
	/*
	 * XDP writes the next hop's MACs; TC does once it knows them, before that the kernel does
	 * so later.
	 */
	if (hook == NSX_FROM_NS && want[0] == 0x02 && want[1] == 0x6e) {
		pkt_mac("client", next_hop);
		pkt_mac("uplink", next_hop + 6);
		if (finished != finished_at_xdp || memcmp(got, next_hop, sizeof(next_hop)) == 0)
			memcpy(want, next_hop, sizeof(next_hop));
	}
	/*
	 * What a namespace fragments gets an identification of its own, which the rest has to get
	 * too.
	 */
	if (is_reverse(s->at) && hook == NSX_FROM_NS && s->out && pkt_family == 4) {
		if (frame[20] & 0x1f || frame[21])
			pkt_set_id(want, captured_id);
		else
			pkt_set_id(want, memcpy(captured_id, got + 18, 2));
	}
	if (pkt_family == 4 && want[26] == NSX_TRANSIT_NET >> 24 && got[26] == want[26]) {
		pkt_set_source(want, got + 26);
		pkt_set_id(want, got + 18);
	}
	if (s->out && strchr(s->out, '*') && captured_port == sender_port(frame)) {
		printf("# port %u is kept, which must not be\n", captured_port);
		ok = 0;
	}
	if (strcmp(verdict, s->verdict)) {
		printf("# verdict: got %s, want %s\n", verdict, s->verdict);
		ok = 0;
	}
	if (action != wanted_action(s->verdict, hook)) {
		printf("# action: got %d, want %d\n", action, wanted_action(s->verdict, hook));
		ok = 0;
	}
	if (got_len != want_len || memcmp(got, want, got_len)) {
		pkt_diff(got, got_len, want, want_len);
		ok = 0;
	}
	return ok;
}

static void age_slot(struct nsx_slot *s, __u32 ticks)
{
	s->seen -= ticks;
	/* Of an entry of the registry; for others it means nothing. */
	if (NSX_KIND(s->state) == NSX_SHARED ||
	    (NSX_KIND(s->state) == NSX_FLOW && (s->flags & NSX_F_MANY)))
		s->until -= ticks;
}

static void age_session(struct nsx_slot *s, void *ticks)
{
	s->seen -= *(__u32 *)ticks;
}

static int step_age(int seconds)
{
	struct nsx_slot *ports = table_ports(&in);
	__u32 ticks = nsx_ticks(in.conf, seconds);

	for (size_t i = 0; i < TABLE_PORTS_COUNT; i++)
		age_slot(&ports[i], ticks);
	table_sessions(&in, age_session, &ticks);
	return 1;
}

static int slot_counts(const struct nsx_slot *s)
{
	__u32 kind = NSX_KIND(s->state);

	return (kind == NSX_FLOW || kind == NSX_RETURN) &&
	       nsx_flow_left(s, in.conf, in.learned, now_tick(&in)) >= 0;
}

static void count_session(struct nsx_slot *s, void *count)
{
	*(int *)count += slot_counts(s);
}

static int step_flows(int want)
{
	struct nsx_slot *ports = table_ports(&in);
	int got = 0;

	for (size_t i = 0; i < TABLE_PORTS_COUNT; i++)
		got += slot_counts(&ports[i]);
	table_sessions(&in, count_session, &got);
	if (got != want)
		printf("# flows: got %d, want %d\n", got, want);
	return got == want;
}

/* One of two CPUs that send the same port from two namespaces at the same moment. */
struct racer {
	pthread_t thread;
	const char *ns, *from, *eth;
	int cpu;
	unsigned port[RACES];
};

static pthread_barrier_t start_line;

static void *race(void *arg)
{
	static __thread uint8_t frame[PKT_MAX], got[PKT_MAX];
	struct racer *r = arg;
	char words[256];
	cpu_set_t set;
	size_t len;

	CPU_ZERO(&set);
	CPU_SET(r->cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
	for (int i = 0; i < RACES; i++) {
		snprintf(words, sizeof(words), "udp %s:%d > 198.51.100.8:9 eth=%s", r->from,
			 10000 + i, r->eth);
		len = pkt_build(words, frame);
		pthread_barrier_wait(&start_line);
		/*
		 * One that met a slot in the moment of its change is sent again, as whoever gets no
		 * answer does: a little later, for the owner of the slot may have lost its
		 * (virtual) CPU.
		 */
		for (int tries = 0; tries < 8 && !r->port[i]; tries++) {
			size_t got_len = len;

			if (tries > 1)
				usleep(1000 << tries);
			r->port[i] = hook_run(r->ns, frame, len, got, &got_len) == 7
					     ? sender_port(got)
					     : 0;
		}
	}
	return NULL;
}

/* Two CPUs never give one outside port to two endpoints. */
static void race_run(void)
{
	static struct racer r[2] = {
		{ .ns = "ns1", .from = "192.168.0.2", .eth = "192.168.0.2>host", .cpu = 0 },
		{ .ns = "ns2", .from = "192.168.0.6", .eth = "192.168.0.6>host", .cpu = 1 },
	};
	static uint8_t used[65536];
	int twice = 0, kept = 0, refused = 0, ok;

	instance_make(false, "");
	pthread_barrier_init(&start_line, NULL, 2);
	for (int i = 0; i < 2; i++)
		must(pthread_create(&r[i].thread, NULL, race, &r[i]), "thread");
	for (int i = 0; i < 2; i++)
		pthread_join(r[i].thread, NULL);
	for (int i = 0; i < 2 * RACES; i++) {
		unsigned port = r[i & 1].port[i / 2];

		refused += !port;
		twice += port && used[port]++ != 0;
		kept += port == 10000u + i / 2;
	}
	if (refused)
		sh("nsxdp status | grep drop- | sed 's/^/# /'");
	instance_unmake();
	/*
	 * The loser's random port is now and then one whose turn comes later, so not all of them
	 * are kept.
	 */
	ok = !twice && !refused && kept > RACES / 2;
	if (!ok)
		printf("# %d ports were given twice, %d flows refused, %d of %d ports kept\n",
		       twice, refused, kept, RACES);
	failed += !ok;
	printf("%s %d - race: two CPUs never get one port\n", ok ? "ok" : "not ok", ++rows);
}

/*
 * What leaves is looked at once more, whatever led there: here, a reverse entry whose port is not
 * the namespace's any more.
 */
static int owned_is(const char *what)
{
	static struct nsx_count before[NSX_HOOKS][NSX_VERDICT_COUNT],
		after[NSX_HOOKS][NSX_VERDICT_COUNT];
	static uint8_t frame[PKT_MAX], got[PKT_MAX];
	size_t len = pkt_build("tcp 192.168.0.2:8080 > 203.0.113.10:4000 SA eth=192.168.0.2>host",
			       frame);
	const char *verdict;
	int action;

	must(table_counts(&in, before), "counters");
	action = hook_run("ns1", frame, len, got, &len);
	must(table_counts(&in, after), "counters");
	verdict = verdict_between(before, after, NSX_FROM_NS);
	if (action == 2 && strcmp(verdict, "drop-egress-source") == 0)
		return 1;
	printf("# %s: action %d, %s\n", what, action, verdict);
	return 0;
}

static void owned_run(void)
{
	struct nsx_slot *s;
	int ok;

	instance_make(context == XDP, "");
	must(sh("nsxdp map add 6000 ns1:8080"), "map add");
	s = &table_ports(&in)[NSX_TCP << 16 | 6000];
	s->ifindex = if_nametoindex("nsx-ns2");
	ok = owned_is("a port that leads to another namespace");
	s->state = NSX_FREE;
	ok = owned_is("a port that is nobody's") && ok;
	instance_unmake();
	failed += !ok;
	printf("%s %d - %sowned: what leaves has an address and a port of the namespace's\n",
	       ok ? "ok" : "not ok", ++rows, context == XDP ? "xdp, " : "");
}

static const char *const context_names[CONTEXTS] = { "", "old kernel, ", "xdp, " };

static int step_run(const struct step *s)
{
	char text[1024];

	if (pkt_family == 4)
		return sh("%s", s->in) == 0;
	pkt_map_text(s->in, text, sizeof(text));
	/* ip -6. The kernel makes an address's local route some time after "ip addr add" returned. */
	return sh("ip() { [ \"$1 $2\" = \"addr add\" ] || { command ip -6 \"$@\"; return; };"
		  " command ip -6 \"$@\" nodad || return; for i in $(seq 500); do"
		  " command ip -6 route show table local \"${3%%/*}\" | grep -q . && return; sleep 0.01;"
		  " done; false; }; %s",
		  text) == 0;
}

struct rows {
	const char *name;
	const struct step *steps;
	const char *options;	/* of nsxdp up */
	bool v4;		/* it is about the header or the sizes of IPv4 */
	bool v6;		/* it is about what is of IPv6 only */
	bool few;		/* it is among the few where the machine is emulated */
};

static void table_run(const struct rows *table, const char *word)
{
	const struct step *s = table->steps;

	instance_make(context == XDP, table->options ? table->options : "");
	for (; s->kind; s++) {
		int ok = 0;

		if (s->family && s->family != pkt_family)
			continue;
		switch (s->kind) {
		case STEP_PACKET:
			ok = step_packet(s);
			break;
		case STEP_RUN:
			ok = step_run(s);
			break;
		case STEP_AGE:
			ok = step_age(s->number);
			break;
		case STEP_FLOWS:
			ok = step_flows(s->number);
			break;
		case STEP_FILL:
			in.learned->occupancy = s->number;
			in.conf->flows = 0;	/* nobody measures it then */
			ok = 1;
			break;
		case STEP_END:
			break;
		}
		if (ok && s->kind != STEP_PACKET && s->kind != STEP_FLOWS)
			continue;
		if (ok && word && !strstr(s->name, word))
			continue;
		rows++;
		failed += !ok;
		printf("%s %d - %s%s%s: %s\n", ok ? "ok" : "not ok", rows, context_names[context],
		       family_names[pkt_family], table->name, s->name);
	}
	instance_unmake();
}

int main(int argc, char **argv)
{
	static const struct rows tables[] = {
		{ "published", dp_published, .few = true },
		{ "masquerade", dp_masq, .few = true },
		{ "scope", dp_scope },
		{ "icmp errors", dp_errors },
		{ "bad packets", dp_bad, .v4 = true },
		{ "fragments", dp_fragments },
		{ "tcp", dp_tcp },
		{ "size", dp_size, .v4 = true },
		{ "filtering", dp_filtering },
		{ "addresses", dp_addresses, .few = true },
		{ "headers", dp_ipv6, .v6 = true, .few = true },
		{ "no IPv6", dp_ipv6_off, .options = "--ipv6 off", .v6 = true, .few = true },
		{ "routed", dp_routed, .options = "--ipv6 routed", .v6 = true, .few = true },
	};
	bool few = argc > 2 && strcmp(argv[2], "--few") == 0;
	const char *word = argc > 2 && !few ? argv[2] : NULL;

	if (argc < 2) {
		fprintf(stderr, "usage: dp_test NSXDP [WORD|--few]\n");
		return 2;
	}
	world_path(argv[1]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	world_make();
	host_listen();
	for (context = 0; context < (few ? 1 : CONTEXTS) && !(word && strcmp(word, "stress") == 0);
	     context++) {
		/* As this kernel can, as kernels before 6.3 can, and with XDP before TC. */
		if (context == OLD_KERNEL)
			setenv("NSXDP_TEST_OLD_KERNEL", "1", 1);
		else
			unsetenv("NSXDP_TEST_OLD_KERNEL");
		/* What older kernels lack makes no difference between families. */
		for (pkt_family = 4; pkt_family <= (context == OLD_KERNEL ? 4 : 6); pkt_family += 2) {
			world_family(pkt_family);
			for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
				if (!(pkt_family == 4 ? tables[i].v6 : tables[i].v4) &&
				    (!few || tables[i].few))
					table_run(&tables[i], word);
		}
	}
	pkt_family = 4;
	world_family(4);
	context = DIRECT;
	if (few) {
		printf("1..%d\n", rows);
		return failed != 0;
	}
	if (!word) {
		int ok = finished_at_xdp >= XDP_ROWS;

		failed += !ok;
		printf("# XDP finished %d packets\n%s %d - xdp takes what it should\n",
		       finished_at_xdp, ok ? "ok" : "not ok", ++rows);
	}
	for (context = DIRECT; context < CONTEXTS; context += XDP)
		owned_run();
	context = DIRECT;
	if (!word)
		race_run();
	for (int pause = 0; (!word || strcmp(word, "stress") == 0) && pause <= 2000;
	     pause += 2000) {
		int ok = stress_run(pause);

		failed += !ok;
		printf("%s %d - stress: %s\n", ok ? "ok" : "not ok", ++rows,
		       pause ? "the rule for slots, with pauses" : "the rule for slots");
	}
	printf("1..%d\n", rows);
	return failed != 0;
}
