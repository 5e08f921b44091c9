/* SPDX-License-Identifier: MIT */
/* The VM finder, on folders laid out like /proc. */
#include "procfix.h"

static void qemu_is_found_with_name_threads_and_link(void **state)
{
	struct vmrt_vm *vms;
	char path[128];
	size_t n;

	(void)state;
	PROCESS(700, "/usr/bin/"
		     "qemu-system-x86_64\0-name\0guest=demo,debug-threads=on\0-machine\0q35,accel="
		     "kvm:tcg\0"
		     "-device\0virtserialport,chardev=ch0,name=org.vmrt.agent.0\0"
		     "-chardev\0socket,path=link.sock,server=on,id=ch0\0"
		     "-chardev\0socket,id=ch1,path=/run/x,,y.sock\0"
		     "-device\0virtserialport,name=org.vmrt.agent.1,chardev=ch1\0");
	thread(700, 700, "qemu-system-x86", 0, 0, "0-1");
	thread(700, 701, "call_rcu", 0, 0, "0-1");
	thread(700, 704, "CPU 1/TCG", 0, 0, "1");
	thread(700, 703, "CPU 0/TCG", 1, 50, "0,2-3");
	thread(700, 705, "vhost-700", 0, 0, "0");
	snprintf(path, sizeof(path), "%s/700/cwd", root);
	assert_int_equal(symlink("/var/vm", path), 0);
	/* a process that ended while it was looked at, and whose number a thread has now */
	PROCESS(704, "/usr/bin/qemu-system-x86_64\0-name\0guest=demo,debug-threads=on\0");
	thread(704, 700, "qemu-system-x86", 0, 0, "0-1");
	thread(704, 704, "CPU 1/TCG", 0, 0, "1");
	snprintf(path, sizeof(path), "%s/704/status", root);
	put(path, "Name:\tCPU 1/TCG\nTgid:\t700\nPid:\t704\n", 34);
	PROCESS(701, "bash\0-c\0qemu-system-x86_64\0");
	thread(701, 701, "bash", 0, 0, "0");

	vms = scan(&n);
	assert_int_equal(n, 1);
	assert_string_equal(vms->name, "demo");
	assert_string_equal(vms->hypervisor, "qemu");
	assert_string_equal(vms->accel, "tcg");
	assert_int_equal(vms->pid, 700);
	assert_int_equal(vms->n_threads, 5);
	assert_int_equal(vms->n_vcpus, 2);
	assert_int_equal(vms->threads[0].tid, 703);
	assert_int_equal(vms->threads[0].vcpu, 0);
	assert_int_equal(vms->threads[0].policy, SCHED_FIFO);
	assert_int_equal(vms->threads[0].priority, 50);
	assert_int_equal(CPU_COUNT(&vms->threads[0].affinity), 3);
	assert_true(CPU_ISSET(2, &vms->threads[0].affinity));
	assert_int_equal(vms->threads[1].vcpu, 1);
	assert_int_equal(vms->threads[2].role, VMRT_ROLE_MAIN);
	assert_int_equal(vms->threads[3].role, VMRT_ROLE_IO);
	assert_int_equal(vms->threads[3].vcpu, -1);
	assert_int_equal(vms->threads[4].role, VMRT_ROLE_VHOST);
	assert_string_equal(vms->link[0], "/var/vm/link.sock");
	assert_string_equal(vms->link[1], "/run/x,y.sock");
	assert_string_equal(vms->link[2], "");
	assert_true(vmrt_vm_match(vms, "demo"));
	assert_true(vmrt_vm_match(vms, "pid:700"));
	assert_false(vmrt_vm_match(vms, "pid:70"));
	assert_false(vmrt_vm_match(vms, "dem"));
	vmrt_vms_free(vms, n);
}

