/* SPDX-License-Identifier: MIT */
/* Serves the figures of the monitor over HTTP, for Prometheus. */
#include "exporter.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/tool.h>
#include <vmrt/units.h>

#include "metrics/publish/publish.h"
#include "tui/model/responses.h"

#define CONNECTIONS_MAX 16u
#define CONNECTION_BYTES ((size_t)16384) /* for a request */
#define CONNECTION_SECONDS 10u		 /* a connection that is silent for this time is closed */

struct top_exporter {
	struct MHD_Daemon *daemon;
	pthread_mutex_t lock; /* protects the next two */
	char *text;	      /* NULL before the first update */
	size_t size;
};

/* ---- answers, in the daemon's thread ---- */

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status,
	struct MHD_Response *response, const char *type)
{
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result send_words(
	struct MHD_Connection *connection, unsigned status, const char *words)
{
	return reply(connection, status,
		MHD_create_response_from_buffer(
			strlen(words), (void *)(uintptr_t)words, MHD_RESPMEM_PERSISTENT),
		"text/plain; charset=utf-8");
}

/* Sends a copy of the text, so that the monitor waits at most until the copy is made, and never for
 * a client. */
static enum MHD_Result send_metrics(
	struct top_exporter *exporter, struct MHD_Connection *connection)
{
	struct MHD_Response *response = NULL;
	bool ready;

