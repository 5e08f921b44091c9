/* SPDX-License-Identifier: MIT */
/* Which servers fit together on a CPU, and what control requests are accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hsf/control/control.h"
#include "hsf/run/hsf.h"

#define MS VMRT_NS_PER_MS

static struct vmrt_server_spec spec(
	const char *name, enum vmrt_policy policy, int priority, int64_t period, int64_t budget)
{
	struct vmrt_server_spec s = {.vcpu = -1,
		.policy = policy,
		.priority = priority,
		.period_ns = period,
		.budget_ns = budget};

	snprintf(s.name, sizeof(s.name), "%s", name);
	snprintf(s.vm, sizeof(s.vm), "%s", name);
	return s;
}

static struct hsf_demand demand(const struct vmrt_server_spec *s)
{
	struct hsf_demand d;

	hsf_demand_from(s, 0, &d);
	return d;
}

static void only_servers_that_keep_their_budget_come_back_to_back(void **state)
{
	struct vmrt_server_spec low = spec("low", VMRT_POLICY_PERIODIC, 20, 20 * MS, 6 * MS);

	(void)state;
	for (enum vmrt_policy p = VMRT_POLICY_PERIODIC; p <= VMRT_POLICY_SPORADIC; p++) {
		struct vmrt_server_spec high = spec("high", p, 30, 10 * MS, 4 * MS);
		struct hsf_demand d[] = {demand(&low), demand(&high)};

		/* R = 6 + ceil(R / 10) 4 = 10, and 14 where the one above may give 8 ms in a row */
		assert_int_equal(hsf_admit(d, 2), 0);
		assert_int_equal(d[0].response_ns, (p == VMRT_POLICY_DEFERRABLE ? 14 : 10) * MS);
	}
}

static void a_period_of_years_beside_a_full_cpu_is_refused_at_once(void **state)
{
	/* R grows by 0.1 ms in each step: 10^15 of them until it passes the period */
	struct vmrt_server_spec high = spec("high", VMRT_POLICY_PERIODIC, 30, MS, MS);
	struct vmrt_server_spec low =
		spec("low", VMRT_POLICY_DEFERRABLE, 20, INT64_C(1) << 60, MS / 10);
	struct vmrt_server_spec lowest =
		spec("lowest", VMRT_POLICY_DEFERRABLE, 10, INT64_C(1) << 60, INT64_C(1) << 59);
	struct hsf_demand d[] = {demand(&low), demand(&high), demand(&lowest)};

	(void)state;
	assert_int_equal(hsf_admit(d, 3), 2);
	assert_true(d[0].response_ns > d[0].period_ns && d[2].response_ns > d[2].period_ns);
	assert_int_equal(d[1].response_ns, MS);
}

static void earliest_deadlines_fit_up_to_the_whole_cpu(void **state)
{
	struct vmrt_server_spec a = spec("a", VMRT_POLICY_EDF, 0, 10 * MS, 5 * MS);
	struct vmrt_server_spec b = spec("b", VMRT_POLICY_EDF, 0, 14 * MS, 7 * MS);
	struct hsf_demand d[] = {demand(&a), demand(&b)};

	(void)state;
	assert_int_equal(hsf_admit(d, 2), 0);
	/* fixed priorities could not: 7 + 2 * 5 > 14 */
	a.policy = b.policy = VMRT_POLICY_PERIODIC;
	a.priority = 40, b.priority = 30;
	d[0] = demand(&a);
	d[1] = demand(&b);
	assert_int_equal(hsf_admit(d, 2), 1);
	b.policy = a.policy = VMRT_POLICY_EDF;
	b.budget_ns += 1 * MS;
	d[0] = demand(&a);
	d[1] = demand(&b);
	assert_int_equal(hsf_admit(d, 2), 2);
}

static void deadline_servers_of_the_kernel_come_before_all_others(void **state)
{
	struct vmrt_server_spec kernel = spec("kernel", VMRT_POLICY_DEADLINE, 0, 10 * MS, 4 * MS);
	struct vmrt_server_spec fixed = spec("fixed", VMRT_POLICY_SPORADIC, 90, 12 * MS, 5 * MS);
	struct hsf_demand d[] = {demand(&fixed), demand(&kernel)};

	(void)state;
	/* R = 5 + ceil((R + 6) / 10) 4: 5 -> 13 */
	assert_int_equal(hsf_admit(d, 2), 1);
	assert_int_equal(d[1].response_ns, 10 * MS);
	assert_true(d[0].response_ns > d[0].period_ns);
}

