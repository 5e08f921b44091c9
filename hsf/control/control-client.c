/* SPDX-License-Identifier: MIT */
/* `vmrt-hsf status`, `set`, `attach`, `detach`: send a request to a vmrt-hsf that runs. */
#include "control.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/table.h>
#include <vmrt/tool.h>
#include <vmrt/units.h>

#define ANSWER_S 5	    /* to wait for a reply */
#define REPLY_MAX (4 << 20) /* bytes */
#define MAX_SOCKETS 64

/* ---- one question, one answer ---- */

static enum vmrt_status connect_to(const char *path, int *out, struct vmrt_error *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = ANSWER_S};
	int fd, errnum;

	if (strlen(path) >= sizeof(address.sun_path))
		return vmrt_fail(err, VMRT_ERANGE, "'%.80s...' is too long for a socket", path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return vmrt_fail_errno(err, errno, "cannot make a socket");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
		*out = fd;
		return VMRT_OK;
	}
	errnum = errno;
	close(fd);
	if (errnum == ENOENT || errnum == ECONNREFUSED)
		return vmrt_fail(err, VMRT_ENOENT, "no vmrt-hsf listens on %s", path);
	if (errnum == EACCES)
		return vmrt_fail(err, VMRT_EPERM,
			"no permission for %s: only root, and the group that vmrt-hsf was given, "
			"may use it",
			path);
	return vmrt_fail_errno(err, errnum, "cannot connect to %s", path);
}

/* Waits until there is something to read, but not behind @until_ns, whatever has come before, nor
 * after ^C. */
static enum vmrt_status wait_for_reply(
	int fd, const char *path, int64_t until_ns, struct vmrt_error *err)
{
	struct pollfd fds[] = {
		{.fd = fd, .events = POLLIN}, {.fd = vmrt_stop_fd(), .events = POLLIN}};
	int64_t left = until_ns - vmrt_now_ns();

	if (left > 0)
		poll(fds, 2, (int)(left / VMRT_NS_PER_MS) + 1);
	if (vmrt_stop_requested())
		return vmrt_fail(err, VMRT_EINTR, "interrupted");
	if (vmrt_now_ns() >= until_ns)
		return vmrt_fail(err, VMRT_ETIMEOUT, "no answer from %s in %d s", path, ANSWER_S);
	return VMRT_OK;
}

/* Reads a line; the newline is replaced by the end of the text. */
static enum vmrt_status read_line(int fd, const char *path, char **out, struct vmrt_error *err)
{
	int64_t until_ns = vmrt_now_ns() + ANSWER_S * VMRT_NS_PER_S;
	size_t used = 0, room = 0;
	char *text = NULL;

	for (;;) {
		enum vmrt_status status = wait_for_reply(fd, path, until_ns, err);
		ssize_t n;

		if (status != VMRT_OK) {
			free(text);
			return status;
		}

		if (used + 1 >= room) {
			char *more =
				room < REPLY_MAX ? realloc(text, room ? 2 * room : 65536) : NULL;

			if (!more) {
				free(text);
				return vmrt_fail(
					err, VMRT_EPROTO, "the reply from %s is too long", path);
			}
			text = more;
			room = room ? 2 * room : 65536;
		}
		n = recv(fd, text + used, room - used - 1, MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK))
			continue;
		if (n <= 0) {
			free(text);
			return vmrt_fail(err, VMRT_EPROTO, "%s was closed without a reply", path);
		}
		used += (size_t)n;
		text[used] = '\0';
		if (text[used - 1] == '\n') {
			*out = text;
			return VMRT_OK;
		}
	}
}

/* Sends @request to the socket @path and waits for the reply. VMRT_OK also if the reply is an
 * error; VMRT_ENOENT if nobody listens there, VMRT_EPERM, VMRT_ETIMEOUT or VMRT_EPROTO. */