static void a_vm_may_have_a_plain_name_or_none(void **state)
{
	struct vmrt_vm *vms;
	size_t n;

	(void)state;
	PROCESS(12, "qemu-kvm\0--name=plain\0-enable-kvm\0");
	thread(12, 12, "qemu-kvm", 0, 0, "0");
	PROCESS(9, "qemu-system-arm\0-name\0debug-threads=on\0-accel\0tcg,thread=single\0");
	thread(9, 9, "qemu-system-arm", 0, 0, "0");
	thread(9, 10, "ALL CPUs/TCG", 0, 0, "0");
	vms = scan(&n);
	assert_int_equal(n, 2);
	assert_string_equal(vms[0].name, "pid-9");
	assert_string_equal(vms[0].accel, "tcg");
	assert_int_equal(vms[0].n_vcpus, 1);
	assert_string_equal(vms[1].name, "plain");
	assert_string_equal(vms[1].accel, "kvm");
	assert_int_equal(vms[1].n_vcpus, 0);
	vmrt_vms_free(vms, n);
}

static void a_vcpu_that_is_the_first_thread_is_no_main_loop(void **state)
{
	struct vmrt_vm *vms;
	size_t n;

	(void)state;
	PROCESS(5, "qemu-system-x86_64\0");
	thread(5, 5, "CPU 0/KVM", 0, 0, "0");
	vms = scan(&n);
	assert_int_equal(n, 1);
	assert_int_equal(vms->threads[0].role, VMRT_ROLE_VCPU);
	vmrt_vms_free(vms, n);
}

static void other_hypervisors_are_rows_of_the_table(void **state)
{
	static const struct {
		const char *program, *comm;
		int vcpu;
	} rows[] = {
		{"/opt/firecracker", "fc_vcpu 3", 3},
		{"cloud-hypervisor", "vcpu12", 12},
		{"crosvm", "crosvm_vcpu1", 1},
		{"/usr/lib/virtualbox/VBoxHeadless", "EMT", 0},
		{"VirtualBoxVM", "EMT-2", 2},
		{"/usr/lib/vmware/bin/vmware-vmx", "vmx-vcpu-1", 1},
		{"qemu-system-x86_64", "CPU 12/KVM", 12},
		{"qemu-system-x86_64", "CPU 4095/TCG", 4095},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct vms_hypervisor *hv = vms_hypervisor_of(rows[i].program);

		assert_non_null(hv);
		assert_int_equal(vms_hypervisor_vcpu(hv, rows[i].comm), rows[i].vcpu);
		assert_int_equal(vms_hypervisor_vcpu(hv, "CPU 0"), -1);
		assert_int_equal(vms_hypervisor_vcpu(hv, "CPU x/KVM"), -1);
		assert_int_equal(vms_hypervisor_vcpu(hv, "vcpu"), -1);
		assert_int_equal(vms_hypervisor_vcpu(hv, ""), -1);
	}
	assert_null(vms_hypervisor_of("my-qemu-system-x86_64"));
	assert_null(vms_hypervisor_of("qemu-img"));
	assert_null(vms_hypervisor_of(""));
}

static void names_of_other_hypervisors_come_from_their_command_lines(void **state)
{
	struct vmrt_vm *vms;
	size_t n;

	(void)state;
	PROCESS(20, "firecracker\0--api-sock\0/x\0--id\0micro\0");
	thread(20, 20, "firecracker", 0, 0, "0");
	thread(20, 21, "fc_vcpu 0", 0, 0, "0");
	PROCESS(30, "vmware-vmx\0-s\0vmx.x=y\0/vms/Big One/Big One.vmx\0");
	thread(30, 30, "vmware-vmx", 0, 0, "0");
	thread(30, 31, "vmx-vcpu-0", 0, 0, "0");
	PROCESS(40, "VBoxHeadless\0--comment\0box\0--startvm\0uuid\0");
	thread(40, 40, "VBoxHeadless", 0, 0, "0");
	thread(40, 41, "EMT", 0, 0, "0");
	PROCESS(50, "crosvm\0run\0--name\0c\0"); /* a helper process of it, without vCPUs */
	thread(50, 50, "crosvm", 0, 0, "0");
	vms = scan(&n);
	assert_int_equal(n, 3);
	assert_string_equal(vms[0].name, "micro");
	assert_string_equal(vms[1].name, "Big One");
	assert_string_equal(vms[2].name, "box");
	vmrt_vms_free(vms, n);
}