static void refusal_names_the_set_and_the_reason(void **state)
{
	struct vmrt_server_spec a = spec("alpha", VMRT_POLICY_DEFERRABLE, 50, 12 * MS, 8 * MS);
	struct vmrt_server_spec b = spec("beta", VMRT_POLICY_DEFERRABLE, 40, 24 * MS, 6 * MS);
	struct vmrt_server_spec low = spec("low", VMRT_POLICY_DEFERRABLE, 30, 1000 * MS, 1 * MS);
	struct hsf_demand d[] = {demand(&a), demand(&b), demand(&low)};
	struct vmrt_error err;

	(void)state;
	/* beta: 6 + ceil((R + 4) / 12) 8 = 22, 30 > 24 */
	assert_int_equal(hsf_admission(d, 3, &err), VMRT_EBUSY);
	assert_non_null(strstr(err.text, "server beta is not schedulable on CPU 0"));
	assert_non_null(strstr(err.text, "alpha (8 ms in 12 ms, priority 50)"));
	assert_non_null(strstr(err.text, "its period of 24 ms (utilisation 0.918)"));
	assert_null(strstr(err.text, "low"));
}

static void a_whole_cpu_is_refused(void **state)
{
	struct vmrt_server_spec a = spec("alpha", VMRT_POLICY_DEFERRABLE, 50, 12 * MS, 12 * MS);
	struct hsf_demand d[] = {demand(&a)};
	struct vmrt_error err;

	(void)state;
	assert_int_equal(hsf_admission(d, 1, &err), VMRT_EBUSY);
	assert_non_null(
		strstr(err.text, "servers on CPU 0 want 1.000 of it: alpha (12 ms in 12 ms"));
	a.budget_ns = 6 * MS;
	d[0] = demand(&a);
	assert_int_equal(hsf_admission(d, 1, &err), VMRT_OK);
}

static void limits_of_the_kernel_are_shares_or_none(void **state)
{
	(void)state;
	assert_true(hsf_reserve_share(950000, 1000000) > 0.949 &&
		    hsf_reserve_share(950000, 1000000) < 0.951);
	assert_true(hsf_reserve_share(-1, 1000000) >= 1);
	assert_true(hsf_reserve_share(VMRT_UNKNOWN, 1000000) >= 1);
	assert_true(hsf_reserve_share(1, 0) >= 1);
	assert_true(hsf_reserve_share(0, 1000000) <= 0);
}

/* ---- requests ---- */

static enum vmrt_status parse(const char *line, struct hsf_request *out, struct vmrt_error *err)
{
	return hsf_request_parse(line, strlen(line), out, err);
}

static void requests_are_read(void **state)
{
	struct hsf_request r;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(parse("{\"op\":\"status\"}", &r, &err), VMRT_OK);
	assert_int_equal(r.op, HSF_OP_STATUS);
	assert_int_equal(parse("{\"op\":\"set\",\"server\":\"vm1\",\"settings\":{\"budget\":"
			       "\"9ms\"},\"force\":true}",
				 &r, &err),
		VMRT_OK);
	assert_int_equal(r.op, HSF_OP_SET);
	assert_string_equal(r.server, "vm1");
	assert_int_equal(r.n, 1);
	assert_string_equal(r.settings[0].key, "budget");
	assert_string_equal(r.settings[0].value, "9ms");
	assert_true(r.force);
	assert_int_equal(parse("{\"op\":\"mark\",\"instance\":\"vmrt-12-345-0-record\"}", &r, &err),
		VMRT_OK);
	assert_string_equal(r.instance, "vmrt-12-345-0-record");
	assert_int_equal(parse("{\"op\":\"detach\",\"server\":\"vm1\"}", &r, &err), VMRT_OK);
	assert_int_equal(r.op, HSF_OP_DETACH);
	assert_false(r.force);
}

static void what_is_no_request_is_refused_in_words(void **state)
{
	static const char *const bad[] = {
		"",
		"nonsense",
		"[]",
		"1",
		"null",
		"{}",
		"{\"op\":1}",
		"{\"op\":\"explode\"}",
		"{\"op\":\"status\"",
		"{\"op\":\"status\"}{\"op\":\"status\"}",
		"{\"op\":\"status\",\"more\":1}",
		"{\"op\":\"status\",\"force\":\"yes\"}",
		"{\"op\":\"set\"}",
		"{\"op\":\"set\",\"server\":\"a\"}",
		"{\"op\":\"set\",\"server\":\"a b\",\"settings\":{\"budget\":\"1ms\"}}",
		"{\"op\":\"set\",\"server\":7,\"settings\":{\"budget\":\"1ms\"}}",
		"{\"op\":\"set\",\"server\":\"a\",\"settings\":[]}",
		"{\"op\":\"set\",\"server\":\"a\",\"settings\":{\"budget\":1}}",
		"{\"op\":\"set\",\"server\":\"a\",\"settings\":{\"budget\":\"1ms\\npriority = "
		"96\"}}",
		"{\"op\":\"set\",\"server\":\"a\",\"settings\":{\"budget\":\"1ms ; x\"}}",
		"{\"op\":\"set\",\"server\":\"a\",\"settings\":{\"budget\":\"1ms\\u0000x\"}}",
		"{\"op\":\"set\",\"server\":\"a\",\"settings\":{\"[task x/y]\":\"1ms\"}}",
		"{\"op\":\"detach\",\"server\":\"a\",\"settings\":{\"budget\":\"1ms\"}}",
		"{\"op\":\"attach\",\"server\":\"a]\\n[server "
		"b\",\"settings\":{\"budget\":\"1ms\"}}",
		"{\"op\":\"mark\"}",
		"{\"op\":\"mark\",\"instance\":\"vmrt-/../x\"}",
		"{\"op\":\"unmark\",\"instance\":\"other\"}",
		"{\"op\":{\"op\":{\"op\":{\"op\":{\"op\":1}}}}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vmrt_error err = {.text = ""};
		struct hsf_request r;

		if (parse(bad[i], &r, &err) == VMRT_OK)
			fail_msg("accepted: %s", bad[i]);
		assert_true(err.text[0] != '\0');
	}
}

