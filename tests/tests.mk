# Building the tests. tests/run runs them.

TEST_LIB := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/lib/*.c))
UNIT_TESTS := $(patsubst tests/unit/%.c,$(O)/tests/%,$(wildcard tests/unit/test_*.c))
SIM_OBJECTS := $(patsubst %.c,$(O)/obj/%.o,$(wildcard tests/sim/*.c))
SIM_TEST := $(O)/tests/test_sim
TEST_TOOLS := $(patsubst tests/tools/%.c,$(O)/tests/%,$(wildcard tests/tools/*.c))
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(O)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: tests fuzz-targets check-unit fuzz goldens
tests: $(UNIT_TESTS) $(SIM_TEST) $(TEST_TOOLS) ## build the tests

$(O)/obj/tests/%.o: VMRT_CFLAGS += -Itests/lib -I. -Wno-missing-prototypes

$(O)/tests/test_%: $(O)/obj/tests/unit/test_%.o $(TEST_LIB) $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(VMRT_LDFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(VMRT_LDLIBS)

$(SIM_TEST): $(SIM_OBJECTS) $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(VMRT_LDFLAGS) $(LDFLAGS) -o $@ $^ $(VMRT_LDLIBS)

$(O)/tests/%: $(O)/obj/tests/tools/%.o $(TEST_LIB) $(LIB)
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(VMRT_LDFLAGS) $(LDFLAGS) -o $@ $^ $(VMRT_LDLIBS)

# Each fuzz target is built with all sources it needs, instrumented.
$(O)/fuzz/%: tests/fuzz/%.c $(filter-out $(TOOL_SOURCES),$(SOURCES)) $(wildcard tests/lib/*.c)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)clang $(filter-out -Werror,$(VMRT_CFLAGS)) -Itests/lib -I. -O1 -g -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined -Wno-missing-prototypes -o $@ $^ $(VMRT_LDLIBS)

fuzz-targets: $(FUZZ_TARGETS)

FUZZ_SECONDS ?= 60
fuzz: fuzz-targets ## run every fuzz target for FUZZ_SECONDS (60)
	$(Q)for f in $(FUZZ_TARGETS); do \
		echo "  FUZZ     $$f"; mkdir -p $(O)/corpus/$$(basename $$f); \
		$$f -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 -timeout=10 -print_final_stats=0 \
			-artifact_prefix=$(O)/fuzz/ $(O)/corpus/$$(basename $$f) 2>&1 | tail -n 3 || exit 1; \
	done

check-unit: tests ## run only the unit tests
	$(Q)O=$(O) tests/run unit
