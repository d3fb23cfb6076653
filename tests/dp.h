/* SPDX-License-Identifier: GPL-2.0-only */
/* Rows of the packet tests: steps that run one after the other against one live instance. */
#ifndef NSXDP_TEST_DP_H
#define NSXDP_TEST_DP_H

enum step_kind {
	STEP_END,
	STEP_PACKET,	/* at: hook ("uplink" or a namespace), in, verdict, out (NULL: unchanged) */
	STEP_RUN,	/* in: a shell command, "nsxdp" is the binary; must succeed */
	STEP_AGE,	/* number: let that many seconds pass for every flow */
	STEP_FLOWS,	/* number: that many flows are alive */
	/* Number: so many percent of the tables are in use, the datapath believes */
	STEP_FILL,
};

struct step {
	enum step_kind kind;
	const char *name;	/* what the row shows */
	const char *at;
	const char *in;
	const char *verdict;
	const char *out;
	int number;
	int family;	/* 4 or 6: of this one alone; 0: the same in both */
};

#define PACKET(name, at, in, verdict, out) { STEP_PACKET, name, at, in, verdict, out, 0, 0 }
#define PACKET4(name, at, in, verdict, out) { STEP_PACKET, name, at, in, verdict, out, 0, 4 }
#define PACKET6(name, at, in, verdict, out) { STEP_PACKET, name, at, in, verdict, out, 0, 6 }
#define RUN(command) { STEP_RUN, command, NULL, command, NULL, NULL, 0, 0 }
#define RUN4(command) { STEP_RUN, command, NULL, command, NULL, NULL, 0, 4 }
#define RUN6(command) { STEP_RUN, command, NULL, command, NULL, NULL, 0, 6 }
#define AGE(seconds) { STEP_AGE, "time passes", NULL, NULL, NULL, NULL, seconds, 0 }
#define FLOWS(name, count) { STEP_FLOWS, name, NULL, NULL, NULL, NULL, count, 0 }
#define FILL(percent) { STEP_FILL, "the tables fill", NULL, NULL, NULL, NULL, percent, 0 }

/*
 * Each file of rows. Every one starts on a fresh instance: ns1 192.168.0.2, ns2 192.168.0.6, own
 * 203.0.113.1.
 */
extern const struct step dp_published[], dp_masq[], dp_scope[], dp_errors[], dp_bad[],
	dp_fragments[], dp_tcp[], dp_size[], dp_filtering[], dp_addresses[], dp_ipv6[],
	dp_ipv6_off[], dp_routed[];

/*
 * dp_stress.c: the rule for slots, with so many iterations between claim and publication; true
 * where it held
 */
int stress_run(int pause);

#endif