static enum vmrt_status ask(const char *path, const struct hsf_request *request,
	json_object **reply, struct vmrt_error *err)
{
	json_object *line = hsf_request_json(request);
	const char *text =
		line ? json_object_to_json_string_ext(line, JSON_C_TO_STRING_PLAIN) : NULL;
	enum vmrt_status status;
	char *answer = NULL;
	int fd = -1;

	status = text ? connect_to(path, &fd, err)
		      : vmrt_fail(err, VMRT_ENOMEM, "request: out of memory");
	if (status == VMRT_OK &&
		(vmrt_write_all(fd, text, strlen(text)) != 0 || vmrt_write_all(fd, "\n", 1) != 0) &&
		errno != EPIPE)
		status = vmrt_fail_errno(err, errno, "cannot write to %s", path);
	if (status == VMRT_OK)
		status = read_line(fd, path, &answer, err);
	if (status == VMRT_OK) {
		*reply = json_tokener_parse(answer);
		if (!json_object_is_type(*reply, json_type_object)) {
			json_object_put(*reply);
			status = vmrt_fail(
				err, VMRT_EPROTO, "the reply from %s is not understood", path);
		}
	}
	if (fd >= 0)
		close(fd);
	free(answer);
	json_object_put(line);
	return status;
}

/* ---- running instances ---- */

struct instance {
	char path[HSF_CONTROL_PATH];
	json_object *reply;
};

static const char *text_of(json_object *obj, const char *key)
{
	json_object *value;

	return json_object_object_get_ex(obj, key, &value) ? json_object_get_string(value) : NULL;
}

static int64_t number_of(json_object *obj, const char *key)
{
	json_object *value;

	if (!json_object_object_get_ex(obj, key, &value) ||
		!json_object_is_type(value, json_type_int))
		return VMRT_UNKNOWN;
	return json_object_get_int64(value);
}

/* VMRT_OK, or what the reply says is wrong. */
static enum vmrt_status outcome(json_object *reply, struct vmrt_error *err)
{
	json_object *ok;
	const char *words = text_of(reply, "error");
	int64_t status = number_of(reply, "status");

	if (json_object_object_get_ex(reply, "ok", &ok) && json_object_get_boolean(ok))
		return VMRT_OK;
	if (status <= VMRT_OK || status > VMRT_EMISMATCH)
		status = VMRT_EPROTO;
	return vmrt_fail(
		err, (enum vmrt_status)status, "%s", words ? words : "refused without a reason");
}

static enum vmrt_status ask_status(struct instance *i, const char *server, struct vmrt_error *err)
{
	struct hsf_request request = {.op = HSF_OP_STATUS};
	enum vmrt_status status;

	if (server)
		snprintf(request.server, sizeof(request.server), "%s", server);
	status = ask(i->path, &request, &i->reply, err);
	if (status != VMRT_OK)
		return status;
	status = outcome(i->reply, err);
	if (status != VMRT_OK) {
		json_object_put(i->reply);
		i->reply = NULL;
	}
	return status;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct instance *)a)->path, ((const struct instance *)b)->path);
}

/* Asks all sockets in the folder. Sockets of killed instances do not answer; this is no error. */
static enum vmrt_status ask_all(
	struct instance *all, size_t *n, const char *server, struct vmrt_error *err)
{
	DIR *dir = opendir(HSF_CONTROL_FOLDER);
	enum vmrt_status result = VMRT_ENOENT;
	struct dirent *entry;

	*n = 0;
	vmrt_fail(err, result,
		"no vmrt-hsf is running (or it listens elsewhere: name its socket with --socket)");
	while (dir && *n < MAX_SOCKETS && (entry = readdir(dir))) {
		struct instance *i = &all[*n];
		const char *dot = strrchr(entry->d_name, '.');
		struct vmrt_error why;
		enum vmrt_status status;

		*i = (struct instance){.reply = NULL};
		if (!dot || strcmp(dot, HSF_CONTROL_SUFFIX) != 0 ||
			vmrt_path(i->path, sizeof(i->path), HSF_CONTROL_FOLDER, entry->d_name) !=
				VMRT_OK)
			continue;
		status = ask_status(i, server, &why);
		if (status == VMRT_OK)
			(*n)++;
		else if (strstr(why.text, "no vmrt-hsf listens") == NULL && result == VMRT_ENOENT) {
			*err = why;
			result = status;
		}
	}
	if (dir)
		closedir(dir);
	if (!*n)
		return result;
	qsort(all, *n, sizeof(*all), by_path);
	return VMRT_OK;
}

