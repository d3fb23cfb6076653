# SPDX-License-Identifier: GPL-2.0-only
# Everything is built into build/. V=1 shows the commands; CFLAGS, LDFLAGS, DESTDIR and PREFIX are honoured.

VERSION := 0.1.0

CC ?= cc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
CFLAGS ?= -O2 -g
B := build

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wpointer-arith -Wno-missing-field-initializers
ALL_CFLAGS := -std=gnu11 -D_GNU_SOURCE $(WARN) -Iinclude -Iuser -I$(B) $(CFLAGS)
LIBS := -lbpf -lelf -lz -lmnl -lnftnl -ljansson
BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter \
	-Wno-missing-field-initializers -Ivmlinux -Iinclude -Ibpf

USER_SRC := $(wildcard user/*.c)
USER_OBJ := $(USER_SRC:user/%.c=$(B)/user/%.o)
LIB_OBJ := $(filter-out $(addprefix $(B)/user/,main.o output.o state%.o cmd_%.o),$(USER_OBJ))
BPF_SRC := $(wildcard bpf/*.bpf.c)
SKELETONS := $(BPF_SRC:bpf/%.bpf.c=$(B)/%.skel.h)

Q := $(if $(V),,@)
msg = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)';)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all deps need-deps clean install uninstall demo test test-kernels fuzz bench bench-quick

all: $(B)/nsxdp

$(B)/nsxdp: $(USER_OBJ)
	$(call msg,LINK,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

$(B)/user/%.o: user/%.c $(SKELETONS) $(B)/version.h | $(B)/user
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(B)/version.h: Makefile | $(B)/user
	$(Q)echo '#define NSXDP_VERSION "$(VERSION)"' > $@

# Compile, then let bpftool strip the object to what loading needs.
$(B)/%.bpf.o: bpf/%.bpf.c vmlinux/vmlinux.h | $(B)/user
	$(call msg,BPF,$@)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -c $< -o $(@:.o=.tmp) && \
		$(BPFTOOL) gen object $@ $(@:.o=.tmp)

$(B)/%.skel.h: $(B)/%.bpf.o
	$(call msg,SKEL,$@)$(BPFTOOL) gen skeleton $< name $(notdir $*)_bpf > $@

$(B)/user:
	$(Q)mkdir -p $@

-include $(wildcard $(B)/*.d $(B)/*/*.d)

# Tests link the command's own objects, without the commands.
$(B)/tests/%.o: tests/%.c $(SKELETONS) $(B)/version.h | $(B)/tests
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -Itests -MMD -MP -c $< -o $@

$(B)/tests:
	$(Q)mkdir -p $@

