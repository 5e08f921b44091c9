# Measurements; each prints Markdown for docs/performance.md.

.PHONY: bench-record
bench-record: $(O)/bin/vmrt-trace $(O)/tests/event-load ## measure what recording costs, against trace-cmd (as root)
	$(Q)O=$(O) tests/bench/record

.PHONY: bench-analyze
bench-analyze: $(O)/bin/vmrt-trace $(O)/tests/bare-decoder $(O)/tests/repeat-recording all ## measure how fast recordings are analysed, against trace-cmd (as root)
	$(Q)scripts/setup --bench
	$(Q)O=$(O) tests/bench/analyze

.PHONY: bench-report
bench-report: $(O)/bin/vmrt-report ## measure how long a report of a million jobs takes
	$(Q)O=$(O) tests/bench/report

.PHONY: bench-hsf
bench-hsf: all tests ## measure how exactly vmrt-hsf enforces, against SCHED_DEADLINE (as root)
	$(Q)O=$(O) tests/bench/hsf $(BENCH_HSF)

.PHONY: bench-top
bench-top: all $(O)/tests/event-load ## measure what vmrt-top costs, and how fast it answers keys (as root)
	$(Q)O=$(O) tests/bench/top $(BENCH_TOP)

.PHONY: bench-top-guest
bench-top-guest: all tests ## measure vmrt-top for ten minutes beside a real guest with two vCPUs and hogs (as root)
	$(Q)O=$(O) tests/bench/top-guest $(BENCH_TOP)

.PHONY: bench-export
bench-export: $(O)/bin/vmrt-export ## measure how long exports of 100,000 jobs take
	$(Q)O=$(O) tests/bench/export

.PHONY: bench-push
bench-push: $(O)/bin/vmrt-report ## measure pushing 1,000 runs into PostgreSQL, and queries over them
	$(Q)scripts/setup --tests
	$(Q)O=$(O) tests/bench/push
