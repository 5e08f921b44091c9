# vmrt: `make help` lists the targets.
#
# Every program is one main file, build/bin/NAME, linked against one static library of all the rest.

O ?= build
prefix ?= /usr/local
DESTDIR ?=
V ?= 0
SANITIZER ?=
WERROR ?= 0

CC ?= cc
PKG_CONFIG ?= pkg-config
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' $(1) $(2))

# name and least version of every library
REQUIRED := libtraceevent=1.7 libtracefs=1.6 sqlite3=3.40 ncursesw=6.3 panelw=6.3 inih=55 json-c=0.16 libzstd=1.5 libprotobuf-c=1.3 nettle=3.8 libpq=13 libmicrohttpd=0.9.75
LIBS_OK := $(O)/.libraries-found

WARN := -Wall -Wextra -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
	-Wpointer-arith -Wwrite-strings -Wcast-qual -Wno-format-nonliteral
ifeq ($(WERROR),1)
WARN += -Werror
endif
CFLAGS ?= -O2 -g
PKGS := $(foreach r,$(REQUIRED),$(firstword $(subst =, ,$(r))))
VMRT_CFLAGS := -std=gnu11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Iinclude -I. -I$(O)/gen -pthread $(WARN) \
	$(addprefix -isystem,$(patsubst -I%,%,$(shell $(PKG_CONFIG) --cflags-only-I $(filter-out libpq libmicrohttpd,$(PKGS)) 2>/dev/null)))
# what a program does not use, it does not need at run time either
VMRT_LDLIBS = -Wl,--as-needed $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null) -lm -pthread
STATIC_LDLIBS = $(shell $(PKG_CONFIG) --static --libs libtracefs libtraceevent inih json-c nettle 2>/dev/null) -ldl -lm -pthread
ifneq ($(SANITIZER),)
VMRT_CFLAGS += -fsanitize=$(SANITIZER) -fno-omit-frame-pointer -fno-sanitize-recover=undefined
VMRT_LDFLAGS += -fsanitize=$(SANITIZER)
endif

FOLDERS := common collector parser metrics tui grasp-export hsf workload
TOOLS := vmrt-trace vmrt-agent vmrt-report vmrt-top vmrt-export vmrt-hsf vmrt-load
STATIC_TOOLS := vmrt-agent vmrt-load vmrt-hsf
SOURCES := $(sort $(shell find $(FOLDERS) -name '*.c'))
tool_source = $(filter %/$(1).c,$(SOURCES))
TOOLS := $(foreach t,$(TOOLS),$(if $(call tool_source,$(t)),$(t)))
STATIC_TOOLS := $(filter $(TOOLS),$(STATIC_TOOLS))
ifneq ($(SANITIZER),)
STATIC_TOOLS := # the compilers refuse to link sanitizers statically
endif

TOOL_SOURCES := $(foreach t,$(TOOLS),$(call tool_source,$(t)))
LIB_OBJECTS := $(patsubst %.c,$(O)/obj/%.o,$(filter-out $(TOOL_SOURCES),$(SOURCES)))
# What protoc-c makes of Perfetto's messages
PROTO := $(O)/gen/trace.pb-c
LIB_OBJECTS += $(O)/obj/gen/trace.pb-c.o
LIB := $(O)/libvmrt.a
BINS := $(addprefix $(O)/bin/,$(TOOLS))
STATIC_BINS := $(addprefix $(O)/static/,$(STATIC_TOOLS))

.PHONY: all help
all: $(BINS) $(STATIC_BINS) ## build all programs (the default)

help: ## list the targets
	@echo "targets:"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 18 | sed 's/^/  /'
	@echo "variables: O=build DESTDIR= prefix=/usr/local V=1 CC=clang WERROR=1 SANITIZER=address,undefined"

$(LIBS_OK): Makefile
	$(Q)mkdir -p $(@D)
	$(Q)command -v $(PKG_CONFIG) >/dev/null || \
		{ echo "error: pkg-config is missing: run scripts/setup (as root, or with sudo)" >&2; exit 1; }
	$(Q)for r in $(REQUIRED); do \
		$(PKG_CONFIG) --atleast-version="$${r#*=}" "$${r%=*}" || { \
		echo "error: $${r%=*} $${r#*=} or newer is needed, found $$($(PKG_CONFIG) --modversion "$${r%=*}" 2>/dev/null || echo none): run scripts/setup (as root, or with sudo)" >&2; \
		exit 1; }; \
	done
	$(Q)touch $@

$(O)/obj/%.o: %.c $(LIBS_OK)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(VMRT_CFLAGS) $(CFLAGS) $(TEST_CFLAGS) -MMD -MP -c -o $@ $<

$(PROTO).c $(PROTO).h &: grasp-export/perfetto/trace.proto
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(@D)
	$(Q)protoc-c --c_out=$(O)/gen --proto_path=grasp-export/perfetto $<

