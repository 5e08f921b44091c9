/* SPDX-License-Identifier: MIT */
/* Follows a recording that its recorder is still writing: returns in order the events that have
 * come since the last call. */
#include "following.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <vmrt/files.h>

#include "merge.h"
#include "parser/dat/growing.h"

#define LATE_NS (5 * VMRT_NS_PER_MS)   /* a clock's map moves so much when it is fitted again */
#define SILENCE_NS (5 * VMRT_NS_PER_S) /* a guest that lags by more is not waited for */
/* a guest's event may come so late: its vCPU was taken away in the middle of writing it */
#define SLACK_NS (100 * VMRT_NS_PER_MS)
#define PINGS_AT_ONCE 64
#define READS_AT_ONCE 1024 /* 20 minutes of pings at least */

static bool is_guest(const struct vmrt_recording *rec, const struct source *s)
{
	return s != &rec->sources[0];
}

bool vmrt_recording_in_progress(const char *run)
{
	char path[RECORDING_PATH];

	return vmrt_path(path, sizeof(path), run, VMRT_FILE_JOURNAL) == VMRT_OK &&
	       access(path, F_OK) == 0;
}

enum vmrt_status following_begin(struct vmrt_recording *rec, struct vmrt_error *err)
{
	const char *run = rec->options->run;
	struct following *f = calloc(1, sizeof(*f));
	char manifest[RECORDING_PATH];

	if (!f)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	rec->following = f;
	f->hold = -1;
	if ((size_t)snprintf(f->run, sizeof(f->run), "%s", run) >= sizeof(f->run) ||
		vmrt_path(f->proof, sizeof(f->proof), run, VMRT_FILE_PROGRESS) != VMRT_OK ||
		vmrt_path(manifest, sizeof(manifest), run, VMRT_FILE_MANIFEST) != VMRT_OK)
		return vmrt_fail(err, VMRT_ERANGE, "%s: the path is too long", run);
	f->hold = vmrt_extent_follow(run);
	if (f->hold < 0)
		return vmrt_fail_errno(err, errno, "%s: cannot follow its recorder", run);
	if (access(manifest, F_OK) != 0)
		return vmrt_fail(err, VMRT_EBUSY, "%s: its recorder has not begun to record", run);
	return VMRT_OK;
}

enum vmrt_status following_source(
	struct vmrt_recording *rec, struct source *s, struct vmrt_error *err)
{
	char path[RECORDING_PATH], *dot;

	s->followed = calloc(1, sizeof(*s->followed));
	if (!s->followed)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	ping_fit_init(&s->followed->fit);
	s->followed->upto_ns = VMRT_UNKNOWN;
	s->followed->pings = -1;
	snprintf(path, sizeof(path) - 8, "%.*s", (int)sizeof(path) - 9, s->path);
	dot = strrchr(path, '.');
	if (is_guest(rec, s) && dot) {
		strcpy(dot, ".pings");
		s->followed->pings = vmrt_open_file(path, O_NOFOLLOW, NULL);
	}
	return dat_growing(s->dat, rec->following->proof, err);
}

static void take_pings(struct followed *g, struct vmrt_clockmap *map)
{
	struct vmrt_ping pings[PINGS_AT_ONCE];

	/* a stranger's file may seem endless: the rest is read in the next call */
	for (unsigned i = 0; i < READS_AT_ONCE && g->pings >= 0; i++) {
		ssize_t n = pread(g->pings, pings, sizeof(pings), g->pings_at);
		size_t whole = n > 0 ? (size_t)n / sizeof(pings[0]) : 0;

		if (!whole)
			break;
		for (size_t k = 0; k < whole; k++)
			ping_fit_add(&g->fit, &pings[k]);
		g->pings_at += (off_t)(whole * sizeof(pings[0]));
		/* ages count from the last ping, because a long recording may be read much later */
		g->last_ping_ns = pings[whole - 1].host_recv_ns;
	}
	ping_fit(&g->fit, g->last_ping_ns, map);
}

static const char *file_name(const struct source *s)
{
	const char *slash = strrchr(s->path, '/');

	return slash ? slash + 1 : s->path;
}

/* Takes what the recorder says about one file. */
static void take_extent(
	const struct vmrt_recording *rec, struct source *s, const struct vmrt_extent_file *p)
{
	struct followed *g = s->followed;
	bool guest = is_guest(rec, s);

	g->state = p ? p->state : VMRT_EXTENT_OVER;
	g->lack = NULL;
	if (!p)
		return;
	dat_grown(s->dat, p->sizes, p->cpus);
	stream_grown(s->in.stream);
	if (guest)
		take_pings(g, &s->map);
	if (!g->begun && rec->options && rec->options->follow_from_ns)
		recording_begin_at(s, rec->options->follow_from_ns);
	g->begun = true;
	if (p->upto_ns != VMRT_UNKNOWN && p->state != VMRT_EXTENT_HELD)
		vmrt_stream_limit(s->in.stream, p->upto_ns);
	if (p->upto_ns != VMRT_UNKNOWN && p->state == VMRT_EXTENT_GOING && (!guest || s->map.n))
		g->upto_ns = guest ? vmrt_clockmap_to_host(&s->map, p->upto_ns, &s->in.hint)
				   : p->upto_ns;
	if (p->state == VMRT_EXTENT_HELD)
		g->lack = guest ? "its events come when the recording ends (record --stream "
				  "sends them before)"
				: "a flight recorder keeps its events to itself until it saves";
}

