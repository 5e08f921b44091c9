/* SPDX-License-Identifier: MIT */
/* Servers of single vCPUs, and servers of VMs that become one for each vCPU. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <vmrt/experiment.h>
#include <vmrt/units.h>
#include <vmrt/vms.h>

static const struct vmrt_vm_thread two[] = {
	{.tid = 12, .role = VMRT_ROLE_VCPU, .vcpu = 1},
	{.tid = 11, .role = VMRT_ROLE_VCPU, .vcpu = 0},
	{.tid = 10, .role = VMRT_ROLE_MAIN, .vcpu = -1},
};

static struct vmrt_experiment *parse(const char *text)
{
	struct vmrt_experiment *exp = NULL;
	struct vmrt_error err;

	assert_int_equal(vmrt_experiment_parse(text, "t.ini", &exp, &err), VMRT_OK);
	return exp;
}

static struct vmrt_experiment *split(const char *text)
{
	struct vmrt_experiment *exp = parse(text);
	struct vmrt_error err;

	assert_int_equal(vmrt_experiment_split(exp, "plant", two, 3, &err), VMRT_OK);
	return exp;
}

#define BUDGET "period = 10ms\nbudget = 4ms\npriority = 50\n"

static void number_behind_the_vm_is_a_vcpu(void **state)
{
	static const struct {
		const char *vm, *name;
		int vcpu;
	} cases[] = {
		{"plant:0", "plant", 0},
		{"plant:13", "plant", 13},
		{"a:b:2", "a:b", 2},
		{"plant", "plant", -1},
		{"plant:", "plant:", -1},
		{"plant:x", "plant:x", -1},
		{"plant:-1", "plant:-1", -1},
		{":3", ":3", -1},
		{"pid:12", "pid:12", -1},
		{"pid:12:1", "pid:12", 1},
		{"thread:rt:1", "thread:rt:1", -1},
		{"cgroup:/a:1", "cgroup:/a:1", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256], vm[VMRT_SERVER_VM];
		struct vmrt_experiment *exp;

		snprintf(text, sizeof(text), "[server s]\nvm = %s\n" BUDGET, cases[i].vm);
		exp = parse(text);
		assert_string_equal(exp->servers[0].vm, cases[i].name);
		assert_int_equal(exp->servers[0].vcpu, cases[i].vcpu);
		assert_string_equal(vmrt_server_vm(&exp->servers[0], vm), cases[i].vm);
		vmrt_experiment_free(exp);
	}
}

static void server_of_two_vcpus_becomes_two(void **state)
{
	struct vmrt_experiment *exp = split("[server other]\n" BUDGET "[server plant]\n" BUDGET
					    "[server last]\nvm = vm2\n" BUDGET);

	(void)state;
	assert_int_equal(exp->n_servers, 4);
	assert_string_equal(exp->servers[0].name, "other");
	assert_string_equal(exp->servers[1].name, "plant:0");
	assert_string_equal(exp->servers[1].of, "plant");
	assert_string_equal(exp->servers[1].vm, "plant");
	assert_int_equal(exp->servers[1].vcpu, 0);
	assert_int_equal(exp->servers[1].budget_ns, 4 * VMRT_NS_PER_MS);
	assert_string_equal(exp->servers[2].name, "plant:1");
	assert_int_equal(exp->servers[2].vcpu, 1);
	assert_string_equal(exp->servers[3].name, "last");
	vmrt_experiment_free(exp);
}

static void server_by_process_is_split_too(void **state)
{
	struct vmrt_experiment *exp = split("[server s]\nvm = pid:10\n" BUDGET);

	(void)state;
	assert_int_equal(exp->n_servers, 2);
	assert_string_equal(exp->servers[1].name, "s:1");
	vmrt_experiment_free(exp);
}

static void servers_that_stay_whole(void **state)
{
	static const char *const texts[] = {
		"[server plant]\ntogether = yes\n" BUDGET,
		"[server plant]\npolicy = none\n",
		"[server plant]\npolicy = cfs_quota\n" BUDGET,
		"[server plant]\npolicy = rt_group\n" BUDGET,
		"[server plant]\ndepletion = hard\n" BUDGET,
		"[server s]\nvm = another\n" BUDGET,
		"[server s]\nvm = pid:99\n" BUDGET,
		"[server s]\nvm = plant:1\n" BUDGET,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct vmrt_experiment *exp = split(texts[i]);

		assert_int_equal(exp->n_servers, 1);
		assert_string_equal(exp->servers[0].of, "");
		vmrt_experiment_free(exp);
	}
}

static void vcpu_with_a_server_of_its_own_keeps_it(void **state)
{
	struct vmrt_experiment *exp =
		split("[server rt]\nvm = plant:1\n" BUDGET "[server plant]\n" BUDGET);

	(void)state;
	assert_int_equal(exp->n_servers, 2);
	assert_string_equal(exp->servers[0].name, "rt");
	assert_string_equal(exp->servers[1].name, "plant:0");
	vmrt_experiment_free(exp);
}

static void vm_with_one_vcpu_keeps_its_server(void **state)
{
	struct vmrt_experiment *exp = parse("[server plant]\n" BUDGET);
	struct vmrt_error err;

	(void)state;
	assert_int_equal(vmrt_experiment_split(exp, "plant", &two[1], 2, &err), VMRT_OK);
	assert_int_equal(exp->n_servers, 1);
	assert_string_equal(exp->servers[0].name, "plant");
	assert_int_equal(exp->servers[0].vcpu, -1);
	vmrt_experiment_free(exp);
}

static void names_that_cannot_be_are_errors(void **state)
{
	struct vmrt_experiment *exp =
		parse("[server plant:0]\nvm = x\n" BUDGET "[server plant]\n" BUDGET);
	struct vmrt_error err;

	(void)state;
	assert_int_equal(vmrt_experiment_split(exp, "plant", two, 3, &err), VMRT_EINVAL);
	assert_non_null(strstr(err.text, "plant:0"));
	vmrt_experiment_free(exp);
	exp = parse("[server "
		    "a23456789a23456789a23456789a23456789a23456789a23456789a2345678]\n"
		    "vm = plant\n" BUDGET);
	assert_int_equal(vmrt_experiment_split(exp, "plant", two, 3, &err), VMRT_ERANGE);
	vmrt_experiment_free(exp);
}

static void single_vcpu_cannot_be_together(void **state)
{
	struct vmrt_experiment *exp;
	struct vmrt_error err;

	(void)state;
	assert_int_equal(vmrt_experiment_parse("[server s]\nvm = plant:0\ntogether = yes\n" BUDGET,
				 "t.ini", &exp, &err),
		VMRT_EINVAL);
	assert_non_null(strstr(err.text, "vCPU 0 alone"));
}

static void each_vcpu_gets_its_cpu_of_the_list(void **state)
{
	struct vmrt_experiment *exp = split("[server plant]\n" BUDGET "cpu = 7,2-3\n");
	char buf[VMRT_SERVER_CPUS * 5 + 1];

	(void)state;
	assert_int_equal(exp->n_servers, 2);
	assert_int_equal(exp->servers[0].cpu, 7);
	assert_int_equal(exp->servers[1].cpu, 2);
	assert_string_equal(vmrt_server_cpus(&exp->servers[1], buf), "2");
	vmrt_experiment_free(exp);
	exp = parse("[server plant]\n" BUDGET "cpu = 7,2-3\n");
	assert_string_equal(vmrt_server_cpus(&exp->servers[0], buf), "7,2,3");
	vmrt_experiment_free(exp);
}

static void a_list_that_is_too_short_is_said(void **state)
{
	static const struct vmrt_vm_thread three[] = {
		{.tid = 11, .role = VMRT_ROLE_VCPU, .vcpu = 0},
		{.tid = 12, .role = VMRT_ROLE_VCPU, .vcpu = 1},
		{.tid = 13, .role = VMRT_ROLE_VCPU, .vcpu = 2},
	};
	struct vmrt_experiment *exp = parse("[server plant]\n" BUDGET "cpu = 0,1\n");
	struct vmrt_error err;

	(void)state;
	assert_int_equal(vmrt_experiment_split(exp, "plant", three, 3, &err), VMRT_EINVAL);
	assert_string_equal(err.text,
		"server plant: its list of CPUs has 2, and VM plant has a vCPU "
		"2: name one for each vCPU");
	vmrt_experiment_free(exp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(number_behind_the_vm_is_a_vcpu),
		cmocka_unit_test(each_vcpu_gets_its_cpu_of_the_list),
		cmocka_unit_test(a_list_that_is_too_short_is_said),
		cmocka_unit_test(server_of_two_vcpus_becomes_two),
		cmocka_unit_test(server_by_process_is_split_too),
		cmocka_unit_test(servers_that_stay_whole),
		cmocka_unit_test(vcpu_with_a_server_of_its_own_keeps_it),
		cmocka_unit_test(vm_with_one_vcpu_keeps_its_server),
		cmocka_unit_test(names_that_cannot_be_are_errors),
		cmocka_unit_test(single_vcpu_cannot_be_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