$(B)/dp_test: $(addprefix $(B)/tests/,dp_main.o dp_stress.o dp_rows.o dp_rows_rfc.o pkt.o world.o) $(LIB_OBJ)
	$(call msg,LINK,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

$(B)/fuzz: $(addprefix $(B)/tests/,fuzz.o pkt.o world.o) $(LIB_OBJ)
	$(call msg,LINK,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

# libFuzzer: clang's own coverage and sanitizers, over the sources that read words.
FUZZ_WORDS_SRC := tests/fuzz_words.c user/config.c user/config_map.c user/parse.c user/fail.c
$(B)/fuzz_words: $(FUZZ_WORDS_SRC) $(wildcard user/*.h include/*.h) | $(B)/user
	$(call msg,CC,$@)$(CLANG) -std=gnu11 -D_GNU_SOURCE $(WARN) -Iinclude -Iuser -g -O1 \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(FUZZ_WORDS_SRC) -o $@

$(B)/unit_test: $(B)/tests/unit.o $(LIB_OBJ)
	$(call msg,LINK,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -lcmocka -o $@

$(B)/flood: tests/flood.c | $(B)/user
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< -o $@

$(B)/crowd: tests/crowd.c | $(B)/user
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< -o $@

$(B)/nodiag.so: tests/nodiag.c | $(B)/user
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -shared -fPIC $< -o $@

$(B)/%.bpf.o: bench/%.bpf.c vmlinux/vmlinux.h | $(B)/user
	$(call msg,BPF,$@)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -c $< -o $(@:.o=.tmp) && \
		$(BPFTOOL) gen object $@ $(@:.o=.tmp)

$(B)/verifier: tests/verifier.c | $(B)/user
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< -lbpf -lelf -lz -o $@

$(B)/loop: bench/loop.c $(B)/reflect.skel.h
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< -lbpf -lelf -lz -o $@

$(B)/sock: bench/sock.c | $(B)/user
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< -o $@

$(B)/bench_prog: bench/bench_prog.c $(B)/tests/pkt.o
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -Itests $(LDFLAGS) $^ -lbpf -lelf -lz -o $@

TEST_BINS := $(addprefix $(B)/,unit_test dp_test fuzz fuzz_words flood crowd nodiag.so)

# Debian packages: to build, and for the demo, the tests and the benchmarks.
BUILD_DEPS := gcc make pkg-config clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev libmnl-dev libnftnl-dev libjansson-dev
TEST_DEPS := libcmocka-dev python3 python3-flask curl iperf3 iproute2 iptables ethtool iputils-ping traceroute \
	tcpdump procps util-linux mandoc libclang-rt-14-dev stun-client stun-server

# Install what is missing of some packages.
define install
	$(Q)missing=; for p in $(1); do \
		dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$p"; \
	done; \
	if [ -n "$$missing" ]; then \
		echo "installing:$$missing"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
			--no-install-recommends $$missing > /dev/null; \
	fi
endef

deps:
	$(call install,$(BUILD_DEPS) $(TEST_DEPS))

need-deps:
	$(Q)$(MAKE) --no-print-directory -s deps

demo: need-deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/demo.sh

test: need-deps
	$(Q)$(MAKE) --no-print-directory all $(TEST_BINS)
	$(Q)tests/run $(T)

# Tests and the demo under kernels of Debian's, KERNELS, in an emulated machine: several times as slow. KERNEL_T: which
# tests. README=1 puts the table of kernels and features into README.md.
KERNELS ?= 6.1 6.12
VM_DEPS := qemu-system-x86 busybox-static kmod cpio xz-utils
KERNEL_T ?= demo unit packets fuzz life ports-tc services-tc traffic-tc traffic-xdp hostile-ns-tc hostile-out-tc \
	fragments-tc capacity-tc native
test-kernels:
	$(call install,$(VM_DEPS))
	$(Q)$(MAKE) --no-print-directory need-deps all $(TEST_BINS) $(B)/verifier
	$(Q)VM_TIMEOUT=$${VM_TIMEOUT:-5400} tests/kernels.py $(if $(README),--readme) $(KERNELS) -- $(KERNEL_T)

# The report and its figures go to build/bench/. README=1 puts the table into README.md.
BENCH_DEPS := nftables conntrack wrk nginx-light
bench bench-quick: need-deps
	$(call install,$(BENCH_DEPS))
	$(Q)$(MAKE) --no-print-directory all $(B)/loop $(B)/sock $(B)/bench_prog $(B)/crowd
	$(Q)/usr/bin/python3 bench/bench.py $(if $(filter bench-quick,$@),--quick) $(if $(README),--readme)

# Mutated frames through every entry program, FRAMES for each mode; and words through what reads them.
FRAMES ?= 1000000
fuzz: need-deps
	$(Q)$(MAKE) --no-print-directory all $(B)/fuzz $(B)/fuzz_words
	$(Q)$(B)/fuzz $(B)/nsxdp $(FRAMES)
	$(Q)tests/fuzz_words.sh 2000000

install: all
	install -D -m 755 $(B)/nsxdp $(DESTDIR)$(SBINDIR)/nsxdp
	install -D -m 644 docs/nsxdp.8 $(DESTDIR)$(MANDIR)/man8/nsxdp.8

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/nsxdp $(DESTDIR)$(MANDIR)/man8/nsxdp.8

clean:
	$(Q)rm -rf $(B)
