# SPDX-License-Identifier: GPL-2.0-only
# Everything is built into build/. V=1 shows the commands; CFLAGS, LDFLAGS, DESTDIR and PREFIX are
# honoured.

VERSION := 0.1.0

# For another machine: CROSS_COMPILE=aarch64-linux-gnu-, and SYSROOT, which has its headers and
# libraries.
ifdef CROSS_COMPILE
CC := $(CROSS_COMPILE)gcc
endif
CC ?= cc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
CFLAGS ?= -O2 -g
B := build

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wpointer-arith -Wno-missing-field-initializers
ALL_CFLAGS := -std=gnu11 -D_GNU_SOURCE $(WARN) -Iinclude -Iuser -I$(B) $(if $(SYSROOT),--sysroot=$(SYSROOT)) $(CFLAGS)
LIBS := -lbpf -lelf -lz -lmnl -lnftnl -ljansson
ARCH := $(shell $(CC) -dumpmachine | sed 's/-.*//; s/x86_64/x86/; s/aarch64/arm64/')
BPF_CFLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(ARCH) -Wall -Wextra -Werror -Wno-unused-parameter \
	-Wno-missing-field-initializers -Ivmlinux -Iinclude -Ibpf

USER_SRC := $(wildcard user/*.c user/*/*.c)
USER_OBJ := $(USER_SRC:user/%.c=$(B)/user/%.o)
LIB_OBJ := $(filter-out $(B)/user/main.o $(B)/user/cmd/%,$(USER_OBJ))
BPF_SRC := $(wildcard bpf/*.bpf.c)
SKELETONS := $(BPF_SRC:bpf/%.bpf.c=$(B)/%.skel.h)

Q := $(if $(V),,@)
msg = $(if $(V),,@printf '  %-8s %s\n' '$(1)' '$(2)';)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all arm64 boot crash deps need-deps clean install uninstall demo test test-kernels fuzz bench bench-quick

all: $(B)/nsxdp

$(B)/nsxdp: $(USER_OBJ)
	$(call msg,LINK,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

$(B)/user/%.o: user/%.c $(SKELETONS) $(B)/version.h $(B)/build.h | $(B)/user
	$(Q)mkdir -p $(@D)
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(B)/version.h: Makefile | $(B)/user
	$(Q)echo '#define NSXDP_VERSION "$(VERSION)"' > $@

# A number that tells the programs of this build from those of another.
$(B)/build.h: $(SKELETONS)
	$(Q)echo "#define NSXDP_BUILD 0x$$(cat $(BPF_SRC:bpf/%.c=$(B)/%.o) | sha256sum | cut -c1-16)ULL" > $@

# Compile, then let bpftool strip the object to what loading needs.
$(B)/%.bpf.o: bpf/%.bpf.c vmlinux/vmlinux.h | $(B)/user
	$(call msg,BPF,$@)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -c $< -o $(@:.o=.tmp) && \
		$(BPFTOOL) gen object $@ $(@:.o=.tmp)

$(B)/%.skel.h: $(B)/%.bpf.o
	$(call msg,SKEL,$@)$(BPFTOOL) gen skeleton $< name $(notdir $*)_bpf > $@

$(B)/user:
	$(Q)mkdir -p $@

-include $(wildcard $(B)/*.d $(B)/*/*.d $(B)/*/*/*.d)

# Tests link the command's own objects, without the commands.
$(B)/tests/%.o: tests/%.c $(SKELETONS) $(B)/version.h | $(B)/tests
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -Itests -MMD -MP -c $< -o $@

$(B)/tests:
	$(Q)mkdir -p $@