static enum vmrt_status find(struct instance *all, size_t *n, const char *path, const char *server,
	struct vmrt_error *err)
{
	if (!path)
		return ask_all(all, n, server, err);
	*n = 1;
	if (snprintf(all[0].path, sizeof(all[0].path), "%s", path) >= (int)sizeof(all[0].path))
		return vmrt_fail(err, VMRT_ERANGE, "'%.80s...' is too long for a socket", path);
	all[0].reply = NULL;
	return ask_status(&all[0], server, err);
}

static void free_instances(struct instance *all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		json_object_put(all[i].reply);
	free(all);
}

/* ---- status ---- */

static const struct vmrt_column columns[] = {
	{"server", "server", NULL, VMRT_CELL_TEXT, 0, VMRT_KEY_GROUP},
	{"vm", "VM", NULL, VMRT_CELL_TEXT, 0, 1},
	{"pid", "pid", NULL, VMRT_CELL_COUNT, 0, 1},
	{"state", "state", NULL, VMRT_CELL_TEXT, 0, 1},
	{"cpu", "CPU", NULL, VMRT_CELL_COUNT, 0, 1},
	{"vcpus", "vCPUs", NULL, VMRT_CELL_COUNT, 0, 1},
	{"policy", "policy", NULL, VMRT_CELL_TEXT, 0, 1},
	{"depletion", "depletion", NULL, VMRT_CELL_TEXT, 0, VMRT_DATA_GROUP},
	{"period_ns", "period", "ms", VMRT_CELL_NS, -1, 1},
	{"budget_ns", "budget", "ms", VMRT_CELL_NS, -1, 1},
	{"priority", "prio", NULL, VMRT_CELL_COUNT, 0, 1},
	{"replenishments", "periods", NULL, VMRT_CELL_COUNT, 0, 2},
	{"depletions", "depleted", NULL, VMRT_CELL_COUNT, 0, 2},
	{"skipped", "skipped", NULL, VMRT_CELL_COUNT, 0, 2},
	{"overshoot_p50_ns", "over p50", "us", VMRT_CELL_NS, 1, 2},
	{"overshoot_p99_ns", "over p99", "us", VMRT_CELL_NS, 1, 2},
	{"overshoot_max_ns", "over max", "us", VMRT_CELL_NS, 1, VMRT_DATA_GROUP},
	{"lateness_p50_ns", "late p50", "us", VMRT_CELL_NS, 1, 2},
	{"lateness_p99_ns", "late p99", "us", VMRT_CELL_NS, 1, 2},
	{"lateness_max_ns", "late max", "us", VMRT_CELL_NS, 1, VMRT_DATA_GROUP},
	{"why", "why", NULL, VMRT_CELL_TEXT, 0, VMRT_DATA_GROUP},
};

static const char *const titles[] = {"servers", "periods so far"};

static const struct vmrt_column enforcer_columns[] = {
	{"cpu", "CPU", NULL, VMRT_CELL_COUNT, 0, VMRT_KEY_GROUP},
	{"servers", "servers", NULL, VMRT_CELL_COUNT, 0, 1},
	{"utilisation", "utilisation", "%", VMRT_CELL_RATIO, 1, 1},
	{"limit", "limit", "%", VMRT_CELL_RATIO, 1, 1},
	{"enforcer_ns", "enforcer's CPU time", "ms", VMRT_CELL_NS, 1, 1},
	{"enforcer_share", "share", "%", VMRT_CELL_RATIO, 3, 1},
};

static const char *const enforcer_titles[] = {"CPUs"};

static void put(struct vmrt_table *table, json_object *obj, const struct vmrt_column *column)
{
	json_object *value;

	if (!json_object_object_get_ex(obj, column->key, &value) || !value)
		vmrt_put_unknown(table);
	else if (column->type == VMRT_CELL_TEXT)
		vmrt_put_text(table, json_object_get_string(value));
	else if (column->type == VMRT_CELL_NS)
		vmrt_put_ns(table, json_object_get_int64(value));
	else if (column->type == VMRT_CELL_RATIO)
		vmrt_put_ratio(table, json_object_get_double(value));
	else
		vmrt_put_count(table, json_object_get_int64(value));
}

