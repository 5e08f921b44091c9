/* SPDX-License-Identifier: MIT */
/* Reads manifest.json of a run. */
#include <vmrt/manifest.h>

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/files.h>
#include <vmrt/tool.h>
#include <vmrt/utf8.h>

#define MAX_MANIFEST (512u << 20) /* bytes; days of clock pings */
#define MAX_CPU_LIST 8192
#define PING_NUMBERS 8
#define MAX_THREADS 65536	/* of one VM, threads that ended during the recording included */
#define PIECE ((size_t)1 << 18) /* bytes between two checks for a signal */
/* Bytes of memory that json-c needs for a value, an object and a list; and the limit of memory for
 * one byte of text. Manifests of vmrt need 12 bytes, a list of {} needs 400. */
#define VALUE_COST 70
#define OBJECT_COST 1100
#define LIST_COST 320
#define COST_PER_BYTE 32

/* What is being read, for messages; the first error is kept. */
struct reader {
	const char *path;
	struct vmrt_error *err;
	enum vmrt_status status;
};

static void complain(struct reader *r, const char *key, const char *what)
{
	if (r->status == VMRT_OK)
		r->status = vmrt_fail(r->err, VMRT_EFORMAT, "%s: \"%s\" %s", r->path, key, what);
}

static json_object *get(struct reader *r, json_object *from, const char *key, json_type type)
{
	json_object *value = NULL;

	if (!json_object_object_get_ex(from, key, &value))
		complain(r, key, "is missing");
	else if (!json_object_is_type(value, type))
		complain(r, key, "is not of the right type");
	else
		return value;
	return NULL;
}

static void get_text(struct reader *r, json_object *from, const char *key, char *buf, size_t room)
{
	json_object *value = get(r, from, key, json_type_string);
	const char *text = value ? json_object_get_string(value) : "";

	if (strlen(text) >= room ||
		(value && strlen(text) != (size_t)json_object_get_string_len(value)))
		complain(r, key, "is too long or holds a NUL");
	else
		memcpy(buf, text, strlen(text) + 1);
	/* names and notes go to terminals, and a stranger may have written them */
	vmrt_utf8_sanitize(buf);
}

static int64_t int_of(
	struct reader *r, json_object *value, const char *key, int64_t min, int64_t max)
{
	int64_t n;

	errno = 0;
	n = json_object_get_int64(value);
	/* json-c replaces a number that is too large by the largest one, so INT64_MAX has to be
	 * checked */
	if (errno || n < min || n > max ||
		(n == INT64_MAX && json_object_get_uint64(value) != (uint64_t)n)) {
		complain(r, key, "is out of range");
		return 0;
	}
	return n;
}

static int64_t get_int(
	struct reader *r, json_object *from, const char *key, int64_t min, int64_t max)
{
	json_object *value = get(r, from, key, json_type_int);

	return value ? int_of(r, value, key, min, max) : 0;
}

static bool parse_affinity(const char *text, cpu_set_t *out)
{
	CPU_ZERO(out);
	while (*text) {
		char *end;
		long from = strtol(text, &end, 10), to = from;

		if (end == text)
			return false;
		if (*end == '-') {
			text = end + 1;
			to = strtol(text, &end, 10);
			if (end == text)
				return false;
		}
		if (from < 0 || to < from || to >= CPU_SETSIZE || (*end && *end != ','))
			return false;
		for (long cpu = from; cpu <= to; cpu++)
			CPU_SET(cpu, out);
		text = *end ? end + 1 : end;
	}
	return true;
}

static void read_role(struct reader *r, json_object *obj, struct vmrt_vm_thread *t)
{
	char role[16] = "";

	get_text(r, obj, "role", role, sizeof(role));
	for (enum vmrt_thread_role k = VMRT_ROLE_VCPU; k <= VMRT_ROLE_VHOST; k++) {
		if (!strcmp(role, vmrt_role_name(k))) {
			t->role = k;
			return;
		}
	}
	complain(r, "role", "is none of vcpu, main, io, vhost");
}

