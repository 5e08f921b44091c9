/* SPDX-License-Identifier: MIT */
/* Opens the files of a recording, finds its VMs, and maps the clocks of the guests. */
#include "recording-local.h"

#include <dirent.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/files.h>

#include "parser/clock/causality.h"
#include "parser/clock/clock-rate.h"
#include "following.h"
#include "parser/clock/clock-shift.h"
#include "selected.h"

#define MAX_EXPERIMENT (1 << 20)

static enum vmrt_status load_experiment(struct vmrt_recording *rec, struct vmrt_error *err)
{
	char path[RECORDING_PATH];
	const char *from = rec->options->experiment;
	enum vmrt_status status;

	if (rec->options->experiment_text) {
		rec->tasks_are_found = true;
		rec->exp_text = strdup(rec->options->experiment_text);
		if (!rec->exp_text)
			return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		return vmrt_experiment_parse(
			rec->exp_text, "the experiment that was found", &rec->exp, err);
	}
	if (!from && rec->options->run) {
		if (vmrt_path(path, sizeof(path), rec->options->run, VMRT_FILE_EXPERIMENT) !=
			VMRT_OK)
			return vmrt_fail(
				err, VMRT_ERANGE, "%s: the path is too long", rec->options->run);
		if (access(path, F_OK) == 0)
			from = path;
	}
	if (!from)
		return VMRT_OK;
	status = vmrt_read_file(from, MAX_EXPERIMENT, &rec->exp_text, NULL, err);
	if (status != VMRT_OK)
		return status;
	return vmrt_experiment_parse(rec->exp_text, from, &rec->exp, err);
}

/* The largest error of the CPUs whose clock could be mapped. */
static int64_t record_error(const struct vmrt_dat *dat, const struct vmrt_record_clock *clock)
{
	int64_t most = 0;

	if (clock->state != VMRT_RECORD_CLOCK_MAPPED)
		return 0;
	for (unsigned i = 0; i < vmrt_dat_info(dat)->cpus; i++) {
		int64_t error = vmrt_record_clock_error(dat, i);

		/* errors of several machines are added up */
		if (error != VMRT_UNKNOWN && error > most)
			most = error < VMRT_NS_PER_S * 3600 ? error : VMRT_NS_PER_S * 3600;
	}
	return most;
}

/* Older runs, and recordings of other programs, have no such lists; malformed lists are not
 * used. */
static enum vmrt_status load_processes(struct source *s, struct vmrt_error *err)
{
	struct vmrt_error why; /* @err would say of a good recording that it cannot be read */
	enum vmrt_status status = vmrt_processes_load(s->path, s->processes, &why);

	if (status == VMRT_ENOMEM)
		return vmrt_fail(err, status, "%s", why.text);
	if (status != VMRT_OK)
		vmrt_warn(
			"%s; which process a thread belongs to is known by events only", why.text);
	return VMRT_OK;
}