static void hostile_names_are_cut_and_made_printable(void **state)
{
	char cmdline[600] = "qemu-system-x86_64";
	char *p = cmdline + strlen(cmdline) + 1;
	struct vmrt_vm *vms;
	size_t n;

	(void)state;
	p = stpcpy(p, "-name") + 1;
	p = stpcpy(p, "guest=\x1b[31mred\n\xff\xc2\x9b m\xc3\xbcnster\xe2\x80\xae");
	memset(p, 'x', 200);
	process(77, cmdline, (size_t)(p - cmdline) + 200);
	thread(77, 77, "a) R (\x1b[2J\n", 0, 0, "0");
	vms = scan(&n);
	assert_int_equal(n, 1);
	assert_int_equal(strlen(vms->name), VMRT_NAME_MAX - 1);
	assert_memory_equal(vms->name, "?[31mred???? m\xc3\xbcnster???xxx", 27);
	assert_string_equal(vms->threads[0].comm, "a) R (?[2J?");
	vmrt_vms_free(vms, n);
}

static void a_guest_with_vsock_is_reached_by_it_after_its_ports(void **state)
{
	struct vmrt_vm *vms;
	size_t n;

	(void)state;
	PROCESS(760, "qemu-system-x86_64\0-device\0vhost-vsock-pci,id=v,guest-cid=42\0"
		     "-device\0virtserialport,chardev=ch0,name=org.vmrt.agent.0\0-chardev\0socket,"
		     "path=/run/a,id=ch0\0");
	thread(760, 761, "CPU 0/TCG", 0, 0, "0");
	vms = scan(&n);
	assert_int_equal(n, 1);
	assert_string_equal(vms->link[0], "/run/a");
	assert_string_equal(vms->link[1], "");
	assert_string_equal(vms->link[3], "vsock:42");
	vmrt_vms_free(vms, n);
}

/* as libvirt writes it */
static void devices_that_are_given_as_json_are_found(void **state)
{
	struct vmrt_vm *vms;
	size_t n;

	(void)state;
	PROCESS(770, "qemu-system-x86_64\0-device\0{\"driver\":\"vhost-vsock-pci\",\"id\":"
		     "\"vsock0\",\"guest-cid\":7}\0"
		     "-device\0{\"driver\":\"virtserialport\",\"nr\":2,\"chardev\":\"c,h\","
		     "\"name\":\"org.vmrt.agent.0\"}\0"
		     "-chardev\0socket,path=/run/"
		     "b,id=c,,h\0-device\0{\"driver\":\0-device\0[1]\0-device\0{}\0");
	thread(770, 771, "CPU 0/KVM", 0, 0, "0");
	vms = scan(&n);
	assert_int_equal(n, 1);
	assert_string_equal(vms->link[0], "/run/b");
	assert_string_equal(vms->link[3], "vsock:7");
	vmrt_vms_free(vms, n);
}

/* A guest's CID is 3 at least; 1 would be this host itself. */
static void a_cid_that_cannot_be_a_guests_is_left_out(void **state)
{
	static const char *const bad[] = {"0", "1", "2", "4294967295", "x", "7x", "-7"};
	char cmdline[128];
	struct vmrt_vm *vms;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int len = snprintf(cmdline, sizeof(cmdline),
			"qemu-system-x86_64%c-device%cvhost-vsock-pci,guest-cid=%s", 0, 0, bad[i]);

		process(780, cmdline, (size_t)len + 1);
		thread(780, 781, "CPU 0/KVM", 0, 0, "0");
		vms = scan(&n);
		assert_int_equal(n, 1);
		assert_string_equal(vms->link[3], "");
		vmrt_vms_free(vms, n);
	}
}

