/* SPDX-License-Identifier: MIT */
/* Writes manifest.json of a run. */
#include <vmrt/manifest.h>

#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/files.h>

#define MAX_CPU_LIST 8192
#define PING_NUMBERS 8

/* Length of the well-formed UTF-8 sequence at @s, or 0. */
static size_t utf8_length(const unsigned char *s)
{
	size_t len;
	unsigned code;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] < 0xe0)
		len = 2, code = s[0] & 0x1f;
	else if ((s[0] & 0xf0) == 0xe0)
		len = 3, code = s[0] & 0x0f;
	else if (s[0] >= 0xf0 && s[0] < 0xf5)
		len = 4, code = s[0] & 0x07;
	else
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if ((len == 3 && code < 0x800) || (len == 4 && (code < 0x10000 || code > 0x10ffff)) ||
		(code >= 0xd800 && code < 0xe000))
		return 0;
	return len;
}

/* JSON is UTF-8; names and command lines may be any bytes. What is not UTF-8 becomes '?'. */
static json_object *new_text(const char *text)
{
	char *copy = strdup(text);
	json_object *obj;

	if (!copy)
		return NULL;
	for (char *p = copy; *p;) {
		size_t len = utf8_length((unsigned char *)p);

		if (!len)
			*p++ = '?';
		else
			p += len;
	}
	obj = json_object_new_string(copy);
	free(copy);
	return obj;
}

/* Adds @value, which then belongs to @to. Sets @failed if this or making @value failed. */
static void add(json_object *to, const char *key, json_object *value, bool *failed)
{
	if (!to || !value || json_object_object_add(to, key, value) != 0) {
		json_object_put(value);
		*failed = true;
	}
}

static void append(json_object *to, json_object *value, bool *failed)
{
	if (!to || !value || json_object_array_add(to, value) != 0) {
		json_object_put(value);
		*failed = true;
	}
}

static json_object *new_affinity(const cpu_set_t *set)
{
	char text[MAX_CPU_LIST] = "";
	size_t used = 0;

	for (int from = 0; from < CPU_SETSIZE; from++) {
		int to = from;

		if (!CPU_ISSET(from, set))
			continue;
		while (to + 1 < CPU_SETSIZE && CPU_ISSET(to + 1, set))
			to++;
		used += (size_t)snprintf(
			text + used, sizeof(text) - used, "%s%d", used ? "," : "", from);
		if (to > from)
			used += (size_t)snprintf(text + used, sizeof(text) - used, "-%d", to);
		from = to;
	}
	return json_object_new_string(text);
}

static json_object *new_thread(const struct vmrt_vm_thread *t, bool *failed)
{
	json_object *obj = json_object_new_object();

	add(obj, "tid", json_object_new_int(t->tid), failed);
	add(obj, "role", json_object_new_string(vmrt_role_name(t->role)), failed);
	if (t->role == VMRT_ROLE_VCPU)
		add(obj, "vcpu", json_object_new_int(t->vcpu), failed);
	add(obj, "comm", new_text(t->comm), failed);
	add(obj, "policy", json_object_new_int(t->policy), failed);
	add(obj, "priority", json_object_new_int(t->priority), failed);
	add(obj, "affinity", new_affinity(&t->affinity), failed);
	if (t->from_ns)
		add(obj, "from_ns", json_object_new_int64(t->from_ns), failed);
	if (t->to_ns)
		add(obj, "to_ns", json_object_new_int64(t->to_ns), failed);
	return obj;
}

static json_object *new_buffer(const struct vmrt_manifest_buffer *b, bool *failed)
{
	json_object *obj = json_object_new_object(), *losses = json_object_new_array();

	add(obj, "size", json_object_new_uint64(b->size), failed);
	add(obj, "fill", json_object_new_uint64(b->fill), failed);
	add(obj, "events", json_object_new_uint64(b->events), failed);
	add(obj, "lost", json_object_new_uint64(b->lost), failed);
	add(obj, "unread_ns", json_object_new_int64(b->unread_ns), failed);
	add(obj, "unread_at_ns", json_object_new_int64(b->unread_at_ns), failed);
	for (size_t i = 0; losses && i < b->n_losses; i++) {
		json_object *loss = json_object_new_object();

		add(loss, "from_ns", json_object_new_int64(b->losses[i].from_ns), failed);
		add(loss, "to_ns", json_object_new_int64(b->losses[i].to_ns), failed);
		add(loss, "events", json_object_new_uint64(b->losses[i].events), failed);
		append(losses, loss, failed);
	}
	add(obj, "losses", losses, failed);
	return obj;
}