static enum vmrt_status open_source(struct vmrt_recording *rec, const char *name, const char *path,
	const struct vmrt_manifest_vm *vm, struct vmrt_error *err)
{
	struct source *s = &rec->sources[rec->n];
	struct vmrt_record_clock clock;
	enum vmrt_status status;

	if (rec->n == RECORDING_MACHINES)
		return vmrt_fail(
			err, VMRT_ERANGE, "more than %d recordings at once", RECORDING_MACHINES);
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->path, sizeof(s->path), "%s", path);
	s->vm = vm;
	status = vmrt_dat_open_instance(path, rec->options->instance, &s->dat, err);
	/* a guest's file need not have a buffer of the same name */
	if (status == VMRT_ENOENT && rec->n && rec->options->instance)
		status = vmrt_dat_open(path, &s->dat, err);
	if (status == VMRT_OK && vmrt_dat_info(s->dat)->buffers[0] && !rec->options->instance)
		vmrt_warn("%s holds several ring buffers (%s): \"%s\" is read; --instance chooses "
			  "another one%s",
			path, vmrt_dat_info(s->dat)->buffers,
			vmrt_dat_info(s->dat)->instance[0] ? vmrt_dat_info(s->dat)->instance
							   : "top",
			vmrt_dat_info(s->dat)->split
				? "; the others have events that this one lacks: record all events "
				  "in one buffer"
				: "");
	if (status == VMRT_OK) {
		vmrt_dat_stop(s->dat, rec->options->stop);
		status = vmrt_record_clock_map(s->dat, &clock, err);
	}
	if (status != VMRT_OK) {
		vmrt_dat_close(s->dat);
		s->dat = NULL;
		return status;
	}
	rec->n++;
	if ((status = load_processes(s, err)) != VMRT_OK)
		return status;
	if (rec->following && (status = following_source(rec, s, err)) != VMRT_OK)
		return status;
	s->record_clock = clock;
	s->record_error_ns = record_error(s->dat, &clock);
	if (clock.state == VMRT_RECORD_CLOCK_UNMAPPED) {
		snprintf(s->note, sizeof(s->note), "clock %.240s", clock.text);
		vmrt_warn("%s: recorded in clock %s", path, clock.text);
	}
	if (vmrt_dat_missing(s->dat)) {
		snprintf(s->note, sizeof(s->note), "the file is cut short: %llu bytes are missing",
			(unsigned long long)vmrt_dat_missing(s->dat));
		vmrt_warn("%s: %s", path, s->note);
	}
	return VMRT_OK;
}

/* A run folder of a stranger may name any file by a link. */
static enum vmrt_status check_plain(const char *path, struct vmrt_error *err)
{
	if (!vmrt_is_link(path))
		return VMRT_OK;
	return vmrt_fail(err, VMRT_EFORMAT,
		"%s is a symbolic link, which vmrt does not follow in a run folder", path);
}

static enum vmrt_status stopped(const struct vmrt_recording *rec, struct vmrt_error *err)
{
	if (!rec->options->stop || !rec->options->stop())
		return VMRT_OK;
	return vmrt_fail(err, VMRT_EINTR, "stopped while the clocks were compared");
}

/* Opens the host's recording. If it cannot be read, the guests' are analysed without it: @why says
 * what is wrong with it. */
static enum vmrt_status open_host(
	struct vmrt_recording *rec, struct vmrt_error *why, struct vmrt_error *err)
{
	const char *run = rec->options->run;
	struct source *s = &rec->sources[0];
	char path[RECORDING_PATH];
	enum vmrt_status status;

	vmrt_path(path, sizeof(path), run, VMRT_FILE_HOST);
	if (access(path, F_OK) != 0)
		status = vmrt_fail_file(why, run, "the folder of a run");
	else
		status = check_plain(path, why);
	if (status == VMRT_OK)
		status = open_source(rec, VMRT_HOST, path, NULL, why);
	/* during the recording, the host shows how far all others have come */
	if (status == VMRT_OK || status == VMRT_ENOMEM || rec->following ||
		stopped(rec, NULL) != VMRT_OK)
		return status == VMRT_OK ? status : vmrt_fail(err, status, "%s", why->text);
	status = vmrt_dat_none(path, rec->manifest ? rec->manifest->cpus : 1, &s->dat, err);
	if (status != VMRT_OK)
		return status;
	snprintf(s->name, sizeof(s->name), "%s", VMRT_HOST);
	snprintf(s->path, sizeof(s->path), "%s", path);
	s->record_clock = (struct vmrt_record_clock){.state = VMRT_RECORD_CLOCK_MONO};
	snprintf(s->note, sizeof(s->note), "the recording cannot be read: %.200s", why->text);
	rec->without_host = true;
	rec->n++;
	return VMRT_OK;
}