static void vhost_kernel_threads_belong_to_the_vm_they_name(void **state)
{
	struct vmrt_vm *vms;
	char where[128];
	size_t n;

	(void)state;
	PROCESS(100, "qemu-system-x86_64\0");
	thread(100, 100, "qemu", 0, 0, "0");
	snprintf(where, sizeof(where), "%s/100", root);
	stat_and_status(where, 100, "qemu", 64, 0, 0, "0");
	folder("%d", 50, 0);
	snprintf(where, sizeof(where), "%s/50", root);
	stat_and_status(where, 50, "vhost-100", 0x208040, 0, 0, "0-1");
	folder("%d", 51, 0);
	snprintf(where, sizeof(where), "%s/51", root);
	stat_and_status(where, 51, "vhost-100", 64, 0, 0, "0-1"); /* somebody's program */
	vms = scan(&n);
	assert_int_equal(n, 1);
	assert_int_equal(vms->n_threads, 2);
	assert_int_equal(vms->threads[1].tid, 50);
	assert_int_equal(vms->threads[1].role, VMRT_ROLE_VHOST);
	vmrt_vms_free(vms, n);
}

/* The number of a thread that made one may be a VM's later on. */
static void vhost_kernel_threads_older_than_the_vm_are_somebody_elses(void **state)
{
	static const char old[] =
		"50 (vhost-100) S 1 1 1 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 "
		"4710 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
	struct vmrt_vm *vms;
	char path[128];
	size_t n;

	(void)state;
	PROCESS(100, "qemu-system-x86_64\0");
	thread(100, 100, "qemu", 0, 0, "0");
	snprintf(path, sizeof(path), "%s/100", root);
	stat_and_status(path, 100, "qemu", 64, 0, 0, "0"); /* begun at tick 4711 */
	folder("%d", 50, 0);
	snprintf(path, sizeof(path), "%s/50", root);
	stat_and_status(path, 50, "vhost-100", 0x208040, 0, 0, "0-1");
	vms = scan(&n);
	assert_int_equal(vms->n_threads, 2);
	vmrt_vms_free(vms, n);
	snprintf(path, sizeof(path), "%s/50/stat", root);
	put(path, old, sizeof(old) - 1);
	vms = scan(&n);
	assert_int_equal(vms->n_threads, 1);
	vmrt_vms_free(vms, n);
}

static void belongs_to(int pid, unsigned uid)
{
	char path[128], text[128];

	snprintf(path, sizeof(path), "%s/%d/status", root, pid);
	snprintf(text, sizeof(text), "Name:\tq\nTgid:\t%d\nUid:\t%u\t%u\t%u\t%u\n", pid, uid, uid,
		uid, uid);
	put(path, text, strlen(text));
}

/* A user hides nobody's VM by calling hundreds of processes like one. */
static void vms_are_found_behind_hundreds_of_another_user(void **state)
{
	size_t n, found[3] = {0};
	struct vmrt_vm *vms;

	(void)state;
	for (int i = 0; i < 300; i++) {
		PROCESS(1000 + i, "qemu-system-x86_64\0");
		thread(1000 + i, 1000 + i, "qemu", 0, 0, "0");
		belongs_to(1000 + i, i < 280   ? 4000000001u
				     : i < 290 ? 4000000002u
					       : (unsigned)getuid());
	}
	vms = scan(&n);
	for (size_t i = 0; i < n; i++)
		found[vms[i].uids[0] == 4000000001u ? 0 : vms[i].uids[0] == 4000000002u ? 1 : 2]++;
	assert_int_equal(found[0], 256);
	assert_int_equal(found[1], 10);
	assert_int_equal(found[2], 10);
	vmrt_vms_free(vms, n);
}

/* Who may have ids of a range (subuid) may have a process of each. */
static void vms_are_found_behind_hundreds_of_ids_of_another_user(void **state)
{
	size_t n, own = 0;
	struct vmrt_vm *vms;

	(void)state;
	for (int i = 0; i < 530; i++) {
		PROCESS(1000 + i, "qemu-system-x86_64\0");
		thread(1000 + i, 1000 + i, "qemu", 0, 0, "0");
		belongs_to(1000 + i, i < 520 ? 4000000000u + (unsigned)i : (unsigned)getuid());
	}
	vms = scan(&n);
	for (size_t i = 0; i < n; i++)
		own += vms[i].uids[0] == getuid();
	assert_int_equal(own, 10);
	assert_int_equal(n - own, 512);
	vmrt_vms_free(vms, n);
}