static json_object *new_ping(const struct vmrt_ping *p, bool *failed)
{
	json_object *list = json_object_new_array_ext(PING_NUMBERS);

	append(list, json_object_new_int64(p->host_send_ns), failed);
	append(list, json_object_new_int64(p->guest_recv_ns), failed);
	append(list, json_object_new_int64(p->guest_send_ns), failed);
	append(list, json_object_new_int64(p->host_recv_ns), failed);
	append(list, json_object_new_uint64(p->host_send_tsc), failed);
	append(list, json_object_new_uint64(p->guest_recv_tsc), failed);
	append(list, json_object_new_uint64(p->guest_send_tsc), failed);
	append(list, json_object_new_uint64(p->host_recv_tsc), failed);
	return list;
}

static json_object *new_vm(const struct vmrt_manifest_vm *m, bool *failed)
{
	const struct vmrt_vm *vm = &m->vm;
	json_object *obj = json_object_new_object(), *list;

	add(obj, "name", new_text(vm->name), failed);
	add(obj, "hypervisor", new_text(vm->hypervisor), failed);
	add(obj, "accel", new_text(vm->accel), failed);
	add(obj, "pid", json_object_new_int(vm->pid), failed);
	list = json_object_new_array();
	for (size_t i = 0; list && i < vm->n_threads; i++)
		append(list, new_thread(&vm->threads[i], failed), failed);
	add(obj, "threads", list, failed);
	list = json_object_new_array();
	for (int i = 0; list && i < VMRT_VM_LINKS; i++)
		append(list, new_text(vm->link[i]), failed);
	add(obj, "links", list, failed);
	add(obj, "file", new_text(m->file), failed);
	add(obj, "kernel", new_text(m->kernel), failed);
	add(obj, "note", new_text(m->note), failed);
	if (m->broken_off)
		add(obj, "broken_off", json_object_new_boolean(true), failed);
	list = json_object_new_array();
	for (size_t i = 0; list && i < m->n_pings; i++)
		append(list, new_ping(&m->pings[i], failed), failed);
	add(obj, "pings", list, failed);
	if (m->kvm.ratio) {
		list = json_object_new_array();
		append(list, json_object_new_int64(m->kvm.offset), failed);
		append(list, json_object_new_uint64(m->kvm.ratio), failed);
		append(list, json_object_new_int64(m->kvm.bits), failed);
		add(obj, "kvm_tsc", list, failed);
	}
	return obj;
}

static json_object *new_manifest(const struct vmrt_manifest *m, bool *failed)
{
	json_object *obj = json_object_new_object(), *vms = json_object_new_array();
	json_object *buffers = json_object_new_array();

	add(obj, "format", json_object_new_int(VMRT_MANIFEST_FORMAT), failed);
	if (m->uuid[0])
		add(obj, "uuid", new_text(m->uuid), failed);
	add(obj, "vmrt_version", new_text(m->vmrt_version), failed);
	add(obj, "recorded_at", new_text(m->recorded_at), failed);
	add(obj, "hostname", new_text(m->hostname), failed);
	add(obj, "kernel", new_text(m->kernel), failed);
	add(obj, "cpus", json_object_new_int64(m->cpus), failed);
	add(obj, "command", new_text(m->command ? m->command : ""), failed);
	add(obj, "command_status", json_object_new_int(m->command_status), failed);
	add(obj, "hsf", json_object_new_boolean(m->hsf), failed);
	add(obj, "start_ns", json_object_new_int64(m->start_ns), failed);
	add(obj, "end_ns", json_object_new_int64(m->end_ns), failed);
	add(obj, "note", new_text(m->note), failed);
	if (m->broken_off)
		add(obj, "broken_off", json_object_new_boolean(true), failed);
	for (size_t i = 0; buffers && i < m->n_buffers; i++)
		append(buffers, new_buffer(&m->buffers[i], failed), failed);
	add(obj, "buffers", buffers, failed);
	for (size_t i = 0; vms && i < m->n_vms; i++)
		append(vms, new_vm(&m->vms[i], failed), failed);
	add(obj, "vms", vms, failed);
	return obj;
}

enum vmrt_status vmrt_manifest_save(
	const struct vmrt_manifest *manifest, const char *path, struct vmrt_error *err)
{
	bool failed = false;
	json_object *obj = new_manifest(manifest, &failed);
	enum vmrt_status status;
	const char *text = NULL;
	char *lines = NULL;
	size_t len = 0;

	if (!failed)
		text = json_object_to_json_string_length(obj,
			JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
				JSON_C_TO_STRING_NOSLASHESCAPE,
			&len);
	if (!text || asprintf(&lines, "%.*s\n", (int)len, text) < 0)
		lines = NULL;
	if (lines)
		status = vmrt_replace_file(path, ".new", lines, len + 1, err);
	else
		status = vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	free(lines);
	json_object_put(obj);
	return status;
}
