/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The world of tests that feed programs with packets: network and mount namespaces of their own,
 * which vanish with the process, an uplink ens5 with 203.0.113.1 and the neighbour 203.0.113.10,
 * and a real instance with ns1 (192.168.0.2) and ns2 (192.168.0.6). Failures end the process.
 */
#ifndef NSXDP_TEST_WORLD_H
#define NSXDP_TEST_WORLD_H

#include <bpf/bpf.h>
#include <stdbool.h>

#include "kernel/tables.h"

/* The instance that instance_make() opened, without its lock: tests run commands. */
extern struct instance in;

int sh(const char *format, ...) __attribute__((format(printf, 1, 2)));
void must(int bad, const char *what);
void world_path(const char *binary);	/* commands find nsxdp */
void world_make(void);
void world_family(int family);	/* 4, or 6: with IPv6 too */
void host_listen(void);
void instance_make(bool xdp, const char *options);	/* of nsxdp up, or "" */
void instance_reopen(void);
void instance_unmake(void);

/* Run a pinned program; returns its action. */
int prog_run(const char *name, struct bpf_test_run_opts *opts);

/*
 * What users read of verdicts, and the class of one by its name; a name that is none's is to drop.
 */
extern const char *const verdict_names[NSX_VERDICT_COUNT];
enum nsx_class verdict_class(const char *name);

#endif