/* The rows are the objects of the array @key of @reply, with the columns' keys. */
static void put_rows(struct vmrt_table *table, json_object *reply, const char *key,
	const struct vmrt_column *of, size_t n)
{
	json_object *rows;

	if (!json_object_object_get_ex(reply, key, &rows) ||
		!json_object_is_type(rows, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		for (size_t k = 0; k < n; k++)
			put(table, json_object_array_get_idx(rows, i), &of[k]);
}

static void put_instance(struct vmrt_doc *doc, json_object *reply)
{
	const size_t n = sizeof(columns) / sizeof(columns[0]);
	const size_t cpus = sizeof(enforcer_columns) / sizeof(enforcer_columns[0]);
	char name[64];

	snprintf(name, sizeof(name), "vmrt-hsf %lld", (long long)number_of(reply, "pid"));
	vmrt_doc_section(doc, name);
	put_rows(vmrt_doc_table(doc, "servers", titles, columns, n, 0), reply, "servers", columns,
		n);
	put_rows(vmrt_doc_table(doc, "cpus", enforcer_titles, enforcer_columns, cpus, 0), reply,
		"cpus", enforcer_columns, cpus);
}

/* Prints to stderr, one line for each server, why a server waits or is not enforced as declared. */
static void say_why(json_object *reply)
{
	json_object *rows;

	if (!json_object_object_get_ex(reply, "servers", &rows) ||
		!json_object_is_type(rows, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(rows); i++) {
		json_object *row = json_object_array_get_idx(rows, i);
		const char *why = text_of(row, "why"), *name = text_of(row, "server");

		if (why && name)
			vmrt_say("server %s: %s", name, why);
	}
}

int hsf_client_status(const char *path, const char *format, const char *server)
{
	struct instance *all = calloc(MAX_SOCKETS, sizeof(*all));
	struct vmrt_doc *doc = vmrt_doc_new("instance", true);
	enum vmrt_format as = VMRT_FORMAT_TEXT;
	enum vmrt_status status;
	struct vmrt_error err;
	size_t n = 0;

	if (format)
		vmrt_format_parse(format, &as);
	if (!all || !doc)
		status = vmrt_fail(&err, VMRT_ENOMEM, "status: out of memory");
	else
		status = find(all, &n, path, server, &err);
	for (size_t i = 0; i < n && status == VMRT_OK; i++) {
		put_instance(doc, all[i].reply);
		if (as == VMRT_FORMAT_TEXT)
			say_why(all[i].reply);
	}
	if (status == VMRT_OK)
		status = vmrt_doc_print(doc, as, NULL, stdout, &err);
	if (status != VMRT_OK)
		vmrt_complain(&err);
	vmrt_doc_free(doc);
	free_instances(all, n);
	return status == VMRT_OK ? VMRT_EXIT_DONE : VMRT_EXIT_FAILED;
}

/* ---- changes ---- */

/* Chooses the instance for a change: the one that has the server; for attach, the only one. */
static enum vmrt_status choose(const char *path, const struct hsf_request *request,
	struct instance *all, size_t *n, struct vmrt_error *err)
{
	bool attach = request->op == HSF_OP_ATTACH;
	enum vmrt_status status = find(all, n, path, attach ? NULL : request->server, err);

	if (status == VMRT_OK && *n > 1)
		return vmrt_fail(err, VMRT_EINVAL,
			"several vmrt-hsf are running: name the socket with --socket, "
			"such as %s",
			all[0].path);
	return status;
}

int hsf_client_change(const char *path, const struct hsf_request *request)
{
	struct instance *all = calloc(MAX_SOCKETS, sizeof(*all));
	enum vmrt_status status;
	struct vmrt_error err;
	json_object *reply = NULL;
	const char *words;
	size_t n = 0;

	status = all ? choose(path, request, all, &n, &err)
		     : vmrt_fail(&err, VMRT_ENOMEM, "%s: out of memory", hsf_op_name(request->op));
	if (status == VMRT_OK)
		status = ask(all[0].path, request, &reply, &err);
	if (status == VMRT_OK)
		status = outcome(reply, &err);
	words = status == VMRT_OK ? text_of(reply, "warning") : NULL;
	if (words)
		vmrt_warn("%s", words);
	words = status == VMRT_OK ? text_of(reply, "said") : NULL;
	if (words)
		vmrt_say("%s", words);
	if (status != VMRT_OK)
		vmrt_complain(&err);
	json_object_put(reply);
	if (all)
		free_instances(all, n);
	if (status == VMRT_EBUSY)
		return VMRT_EXIT_VIOLATED;
	return status == VMRT_OK ? VMRT_EXIT_DONE : VMRT_EXIT_FAILED;
}