/* Like get_int(), but 0 if there is no such key, since older recordings lack it. */
static int64_t get_optional(struct reader *r, json_object *from, const char *key, int64_t min)
{
	return json_object_object_get_ex(from, key, NULL) ? get_int(r, from, key, min, INT64_MAX)
							  : 0;
}

/* A key that is missing, as in older manifests, is false. */
static bool get_flag(struct reader *r, json_object *from, const char *key)
{
	json_object *value = NULL;

	if (json_object_object_get_ex(from, key, NULL))
		value = get(r, from, key, json_type_boolean);
	return value && json_object_get_boolean(value);
}

static void read_thread(struct reader *r, json_object *obj, struct vmrt_vm_thread *t)
{
	char list[MAX_CPU_LIST] = "";

	t->tid = (pid_t)get_int(r, obj, "tid", 0, INT32_MAX);
	read_role(r, obj, t);
	t->vcpu = -1;
	if (t->role == VMRT_ROLE_VCPU)
		t->vcpu = (int)get_int(r, obj, "vcpu", -1, MAX_THREADS);
	get_text(r, obj, "comm", t->comm, sizeof(t->comm));
	t->policy = (int)get_int(r, obj, "policy", INT32_MIN, INT32_MAX);
	t->priority = (int)get_int(r, obj, "priority", INT32_MIN, INT32_MAX);
	get_text(r, obj, "affinity", list, sizeof(list));
	if (!parse_affinity(list, &t->affinity))
		complain(r, "affinity", "is not a list of CPUs");
	t->from_ns = get_optional(r, obj, "from_ns", INT64_MIN);
	t->to_ns = get_optional(r, obj, "to_ns", INT64_MIN);
}

static uint64_t uint_of(struct reader *r, json_object *value, const char *key)
{
	if (json_object_get_int64(value) < 0)
		complain(r, key, "holds a negative time-stamp counter");
	return json_object_get_uint64(value);
}

static void read_ping(struct reader *r, json_object *list, struct vmrt_ping *p)
{
	json_object *n[PING_NUMBERS];

	if (!json_object_is_type(list, json_type_array) ||
		json_object_array_length(list) != PING_NUMBERS) {
		complain(r, "pings", "holds something that is not a list of 8 numbers");
		return;
	}
	for (size_t i = 0; i < PING_NUMBERS; i++) {
		n[i] = json_object_array_get_idx(list, i);
		if (!json_object_is_type(n[i], json_type_int)) {
			complain(r, "pings", "holds something that is not a list of 8 numbers");
			return;
		}
	}
	p->host_send_ns = int_of(r, n[0], "pings", INT64_MIN, INT64_MAX);
	p->guest_recv_ns = int_of(r, n[1], "pings", INT64_MIN, INT64_MAX);
	p->guest_send_ns = int_of(r, n[2], "pings", INT64_MIN, INT64_MAX);
	p->host_recv_ns = int_of(r, n[3], "pings", INT64_MIN, INT64_MAX);
	p->host_send_tsc = uint_of(r, n[4], "pings");
	p->guest_recv_tsc = uint_of(r, n[5], "pings");
	p->guest_send_tsc = uint_of(r, n[6], "pings");
	p->host_recv_tsc = uint_of(r, n[7], "pings");
}

/* The list @key of @from and room for its elements, or NULL with *@n = 0. */
static void *get_list(struct reader *r, json_object *from, const char *key, size_t size,
	json_object **list, size_t *n)
{
	void *room;

	*n = 0;
	*list = get(r, from, key, json_type_array);
	if (!*list || !json_object_array_length(*list))
		return NULL;
	room = calloc(json_object_array_length(*list), size);
	if (room)
		*n = json_object_array_length(*list);
	else if (r->status == VMRT_OK)
		r->status = vmrt_fail(r->err, VMRT_ENOMEM, "%s: out of memory", r->path);
	return room;
}