/* Returns the time up to which all machines that are waited for have events. */
static int64_t watermark(struct vmrt_recording *rec)
{
	int64_t host = rec->sources[0].followed->upto_ns, upto = host;

	for (size_t i = 1; i < rec->n && host != VMRT_UNKNOWN; i++) {
		struct source *s = &rec->sources[i];
		struct followed *g = s->followed;

		if (g->state != VMRT_EXTENT_GOING)
			continue;
		if (g->upto_ns == VMRT_UNKNOWN)
			g->upto_ns = host - 1;
		if (host - g->upto_ns > SILENCE_NS) {
			g->lack = "it sends nothing new, only the host's side is seen";
			continue;
		}
		upto = g->upto_ns - SLACK_NS < upto ? g->upto_ns - SLACK_NS : upto;
	}
	return upto;
}

/* Counts VMs and vCPUs; other threads come and go all the time. */
static uint64_t count_vms(const struct vmrt_manifest *m)
{
	uint64_t n = 0;

	for (size_t i = 0; i < m->n_vms; i++) {
		n += 4096;
		for (size_t k = 0; k < m->vms[i].vm.n_threads; k++)
			n += m->vms[i].vm.threads[k].role == VMRT_ROLE_VCPU;
	}
	return n;
}

/* The manifest is replaced when it changes. */
static bool other_vms(struct following *f)
{
	char path[RECORDING_PATH];
	struct vmrt_manifest *m;
	struct stat st;
	bool other;

	if (vmrt_path(path, sizeof(path), f->run, VMRT_FILE_MANIFEST) != VMRT_OK ||
		stat(path, &st) != 0 || st.st_ino == f->manifest ||
		vmrt_manifest_load(path, &m, NULL) != VMRT_OK)
		return false;
	f->manifest = st.st_ino;
	other = count_vms(m) != f->vms;
	f->vms = count_vms(m);
	vmrt_manifest_free(m);
	return other;
}

enum vmrt_following vmrt_recording_collect(struct vmrt_recording *rec)
{
	struct following *f = rec->following;
	struct vmrt_extent extent;
	enum vmrt_status status;
	int64_t upto;

	if (!f)
		return VMRT_FOLLOWING_ENDED;
	status = vmrt_extent_load(f->run, &extent, NULL);
	if (status == VMRT_OK) {
		for (size_t i = 0; i < rec->n; i++)
			take_extent(rec, &rec->sources[i],
				vmrt_extent_find(&extent, file_name(&rec->sources[i])));
		vmrt_extent_free(&extent);
		merge_renew(&rec->merge);
		upto = watermark(rec);
		if (upto != VMRT_UNKNOWN &&
			(rec->merge.upto_ns == VMRT_UNKNOWN || upto > rec->merge.upto_ns))
			rec->merge.upto_ns = upto;
	}
	if (!vmrt_recording_in_progress(f->run))
		return VMRT_FOLLOWING_ENDED;
	/* the recorder removes its journal first, and closes the file then */
	if (!dat_is_written(rec->sources[0].dat))
		return vmrt_recording_in_progress(f->run) ? VMRT_FOLLOWING_BROKEN
							  : VMRT_FOLLOWING_ENDED;
	if (status != VMRT_OK && rec->merge.upto_ns != VMRT_UNKNOWN)
		return VMRT_FOLLOWING_FINISHING;
	return other_vms(f) ? VMRT_FOLLOWING_CHANGED : VMRT_FOLLOWING_GOING;
}

int64_t vmrt_recording_upto(const struct vmrt_recording *rec)
{
	return rec->following ? rec->merge.upto_ns : VMRT_UNKNOWN;
}

static void note_malformed(void *ctx, struct merge_input *in, const char *why)
{
	struct vmrt_recording *rec = ctx;

	snprintf(rec->sources[in->machine].note, sizeof(rec->sources[0].note), "%.250s", why);
}

/* Counts an event that comes too late as lost right before the next one of its machine. */
static bool accept(void *ctx, struct merge_input *in)
{
	struct vmrt_recording *rec = ctx;
	struct followed *g = rec->sources[in->machine].followed;
	int64_t last = rec->merge.floor_ns;

	if (in->machine && last != INT64_MIN && in->host_ns < last - LATE_NS) {
		g->dropped += 1 + (in->event.lost == UINT64_MAX ? 0 : in->event.lost);
		return false;
	}
	if (in->host_ns < last)
		in->host_ns = last;
	if (g->dropped && in->event.lost != UINT64_MAX)
		in->event.lost += g->dropped;
	g->dropped = 0;
	return true;
}

void following_rewind(struct vmrt_recording *rec)
{
	static const struct merge_ops ops = {.malformed = note_malformed, .accept = accept};

	if (rec->manifest)
		rec->following->vms = count_vms(rec->manifest);
	for (size_t i = 0; i < rec->n; i++)
		rec->sources[i].followed->dropped = 0;
	rec->merge.ops = &ops;
	rec->merge.live = true;
	rec->merge.upto_ns = VMRT_UNKNOWN;
	rec->merge.floor_ns = rec->merge.ceiling_ns = INT64_MIN;
	vmrt_recording_collect(rec);
}

void following_end(struct vmrt_recording *rec)
{
	for (size_t i = 0; i < rec->n; i++) {
		struct followed *g = rec->sources[i].followed;

		if (g && g->pings >= 0)
			close(g->pings);
		free(g);
	}
	if (rec->following && rec->following->hold >= 0)
		close(rec->following->hold);
	free(rec->following);
}
