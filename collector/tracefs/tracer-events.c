/* SPDX-License-Identifier: MIT */
/* Chooses the events that a session records. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tracer-files.h"

/* The events that the analysis needs. If there are several names, the first that the kernel has is
 * taken: names changed between kernel versions. */
static const struct {
	const char *system;
	const char *names[2];
} needed[] = {
	{"sched", {"sched_switch"}},
	{"sched", {"sched_waking"}},
	{"sched", {"sched_wakeup"}},
	{"sched", {"sched_wakeup_new"}},
	{"sched", {"sched_migrate_task"}},
	{"sched", {"sched_process_exec"}},
	{"sched", {"sched_process_exit"}},
	{"sched", {"sched_process_fork"}},
	{"timer", {"hrtimer_setup", "hrtimer_init"}},
	{"timer", {"hrtimer_start"}},
	{"timer", {"hrtimer_cancel"}},
	{"timer", {"hrtimer_expire_entry"}},
};

static size_t find(const struct vmrt_tracer *t, const char *system, const char *name)
{
	size_t i;

	for (i = 0; i < t->n_events; i++)
		if (!strcmp(t->events[i].system, system) && !strcmp(t->events[i].name, name))
			break;
	return i;
}

bool vmrt_tracer_has_event(const struct vmrt_tracer *t, const char *system, const char *name)
{
	return find(t, system, name) < t->n_events;
}

static enum vmrt_status add(
	struct vmrt_tracer *t, const char *system, const char *name, struct vmrt_error *err)
{
	struct tracer_event *more;

	if (vmrt_tracer_has_event(t, system, name))
		return VMRT_OK;
	more = reallocarray(t->events, t->n_events + 1, sizeof(*more));
	if (!more)
		return vmrt_fail(err, VMRT_ENOMEM, "list of events: out of memory");
	t->events = more;
	more += t->n_events++;
	snprintf(more->system, sizeof(more->system), "%s", system);
	snprintf(more->name, sizeof(more->name), "%s", name);
	return VMRT_OK;
}

static void drop(struct vmrt_tracer *t, const char *system, const char *name)
{
	size_t i = find(t, system, name);

	if (i == t->n_events)
		return;
	memmove(&t->events[i], &t->events[i + 1], (t->n_events - i - 1) * sizeof(t->events[0]));
	t->n_events--;
}

static bool is_event(const struct vmrt_tracer *t, const char *system, const char *name)
{
	char path[VMRT_TRACER_PATH];

	return (size_t)snprintf(path, sizeof(path), "%s/events/%s/%s/enable", t->folder, system,
		       name) < sizeof(path) &&
	       faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) == 0;
}

static enum vmrt_status add_needed(struct vmrt_tracer *t, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]) && status == VMRT_OK; i++) {
		const char *name = NULL;

		for (size_t k = 0; k < 2 && !name && needed[i].names[k]; k++)
			if (is_event(t, needed[i].system, needed[i].names[k]))
				name = needed[i].names[k];
		if (!name)
			return vmrt_fail(err, VMRT_ENOENT, "this kernel has no event %s:%s",
				needed[i].system, needed[i].names[0]);
		status = add(t, needed[i].system, name, err);
	}
	return status;
}

/* Applies one pattern of the list to the events of one system, and counts the matches. */
static enum vmrt_status take_system(struct vmrt_tracer *t, const char *system, const char *pattern,
	bool away, size_t *hits, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	char path[VMRT_TRACER_PATH];
	struct dirent *entry;
	DIR *dir;

	if ((size_t)snprintf(path, sizeof(path), "%s/events/%s", t->folder, system) >= sizeof(path))
		return VMRT_OK; /* no event's path would fit */
	dir = opendir(path);
	while (dir && status == VMRT_OK && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || fnmatch(pattern, entry->d_name, 0) != 0 ||
			!is_event(t, system, entry->d_name))
			continue;
		(*hits)++;
		if (away)
			drop(t, system, entry->d_name);
		else
			status = add(t, system, entry->d_name, err);
	}
	if (dir)
		closedir(dir);
	return status;
}

static enum vmrt_status take_pattern(
	struct vmrt_tracer *t, char *word, bool away, struct vmrt_error *err)
{
	char *colon = strchr(word, ':'), path[VMRT_TRACER_PATH];
	const char *name = "*";
	enum vmrt_status status = VMRT_OK;
	struct dirent *entry;
	size_t hits = 0;
	DIR *dir;

	if (colon) {
		*colon = '\0';
		name = colon[1] ? colon + 1 : "*";
	}
	snprintf(path, sizeof(path), "%s/events", t->folder);
	dir = opendir(path);
	if (!dir)
		return vmrt_fail_errno(err, errno, "cannot read %s", path);
	while (status == VMRT_OK && (entry = readdir(dir)))
		/* the events of system ftrace cannot be switched on */
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, "ftrace") &&
			fnmatch(word, entry->d_name, 0) == 0)
			status = take_system(t, entry->d_name, name, away, &hits, err);
	closedir(dir);
	if (status == VMRT_OK && !hits)
		status = vmrt_fail(err, VMRT_ENOENT,
			"--events: this kernel has no event %s:%s (events are listed in "
			"%s/available_events)",
			word, name, t->tracing);
	return status;
}

static enum vmrt_status choose(struct vmrt_tracer *t, const char *list, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;
	char *copy, *rest;

	/* a list that begins with a plain name replaces the usual events; a list that begins with a
	 * sign changes them */
	if (!list || *list == '+' || *list == '-')
		status = add_needed(t, err);
	if (status != VMRT_OK || !list)
		return status;
	copy = strdup(list);
	if (!copy)
		return vmrt_fail(err, VMRT_ENOMEM, "list of events: out of memory");
	for (char *word = strtok_r(copy, ", ", &rest); word && status == VMRT_OK;
		word = strtok_r(NULL, ", ", &rest)) {
		bool away = *word == '-';

		status = take_pattern(t, word + (away || *word == '+'), away, err);
	}
	free(copy);
	if (status == VMRT_OK && !t->n_events)
		status = vmrt_fail(err, VMRT_EINVAL, "--events '%s': no event is left", list);
	return status;
}

enum vmrt_status tracer_enable(struct vmrt_tracer *t, const char *list, struct vmrt_error *err)
{
	enum vmrt_status status = choose(t, list, err);
	char path[VMRT_TRACER_PATH];

	for (size_t i = 0; i < t->n_events && status == VMRT_OK; i++) {
		snprintf(path, sizeof(path), "events/%s/%s/enable", t->events[i].system,
			t->events[i].name);
		status = tracer_set(t, path, "1", err);
	}
	return status;
}

enum vmrt_status vmrt_tracer_only(
	struct vmrt_tracer *t, const pid_t *tids, size_t n, struct vmrt_error *err)
{
	char path[VMRT_TRACER_PATH], text[16];
	enum vmrt_status status;
	int fd, errnum = 0;

	status = tracer_set(t, "options/event-fork", "1", err);
	if (status != VMRT_OK)
		return status;
	snprintf(path, sizeof(path), "%s/set_event_pid", t->folder);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	for (size_t i = 0; i < n && fd >= 0 && !errnum; i++) {
		int len = snprintf(text, sizeof(text), "%d\n", (int)tids[i]);

		if (write(fd, text, (size_t)len) < 0)
			errnum = errno;
	}
	if (fd < 0 || errnum)
		status = vmrt_fail_errno(err, errnum ? errnum : errno, "cannot write to %s", path);
	if (fd >= 0)
		close(fd);
	return status;
}