static void read_links(struct reader *r, json_object *obj, struct vmrt_vm *vm)
{
	json_object *list = get(r, obj, "links", json_type_array);
	size_t n = list ? json_object_array_length(list) : 0;

	if (n > VMRT_VM_LINKS)
		complain(r, "links", "is too long");
	for (size_t i = 0; i < n && i < VMRT_VM_LINKS; i++) {
		json_object *value = json_object_array_get_idx(list, i);
		const char *text = json_object_get_string(value);

		if (!json_object_is_type(value, json_type_string) || strlen(text) >= VMRT_LINK_PATH)
			complain(r, "links", "holds something that is not the path of a socket");
		else
			strcpy(vm->link[i], text);
	}
}

/* Reads the values that KVM reported. They may be missing, as in older manifests. */
static void read_kvm_tsc(struct reader *r, json_object *obj, struct vmrt_kvm_tsc *kvm)
{
	json_object *list;

	if (!json_object_object_get_ex(obj, "kvm_tsc", &list))
		return;
	if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) != 3) {
		complain(r, "kvm_tsc", "is not a list of 3 numbers");
		return;
	}
	kvm->offset =
		int_of(r, json_object_array_get_idx(list, 0), "kvm_tsc", INT64_MIN, INT64_MAX);
	kvm->ratio = uint_of(r, json_object_array_get_idx(list, 1), "kvm_tsc");
	kvm->bits = (uint32_t)int_of(r, json_object_array_get_idx(list, 2), "kvm_tsc", 0, 63);
}

/* Is @name a guest's recording in the run folder? analyze --guest may replace this file, so the
 * name must not be that of another file of the run or elsewhere. */
static bool is_guest_file(const char *name)
{
	size_t len = strlen(name);

	return !strncmp(name, "guest-", 6) && len > 10 && !strcmp(name + len - 4, ".dat") &&
	       !strchr(name, '/');
}

static void read_vm(struct reader *r, json_object *obj, struct vmrt_manifest_vm *m)
{
	struct vmrt_vm *vm = &m->vm;
	json_object *list;

	if (!json_object_is_type(obj, json_type_object)) {
		complain(r, "vms", "holds something that is not an object");
		return;
	}
	get_text(r, obj, "name", vm->name, sizeof(vm->name));
	get_text(r, obj, "hypervisor", vm->hypervisor, sizeof(vm->hypervisor));
	get_text(r, obj, "accel", vm->accel, sizeof(vm->accel));
	vm->pid = (pid_t)get_int(r, obj, "pid", 0, INT32_MAX);
	vm->threads = get_list(r, obj, "threads", sizeof(*vm->threads), &list, &vm->n_threads);
	for (size_t i = 0; i < vm->n_threads && r->status == VMRT_OK; i++) {
		read_thread(r, json_object_array_get_idx(list, i), &vm->threads[i]);
		vm->n_vcpus += vm->threads[i].role == VMRT_ROLE_VCPU;
	}
	read_links(r, obj, vm);
	get_text(r, obj, "file", m->file, sizeof(m->file));
	if (m->file[0] && !is_guest_file(m->file))
		complain(r, "file", "is not the name of a guest's recording in the run folder");
	get_text(r, obj, "kernel", m->kernel, sizeof(m->kernel));
	get_text(r, obj, "note", m->note, sizeof(m->note));
	m->broken_off = get_flag(r, obj, "broken_off");
	m->pings = get_list(r, obj, "pings", sizeof(*m->pings), &list, &m->n_pings);
	for (size_t i = 0; i < m->n_pings && r->status == VMRT_OK; i++)
		read_ping(r, json_object_array_get_idx(list, i), &m->pings[i]);
	read_kvm_tsc(r, obj, &m->kvm);
}