	pthread_mutex_lock(&exporter->lock);
	ready = exporter->text != NULL;
	if (ready)
		response = MHD_create_response_from_buffer(
			exporter->size, exporter->text, MHD_RESPMEM_MUST_COPY);
	pthread_mutex_unlock(&exporter->lock);
	if (!ready)
		return send_words(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
			"the monitor has not seen anything yet\n");
	return reply(connection, MHD_HTTP_OK, response, "text/plain; version=0.0.4; charset=utf-8");
}

static enum MHD_Result answer(void *ctx, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *upload, size_t *upload_size,
	void **request)
{
	(void)version;
	(void)upload;
	(void)request;
	if (*upload_size) { /* data that a client sends are not read */
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return send_words(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET /metrics\n");
	if (!strcmp(url, "/metrics"))
		return send_metrics(ctx, connection);
	return send_words(connection, !strcmp(url, "/") ? MHD_HTTP_OK : MHD_HTTP_NOT_FOUND,
		"vmrt-top: /metrics\n");
}

/* ---- where to listen ---- */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool parse(const char *where, union address *out)
{
	const char *colon = strrchr(where, ':');
	const char *port = colon ? colon + 1 : where;
	char name[INET6_ADDRSTRLEN] = TOP_EXPORTER_ADDRESS;
	size_t len = colon ? (size_t)(colon - where) : 0;
	bool brackets = len > 2 && where[0] == '[' && where[len - 1] == ']';
	int64_t number;

	memset(out, 0, sizeof(*out));
	if (vmrt_parse_int(port, 0, UINT16_MAX, &number) != VMRT_OK)
		return false;
	if (colon) {
		if (!len || len >= sizeof(name))
			return false;
		snprintf(name, sizeof(name), "%.*s", (int)len - 2 * brackets, where + brackets);
	}
	if (!brackets && inet_pton(AF_INET, name, &out->v4.sin_addr) == 1) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons((uint16_t)number);
		return true;
	}
	if (!brackets || inet_pton(AF_INET6, name, &out->v6.sin6_addr) != 1)
		return false;
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons((uint16_t)number);
	return true;
}

bool top_exporter_where(const char *text)
{
	union address address;

	return parse(text, &address);
}

static void be_silent(void *ctx, const char *fmt, va_list ap)
{
	(void)ctx;
	(void)fmt;
	(void)ap;
}

/* Starts the daemon with all signals blocked, so that the monitor gets the signals and not the
 * daemon's thread. */
static struct MHD_Daemon *start(struct top_exporter *exporter, union address *address)
{
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ERROR_LOG |
			 (address->any.sa_family == AF_INET6 ? MHD_USE_IPv6 : 0);
	struct MHD_Daemon *daemon;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	daemon = MHD_start_daemon(flags, 0, NULL, NULL, answer, exporter,
		MHD_OPTION_EXTERNAL_LOGGER, be_silent, NULL, MHD_OPTION_SOCK_ADDR, &address->any,
		MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		CONNECTION_BYTES, MHD_OPTION_CONNECTION_TIMEOUT, CONNECTION_SECONDS,
		MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return daemon;
}

static void print_url(const struct top_exporter *exporter, const char *where)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(exporter->daemon, MHD_DAEMON_INFO_BIND_PORT);
	const char *colon = strrchr(where, ':');

	vmrt_say("metrics at http://%.*s:%u/metrics",
		colon ? (int)(colon - where) : (int)strlen(TOP_EXPORTER_ADDRESS),
		colon ? where : TOP_EXPORTER_ADDRESS, info ? info->port : 0u);
}

enum vmrt_status top_exporter_open(
	const char *where, struct top_exporter **out, struct vmrt_error *err)
{
	struct top_exporter *exporter = calloc(1, sizeof(*exporter));
	union address address;

	*out = NULL;
	if (!exporter)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	pthread_mutex_init(&exporter->lock, NULL);
	if (!parse(where, &address)) {
		top_exporter_close(exporter);
		return vmrt_fail(err, VMRT_EINVAL, "--prometheus: '%s' is no [ADDR:]PORT", where);
	}
	exporter->daemon = start(exporter, &address);
	if (!exporter->daemon) {
		top_exporter_close(exporter);
		return vmrt_fail(err, VMRT_EIO,
			"--prometheus: cannot listen at %s: is the port taken, or the address not "
			"this machine's?",
			where);
	}
	print_url(exporter, where);
	*out = exporter;
	return VMRT_OK;
}

void top_exporter_close(struct top_exporter *exporter)
{
	if (!exporter)
		return;
	if (exporter->daemon)
		MHD_stop_daemon(exporter->daemon);
	pthread_mutex_destroy(&exporter->lock);
	free(exporter->text);
	free(exporter);
}

/* ---- the text, in the monitor's thread ---- */

static void fill_task(struct publish_task *to, const struct top_task_row *row)
{
	*to = (struct publish_task){.facts = &row->facts,
		.machine = row->machine,
		.name = row->name,
		.response_max_ns = row->facts.response.max,
		.sum_ns = row->facts.response.sum};
	for (size_t i = 0; row->buckets && i < TOP_BUCKETS; i++) {
		if (!row->buckets[i])
			continue;
		to->n += row->buckets[i];
		for (size_t k = 0; k < PUBLISH_BOUNDS; k++)
			if (top_bucket_to(i) <= publish_bound(k))
				to->upto[k] += row->buckets[i];
	}
}

static void fill(struct publish_set *set, struct publish_machine *machines,
	struct publish_task *tasks, struct publish_server *servers, const struct top_view *view)
{
	for (size_t i = 0; i < view->n_machines; i++) {
		const struct top_machine_row *m = &view->machines[i];

		machines[set->n_machines++] = (struct publish_machine){.name = m->name,
			.events = (int64_t)m->stats.events,
			.lost = (int64_t)m->stats.lost,
			.steal_ns = m->steal_ns,
			.clock_error_ns = m->guest && m->mapped ? m->clock_error_ns : VMRT_UNKNOWN};
	}
	for (size_t i = 0; i < view->n_tasks; i++)
		fill_task(&tasks[set->n_tasks++], &view->tasks[i]);
	for (size_t i = 0; i < view->n_servers; i++)
		servers[set->n_servers++] =
			(struct publish_server){.facts = &view->servers[i].facts,
				.name = view->servers[i].name,
				.vm = view->servers[i].vm};
	set->machines = machines;
	set->tasks = tasks;
	set->servers = servers;
}

static char *make_text(const struct top_view *view, size_t *size)
{
	struct publish_machine *machines = calloc(view->n_machines + 1, sizeof(*machines));
	struct publish_task *tasks = calloc(view->n_tasks + 1, sizeof(*tasks));
	struct publish_server *servers = calloc(view->n_servers + 1, sizeof(*servers));
	struct publish_set set = {0};
	char *text = NULL;
	FILE *out = machines && tasks && servers ? open_memstream(&text, size) : NULL;

	if (out) {
		fill(&set, machines, tasks, servers, view);
		publish_prometheus(out, &set);
		if (fclose(out) != 0) {
			free(text);
			text = NULL;
		}
	}
	free(machines);
	free(tasks);
	free(servers);
	return text;
}

enum vmrt_status top_exporter_publish(
	struct top_exporter *exporter, const struct top_view *view, struct vmrt_error *err)
{
	size_t size = 0;
	char *text, *former;

	if (!exporter)
		return VMRT_OK;
	text = make_text(view, &size);
	if (!text)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	pthread_mutex_lock(&exporter->lock);
	former = exporter->text;
	exporter->text = text;
	exporter->size = size;
	pthread_mutex_unlock(&exporter->lock);
	free(former);
	return VMRT_OK;
}