/* Without a manifest it is unknown to which VMs the guests' recordings in the folder belong. */
static void warn_unlisted(const char *run)
{
	DIR *dir = opendir(run);
	struct dirent *entry;

	bool found = false;

	while (dir && !found && (entry = readdir(dir)))
		if ((found = !fnmatch("guest-*.dat", entry->d_name, FNM_PERIOD)))
			vmrt_warn("%s has no " VMRT_FILE_MANIFEST
				  ", so %s is not read: `vmrt-trace analyze -o NAME.db "
				  "%s/" VMRT_FILE_HOST " %s/%s` reads it",
				run, entry->d_name, run, run, entry->d_name);
	if (dir)
		closedir(dir);
}

static enum vmrt_status open_run(struct vmrt_recording *rec, struct vmrt_error *err)
{
	const char *run = rec->options->run;
	char path[RECORDING_PATH];
	struct vmrt_error host = {.status = VMRT_OK};
	enum vmrt_status status;

	if (vmrt_path(path, sizeof(path), run, VMRT_FILE_MANIFEST) != VMRT_OK)
		return vmrt_fail(err, VMRT_ERANGE, "%s: the path is too long", run);
	if (access(path, F_OK) == 0) {
		if ((status = check_plain(path, err)) != VMRT_OK)
			return status;
		status = vmrt_manifest_load(path, &rec->manifest, err);
		if (status != VMRT_OK)
			return status;
	} else {
		warn_unlisted(run);
	}
	status = open_host(rec, &host, err);
	for (size_t i = 0; status == VMRT_OK && rec->manifest && i < rec->manifest->n_vms; i++) {
		const struct vmrt_manifest_vm *vm = &rec->manifest->vms[i];
		struct vmrt_error why;

		if (!vm->file[0])
			continue;
		if (strchr(vm->file, '/'))
			return vmrt_fail(err, VMRT_EFORMAT,
				"%s/%s: the file name %s leaves the run folder", run,
				VMRT_FILE_MANIFEST, vm->file);
		vmrt_path(path, sizeof(path), run, vm->file);
		status = check_plain(path, &why);
		if (status == VMRT_OK)
			status = open_source(rec, vm->vm.name, path, vm, &why);
		if (status == VMRT_ENOMEM)
			return vmrt_fail(err, status, "%s", why.text);
		/* one guest's bad recording is no reason to lose the others */
		if (status != VMRT_OK)
			vmrt_warn("%s; the guest is left out", why.text);
		status = VMRT_OK;
	}
	if (status != VMRT_OK || !rec->without_host)
		return status;
	if (rec->n == 1)
		return vmrt_fail(err, host.status, "%s", host.text);
	vmrt_warn("%s; the guests are analysed without the host: executions and causes are unknown",
		host.text);
	return VMRT_OK;
}

/* "…/guest-vm1.dat" is the recording of vm1. */
static void name_of_file(const char *path, char *buf, size_t room)
{
	const char *base = strrchr(path, '/');
	size_t n;

	base = base ? base + 1 : path;
	for (const char *const *p = (const char *const[]){"guest-", "trace-", NULL}; *p; p++)
		if (!strncmp(base, *p, strlen(*p))) {
			base += strlen(*p);
			break;
		}
	n = strlen(base);
	if (n > 4 && !strcmp(base + n - 4, ".dat"))
		n -= 4;
	snprintf(buf, room, "%.*s", (int)n, base);
}

/* Is the file opened last of the host, and the first one of its guest? Then they were given in the
 * wrong order. */
static enum vmrt_status check_order(const struct vmrt_recording *rec, struct vmrt_error *err)
{
	const struct source *first = &rec->sources[0], *last = &rec->sources[rec->n - 1];
	uint64_t id = vmrt_dat_info(first->dat)->trace_id;
	size_t n;
	const struct vmrt_dat_guest *guests = vmrt_dat_guests(last->dat, &n);

	for (size_t g = 0; g < n; g++)
		if (id && guests[g].trace_id == id)
			return vmrt_fail(err, VMRT_EINVAL,
				"%s is the recording of guest %s, and %s that of its host: name "
				"the host's first",
				first->path, guests[g].name, last->path);
	return VMRT_OK;
}

