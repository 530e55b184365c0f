# Warder: build, test, bench, demo, install. `make help` lists the targets; V=1 shows the commands.

# --- what may be set from outside -------------------------------------------------------------------------------
CC      ?= gcc
BUILD   ?= build
V       ?= 0
PYTHON  ?= /usr/bin/python3
# where `make install` puts things; DESTDIR goes in front of all of it
prefix     ?= /usr/local
bindir     ?= $(prefix)/bin
sysconfdir ?= /etc
mandir     ?= $(prefix)/share/man
unitdir    ?= $(prefix)/lib/systemd/system
sysusersdir ?= $(prefix)/lib/sysusers.d
# WITHOUT=landlock (protocol/without.h lists the names) makes a test build in which that wall is missing, into $(BUILD)/without-landlock
WITHOUT ?=
# SAN=1 builds with AddressSanitizer and UndefinedBehaviorSanitizer, into a tree of its own
SAN     ?= 0

# --- flags, each with its reason --------------------------------------------------------------------------------
WARN    := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
           -Wpointer-arith -Werror=implicit-function-declaration -Werror=incompatible-pointer-types
# Stack protector, no jump over the guard page, libc calls checked against what is known of sizes (3: also at run time, where the libc can),
# indirect branches only to where they are meant to go (CET on amd64, BTI and PAC on arm64)
TARGET  := $(shell $(CC) -dumpmachine)
FORTIFY := $(if $(shell echo | $(CC) -O2 -D_FORTIFY_SOURCE=3 -include stdlib.h -E - 2>&1 >/dev/null),2,3)
HARDEN  := -fstack-protector-strong -fstack-clash-protection -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(FORTIFY) \
           $(if $(filter x86_64%,$(TARGET)),-fcf-protection) $(if $(filter aarch64%,$(TARGET)),-mbranch-protection=standard)
# relocations are done at the start and then read-only, no executable stack
HARDEN_LD := -Wl,-z,relro,-z,now,-z,noexecstack
# what is loaded into interpreters: their addresses are random anyway
SHARED  := $(HARDEN) -fPIC -shared -fvisibility=hidden $(HARDEN_LD)
OPT     := -O2 -g
comma := ,
ifeq ($(SAN),1)
# FUZZ=1 beside it: for libFuzzer, which is clang's
SAN_FLAGS := -fsanitize=address,undefined$(if $(filter 1,$(FUZZ)),$(comma)fuzzer-no-link)
OPT     := -O1 -g -fno-omit-frame-pointer $(SAN_FLAGS) -fno-sanitize-recover=undefined
HARDEN  :=
HARDEN_LD :=
endif
# What does not ask for it is that of the whole build
WHOLE   := $(BUILD)
ifneq ($(WITHOUT),)
WITHOUT_NAMES := $(shell sed -n 's/^\tX.\([a-z_]*\), .*/\1/p' protocol/without.h)
WITHOUT_LIST := $(subst +, ,$(WITHOUT))
ifneq ($(filter-out $(WITHOUT_NAMES),$(WITHOUT_LIST)),)
$(error WITHOUT=$(WITHOUT): must be of $(WITHOUT_NAMES), joined by +)
endif
override BUILD := $(WHOLE)/without-$(WITHOUT)
WITHOUT_FLAGS := -DWITHOUT_BITS='(0$(foreach w,$(WITHOUT_LIST),|1u<<WITHOUT_$(w)))' -DWITHOUT_NAME='"$(WITHOUT)"'
SHARED += $(WITHOUT_FLAGS)
ASKS_WITHOUT := $(shell grep -lE '"(without|version)\.h"' -r --include=*.c protocol policies supervisor tracee tools integration/http)
endif
CFLAGS  := -std=gnu11 $(OPT) $(WARN) $(HARDEN) -fPIE -D_GNU_SOURCE -MMD -MP $(WITHOUT_FLAGS) $(EXTRA_CFLAGS)
LDFLAGS := -pie $(HARDEN_LD) $(SAN_FLAGS)

# Debian's libmsgpack-dev calls its pkg-config file msgpack, newer ones msgpack-c
MSGPACK := $(shell pkg-config --libs msgpack-c 2>/dev/null || pkg-config --libs msgpack 2>/dev/null || echo -lmsgpackc)
HTTP_LIBS := -lmicrohttpd -ljson-c
LIBS    := -pthread -lev $(MSGPACK) -lseccomp -lyaml -lcares
# abi3: one extension for every CPython from 3.8 on, so any one's headers will do
PY_INCLUDES := $(shell $(PYTHON)-config --includes 2>/dev/null || python3-config --includes 2>/dev/null)

