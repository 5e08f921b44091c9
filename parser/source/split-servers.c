/* SPDX-License-Identifier: MIT */
/*
 * Splits a server of a VM with several vCPUs into one server for each. If an enforcer was recorded,
 * its markers decide: a vCPU that is plugged in later shares the server of the first one.
 */
#include "recording-local.h"

#include <stdio.h>
#include <string.h>

#include "parser/engine/core/core.h"

#define CHECK_EVENTS 2000000 /* an enforcer writes markers in each period, so these are enough */
#define MAX_LINE 512

/* Gets the server that a marker is about; false if it is no marker of an enforcer. */
static bool server_of_mark(const struct vmrt_event *ev, char *name, size_t room)
{
	static const char word[] = "vmrt srv_";
	char line[MAX_LINE];
	size_t len = ev->mark.len < sizeof(line) - 1 ? ev->mark.len : sizeof(line) - 1;

	memcpy(line, ev->mark.text, len);
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return !strncmp(line, word, sizeof(word) - 1) && mark_text(line, "server", name, room);
}

/* Is @name one of the parts of @s? */
static bool is_part(const struct vmrt_server_spec *s, const char *name)
{
	size_t len = strlen(s->name);
	int64_t number;

	return !strncmp(name, s->name, len) && name[len] == ':' &&
	       vmrt_parse_int(name + len + 1, 0, UINT16_MAX, &number) == VMRT_OK;
}

/* Reads from an enforcer's first marker about each server whether it was split. */
static enum vmrt_status ask_marks(struct vmrt_recording *rec, size_t asked, struct vmrt_error *err)
{
	struct vmrt_experiment *exp = rec->exp;
	struct vmrt_stream *stream;
	struct vmrt_event ev;
	enum vmrt_status status = vmrt_stream_open(rec->sources[0].dat, &stream, err);

	if (status != VMRT_OK)
		return status;
	for (size_t n = 0; n < CHECK_EVENTS && asked && vmrt_stream_next(stream, &ev, NULL) > 0;
		n++) {
		char name[VMRT_NAME_MAX];

		if (ev.type != VMRT_EV_MARK || !server_of_mark(&ev, name, sizeof(name)))
			continue;
		for (size_t i = 0; i < exp->n_servers; i++) {
			struct vmrt_server_spec *s = &exp->servers[i];

			if (is_part(s, name))
				asked = 0; /* this enforcer splits servers */
			if (!vmrt_server_splits(s) || strcmp(s->name, name) != 0)
				continue;
			s->together = true;
			asked -= asked > 0;
		}
	}
	vmrt_stream_free(stream);
	return VMRT_OK;
}

enum vmrt_status recording_split_servers(struct vmrt_recording *rec, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	size_t asked = 0;

	for (size_t i = 0; rec->exp && i < rec->exp->n_servers; i++) {
		for (size_t v = 0; v < rec->n_vms; v++) {
			const struct vmrt_engine_vm *vm = &rec->vms[v];
			size_t vcpus = 0;

			for (size_t t = 0; !vm->selected && t < vm->n_threads; t++)
				vcpus += vm->threads[t].role == VMRT_ROLE_VCPU;
			asked += vcpus > 1 && vmrt_server_splits(&rec->exp->servers[i]) &&
				 vmrt_server_is_for(&rec->exp->servers[i], vm->name, vm->threads,
					 vm->n_threads);
		}
	}
	if (asked)
		status = ask_marks(rec, asked, err);
	for (size_t v = 0; asked && v < rec->n_vms && status == VMRT_OK; v++)
		if (!rec->vms[v].selected)
			status = vmrt_experiment_split(rec->exp, rec->vms[v].name,
				rec->vms[v].threads, rec->vms[v].n_threads, err);
	return status;
}