$(O)/obj/gen/trace.pb-c.o: $(PROTO).c $(LIBS_OK)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(VMRT_CFLAGS) -w $(CFLAGS) -c -o $@ $<

$(O)/obj/grasp-export/perfetto/perfetto.o $(O)/fuzzobj/grasp-export/perfetto/perfetto.o: $(PROTO).h

# PostgreSQL's headers are elsewhere, and of use in one file
$(O)/obj/metrics/many/pg.o $(O)/fuzzobj/metrics/many/pg.o: \
	VMRT_CFLAGS += $(patsubst -I%,-isystem%,$(shell $(PKG_CONFIG) --cflags-only-I libpq 2>/dev/null))

# its schema is put into the writer of databases of many runs by the assembler
$(O)/obj/metrics/many/store-put.o $(O)/fuzzobj/metrics/many/store-put.o: metrics/many/schema.sql

# their script and style are put into the page's writer by the assembler
$(O)/obj/grasp-export/html/html.o $(O)/fuzzobj/grasp-export/html/html.o: grasp-export/html/timeline.js grasp-export/html/timeline.css

$(LIB): $(LIB_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) qcs $@ $^

define tool_rule
$(O)/bin/$(1): $(patsubst %.c,$(O)/obj/%.o,$(call tool_source,$(1))) $(LIB)
	$$(call say,LINK,$$@)
	$(Q)mkdir -p $$(@D)
	$(Q)$(CC) $(VMRT_LDFLAGS) $(LDFLAGS) -o $$@ $$^ $$(VMRT_LDLIBS)
endef
$(foreach t,$(TOOLS),$(eval $(call tool_rule,$(t))))

# The guest's programs need nothing but a kernel. The linker's warning is silenced because it is about the
# plug-ins of libtraceevent, which would need dlopen() and which these programs never load.
define static_rule
$(O)/static/$(1): $(patsubst %.c,$(O)/obj/%.o,$(call tool_source,$(1))) $(LIB)
	$$(call say,LINK,$$@)
	$(Q)mkdir -p $$(@D)
	$(Q)$(CC) -static -Wl,--no-warnings $(VMRT_LDFLAGS) $(LDFLAGS) -o $$@ $$^ $$(STATIC_LDLIBS)
endef
$(foreach t,$(STATIC_TOOLS),$(eval $(call static_rule,$(t))))

.PHONY: setup demo check clean
setup: ## install the Debian packages that are missing
	$(Q)scripts/setup

demo: ## boot a VM, run the paper's task set without and with HSF, compare (under 2 minutes)
	$(Q)scripts/setup
	$(Q)$(MAKE) --no-print-directory all
	$(Q)O=$(O) scripts/demo

# all CPUs, unless make was told how many
ALL_CPUS = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

# What only the tests need is installed while the programs are compiled.
check: ## build everything and run the tests
	$(Q)scripts/setup --compile
	$(Q)scripts/setup --tests & setup=$$!; \
		$(MAKE) $(ALL_CPUS) --no-print-directory WERROR=1 all test-tools; built=$$?; \
		wait $$setup && [ $$built -eq 0 ]
	$(Q)O=$(O) tests/run

.PHONY: check-long
check-long: ## what takes longer than make check should: every policy and a guest's clock on a real guest
	$(Q)scripts/setup --tests
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)O=$(O) tests/run long

.PHONY: check-tutorial
check-tutorial: ## run each command of the tutorial vmrt(7) on a real guest
	$(Q)scripts/setup --tests
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)O=$(O) bats tests/long/tutorial.bats

.PHONY: check-kernels
check-kernels: ## boot guests with Debian's kernels 5.10 to 6.12, PREEMPT_RT or not; compare all jobs with the programs' logs
	$(Q)scripts/setup --tests
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)O=$(O) scripts/check-kernels

.PHONY: judge-tasks
judge-tasks: ## have vmrt-trace tasks find the threads of programs whose periods are known, in a real guest
	$(Q)scripts/setup --tests --judge
	$(Q)$(MAKE) --no-print-directory all tests
	$(Q)O=$(O) scripts/judge-tasks

.PHONY: try-debian
try-debian: ## go the ways in of README.md with a fresh Debian 12 guest: plain QEMU, libvirt, ssh
	$(Q)scripts/setup --package --debian-guest
	$(Q)$(MAKE) --no-print-directory all deb
	$(Q)O=$(O) scripts/try-debian-guest

.PHONY: format format-check
format: ## format every C file as .clang-format says
	$(Q)git ls-files --cached --others --exclude-standard '*.c' '*.h' | xargs ls -d 2>/dev/null | xargs clang-format -i

format-check: ## list the C files that are not formatted
	$(Q)tests/format-check

clean: ## remove what was built
	$(Q)rm -rf $(O)/obj $(O)/gen $(O)/bin $(O)/static $(O)/tests $(LIB) $(LIBS_OK)

include tests/tests.mk docs/docs.mk

-include $(shell find $(O)/obj $(O)/fuzzobj $(O)/sanitized/obj -name '*.d' 2>/dev/null)