# N-API is stable: any Node's headers from 18 on will do. Without them the addon is left out, and nodejs jobs are refused.
NODE        ?= $(firstword $(wildcard /usr/bin/node) $(shell command -v node 2>/dev/null))
NODE_PREFIX := $(if $(NODE),$(shell dirname "$$(dirname "$$(readlink -f $(NODE))")"))
NODE_INCLUDE := $(firstword $(patsubst %/node_api.h,%,$(wildcard $(addsuffix /include/node/node_api.h,$(NODE_PREFIX) /usr /usr/local))))

# --- modules: a folder sees its own headers and those it may depend on, no others -------------------------------
MODULES        := protocol policies supervisor/broker supervisor/front supervisor/worker supervisor tracee integration/http
see_protocol   := protocol
see_policies   := policies protocol
see_supervisor/broker := supervisor/broker policies protocol
see_supervisor/front  := supervisor/front supervisor policies protocol
see_supervisor/worker := supervisor/worker supervisor supervisor/broker policies protocol
see_supervisor := supervisor supervisor/front supervisor/worker supervisor/broker policies protocol
see_tracee     := tracee protocol
see_tools      := tools policies protocol
# of the supervisor it takes the log, nothing else; the Makefile gives it no archive of front or worker
see_integration/http := integration/http supervisor policies protocol
see_tests/unit := tests/unit $(MODULES)