static void read_buffer(struct reader *r, json_object *obj, struct vmrt_manifest_buffer *b)
{
	json_object *list;

	if (!json_object_is_type(obj, json_type_object)) {
		complain(r, "buffers", "holds something that is not an object");
		return;
	}
	b->size = (uint64_t)get_int(r, obj, "size", 0, INT64_MAX);
	b->fill = (uint64_t)get_int(r, obj, "fill", 0, INT64_MAX);
	b->events = (uint64_t)get_int(r, obj, "events", 0, INT64_MAX);
	b->lost = (uint64_t)get_int(r, obj, "lost", 0, INT64_MAX);
	b->unread_ns = get_int(r, obj, "unread_ns", 0, INT64_MAX);
	b->unread_at_ns = get_int(r, obj, "unread_at_ns", INT64_MIN, INT64_MAX);
	list = get(r, obj, "losses", json_type_array);
	if (list && json_object_array_length(list) > VMRT_MANIFEST_LOSSES)
		complain(r, "losses", "is too long");
	for (size_t i = 0; list && r->status == VMRT_OK && i < json_object_array_length(list);
		i++) {
		json_object *loss = json_object_array_get_idx(list, i);

		b->losses[i].from_ns = get_int(r, loss, "from_ns", INT64_MIN, INT64_MAX);
		b->losses[i].to_ns = get_int(r, loss, "to_ns", INT64_MIN, INT64_MAX);
		b->losses[i].events = (uint64_t)get_int(r, loss, "events", 0, INT64_MAX);
		b->n_losses = i + 1;
	}
}

static void read_manifest(struct reader *r, json_object *obj, struct vmrt_manifest *m)
{
	json_object *value, *list;
	int64_t format;

	format = get_int(r, obj, "format", 0, INT32_MAX);
	if (r->status == VMRT_OK && format != VMRT_MANIFEST_FORMAT) {
		r->status = vmrt_fail(r->err, VMRT_EUNSUPPORTED,
			"%s: format %" PRId64
			" was made by another version of vmrt; this one reads %d",
			r->path, format, VMRT_MANIFEST_FORMAT);
		return;
	}
	if (json_object_object_get_ex(obj, "uuid", NULL)) {
		get_text(r, obj, "uuid", m->uuid, sizeof(m->uuid));
		if (r->status == VMRT_OK && !vmrt_uuid_valid(m->uuid))
			complain(r, "uuid", "is no UUID in lower case");
	}
	get_text(r, obj, "vmrt_version", m->vmrt_version, sizeof(m->vmrt_version));
	get_text(r, obj, "recorded_at", m->recorded_at, sizeof(m->recorded_at));
	get_text(r, obj, "hostname", m->hostname, sizeof(m->hostname));
	get_text(r, obj, "kernel", m->kernel, sizeof(m->kernel));
	m->cpus = (unsigned)get_int(r, obj, "cpus", 0, INT32_MAX);
	value = get(r, obj, "command", json_type_string);
	m->command = strdup(value ? json_object_get_string(value) : "");
	if (!m->command && r->status == VMRT_OK)
		r->status = vmrt_fail(r->err, VMRT_ENOMEM, "%s: out of memory", r->path);
	m->command_status = (int)get_int(r, obj, "command_status", INT32_MIN, INT32_MAX);
	value = get(r, obj, "hsf", json_type_boolean);
	m->hsf = value && json_object_get_boolean(value);
	m->start_ns = get_int(r, obj, "start_ns", INT64_MIN, INT64_MAX);
	m->end_ns = get_int(r, obj, "end_ns", INT64_MIN, INT64_MAX);
	if (json_object_object_get_ex(obj, "note", NULL))
		get_text(r, obj, "note", m->note, sizeof(m->note));
	m->broken_off = get_flag(r, obj, "broken_off");
	if (json_object_object_get_ex(obj, "buffers", NULL))
		m->buffers = get_list(r, obj, "buffers", sizeof(*m->buffers), &list, &m->n_buffers);
	for (size_t i = 0; i < m->n_buffers && r->status == VMRT_OK; i++)
		read_buffer(r, json_object_array_get_idx(list, i), &m->buffers[i]);
	m->vms = get_list(r, obj, "vms", sizeof(*m->vms), &list, &m->n_vms);
	for (size_t i = 0; i < m->n_vms && r->status == VMRT_OK; i++)
		read_vm(r, json_object_array_get_idx(list, i), &m->vms[i]);
}