$(B)/dp_test: $(addprefix $(B)/tests/,dp_main.o dp_stress.o dp_rows.o dp_rows_rfc.o dp_rows6.o dp_rows_routed.o pkt.o pkt6.o world.o) $(LIB_OBJ)
	$(call msg,LINK,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

$(B)/fuzz: $(addprefix $(B)/tests/,fuzz.o pkt.o pkt6.o world.o) $(LIB_OBJ)
	$(call msg,LINK,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

# libFuzzer: clang's own coverage and sanitizers, over the sources that read words.
FUZZ_WORDS_SRC := tests/fuzz_words.c $(wildcard user/config/*.c) user/parse.c user/fail.c
$(B)/fuzz_words: $(FUZZ_WORDS_SRC) $(wildcard user/*.h user/*/*.h include/*.h) | $(B)/user
	$(call msg,CC,$@)$(CLANG) -std=gnu11 -D_GNU_SOURCE $(WARN) -Iinclude -Iuser -g -O1 \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(FUZZ_WORDS_SRC) -o $@

$(B)/unit_test: $(B)/tests/unit.o $(LIB_OBJ)
	$(call msg,LINK,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -lcmocka -o $@

$(B)/flood: tests/flood.c | $(B)/user
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< -o $@

$(B)/crowd: tests/crowd.c | $(B)/user
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< -o $@

$(B)/check: $(B)/tests/check.o $(LIB_OBJ)
	$(call msg,LINK,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $^ $(LIBS) -o $@

$(B)/crash: tests/crash.c | $(B)/user
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< -o $@

$(B)/faults.so: tests/faults.c | $(B)/user
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -shared -fPIC $< -o $@

$(B)/nodiag.so: tests/nodiag.c | $(B)/user
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -shared -fPIC $< -o $@

$(B)/remark.bpf.o: tests/remark.bpf.c vmlinux/vmlinux.h | $(B)/user
	$(call msg,BPF,$@)$(CLANG) $(BPF_CFLAGS) -c $< -o $@

$(B)/%.bpf.o: bench/%.bpf.c vmlinux/vmlinux.h | $(B)/user
	$(call msg,BPF,$@)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MT $@ -c $< -o $(@:.o=.tmp) && \
		$(BPFTOOL) gen object $@ $(@:.o=.tmp)

$(B)/verifier: tests/verifier.c | $(B)/user
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< -lbpf -lelf -lz -o $@

$(B)/loop: bench/loop.c $(B)/reflect.skel.h
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< -lbpf -lelf -lz -o $@

$(B)/sock: bench/sock.c | $(B)/user
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) $(LDFLAGS) $< -o $@

$(B)/bench_prog: bench/bench_prog.c $(B)/tests/pkt.o $(B)/tests/pkt6.o
	$(call msg,CC,$@)$(CC) $(ALL_CFLAGS) -Itests $(LDFLAGS) $^ -lbpf -lelf -lz -o $@

# Another version, whose tables have other layouts.
$(B)/other/nsxdp: $(B)/nsxdp tests/other_build.sh
	$(call msg,OTHER,$@)tests/other_build.sh $(@D)

# Crash walks are made on x86 only.
TEST_BINS := $(addprefix $(B)/,unit_test dp_test fuzz fuzz_words flood crowd check faults.so nodiag.so remark.bpf.o \
	other/nsxdp $(if $(filter x86,$(ARCH)),crash))

# Debian packages: to build, and for the demo, the tests and the benchmarks.
BUILD_DEPS := gcc make pkg-config clang llvm bpftool libbpf-dev libelf-dev zlib1g-dev libmnl-dev libnftnl-dev libjansson-dev
TEST_DEPS := libcmocka-dev python3 python3-flask curl iperf3 iproute2 iptables ethtool iputils-ping traceroute \
	tcpdump procps util-linux mandoc libclang-rt-14-dev stun-client stun-server systemd

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

# Each command ended at each of its system calls.
crash: need-deps
	$(Q)$(MAKE) --no-print-directory all $(B)/check $(B)/crash $(B)/other/nsxdp
	$(Q)ERRORS="ENOMEM EMFILE ENOSPC EPERM EINTR" tests/e2e_crash.sh -a

# docs/boot.md in an emulated machine that boots systemd, twice.
boot: need-deps
	$(call install,$(VM_DEPS))
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/boot.sh 6.1

# A build for arm64, and what it needs to run in an emulated machine.
ARM64_DEPS := gcc-aarch64-linux-gnu qemu-system-arm
ARM64_PACKAGES := base-files bash busybox-static coreutils dash diffutils findutils grep iproute2 kmod libbpf-dev libc6-dev libcmocka-dev \
	libelf-dev libgcc-12-dev libjansson-dev libmnl-dev libnftnl-dev mawk mount procps sed util-linux zlib1g-dev
ARM64_BINS := $(addprefix $(B)/arm64/build/,nsxdp unit_test dp_test verifier)
arm64: need-deps
	$(call install,$(ARM64_DEPS))
	$(Q)tests/sysroot.sh arm64 $(B)/arm64 $(ARM64_PACKAGES) || [ $$? = 77 ]
	$(Q)[ ! -e $(B)/arm64/ready ] || $(MAKE) --no-print-directory B=$(B)/arm64/build CROSS_COMPILE=aarch64-linux-gnu- \
		SYSROOT=$(CURDIR)/$(B)/arm64/root $(ARM64_BINS)

# Tests and the demo under kernels of Debian's, KERNELS, in an emulated machine: several times as
# slow. KERNEL_T: which tests; of another architecture, only those that need no more than the build.
# README=1 puts the table of kernels and features into README.md.
KERNELS ?= 6.1 6.12 6.12-arm64
VM_DEPS := qemu-system-x86 busybox-static kmod cpio xz-utils e2fsprogs
KERNEL_T ?= demo unit packets fuzz life config ports-tc services-tc traffic-tc traffic-xdp hostile-ns-tc hostile-out-tc \
	fragments-tc capacity-tc upgrade-tc netkit native
test-kernels:
	$(call install,$(VM_DEPS))
	$(Q)$(MAKE) --no-print-directory need-deps all $(TEST_BINS) $(B)/verifier
	$(if $(filter %-arm64,$(KERNELS)),$(Q)$(MAKE) --no-print-directory arm64)
	$(Q)VM_TIMEOUT=$${VM_TIMEOUT:-5400} tests/kernels.py $(if $(README),--readme) $(KERNELS) -- $(KERNEL_T)

# The report and its figures go to build/bench/. README=1 puts the table into README.md.
BENCH_DEPS := nftables conntrack wrk nginx-light
bench bench-quick: need-deps
	$(call install,$(BENCH_DEPS))
	$(Q)$(MAKE) --no-print-directory all $(B)/loop $(B)/sock $(B)/bench_prog $(B)/crowd
	$(Q)/usr/bin/python3 bench/bench.py $(if $(filter bench-quick,$@),--quick) $(if $(README),--readme)

# Mutated frames through every entry program, FRAMES for each mode; and words through what reads
# them.
FRAMES ?= 1000000
fuzz: need-deps
	$(Q)$(MAKE) --no-print-directory all $(B)/fuzz $(B)/fuzz_words
	$(Q)$(B)/fuzz $(B)/nsxdp $(FRAMES)
	$(Q)tests/fuzz_words.sh 2000000

$(B)/nsxdp.service: systemd/nsxdp.service.in | $(B)/user
	$(Q)sed 's|@SBINDIR@|$(SBINDIR)|' $< > $@

install: all $(B)/nsxdp.service
	install -D -m 755 $(B)/nsxdp $(DESTDIR)$(SBINDIR)/nsxdp
	install -D -m 644 docs/nsxdp.8 $(DESTDIR)$(MANDIR)/man8/nsxdp.8
	install -D -m 644 $(B)/nsxdp.service $(DESTDIR)$(UNITDIR)/nsxdp.service

uninstall:
	rm -f $(DESTDIR)$(SBINDIR)/nsxdp $(DESTDIR)$(MANDIR)/man8/nsxdp.8 $(DESTDIR)$(UNITDIR)/nsxdp.service

clean:
	$(Q)rm -rf $(B)