/* Two machines of one name could not be distinguished anywhere. */
static enum vmrt_status check_name(const struct vmrt_recording *rec, struct vmrt_error *err)
{
	const struct source *last = &rec->sources[rec->n - 1];

	if (!strcmp(last->name, VMRT_HOST))
		return vmrt_fail(err, VMRT_EINVAL,
			"%s is the recording of a guest called host, as the host is: copy it to "
			"guest-NAME.dat with another NAME",
			last->path);
	for (size_t i = 1; i + 1 < rec->n; i++)
		if (!strcmp(rec->sources[i].name, last->name))
			return vmrt_fail(err, VMRT_EINVAL,
				"%s and %s are both recordings of a guest called %s: copy one to "
				"guest-NAME.dat with another NAME",
				rec->sources[i].path, last->path, last->name);
	return VMRT_OK;
}

static enum vmrt_status open_files(struct vmrt_recording *rec, struct vmrt_error *err)
{
	enum vmrt_status status = open_source(rec, VMRT_HOST, rec->options->host_file, NULL, err);

	for (size_t i = 0; status == VMRT_OK && i < rec->options->n_guest_files; i++) {
		char name[VMRT_NAME_MAX];
		const struct vmrt_dat_guest *guests;
		struct vmrt_dat *dat;
		size_t n;

		name_of_file(rec->options->guest_files[i], name, sizeof(name));
		status = open_source(rec, name, rec->options->guest_files[i], NULL, err);
		if (status == VMRT_OK)
			status = check_order(rec, err);
		if (status != VMRT_OK)
			break;
		/* the host's recording knows the guest's name by its trace id */
		dat = rec->sources[rec->n - 1].dat;
		guests = vmrt_dat_guests(rec->sources[0].dat, &n);
		for (size_t g = 0; g < n; g++)
			if (guests[g].trace_id &&
				guests[g].trace_id == vmrt_dat_info(dat)->trace_id)
				snprintf(rec->sources[rec->n - 1].name, VMRT_NAME_MAX, "%s",
					guests[g].name);
		status = check_name(rec, err);
	}
	return status;
}

static uint32_t machine_of(const struct vmrt_recording *rec, const char *name)
{
	for (size_t i = 1; i < rec->n; i++)
		if (!strcmp(rec->sources[i].name, name))
			return (uint32_t)i;
	return VMRT_NONE;
}

/* VMs of a recording by other tools: the host file's GUEST options name the vCPU threads. */
static enum vmrt_status vms_from_options(struct vmrt_recording *rec, struct vmrt_error *err)
{
	size_t n;
	const struct vmrt_dat_guest *guests = vmrt_dat_guests(rec->sources[0].dat, &n);

	for (size_t g = 0; g < n && rec->n_vms < RECORDING_MACHINES; g++) {
		struct vmrt_engine_vm *vm = &rec->vms[rec->n_vms];
		struct vmrt_vm_thread *threads = calloc(guests[g].n_vcpus + 1, sizeof(*threads));

		if (!threads)
			return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
		rec->made[rec->n_vms++] = threads;
		vm->name = guests[g].name;
		vm->machine = machine_of(rec, guests[g].name);
		vm->threads = threads;
		for (unsigned v = 0; v < guests[g].n_vcpus; v++) {
			const char *comm;

			if (guests[g].vcpu_tids[v] <= 0)
				continue;
			threads[vm->n_threads].tid = guests[g].vcpu_tids[v];
			threads[vm->n_threads].role = VMRT_ROLE_VCPU;
			threads[vm->n_threads].vcpu = (int)v;
			comm = vmrt_dat_comm(rec->sources[0].dat, guests[g].vcpu_tids[v]);
			snprintf(threads[vm->n_threads++].comm, VMRT_COMM_MAX, "%s",
				comm ? comm : "");
		}
	}
	return VMRT_OK;
}

static bool has_vm(const struct vmrt_recording *rec, const char *name)
{
	for (size_t i = 0; i < rec->n_vms; i++)
		if (!strcmp(rec->vms[i].name, name))
			return true;
	return false;
}

