/* SPDX-License-Identifier: MIT */
/* Writes what a guest sends into its file, and its pings beside it. */
#include "guest-file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/dat.h>
#include <vmrt/files.h>
#include <vmrt/tool.h>

#include "parser/dat/datmap.h"
#include "parser/ring/names.h"
#include "pings.h"
#include "collector/record/salvage.h"
#include "collector/tracefs/tail.h"

/* readers' 64-bit interpolation overflows over long spans */
#define SHIFT_EVERY_NS (5 * VMRT_NS_PER_S)
#define SHIFT_SPARE 16
/* for the host's file, the manifest, a small database */
#define DISK_RESERVE (UINT64_C(16) << 20)
#define PINGS_AT_ONCE 64

void vmrt_guest_file_init(
	struct vmrt_guest_file *f, const char *folder, const char *name, uint64_t peer)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->folder, sizeof(f->folder), "%s", folder);
	snprintf(f->name, sizeof(f->name), "%.*s", (int)(strlen(name) - strlen(".dat")), name);
	f->trace_id = vmrt_dat_new_id();
	f->peer = peer;
	f->pings_fd = -1;
}

static void pings_path(const char *folder, const char *name, char *buf)
{
	snprintf(buf, PATH_MAX, "%s/%s.pings", folder, name);
}

static void dat_path(const struct vmrt_guest_file *f, char *buf)
{
	snprintf(buf, PATH_MAX, "%s/%s.dat", f->folder, f->name);
}

static enum vmrt_status save_processes(
	const struct vmrt_guest_file *f, const struct vmrt_trace_meta *meta, struct vmrt_error *err)
{
	char path[PATH_MAX];

	dat_path(f, path);
	return vmrt_processes_save(path, (const char *const *)meta->processes, err);
}

bool vmrt_guest_file_ready(void *file, const struct vmrt_trace_meta *meta, struct vmrt_error *err)
{
	struct vmrt_guest_file *f = file;
	struct vmrt_dat_content first = {.meta = meta, .trace_id = f->trace_id};
	char path[PATH_MAX];

	f->cpus = meta->cpus;
	f->first_ns = calloc(meta->cpus, sizeof(*f->first_ns));
	if (!f->first_ns) {
		vmrt_fail(err, VMRT_ENOMEM, "%s.dat: out of memory", f->name);
		return false;
	}
	if (vmrt_datfile_begin(f->folder, f->name, &first, &f->dat, err) != VMRT_OK ||
		save_processes(f, meta, err) != VMRT_OK)
		return false;
	vmrt_datfile_stop(f->dat, f->stop);
	/* a flight recorder's events are not on disk, so pings on disk would be of no use */
	pings_path(f->folder, f->name, path);
	if (!f->flight)
		f->pings_fd = vmrt_create_recording(path);
	return true;
}

bool vmrt_guest_file_pages(
	void *file, unsigned cpu, const void *pages, size_t size, struct vmrt_error *err)
{
	struct vmrt_guest_file *f = file;

	if (f->flight && !__atomic_load_n(&f->wanted, __ATOMIC_ACQUIRE))
		return true;
	if (vmrt_datfile_free_space(f->dat) < DISK_RESERVE) {
		vmrt_fail(err, VMRT_EIO,
			"%s.dat: the disk is nearly full, the guest's recording ends there",
			f->name);
		return false;
	}
	if (vmrt_datfile_write(f->dat, cpu, pages, size) != 0) {
		vmrt_fail_errno(err, errno, "cannot write %s.dat, the guest's recording ends there",
			f->name);
		return false;
	}
	f->size += size;
	if (!f->first_ns[cpu])
		f->first_ns[cpu] = vmrt_page_time(pages);
	return true;
}

void vmrt_guest_file_now(struct vmrt_guest_file *f)
{
	__atomic_store_n(&f->wanted, true, __ATOMIC_RELEASE);
}

void vmrt_guest_file_pings(struct vmrt_guest_file *f, struct vmrt_guest *session)
{
	struct vmrt_ping pings[PINGS_AT_ONCE];
	size_t n;

	if (f->pings_fd < 0)
		return;
	while ((n = vmrt_guest_copy_pings(session, &f->next_ping, pings, PINGS_AT_ONCE)))
		(void)!vmrt_write_all(f->pings_fd, pings, n * sizeof(*pings));
}

/* Makes one sample of each span of time, from the ping with the shortest round trip; returns how
 * many. */