include_flags = $(addprefix -I,$(see_$(1)))
object  = $(if $(WITHOUT),$(if $(filter $(1),$(ASKS_WITHOUT)),$(BUILD),$(WHOLE)),$(BUILD))/obj/$(1:.c=.o)
objects = $(foreach c,$(filter-out $(2),$(wildcard $(1)/*.c)),$(call object,$(c)))
archive = $(BUILD)/lib$(subst /,-,$(1)).a

# archives use each other's parts in both directions (the log, for one), so the linker looks at them as one group
link = -Wl,--start-group $(1) -Wl,--end-group
SUPERVISOR_LIBS := $(foreach m,supervisor supervisor/front supervisor/worker supervisor/broker policies protocol,$(call archive,$(m)))
CLIENT_LIBS     := $(call archive,policies) $(call archive,protocol)
UNIT_TESTS      := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
# fuzz targets: in tests/ they replay their corpora, in fuzz/ they are libFuzzer's
FUZZ_SHARED     := tests/fuzz/memory.c tests/fuzz/packet.c
FUZZ_REPLAYS    := $(patsubst tests/fuzz/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZERS         := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
# what tests run inside a job or around the supervisor; .so for what Python loads by ctypes
NATIVE_TESTS    := $(patsubst tests/attacks/%.c,$(BUILD)/tests/%.so,$(wildcard tests/attacks/*.c))
TEST_TOOLS      := $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(wildcard tests/tools/*.c))
BENCH_TOOLS     := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c)) $(if $(NODE_INCLUDE),$(BUILD)/bench/warm.node)
PROGRAMS        := $(BUILD)/warderd $(BUILD)/warder $(BUILD)/warder-http
TRACEE_PARTS    := $(BUILD)/tracee/_warder.abi3.so $(BUILD)/tracee/bootstrap.py $(BUILD)/tracee/fstat.so $(BUILD)/tracee/bootstrap.js \
                   $(if $(NODE_INCLUDE),$(BUILD)/tracee/_warder.node)

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-6s %s\n' $(1) $(2))

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.PHONY: all help deps demo check check-long check-unit check-asan check-e2e check-attacks check-containers check-kernels check-arm64 \
        objects bench stress fuzz fuzz-programs check-cpython lint format clean run gdb test-programs unit-programs install uninstall whole-only

all: $(PROGRAMS) $(TRACEE_PARTS) ## builds everything
ifeq ($(NODE_INCLUDE),)
	@echo "no Node headers here: built without Node.js jobs (tools/setup build installs what is missing)"
endif

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|'

# One rule for all objects of a folder, with that folder's include paths and no others.
define MODULE_RULES
$(BUILD)/obj/$(1)/%.o: $(1)/%.c Makefile
	$$(call say,CC,$$<)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) $(call include_flags,$(1)) $(2) -c -o $$@ $$<
$(call archive,$(1)): $(call objects,$(1),supervisor/main.c integration/http/main.c)
	$$(call say,AR,$$@)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach m,$(filter-out tracee,$(MODULES)) tools,$(eval $(call MODULE_RULES,$(m),)))
# the tracee core goes into a shared object
$(eval $(call MODULE_RULES,tracee,-fPIC))

ifneq ($(WITHOUT),)
$(filter $(WHOLE)/obj/%,$(foreach m,$(MODULES) tools,$(call objects,$(m),))): | whole ;
whole:
	$(Q)$(MAKE) --no-print-directory WITHOUT= BUILD=$(WHOLE) objects
.PHONY: whole
endif

$(BUILD)/warderd: $(call object,supervisor/main.c) $(SUPERVISOR_LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(call link,$^) $(LIBS)
$(BUILD)/warder: $(call objects,tools,) $(CLIENT_LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(call link,$^) $(LIBS)
$(BUILD)/warder-http: $(call object,integration/http/main.c) $(call archive,integration/http) $(call object,supervisor/log.c) $(CLIENT_LIBS)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(call link,$^) $(LIBS) $(HTTP_LIBS)

# The extension is loaded by an unsanitized interpreter, so it is never built with SAN.
$(BUILD)/tracee/_warder.abi3.so: $(wildcard tracee/*.c tracee/*.h tracee/python/*.[ch] protocol/err.c protocol/empty_root.c protocol/pyframes.c protocol/*.h) Makefile
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) $(EXTRA_CFLAGS) -D_GNU_SOURCE $(SHARED) \
	  -DPy_LIMITED_API=0x03080000 $(call include_flags,tracee) -Itracee/python $(PY_INCLUDES) \
	  -o $@ $(wildcard tracee/python/*.c tracee/*.c) protocol/err.c protocol/empty_root.c protocol/pyframes.c
$(BUILD)/tracee/_warder.node: $(WHOLE)/obj/tracee/node/embed.o $(wildcard tracee/*.c tracee/*.h tracee/node/*.[ch] protocol/err.c protocol/empty_root.c protocol/*.h) Makefile
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) $(EXTRA_CFLAGS) -D_GNU_SOURCE $(SHARED) \
	  -DNAPI_VERSION=8 $(call include_flags,tracee) -Itracee/node -isystem $(NODE_INCLUDE) \
	  -o $@ $(wildcard tracee/node/*.c) $(WHOLE)/obj/tracee/node/embed.o $(wildcard tracee/*.c) protocol/err.c protocol/empty_root.c
# the one part that Node offers to C++ alone
$(WHOLE)/obj/tracee/node/embed.o: tracee/node/embed.cc tracee/node/embed.h Makefile
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) -std=gnu++20 -O2 -g -Wall -Wextra -fPIC -fno-exceptions -fno-rtti $(HARDEN) -fvisibility=hidden \
	  -isystem $(NODE_INCLUDE) -c -o $@ $<
$(BUILD)/bench/warm.node: tests/bench/node/warm.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) $(EXTRA_CFLAGS) -D_GNU_SOURCE $(SHARED) -DNAPI_VERSION=8 -isystem $(NODE_INCLUDE) -o $@ $<
$(BUILD)/tracee/bootstrap.js: tracee/node/bootstrap.js
	@mkdir -p $(@D)
	$(Q)cp $< $@
$(BUILD)/tracee/fstat.so: tracee/preload/fstat.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) $(EXTRA_CFLAGS) -D_GNU_SOURCE $(SHARED) \
	  -o $@ $<
$(BUILD)/tracee/bootstrap.py: tracee/python/bootstrap.py
	@mkdir -p $(@D)
	$(Q)cp $< $@

$(BUILD)/tests/test_%: tests/unit/test_%.c $(wildcard tests/unit/*.h) $(SUPERVISOR_LIBS) $(call archive,tracee) $(call archive,integration/http)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(call include_flags,tests/unit) $(LDFLAGS) -o $@ $(call link,$(filter-out %.h,$^)) $(LIBS) $(HTTP_LIBS) -lcmocka
FUZZ_LINK = $(CC) $(CFLAGS) $(call include_flags,tests/unit) -Itests/fuzz $(LDFLAGS) -Wl,--wrap=pread,--wrap=__pread_chk,--wrap=pwrite
FUZZ_DEPS := $(FUZZ_SHARED) tests/fuzz/fuzz.h tests/unit/child.h $(SUPERVISOR_LIBS)
$(BUILD)/tests/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(FUZZ_DEPS)
	$(call say,TEST,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_LINK) -o $@ $(call link,$(filter-out %.h,$^)) $(LIBS) -lcmocka
$(BUILD)/fuzz/%: tests/fuzz/fuzz_%.c $(FUZZ_DEPS)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_LINK) -fsanitize=fuzzer -o $@ $(call link,$(filter-out %.h,$^)) $(LIBS) -lcmocka
$(BUILD)/tests/%.so: tests/attacks/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) $(EXTRA_CFLAGS) -D_GNU_SOURCE -fPIC -shared -pthread -o $@ $<
$(BUILD)/tests/%: tests/tools/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) $(EXTRA_CFLAGS) -D_GNU_SOURCE -o $@ $< -lseccomp
$(BUILD)/bench/%: tests/bench/%.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARN) $(EXTRA_CFLAGS) -D_GNU_SOURCE -pthread -o $@ $<

# --- what users and developers run ------------------------------------------------------------------------------

demo: ## installs what is missing, builds, runs a real Dify code node and shows what is refused
	$(Q)tools/setup build
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tools/demo

objects: $(foreach m,$(MODULES) tools,$(call objects,$(m),))

# Headers of libraries are the same for both; nothing is linked. Python's and Node's parts need those of an arm64 interpreter.
check-arm64: ## the C code compiles for arm64 without warnings (needs gcc-aarch64-linux-gnu)
	$(Q)$(MAKE) --no-print-directory CC=aarch64-linux-gnu-gcc BUILD=$(BUILD)/arm64 EXTRA_CFLAGS="-Werror -idirafter /usr/include" objects

test-programs: all $(UNIT_TESTS) $(FUZZ_REPLAYS) $(NATIVE_TESTS) $(TEST_TOOLS) $(BENCH_TOOLS)

check: ## installs what is missing, builds, runs all tests (at most 12 minutes)
	$(Q)tools/setup build test
	$(Q)$(MAKE) --no-print-directory test-programs
	$(Q)$(MAKE) --no-print-directory SAN=1 BUILD=$(BUILD)/asan unit-programs
	$(Q)WARDER_BUILD=$(BUILD) tests/run --unit-build $(BUILD)/asan all

check-long: ## the same tests with full counts
	$(Q)tools/setup build test
	$(Q)$(MAKE) --no-print-directory test-programs
	$(Q)$(MAKE) --no-print-directory SAN=1 BUILD=$(BUILD)/asan unit-programs
	$(Q)WARDER_BUILD=$(BUILD) tests/run --unit-build $(BUILD)/asan --long all

unit-programs: $(UNIT_TESTS) $(FUZZ_REPLAYS)

check-unit: unit-programs ## unit tests alone: seconds, no root needed
	$(Q)WARDER_BUILD=$(BUILD) tests/run unit

check-asan: ## unit tests with AddressSanitizer and UndefinedBehaviorSanitizer
	$(Q)$(MAKE) --no-print-directory SAN=1 BUILD=$(BUILD)/asan unit-programs
	$(Q)WARDER_BUILD=$(BUILD)/asan tests/run unit

check-e2e: test-programs ## end-to-end tests alone
	$(Q)WARDER_BUILD=$(BUILD) tests/run e2e

check-attacks: ## attacks alone, by their classes in each situation, and what each wall alone would let through (root, 15 minutes)
	$(Q)tools/setup build test beds
	$(Q)$(MAKE) --no-print-directory test-programs
	$(Q)WARDER_BUILD=$(BUILD) tests/beds/containers $(if $(T),--seconds $(T)) --attacks
	$(Q)WARDER_BUILD=$(BUILD) tests/beds/without --doors

check-containers: ## a core of the tests as root, as a user, as in Docker, in a hardened container (root, 10 minutes)
	$(Q)tools/setup build test beds
	$(Q)$(MAKE) --no-print-directory test-programs
	$(Q)WARDER_BUILD=$(BUILD) tests/beds/containers $(if $(T),--seconds $(T))

check-kernels: ## a few tests under Linux 5.10, 6.1 and 6.12, and on arm64, in emulation (root, an hour)
	$(Q)tools/setup build test kernels
	$(Q)$(MAKE) --no-print-directory test-programs
	$(Q)WARDER_BUILD=$(BUILD) tests/beds/kernels $(if $(T),--seconds $(T))

bench: all $(NATIVE_TESTS) $(BENCH_TOOLS) ## latency and throughput beside bare Python and a bare warm fork
	$(Q)WARDER_BUILD=$(BUILD) tests/bench/run
	$(Q)WARDER_BUILD=$(BUILD) tests/bench/connects

stress: test-programs ## 100,000 mixed jobs, 16 at once; N= for another number
	$(Q)WARDER_BUILD=$(BUILD) tests/stress --jobs $(or $(N),100000)

fuzz-programs: $(FUZZERS)

fuzz: test-programs ## every fuzzer in turn for T= seconds (default 60); needs clang
	$(Q)WARDER_BUILD=$(BUILD) tests/fuzz/run --seconds $(or $(T),60) $(F)

check-cpython: all ## CPython's regression tests as jobs; needs libpython3.11-testsuite
	$(Q)WARDER_BUILD=$(BUILD) tests/cpython

run: all ## a supervisor in the foreground, on a socket in build/
	$(Q)$(BUILD)/warderd --socket $(BUILD)/warder.sock

gdb: all ## the same under gdb
	$(Q)gdb --args $(BUILD)/warderd --socket $(BUILD)/warder.sock

lint: ## shell scripts and include directions
	$(Q)bash -n tools/setup tools/demo .ci/run
	$(Q)! grep -nE '#include "\.\./' -r --include='*.[ch]' $(MODULES) tools

format: ## clang-format over all C files
	$(Q)clang-format -i $(shell git ls-files '*.c' '*.h')

# --- installation: programs find their parts from where they are, so these two stay where they are beside bindir -----

LIB_DIR   := $(prefix)/lib/warder
SHARE_DIR := $(prefix)/share/warder
PACKAGING := integration/packaging
COMMANDS  := $(PROGRAMS) tools/trace-job tools/policy-debug tools/warder-dependencies
UNITS     := $(wildcard $(PACKAGING)/systemd/*.service $(PACKAGING)/systemd/*.socket)
# the machine's own: never overwritten, and removed only as they were shipped
SETTINGS  := warder.yaml:0644 warder-http.env:0600
put        = install -d $(DESTDIR)$(3) && install -m $(1) $(2) $(DESTDIR)$(3)/
take       = for f in $(notdir $(1)); do rm -f $(DESTDIR)$(2)/$$f; done; rmdir $(DESTDIR)$(2) 2>/dev/null || :

install: all whole-only ## programs, tracee, policies, man pages, units: prefix=/usr/local, DESTDIR=
	$(call say,INST,$(DESTDIR)$(prefix))
	$(Q)$(call put,0755,$(COMMANDS),$(bindir))
	$(Q)$(call put,0644,$(TRACEE_PARTS),$(LIB_DIR)/tracee)
	$(Q)$(call put,0644,$(wildcard tools/tracing/*.py tools/tracing/*.html),$(LIB_DIR)/tracing)
	$(Q)$(call put,0644,$(wildcard policies/*.yaml),$(SHARE_DIR)/policies)
	$(Q)$(call put,0644,integration/dependencies/python-requirements.txt,$(SHARE_DIR))
	$(Q)for n in 1 5 8; do $(call put,0644,$(PACKAGING)/man/*.$$n,$(mandir)/man$$n) || exit; done
	$(Q)install -d $(DESTDIR)$(unitdir) $(DESTDIR)$(sysusersdir) $(DESTDIR)$(sysconfdir)/warder
	$(Q)install -m 0644 $(PACKAGING)/systemd/warder.sysusers $(DESTDIR)$(sysusersdir)/warder.conf
	$(Q)for u in $(UNITS); do sed 's|@bindir@|$(bindir)|; s|@sysconfdir@|$(sysconfdir)|' $$u > $(DESTDIR)$(unitdir)/$${u##*/} && \
	  chmod 0644 $(DESTDIR)$(unitdir)/$${u##*/} || exit; done
	$(Q)for s in $(SETTINGS); do f=$(DESTDIR)$(sysconfdir)/warder/$${s%:*}; [ -e $$f ] || \
	  install -m $${s#*:} $(PACKAGING)/config/$${s%:*} $$f || exit; done

# A test build has its name in its programs.
whole-only: all
	$(Q)! grep -l 'test build without' $(PROGRAMS) $(TRACEE_PARTS) || { echo "install: these are parts of a test build, which is for no machine"; exit 1; }

uninstall: ## removes what install put there; settings that were changed stay
	$(Q)$(call take,$(COMMANDS),$(bindir))
	$(Q)rm -rf $(DESTDIR)$(LIB_DIR) $(DESTDIR)$(SHARE_DIR)
	$(Q)for n in 1 5 8; do $(call take,$(wildcard $(PACKAGING)/man/*.[158]),$(mandir)/man$$n); done
	$(Q)$(call take,$(UNITS),$(unitdir))
	$(Q)rm -f $(DESTDIR)$(sysusersdir)/warder.conf; rmdir $(DESTDIR)$(sysusersdir) 2>/dev/null || :
	$(Q)for s in $(SETTINGS); do f=$(DESTDIR)$(sysconfdir)/warder/$${s%:*}; \
	  ! cmp -s $(PACKAGING)/config/$${s%:*} $$f || rm -f $$f; done
	$(Q)rmdir $(DESTDIR)$(sysconfdir)/warder 2>/dev/null || :

clean: ## removes the build tree
	$(Q)rm -rf $(BUILD)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