/*
 * Selects threads for servers whose threads are in no list: the recording was made by another
 * program, or with another experiment. If a guest's recording has the name of the server, these
 * threads are its vCPUs.
 */
static enum vmrt_status select_threads(struct vmrt_recording *rec, struct vmrt_error *err)
{
	struct selection found[RECORDING_MACHINES] = {{.pattern = NULL}};
	const struct vmrt_server_spec *of[RECORDING_MACHINES];
	enum vmrt_status status = VMRT_OK;
	size_t n = 0;

	for (size_t i = 0; rec->exp && i < rec->exp->n_servers; i++) {
		const struct vmrt_server_spec *s = &rec->exp->servers[i];
		bool again = has_vm(rec, s->vm);

		for (size_t k = 0; k < n; k++)
			again |= !strcmp(found[k].pattern, s->vm);
		if (again || !selected_is(s->vm) || rec->n_vms + n == RECORDING_MACHINES)
			continue;
		found[n].pattern = s->vm;
		of[n++] = s;
	}
	if (n)
		status = selected_find(
			rec->sources[0].dat, rec->sources[0].processes, found, n, err);
	for (size_t k = 0; k < n; k++) {
		if (status != VMRT_OK || !found[k].n_threads) {
			free(found[k].threads);
			continue;
		}
		rec->made[rec->n_vms] = found[k].threads;
		rec->vms[rec->n_vms++] = (struct vmrt_engine_vm){
			.name = found[k].pattern,
			.machine = machine_of(rec, of[k]->name),
			.threads = found[k].threads,
			.n_threads = found[k].n_threads,
			.selected = true,
		};
	}
	return status;
}

static enum vmrt_status find_vms(struct vmrt_recording *rec, struct vmrt_error *err)
{
	enum vmrt_status status = VMRT_OK;

	if (!rec->manifest)
		status = vms_from_options(rec, err);
	for (size_t i = 0;
		rec->manifest && i < rec->manifest->n_vms && rec->n_vms < RECORDING_MACHINES; i++) {
		struct vmrt_engine_vm *vm = &rec->vms[rec->n_vms++];

		vm->name = rec->manifest->vms[i].vm.name;
		vm->machine = machine_of(rec, vm->name);
		vm->threads = rec->manifest->vms[i].vm.threads;
		vm->n_threads = rec->manifest->vms[i].vm.n_threads;
		vm->selected = selected_is(vm->name) || !strncmp(vm->name, "cgroup:", 7);
	}
	return status == VMRT_OK ? select_threads(rec, err) : status;
}

static enum vmrt_status map_clock(struct vmrt_recording *rec, size_t index, struct vmrt_error *err)
{
	struct source *s = &rec->sources[index];
	const struct vmrt_engine_vm *vm = NULL;
	enum vmrt_status status;
	int32_t *tids;
	size_t n_tids = 0;

	for (size_t i = 0; i < rec->n_vms; i++)
		if (rec->vms[i].machine == index)
			vm = &rec->vms[i];
	tids = calloc(vm ? vm->n_threads + 1 : 1, sizeof(*tids));
	if (!tids)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	for (size_t i = 0; vm && i < vm->n_threads; i++) {
		if (vm->threads[i].role != VMRT_ROLE_VCPU || vm->threads[i].vcpu < 0 ||
			(size_t)vm->threads[i].vcpu >= vm->n_threads)
			continue;
		tids[vm->threads[i].vcpu] = vm->threads[i].tid;
		if ((size_t)vm->threads[i].vcpu + 1 > n_tids)
			n_tids = (size_t)vm->threads[i].vcpu + 1;
	}
	/* KVM's offset of the counters is more exact than anything else, if the pings do not
	 * contradict it */
	if (s->vm && s->vm->kvm.ratio &&
		vmrt_clock_from_kvm(&s->vm->kvm, s->vm->pings, s->vm->n_pings, &s->map, NULL) ==
			VMRT_OK) {
		free(tids);
		return VMRT_OK;
	}
	status = vmrt_clock_from_recordings(rec->sources[0].dat, s->dat, tids, n_tids,
		s->vm ? s->vm->pings : NULL, s->vm ? s->vm->n_pings : 0, &s->map, err);
	free(tids);
	return status;
}