static size_t make_shifts(const struct vmrt_ping *pings, size_t n, struct vmrt_dat_shift *out)
{
	int64_t best = INT64_MAX, span_end = INT64_MIN;
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		const struct vmrt_ping *p = &pings[i];
		int64_t trip = ping_trip(p);

		if (p->guest_recv_ns >= span_end) {
			span_end = p->guest_recv_ns + SHIFT_EVERY_NS;
			best = INT64_MAX;
			used++;
		}
		if (trip >= best)
			continue;
		best = trip;
		out[used - 1].local_ns = p->guest_recv_ns / 2 + p->guest_send_ns / 2;
		out[used - 1].offset_ns =
			p->host_send_ns / 2 + p->host_recv_ns / 2 - out[used - 1].local_ns;
	}
	/* leaves room in the file for the analysis, which finds steps of the clock and times
	 * without pings
	 */
	for (size_t i = 0; used && i < SHIFT_SPARE; i++, used++) {
		out[used] = out[used - 1];
		out[used].local_ns += VMRT_NS_PER_S;
	}
	return used;
}

/* The names that the guest sent, and those of ended threads, which only their events have. */
static char *all_names(const struct vmrt_datfile *dat, const struct vmrt_trace_meta *meta)
{
	struct vmrt_names *names = vmrt_names_new(meta);
	char *ended, *all;

	vmrt_datfile_names(dat, names);
	ended = vmrt_names_take(names);
	all = vmrt_trace_merge_names((const char *const[]){meta->cmdlines, ended}, 2);
	free(ended);
	return all;
}

enum vmrt_status vmrt_guest_file_end(struct vmrt_guest_file *f, const struct vmrt_trace_meta *meta,
	const struct vmrt_cpu_stats *stats, const struct vmrt_ping *pings, size_t n_pings,
	struct vmrt_error *err)
{
	struct vmrt_dat_shift *shifts = calloc(n_pings + SHIFT_SPARE, sizeof(*shifts));
	struct vmrt_trace_meta named = *meta;
	struct vmrt_dat_content content = {
		.meta = &named,
		.stats = stats,
		.trace_id = f->trace_id,
		.peer = f->peer,
		.shifts = shifts,
	};
	struct vmrt_cpu_stats *own = calloc(meta->cpus + 1, sizeof(*own));
	struct vmrt_error why;
	/* what follows reads and copies the whole file, and a second ^C may end it */
	enum vmrt_status status = VMRT_OK, listed = save_processes(f, meta, &why);
	char *names = all_names(f->dat, meta);

	if (!shifts || !own)
		status = vmrt_fail(err, VMRT_ENOMEM, "%s.dat: out of memory", f->name);
	else if (f->all_names && f->stop && f->stop())
		status = vmrt_fail(err, VMRT_EINTR, "interrupted; `vmrt-trace reset` goes on");
	if (status != VMRT_OK) {
		free(names);
		free(shifts);
		free(own);
		return status;
	}
	/* the file of a flight recorder has only the last of the events that the guest counted */
	for (unsigned cpu = 0; f->flight && stats && cpu < meta->cpus; cpu++) {
		own[cpu] = stats[cpu];
		own[cpu].entries = own[cpu].read_events = 0;
		content.stats = own;
	}
	if (names)
		named.cmdlines = names;
	content.n_shifts = make_shifts(pings, n_pings, shifts);
	status = vmrt_datfile_end(f->dat, &content, err);
	if (status == VMRT_OK && listed != VMRT_OK)
		status = vmrt_fail(err, listed, "%s", why.text);
	free(shifts);
	free(own);
	free(names);
	if (status == VMRT_OK) {
		vmrt_datfile_close(f->dat);
		f->dat = NULL;
	}
	return status;
}

void vmrt_guest_file_close(struct vmrt_guest_file *f)
{
	vmrt_datfile_close(f->dat);
	f->dat = NULL;
	if (f->pings_fd >= 0)
		close(f->pings_fd);
	f->pings_fd = -1;
	free(f->first_ns);
	f->first_ns = NULL;
}

void vmrt_guest_file_remove(struct vmrt_guest_file *f)
{
	char path[PATH_MAX];

	if (!f->cpus)
		return; /* there is no file */
	vmrt_datfile_remove(f->folder, f->name, f->cpus);
	pings_path(f->folder, f->name, path);
	unlink(path);
	dat_path(f, path);
	vmrt_processes_remove(path);
}

int32_t *vmrt_guest_vcpu_tids(const struct vmrt_vm *vm, unsigned cpus)
{
	int32_t single = -1, *tids = malloc((cpus + 1) * sizeof(*tids));

	if (!tids)
		return NULL;
	for (size_t i = 0; i < vm->n_threads; i++)
		if (vm->threads[i].role == VMRT_ROLE_VCPU)
			single = vm->n_vcpus == 1 ? vm->threads[i].tid : -1;
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		tids[cpu] = single;
	for (size_t i = 0; i < vm->n_threads; i++)
		if (vm->threads[i].role == VMRT_ROLE_VCPU && vm->threads[i].vcpu >= 0 &&
			(unsigned)vm->threads[i].vcpu < cpus)
			tids[vm->threads[i].vcpu] = vm->threads[i].tid;
	return tids;
}