static void a_change_keeps_what_it_does_not_name(void **state)
{
	struct vmrt_server_spec now = spec("vm1", VMRT_POLICY_SPORADIC, 50, 12 * MS, 4 * MS), then;
	struct hsf_request r;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(parse("{\"op\":\"set\",\"server\":\"vm1\",\"settings\":{\"budget\":"
			       "\"9ms\",\"priority\":\"60\"}}",
				 &r, &err),
		VMRT_OK);
	assert_int_equal(hsf_request_spec(&r, &now, &then, &err), VMRT_OK);
	assert_int_equal(then.budget_ns, 9 * MS);
	assert_int_equal(then.priority, 60);
	assert_int_equal(then.period_ns, 12 * MS);
	assert_int_equal(then.policy, VMRT_POLICY_SPORADIC);
	assert_string_equal(then.vm, "vm1");
	/* quoted in the experiment file, it holds what would begin a comment */
	strcpy(now.vm, "a ;b \"c\" \\ #d");
	assert_int_equal(hsf_request_spec(&r, &now, &then, &err), VMRT_OK);
	assert_string_equal(then.vm, "a ;b \"c\" \\ #d");
	assert_int_equal(then.vcpu, -1);
	now.vcpu = 3;
	assert_int_equal(hsf_request_spec(&r, &now, &then, &err), VMRT_OK);
	assert_string_equal(then.vm, "a ;b \"c\" \\ #d");
	assert_int_equal(then.vcpu, 3);
}

static void a_change_keeps_the_rules_of_the_experiment_file(void **state)
{
	struct vmrt_server_spec now = spec("vm1", VMRT_POLICY_SPORADIC, 50, 12 * MS, 4 * MS), then;
	static const struct {
		const char *settings, *words;
	} bad[] = {
		{"{\"budget\":\"13ms\"}",
			"budget 13 ms of server vm1 is more than its period 12 ms"},
		{"{\"budget\":\"x\"}", "budget = x is not a duration"},
		{"{\"priority\":\"99\"}", "priority = 99"},
		{"{\"colour\":\"red\"}", "unknown key 'colour'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct hsf_request r;
		struct vmrt_error err;
		char line[200];

		snprintf(line, sizeof(line), "{\"op\":\"set\",\"server\":\"vm1\",\"settings\":%s}",
			bad[i].settings);
		assert_int_equal(parse(line, &r, &err), VMRT_OK);
		assert_int_equal(hsf_request_spec(&r, &now, &then, &err), VMRT_EINVAL);
		/* and the message begins with what is wrong, not with a place in a file that there
		 * is not */
		if (strncmp(err.text, bad[i].words, strlen(bad[i].words)) != 0)
			fail_msg("%s: %s", bad[i].settings, err.text);
	}
}

static void what_is_written_is_read_again(void **state)
{
	struct hsf_request r = {.op = HSF_OP_ATTACH, .server = "vm2", .n = 1}, again;
	struct vmrt_error err;
	json_object *json;

	(void)state;
	assert_int_equal(hsf_setting_parse("vm=pid:12", &r.settings[0], &err), VMRT_OK);
	json = hsf_request_json(&r);
	assert_non_null(json);
	assert_int_equal(
		parse(json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN), &again, &err),
		VMRT_OK);
	assert_memory_equal(&r, &again, sizeof(r));
	json_object_put(json);
	assert_int_equal(hsf_setting_parse("budget", &r.settings[0], &err), VMRT_EINVAL);
	assert_int_equal(hsf_setting_parse("=9ms", &r.settings[0], &err), VMRT_EINVAL);
	assert_int_equal(hsf_setting_parse("budget=", &r.settings[0], &err), VMRT_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_servers_that_keep_their_budget_come_back_to_back),
		cmocka_unit_test(a_period_of_years_beside_a_full_cpu_is_refused_at_once),
		cmocka_unit_test(earliest_deadlines_fit_up_to_the_whole_cpu),
		cmocka_unit_test(deadline_servers_of_the_kernel_come_before_all_others),
		cmocka_unit_test(refusal_names_the_set_and_the_reason),
		cmocka_unit_test(a_whole_cpu_is_refused),
		cmocka_unit_test(limits_of_the_kernel_are_shares_or_none),
		cmocka_unit_test(requests_are_read),
		cmocka_unit_test(what_is_no_request_is_refused_in_words),
		cmocka_unit_test(a_change_keeps_what_it_does_not_name),
		cmocka_unit_test(a_change_keeps_the_rules_of_the_experiment_file),
		cmocka_unit_test(what_is_written_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