/* If a guest's clock does not count nanoseconds, its times cannot be related to the host's
 * clock. */
static enum vmrt_status refuse_rate(const struct vmrt_recording *rec, struct source *s)
{
	double rate = clock_rate(s->vm ? s->vm->pings : NULL, s->vm ? s->vm->n_pings : 0, &s->map);

	if (fabs(rate - 1) <= CLOCK_RATE_MAX)
		return VMRT_OK;
	vmrt_warn("%s: its clock runs at %.1f %% of the host's speed (its kernel has measured its "
		  "time-stamp counter wrongly, or its hypervisor gives it a time of its own): all "
		  "its "
		  "durations are wrong by that; boot it with another clocksource",
		s->path, rate * 100);
	vmrt_clockmap_free(&s->map);
	return clock_unrelated(rec->sources[0].dat, s->dat, &s->map);
}

/* Adds a note if the recordings do not confirm a time shift, or contradict it. */
static void note_shift(struct source *s)
{
	const char *source = s->map.n ? s->map.segments[0].source : NULL;
	char away[VMRT_UNITS_TEXT], why[sizeof(s->note)] = "";
	size_t shifts = 0;

	vmrt_dat_shifts(s->dat, &shifts, NULL);
	if (!shifts || !source || (s->vm && s->vm->n_pings))
		return;
	if (!strcmp(source, VMRT_CLOCK_OVERLAP) || !strcmp(source, VMRT_CLOCK_UNRELATED))
		snprintf(why, sizeof(why), "the recordings contradict the file's time shift%s",
			!strcmp(source, VMRT_CLOCK_UNRELATED) ? ": times on the host are not known"
							      : "");
	else if (s->map.elsewhere_ns)
		snprintf(why, sizeof(why),
			"the file's time shift is unchecked: the recordings fit as well %s %s",
			vmrt_format_duration(llabs(s->map.elsewhere_ns), away),
			s->map.elsewhere_ns < 0 ? "earlier" : "later");
	if (!*why)
		return;
	vmrt_warn("%s: %s", s->path, why);
	if (!s->note[0])
		snprintf(s->note, sizeof(s->note), "%s", why);
}

/* A guest whose clock cannot be mapped is no reason to lose the others. */
static enum vmrt_status map_guest(struct vmrt_recording *rec, size_t index, struct vmrt_error *err)
{
	struct source *s = &rec->sources[index];
	struct vmrt_error why;
	enum vmrt_status status = map_clock(rec, index, &why);

	if (status != VMRT_OK && status != VMRT_ENOMEM) {
		vmrt_warn("%s; its clock is not known", why.text);
		vmrt_clockmap_free(&s->map);
		status = vmrt_clockmap_constant(0, VMRT_UNKNOWN, VMRT_CLOCK_UNRELATED, &s->map);
	}
	if (status == VMRT_OK)
		status = refuse_rate(rec, s);
	if (status == VMRT_OK)
		note_shift(s);
	if (status != VMRT_OK)
		return vmrt_fail(err, status, "%s: out of memory", s->path);
	return stopped(rec, err);
}

enum vmrt_status recording_open_files(struct vmrt_recording *rec, struct vmrt_error *err)
{
	enum vmrt_status status = load_experiment(rec, err);

	if (status == VMRT_OK)
		status = rec->options->run ? open_run(rec, err) : open_files(rec, err);
	if (status == VMRT_OK)
		status = stopped(rec, err);
	if (status == VMRT_OK)
		status = find_vms(rec, err);
	if (status == VMRT_OK)
		status = recording_split_servers(rec, err);
	/* during the recording, pings that come later map the clocks */
	for (size_t i = 1; status == VMRT_OK && i < rec->n && !rec->following; i++)
		status = map_guest(rec, i, err);
	return status;
}