/* ---- when the recorder was killed ---- */

/* Reads the pings that the killed recorder wrote; one that was cut off in the middle is left out.
 */
static void read_pings(const char *folder, const char *name, struct vmrt_manifest_vm *vm)
{
	struct pings pings = {0};
	struct vmrt_ping ping;
	char path[PATH_MAX];
	FILE *file;
	int fd;

	pings_path(folder, name, path);
	fd = vmrt_open_file(path, O_NOFOLLOW, NULL);
	file = fd >= 0 ? fdopen(fd, "r") : NULL;
	if (fd >= 0 && !file)
		close(fd);
	while (file && fread(&ping, sizeof(ping), 1, file) == 1)
		if (pings_add(&pings, &ping) != VMRT_OK)
			break;
	if (file)
		fclose(file);
	free(vm->pings);
	vm->pings = pings_all(&pings, &vm->n_pings);
	pings_free(&pings);
}

static enum vmrt_status complete(struct vmrt_guest_file *f, struct vmrt_datmap *map,
	struct vmrt_manifest_vm *vm, bool *whole, struct vmrt_error *err)
{
	struct vmrt_trace_meta meta;
	enum vmrt_status status = vmrt_datmap_meta(map, &meta, err);

	if (status != VMRT_OK)
		return status;
	f->cpus = meta.cpus;
	status = vmrt_datfile_resume(
		f->folder, f->name, map->table, meta.cpus, meta.page_size, &f->dat, err);
	if (status == VMRT_OK) {
		f->stop = vmrt_stop_requested;
		f->all_names = true;
		vmrt_datfile_stop(f->dat, f->stop);
		*whole = vmrt_datfile_whole(f->dat);
		status = *whole ? vmrt_datfile_reassemble(f->dat, err)
				: vmrt_guest_file_end(f, &meta, NULL, vm->pings, vm->n_pings, err);
	}
	vmrt_datfile_close(f->dat);
	f->dat = NULL;
	vmrt_trace_meta_free(&meta);
	return status;
}

enum vmrt_status vmrt_guest_salvage(const char *run, struct vmrt_manifest_vm *vm, int64_t end_ns,
	uint64_t peer, uint64_t *trace_id, unsigned *cpus, uint64_t *events, struct vmrt_error *err)
{
	struct vmrt_datmap *map = NULL;
	struct vmrt_guest_file f;
	struct vmrt_content content = {0};
	bool whole = false;
	char path[PATH_MAX];
	enum vmrt_status status;

	*events = 0;
	if (!vm->file[0])
		return VMRT_OK;
	vmrt_guest_file_init(&f, run, vm->file, peer);
	if (vmrt_path(path, sizeof(path), run, vm->file) != VMRT_OK)
		return vmrt_fail(err, VMRT_ERANGE, "%.200s: the path is too long", run);
	/* the beginning of the file is written first: without it there are no events */
	if (vmrt_datmap_read(path, &map, NULL) != VMRT_OK || !map->table) {
		vm->file[0] = '\0';
		goto out;
	}
	f.trace_id = vmrt_datmap_trace_id(map);
	if (!vm->n_pings)
		read_pings(run, f.name, vm);
	if ((status = complete(&f, map, vm, &whole, err)) != VMRT_OK ||
		(status = vmrt_count_events(path, &content, vmrt_stop_requested, err)) != VMRT_OK) {
		vmrt_datmap_free(map);
		return status;
	}
	whole &= end_ns > 0;
	vm->broken_off = whole ? vm->broken_off : content.events > 0;
	*events = content.events;
	*trace_id = f.trace_id;
	*cpus = f.cpus;
	if (!content.events) {
		vm->file[0] = '\0';
		vmrt_datfile_remove(run, f.name, f.cpus);
		vmrt_processes_remove(path);
	}
out:
	vmrt_datmap_free(map);
	if (!vm->note[0] && vm->file[0] && !whole)
		snprintf(vm->note, sizeof(vm->note),
			"the recorder was killed: of the guest there is what it had sent before, "
			"%" PRIu64 " events",
			content.events);
	else if (!vm->note[0] && !whole)
		snprintf(vm->note, sizeof(vm->note),
			"the recorder was killed before the guest had sent its events");
	return VMRT_OK;
}