/* Would parsing the text need far more memory than its size explains? */
static bool is_bomb(const char *text, size_t size)
{
	size_t cost = 0;

	for (size_t i = 0; i < size; i++)
		cost += text[i] == ','	 ? VALUE_COST
			: text[i] == '{' ? OBJECT_COST
			: text[i] == '[' ? LIST_COST
					 : 0;
	return size > PIECE && cost / size > COST_PER_BYTE;
}

/* The object in @text, or NULL with the status of @r. */
static json_object *parse_pieces(
	struct reader *r, struct json_tokener *tok, const char *text, size_t size)
{
	json_object *obj = NULL;

	/* the last piece includes the NUL, so that json-c knows that a number at the end is
	 * complete */
	for (size_t at = 0; at <= size && !obj; at += PIECE) {
		size_t n = size + 1 - at < PIECE ? size + 1 - at : PIECE;

		if (at && vmrt_stop_requested()) {
			r->status = vmrt_fail(r->err, VMRT_EINTR, "%s: interrupted", r->path);
			return NULL;
		}
		obj = json_tokener_parse_ex(tok, text + at, (int)n);
		if (!obj && json_tokener_get_error(tok) != json_tokener_continue)
			break;
	}
	if (!obj)
		r->status = vmrt_fail(r->err, VMRT_EFORMAT, "%s is not JSON: %s", r->path,
			json_tokener_error_desc(json_tokener_get_error(tok)));
	else if (!json_object_is_type(obj, json_type_object))
		r->status =
			vmrt_fail(r->err, VMRT_EFORMAT, "%s is not a manifest of a run", r->path);
	return obj;
}

static json_object *parse(struct reader *r, const char *text, size_t size)
{
	/* what was parsed when a signal came is kept and not freed, because freeing takes long and
	 * the process ends anyway */
	static struct json_tokener *left;
	struct json_tokener *tok = NULL;
	json_object *obj = NULL;

	if (left)
		json_tokener_free(left);
	left = NULL;
	if (is_bomb(text, size))
		r->status = vmrt_fail(r->err, VMRT_EFORMAT,
			"%s holds far more values than a manifest of its size: it is damaged, or "
			"vmrt did not make it",
			r->path);
	else if (!(tok = json_tokener_new()))
		r->status = vmrt_fail(r->err, VMRT_ENOMEM, "%s: out of memory", r->path);
	else
		obj = parse_pieces(r, tok, text, size);
	if (r->status == VMRT_EINTR)
		left = tok;
	else if (tok)
		json_tokener_free(tok);
	return obj;
}

enum vmrt_status vmrt_manifest_load(
	const char *path, struct vmrt_manifest **out, struct vmrt_error *err)
{
	struct reader reader = {.path = path, .err = err};
	struct vmrt_manifest *manifest;
	json_object *obj;
	size_t size;
	char *text;

	reader.status = vmrt_read_file(path, MAX_MANIFEST, &text, &size, err);
	if (reader.status != VMRT_OK)
		return reader.status;
	obj = parse(&reader, text, size);
	free(text);
	manifest = calloc(1, sizeof(*manifest));
	if (!manifest && reader.status == VMRT_OK)
		reader.status = vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	if (reader.status == VMRT_OK)
		read_manifest(&reader, obj, manifest);
	json_object_put(obj);
	if (reader.status != VMRT_OK) {
		vmrt_manifest_free(manifest);
		return reader.status;
	}
	*out = manifest;
	return VMRT_OK;
}

void vmrt_manifest_free(struct vmrt_manifest *manifest)
{
	if (!manifest)
		return;
	for (size_t i = 0; i < manifest->n_vms; i++) {
		free(manifest->vms[i].vm.threads);
		free(manifest->vms[i].pings);
	}
	free(manifest->vms);
	free(manifest->buffers);
	free(manifest->command);
	free(manifest);
}
