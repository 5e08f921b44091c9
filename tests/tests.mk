# Building the tests. tests/run runs them.

COMMA := ,
TEST_LIB := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/lib/*.c))
UNIT_LIB := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/unit/lib/*.c))
UNIT_SOURCES := $(sort $(shell find tests/unit -name 'test_*.c'))
UNIT_TESTS := $(addprefix $(O)/tests/,$(notdir $(basename $(UNIT_SOURCES))))
SIM_OBJECTS := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/sim/*.c))
SIM_TEST := $(O)/tests/test_sim
SIM_SERVERS_OBJECTS := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/sim/servers/*.c) tests/sim/sim-rand.c tests/sim/sim-kernels.c)
SIM_SERVERS_TEST := $(O)/tests/test_sim_servers
TEST_TOOLS := $(patsubst tests/tools/%.c,$(O)/tests/%,$(wildcard tests/tools/*.c))
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

# the unit tests and the simulators again, under the sanitizers
SANITIZED_TESTS := $(patsubst $(O)/tests/%,$(O)/sanitized/%,$(UNIT_TESTS) $(SIM_TEST) $(SIM_SERVERS_TEST))

.PHONY: tests test-tools fuzz-targets sanitized-tests rest-objects check-unit fuzz goldens
tests: $(UNIT_TESTS) $(SIM_TEST) $(SIM_SERVERS_TEST) test-tools ## build the tests
test-tools: $(TEST_TOOLS) # programs that the scripts of tests use

$(O)/obj/tests/%.o: VMRT_CFLAGS += -Itests/lib -Itests/unit/lib -Wno-missing-prototypes

# The code under test is compiled as the programs are. That of the unit tests need not be fast: it is compiled in half the time.
$(O)/obj/tests/unit/%.o: TEST_CFLAGS := -O0 -g1

# Linkers that are twice as fast as the usual one, where they are installed, for what only the tests run
TEST_LD := $(if $(shell command -v ld.gold),-fuse-ld=gold)
TEST_LLD := $(if $(shell command -v ld.lld),-fuse-ld=lld)

# tests/unit mirrors the rooms; the programs stand side by side in $(O)/tests. To link a hundred programs takes longer than to
# compile them: the unit tests are one program with many names, whose main() is main_of_NAME(). A test that links in its own
# way is a program of its own; so is each where only some are built, with SANITIZER for instance.
LINKED_ALONE := test_live
ALONE := $(if $(SANITIZER),$(UNIT_SOURCES),$(filter $(addprefix %/,$(addsuffix .c,$(LINKED_ALONE))),$(UNIT_SOURCES)))
TOGETHER := $(filter-out $(ALONE),$(UNIT_SOURCES))
TOGETHER_NAMES := $(notdir $(basename $(TOGETHER)))
TOGETHER_OBJECTS := $(patsubst %.c,$(O)/obj/%.o,$(TOGETHER))
$(TOGETHER_OBJECTS): TEST_CFLAGS += -Dmain=main_of_$(notdir $(basename $@))

define unit_rule
$(O)/tests/$(notdir $(basename $(1))): $(patsubst %.c,$(O)/obj/%.o,$(1)) $(UNIT_LIB) $(TEST_LIB) $(LIB)
	$$(call say,LINK,$$@)
	$(Q)mkdir -p $$(@D)
	$(Q)$$(CC) $$(TEST_LD) $$(VMRT_LDFLAGS) $$(LDFLAGS) -o $$@ $$^ -lcmocka $$(VMRT_LDLIBS)
endef
$(foreach t,$(ALONE),$(eval $(call unit_rule,$(t))))

$(O)/gen/together.c: $(TOGETHER)
	$(Q)mkdir -p $(@D)
	$(Q){ for t in $(TOGETHER_NAMES); do echo "int main_of_$$t(int, char **);"; done; \
		echo 'const struct { const char *name; int (*main)(int, char **); } tests_together[] = {'; \
		for t in $(TOGETHER_NAMES); do echo "	{\"$$t\", main_of_$$t},"; done; \
		echo '	{0, 0}};'; } >$@

$(O)/tests/together: tests/lib/together/main.c $(O)/gen/together.c $(TOGETHER_OBJECTS) $(UNIT_LIB) $(TEST_LIB) $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_LD) $(VMRT_CFLAGS) -w $(VMRT_LDFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(VMRT_LDLIBS)

$(addprefix $(O)/tests/,$(TOGETHER_NAMES)): $(O)/tests/together
	$(Q)ln -sf $(<F) $@

# Live without tracefs and guests: the clock, the tracer, the VMs and the sessions are doubles there.
$(O)/tests/test_live $(O)/sanitized/test_live: VMRT_LDFLAGS += $(addprefix -Wl$(COMMA)--wrap=vmrt_,now_ns vms_find \
	$(addprefix tracer_,open reset meta cpus page_size on close read) \
	$(addprefix guest_,open wait start abort error upto copy_pings meta close))

# what other programs read, by their library
$(O)/obj/tests/tools/compare-tracecmd.o: VMRT_CFLAGS += $(patsubst -I%,-isystem%,$(shell $(PKG_CONFIG) --cflags-only-I libtracecmd 2>/dev/null))
$(O)/tests/compare-tracecmd: VMRT_LDLIBS += $(shell $(PKG_CONFIG) --libs libtracecmd 2>/dev/null)

$(SIM_TEST): $(SIM_OBJECTS) $(LIB)
$(SIM_SERVERS_TEST): $(SIM_SERVERS_OBJECTS) $(LIB)
$(SIM_TEST) $(SIM_SERVERS_TEST):
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_LD) $(VMRT_LDFLAGS) $(LDFLAGS) -o $@ $^ $(VMRT_LDLIBS)

$(O)/tests/%: $(O)/obj/tests/tools/%.o $(TEST_LIB) $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(TEST_LD) $(VMRT_LDFLAGS) $(LDFLAGS) -o $@ $^ $(VMRT_LDLIBS)

# Preloaded into the programs of tests/faults.
test-tools: $(O)/tests/fault-inject.so
$(O)/tests/fault-inject.so: tests/preload/fault-inject.c
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 -D_GNU_SOURCE -O2 -g -shared -fPIC -o $@ $<

.PHONY: faults
faults: all tests ## every allocation and every write in turn fails in analyze, report, export, record
	$(Q)O=$(O) tests/faults

.PHONY: fault-table hsf-stress soak
N ?= 3
fault-table: all tests ## kill, stop, cut and fill up at N (3) random moments each while a real guest is recorded
	$(Q)O=$(O) tests/fault-table $(N)

hsf-stress: all tests ## vmrt-hsf with 64 servers, threads that come and go, signals and clients of others
	$(Q)O=$(O) tests/hsf-stress 30

soak: all tests ## record --stream, vmrt-top and vmrt-hsf together for TIME
	$(Q)O=$(O) tests/soak $(if $(filter 2h,$(TIME)),20m,$(TIME))

# Fuzz targets need all code instrumented: objects and a library of their own, by clang. The sanitized tests use it, too.
# Most code is compiled without optimizing, which takes a third of the time; what tests and targets run millions of times is
# optimized. For long campaigns with a build folder of their own: SANITIZED_O=-O1.
SANITIZED_FLAGS := -g1 -fsanitize=address,undefined,float-cast-overflow -fno-sanitize-recover=undefined
SANITIZED_O := -O0
$(addprefix $(O)/fuzzobj/,parser/%.o metrics/stats/%.o metrics/figures/%.o hsf/rules/%.o tests/%.o) $(O)/sanitized/obj/tests/sim/%.o: SANITIZED_O := -O1
FUZZ_OBJECTS := $(patsubst %.c,$(O)/fuzzobj/%.o,$(filter-out $(TOOL_SOURCES),$(SOURCES)) $(wildcard tests/lib/*.c))

$(O)/fuzzobj/%.o: %.c $(LIBS_OK)
	$(Q)mkdir -p $(@D)
	$(Q)clang $(VMRT_CFLAGS) -Itests/lib $(SANITIZED_O) $(SANITIZED_FLAGS) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<

$(O)/fuzzobj/tests/%.o: VMRT_CFLAGS += -Wno-missing-prototypes

$(O)/fuzzobj/gen/trace.pb-c.o: $(PROTO).c
	$(Q)mkdir -p $(@D)
	$(Q)clang $(VMRT_CFLAGS) -w $(SANITIZED_O) $(SANITIZED_FLAGS) -fsanitize=fuzzer-no-link -c -o $@ $<

$(O)/fuzz/libvmrt.a: $(FUZZ_OBJECTS) $(O)/fuzzobj/gen/trace.pb-c.o
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) qcs $@ $^

$(O)/fuzz/fuzz_%: $(O)/fuzzobj/tests/fuzz/fuzz_%.o $(O)/fuzzobj/tests/fuzz/findings-folder.o $(O)/fuzz/libvmrt.a
	$(call say,FUZZ,$@)
	$(Q)clang $(TEST_LLD) $(SANITIZED_FLAGS) $(FUZZ_WRAP) -fsanitize=fuzzer -o $@ $^ $(VMRT_LDLIBS)

# The agent's tracer and its buffers are doubles there.
$(O)/fuzz/fuzz_agent: FUZZ_WRAP := $(addprefix -Wl$(COMMA)--wrap=,$(addprefix vmrt_tracer_,open close on off cpus \
	page_size buffer stats meta reset) $(addprefix vmrt_tail_,begin next end))

# The answers of a database's server are doubles.
$(O)/fuzz/fuzz_many: FUZZ_WRAP := $(addprefix -Wl$(COMMA)--wrap=pg_,query script rows text int free)

# The unit tests and the simulators under the sanitizers: objects of their own, and the library of the fuzz targets.
$(O)/sanitized/obj/%.o: %.c $(LIBS_OK)
	$(call say,CLANG,$<)
	$(Q)mkdir -p $(@D)
	$(Q)clang $(VMRT_CFLAGS) -Itests/lib -Itests/unit/lib -Wno-missing-prototypes -DTESTS_SANITIZED $(MAIN_NAME) $(SANITIZED_O) $(SANITIZED_FLAGS) -MMD -MP -c -o $@ $<

# its objects are those of the program $(O)/tests/NAME
define sanitized_rule
$(O)/sanitized/$(1): $(patsubst $(O)/obj/%,$(O)/sanitized/obj/%,$(2)) $(O)/fuzz/libvmrt.a
	$$(call say,LINK,$$@)
	$(Q)clang $(TEST_LLD) $(SANITIZED_FLAGS) $$(VMRT_LDFLAGS) -o $$@ $$^ -lcmocka $$(VMRT_LDLIBS)
endef
$(eval $(call sanitized_rule,test_sim,$(SIM_OBJECTS)))
$(eval $(call sanitized_rule,test_sim_servers,$(SIM_SERVERS_OBJECTS)))

# The unit tests are one program here, too.
$(foreach t,$(ALONE),$(eval $(call sanitized_rule,$(notdir $(basename $(t))),$(patsubst %.c,$(O)/obj/%.o,$(t)) $(UNIT_LIB))))
SANITIZED_TOGETHER := $(patsubst $(O)/obj/%,$(O)/sanitized/obj/%,$(TOGETHER_OBJECTS))
$(SANITIZED_TOGETHER): MAIN_NAME = -Dmain=main_of_$(notdir $(basename $@))

$(O)/sanitized/together: tests/lib/together/main.c $(O)/gen/together.c $(SANITIZED_TOGETHER) \
		$(patsubst $(O)/obj/%,$(O)/sanitized/obj/%,$(UNIT_LIB)) $(O)/fuzz/libvmrt.a
	$(call say,LINK,$@)
	$(Q)clang $(TEST_LLD) $(VMRT_CFLAGS) -w $(SANITIZED_FLAGS) -o $@ $^ -lcmocka $(VMRT_LDLIBS)

$(addprefix $(O)/sanitized/,$(TOGETHER_NAMES)): $(O)/sanitized/together
	$(Q)ln -sf $(<F) $@

sanitized-tests: $(SANITIZED_TESTS)

# What is in no library and no test: the main files. With fuzz-targets and sanitized-tests, every C file has been compiled.
rest-objects: $(patsubst %.c,$(O)/obj/%.o,$(TOOL_SOURCES) $(wildcard tests/tools/*.c))

.SECONDARY:

fuzz-targets: $(FUZZ_TARGETS)

# FUZZ_SEED: 0 is another one each time; make check has one that stays, so that the same tree gets the same inputs.
FUZZ_SECONDS ?= 60
FUZZ_SEED ?= 0
fuzz: fuzz-targets ## run every fuzz target for FUZZ_SECONDS (60)
	$(Q)for f in $(FUZZ_TARGETS); do \
		echo "  FUZZ     $$f"; mkdir -p $(O)/corpus/$$(basename $$f); \
		$$f -seed=$(FUZZ_SEED) -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 -timeout=10 -len_control=20 -print_final_stats=0 -close_fd_mask=2 \
			-artifact_prefix=$(O)/fuzz/ $(O)/corpus/$$(basename $$f) \
			$$(ls -d tests/fuzz/corpus/$$(basename $$f) 2>/dev/null) >$(O)/fuzz/log 2>&1 || { tail -n 30 $(O)/fuzz/log; exit 1; }; \
		tail -n 3 $(O)/fuzz/log; \
	done

# What has threads, by a compiler that watches what they share.
.PHONY: tsan
TSAN_TESTS := $(addprefix $(O)/tsan/tests/,test_session_peers test_link_secret test_pings fake-vm)
tsan: ## run what has threads under ThreadSanitizer
	$(Q)$(MAKE) --no-print-directory O=$(O)/tsan SANITIZER=thread CFLAGS="-O1 -g" all $(TSAN_TESTS)
	$(Q)O=$(O) tests/tsan

TIME ?= 2h
.PHONY: campaign
campaign: fuzz-targets tsan ## fuzz every target by turns for TIME (2h) of CPU time; goes on where it was stopped
	$(Q)O=$(O) tests/campaign $(TIME)

goldens: all ## write what the recordings in tests/data give now into tests/data/golden
	$(Q)O=$(O) tests/golden --refresh

check-unit: tests ## run only the unit tests
	$(Q)O=$(O) tests/run unit

# One that runs in the guest. Sanitizers do not go with -static.
ifeq ($(SANITIZER),)
tests: $(O)/tests/link-client-static $(O)/tests/periodic-static
$(O)/tests/link-client-static: $(O)/obj/tests/tools/link-client.o $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static -Wl,--no-warnings $(LDFLAGS) -o $@ $^ $(STATIC_LDLIBS)
$(O)/tests/periodic-static: $(O)/obj/tests/tools/periodic.o
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -static $(LDFLAGS) -o $@ $^ -pthread
endif

include tests/bench/bench.mk
