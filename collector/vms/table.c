/* SPDX-License-Identifier: MIT */
/* Reads the command lines of hypervisors, and finds the row of a program. */
#include "scan.h"

#include <fnmatch.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/hypervisors.h>
#include <vmrt/units.h>

#define VCPU_MAX 4096

/* The argument behind @arg (the first one for NULL), or NULL at the end. */
static const char *next_arg(const struct vms_args *args, const char *arg)
{
	const char *end = args->text + args->size;

	arg = arg ? arg + strlen(arg) + 1 : args->text;
	return arg < end ? arg : NULL;
}

/* The value of the option called @name (with one or two dashes, or NAME=VALUE) behind @from. */
static const char *next_value(const struct vms_args *args, const char *name, const char **from)
{
	size_t len = strlen(name);

	while ((*from = next_arg(args, *from))) {
		const char *arg = *from;

		if (*arg != '-')
			continue;
		arg += 1 + (arg[1] == '-');
		if (strncmp(arg, name, len) != 0)
			continue;
		if (arg[len] == '=')
			return arg + len + 1;
		if (arg[len] == '\0')
			return *from = next_arg(args, *from);
	}
	return NULL;
}

static const char *option_value(const struct vms_args *args, const char *name)
{
	const char *from = NULL;

	return next_value(args, name, &from);
}

/* Finds @key in a QEMU option such as `socket,id=a,path=/x,,y`. @implied: the key of a first word
 * without '='. True if @key is there and its value fits into @buf, in which `,,` is `,`. */
static bool get_option(
	const char *option, const char *implied, const char *key, char *buf, size_t room)
{
	const char *p = option;
	size_t key_len = strlen(key);
	bool first = true;

	while (*p) {
		size_t name_len = strcspn(p, "=,");
		bool wanted;

		if (p[name_len] == '=') {
			wanted = name_len == key_len && !strncmp(p, key, key_len);
			p += name_len + 1;
		} else {
			wanted = first && implied && !strcmp(implied, key);
		}
		first = false;
		for (size_t used = 0; *p; p++) {
			if (*p == ',' && *++p != ',')
				break;
			if (!wanted)
				continue;
			if (used + 1 >= room)
				return false;
			buf[used++] = *p;
			buf[used] = '\0';
		}
		if (wanted)
			return true;
	}
	return false;
}

/* Fills in @vm's name from as much of @value as fits. */
static void set_name(struct vmrt_vm *vm, const char *value)
{
	if (!value || !*value)
		return;
	snprintf(vm->name, sizeof(vm->name), "%s", value);
	vms_make_printable(vm->name);
}

static void qemu_name(const struct vms_args *args, struct vmrt_vm *vm)
{
	const char *value = option_value(args, "name");
	char name[1024];

	name[0] = '\0';
	if (value && get_option(value, "guest", "guest", name, sizeof(name)))
		set_name(vm, name);
}

static void qemu_accel(const struct vms_args *args, struct vmrt_vm *vm)
{
	const char *value = option_value(args, "accel"), *from = NULL;
	char accel[64] = "";

	if (value) {
		get_option(value, "accel", "accel", accel, sizeof(accel));
	} else {
		while (!*accel && (value = next_value(args, "machine", &from)))
			get_option(value, "type", "accel", accel, sizeof(accel));
		for (from = NULL; !*accel && (value = next_value(args, "M", &from));)
			get_option(value, "type", "accel", accel, sizeof(accel));
		for (from = NULL; !*accel && (from = next_arg(args, from));)
			if (!strcmp(from, "-enable-kvm") || !strcmp(from, "--enable-kvm"))
				strcpy(accel, "kvm");
	}
	/* for a list such as kvm:tcg, only the threads' names show which accelerator QEMU chose */
	if (!strcmp(accel, "kvm") || !strcmp(accel, "tcg") || !strcmp(accel, "xen"))
		strcpy(vm->accel, accel);
}

/* Reads a key of a device, which may be given as JSON. */
static bool device_get(const char *device, const char *key, char *buf, size_t room)
{
	json_object *obj, *value;
	bool fits = false;

	buf[0] = '\0';
	if (*device != '{')
		return get_option(device, "driver", key, buf, room);
	obj = json_tokener_parse(device);
	if (json_object_is_type(obj, json_type_object) &&
		json_object_object_get_ex(obj, key, &value) && value)
		fits = (size_t)snprintf(buf, room, "%s", json_object_get_string(value)) < room;
	json_object_put(obj);
	return fits;
}

/* The name of the character device behind agent port @port. */
static bool qemu_port_chardev(const struct vms_args *args, int port, char *id, size_t room)
{
	const char *value, *from = NULL;
	char wanted[32], driver[64], name[64];

	snprintf(wanted, sizeof(wanted), "org.vmrt.agent.%d", port);
	while ((value = next_value(args, "device", &from))) {
		if (device_get(value, "driver", driver, sizeof(driver)) &&
			!strcmp(driver, "virtserialport") &&
			device_get(value, "name", name, sizeof(name)) && !strcmp(name, wanted))
			return device_get(value, "chardev", id, room);
	}
	return false;
}