static void malformed_stat_and_cpu_lists_are_refused(void **state)
{
	static const char *const stats[] = {"", "1", "1 (a", "1 (a)", "1 )a( S 1", "1 (a) S 1 2 3"};
	static const char *const lists[] = {"a", "1-", "3-1", "1;2", "-1", "1--2"};
	struct vms_thread_stat stat;
	cpu_set_t set;
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(stats) / sizeof(stats[0]); i++) {
		strcpy(text, stats[i]);
		assert_false(vms_thread_stat_parse(text, &stat));
	}
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		assert_false(vms_cpu_list_parse(lists[i], &set));
	assert_true(vms_cpu_list_parse("0-1,5\n", &set));
	assert_int_equal(CPU_COUNT(&set), 3);
	assert_true(vms_cpu_list_parse("0-4294967295\n", &set));
	assert_int_equal(CPU_COUNT(&set), CPU_SETSIZE);
}

static void vcpus_that_are_confined_to_one_cpu_are_told_once(void **state)
{
	struct vmrt_vm_thread threads[] = {
		{.role = VMRT_ROLE_MAIN, .vcpu = -1},
		{.role = VMRT_ROLE_VCPU, .vcpu = 0},
		{.role = VMRT_ROLE_VCPU, .vcpu = 1},
		{.role = VMRT_ROLE_VCPU, .vcpu = 2},
	};
	struct vmrt_vm vm = {
		.name = "smp", .hypervisor = "qemu", .threads = threads, .n_threads = 4};
	char words[200];
	size_t from = 0;

	(void)state;
	/* the main loop is on CPU 3, too: it is no vCPU; vCPU 1 has two CPUs */
	for (int i = 0; i < 4; i++)
		CPU_SET(3, &threads[i].affinity);
	CPU_SET(4, &threads[2].affinity);
	assert_true(vmrt_vm_crowd(&vm, &from, words, sizeof(words)));
	assert_non_null(strstr(words, "2 vCPUs of VM smp are confined to CPU 3: they take turns"));
	assert_false(vmrt_vm_crowd(&vm, &from, words, sizeof(words)));
	/* threads of a process are no vCPUs */
	strcpy(vm.hypervisor, "process");
	from = 0;
	assert_false(vmrt_vm_crowd(&vm, &from, words, sizeof(words)));
}

static void nothing_running_is_no_error(void **state)
{
	struct vmrt_vm *vms;
	size_t n = 1;

	(void)state;
	vms = scan(&n);
	assert_int_equal(n, 0);
	vmrt_vms_free(vms, n);
}

static void an_unknown_vm_is_refused_with_a_list(void **state)
{
	struct vmrt_error err;
	struct vmrt_vm *vm;

	(void)state;
	assert_int_equal(vmrt_vm_get("no such machine", &vm, &err), VMRT_ENOENT);
	assert_non_null(strstr(err.text, "there is no VM no such machine"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(qemu_is_found_with_name_threads_and_link),
		TEST(a_vm_may_have_a_plain_name_or_none),
		TEST(a_vcpu_that_is_the_first_thread_is_no_main_loop),
		TEST(other_hypervisors_are_rows_of_the_table),
		TEST(names_of_other_hypervisors_come_from_their_command_lines),
		TEST(hostile_names_are_cut_and_made_printable),
		TEST(a_guest_with_vsock_is_reached_by_it_after_its_ports),
		TEST(devices_that_are_given_as_json_are_found),
		TEST(a_cid_that_cannot_be_a_guests_is_left_out),
		TEST(vhost_kernel_threads_belong_to_the_vm_they_name),
		TEST(vhost_kernel_threads_older_than_the_vm_are_somebody_elses),
		TEST(vms_are_found_behind_hundreds_of_another_user),
		TEST(vms_are_found_behind_hundreds_of_ids_of_another_user),
		TEST(malformed_stat_and_cpu_lists_are_refused),
		TEST(vcpus_that_are_confined_to_one_cpu_are_told_once),
		TEST(nothing_running_is_no_error),
		TEST(an_unknown_vm_is_refused_with_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