static void qemu_link(const struct vms_args *args, const char *wanted, char *path)
{
	const char *value, *from = NULL;
	char backend[32], id[128], fd[16];
	int64_t number;

	while ((value = next_value(args, "chardev", &from))) {
		backend[0] = id[0] = '\0';
		if (!get_option(value, "backend", "id", id, sizeof(id)) || strcmp(id, wanted) != 0)
			continue;
		if (!get_option(value, "backend", "backend", backend, sizeof(backend)) ||
			strcmp(backend, "socket") != 0)
			return;
		/* libvirt binds the socket and passes it to QEMU as a descriptor; only the kernel
		 * knows the socket's path */
		if (get_option(value, "backend", "fd", fd, sizeof(fd)) &&
			vmrt_parse_int(fd, 0, INT32_MAX, &number) == VMRT_OK)
			snprintf(path, VMRT_LINK_PATH, VMRT_LINK_FD "%d", (int)number);
		else if (!get_option(value, "backend", "path", path, VMRT_LINK_PATH))
			path[0] = '\0';
		return;
	}
}

/* Reads the CID of a vsock device. Through vhost-vsock-pci, -ccw, -device and -pci-non-transitional
 * the host's kernel reaches the guest. */
static void qemu_vsock(const struct vms_args *args, struct vmrt_vm *vm)
{
	const char *value, *from = NULL;
	char driver[64], cid[24];
	int64_t number;

	while ((value = next_value(args, "device", &from)))
		if (device_get(value, "driver", driver, sizeof(driver)) &&
			!strncmp(driver, "vhost-vsock-", strlen("vhost-vsock-")) &&
			device_get(value, "guest-cid", cid, sizeof(cid)) &&
			vmrt_parse_int(cid, 3, UINT32_MAX - 1, &number) == VMRT_OK)
			vm->vsock_cid = (uint32_t)number;
}

static void describe_qemu(const struct vms_args *args, struct vmrt_vm *vm)
{
	char id[128];

	qemu_name(args, vm);
	qemu_accel(args, vm);
	qemu_vsock(args, vm);
	for (int port = 0; port < VMRT_VM_LINKS; port++)
		if (qemu_port_chardev(args, port, id, sizeof(id)))
			qemu_link(args, id, vm->link[port]);
}

static void describe_firecracker(const struct vms_args *args, struct vmrt_vm *vm)
{
	set_name(vm, option_value(args, "id"));
}

static void describe_crosvm(const struct vms_args *args, struct vmrt_vm *vm)
{
	set_name(vm, option_value(args, "name"));
}

static void describe_virtualbox(const struct vms_args *args, struct vmrt_vm *vm)
{
	set_name(vm, option_value(args, "comment"));
}

/* The VM's configuration file NAME.vmx is one of the arguments. */
static void describe_vmware(const struct vms_args *args, struct vmrt_vm *vm)
{
	for (const char *arg = NULL; (arg = next_arg(args, arg));) {
		const char *base = strrchr(arg, '/');
		size_t len;

		base = base ? base + 1 : arg;
		len = strlen(base);
		if (len <= 4 || strcmp(base + len - 4, ".vmx") != 0)
			continue;
		snprintf(vm->name, sizeof(vm->name), "%.*s", (int)(len - 4), base);
		vms_make_printable(vm->name);
		return;
	}
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct vms_hypervisor hypervisors[] = {
#define X(hv, describes, accelerator, without, patterns, threads)                                  \
	{                                                                                          \
		.name = hv,                                                                        \
		.programs = patterns,                                                              \
		.vcpu_threads = threads,                                                           \
		.accel = accelerator,                                                              \
		.without_vcpus = without,                                                          \
		.describe = describes,                                                             \
	},
	VMRT_HYPERVISOR_LIST(X)
#undef X
};

const struct vms_hypervisor *vms_hypervisor_of(const char *argv0)
{
	const char *base = strrchr(argv0, '/');

	base = base ? base + 1 : argv0;
	for (size_t i = 0; i < sizeof(hypervisors) / sizeof(hypervisors[0]); i++)
		for (const char *const *p = hypervisors[i].programs; *p; p++)
			if (fnmatch(*p, base, 0) == 0)
				return &hypervisors[i];
	return NULL;
}

static int match_vcpu(const char *pattern, const char *comm)
{
	size_t fixed = strcspn(pattern, "#");
	char *end;
	long vcpu;

	if (strncmp(pattern, comm, fixed) != 0)
		return -1;
	if (!pattern[fixed])
		return comm[fixed] ? -1 : 0;
	if (comm[fixed] < '0' || comm[fixed] > '9')
		return -1;
	vcpu = strtol(comm + fixed, &end, 10);
	/* the kernel cuts a long name, so the rest of the pattern may be missing in part */
	if (vcpu >= VCPU_MAX || strncmp(end, pattern + fixed + 1, strlen(end)) != 0 ||
		(strcmp(end, pattern + fixed + 1) != 0 && strlen(comm) < VMRT_COMM_MAX - 1))
		return -1;
	return (int)vcpu;
}

int vms_hypervisor_vcpu(const struct vms_hypervisor *hv, const char *comm)
{
	for (const char *const *p = hv->vcpu_threads; *p; p++) {
		int vcpu = match_vcpu(*p, comm);

		if (vcpu >= 0)
			return vcpu;
	}
	return -1;
}
