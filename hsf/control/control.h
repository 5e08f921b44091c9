/* SPDX-License-Identifier: MIT */
#ifndef VMRT_HSF_CONTROL_CONTROL_H
#define VMRT_HSF_CONTROL_CONTROL_H

/*
 * Requests to a running vmrt-hsf, over a Unix socket: one line of JSON there, one line back.
 * control-listen.c makes the socket, control.c checks clients and moves bytes, control-request.c
 * parses requests, hsf/run/control-ops.c carries them out, control-client.c is the client.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <json-c/json.h>

#include <vmrt/experiment.h>
#include <vmrt/status.h>

#include "hsf/guard/folder.h"

#define HSF_CONTROL_SUFFIX ".sock"
#define HSF_CONTROL_PATH 108	    /* room of sun_path */
#define HSF_REQUEST_MAX 4096	    /* bytes of a request with its newline */
#define HSF_CLIENTS 16		    /* at a time; the one that has been silent longest gives way */
#define HSF_CLIENT_PATIENCE_MS 5000 /* for a client that neither asks nor reads */
#define HSF_SETTINGS 8
#define HSF_INSTANCE_MAX 128

#define HSF_OP_LIST(X)                                                                             \
	X(STATUS, "status")                                                                        \
	X(SET, "set")                                                                              \
	X(ATTACH, "attach")                                                                        \
	X(DETACH, "detach")                                                                        \
	X(MARK, "mark")                                                                            \
	X(UNMARK, "unmark")

enum hsf_op {
#define X(name, words) HSF_OP_##name,
	HSF_OP_LIST(X)
#undef X
};

/* A setting, as key = value in the experiment file. */
struct hsf_setting {
	char key[24];
	char value[VMRT_NAME_MAX + 16];
};

struct hsf_request {
	enum hsf_op op;
	bool force;
	char server[VMRT_NAME_MAX];	 /* empty: all (status) */
	char instance[HSF_INSTANCE_MAX]; /* mark, unmark: of tracefs */
	struct hsf_setting settings[HSF_SETTINGS];
	size_t n;
};

/* ---- requests: control-request.c ---- */

/** hsf_op_name - the word for @op */
const char *hsf_op_name(enum hsf_op op);

/**
 * hsf_setting_parse - split "key=value"
 *
 * Return: VMRT_OK, or VMRT_EINVAL if the text has another form, or characters that no key or value
 * has.
 */
enum vmrt_status hsf_setting_parse(
	const char *text, struct hsf_setting *out, struct vmrt_error *err);

/**
 * hsf_request_parse - read the @len bytes of one line, without its newline
 *
 * The line is {"op": "set", "server": "vm1", "settings": {"budget": "9ms"}, "force": false};
 * "server" may be left out in status, "settings" belongs to set and attach alone. Recorders send
 * {"op": "mark", "instance": "vmrt-..."} to have markers in their tracefs instance, and "unmark"
 * before they remove it.
 *
 * Return: VMRT_OK, VMRT_EPROTO (no such request), VMRT_EINVAL (a bad key or value) or VMRT_ENOMEM.
 */
enum vmrt_status hsf_request_parse(
	const char *line, size_t len, struct hsf_request *out, struct vmrt_error *err);

/** hsf_request_json - the line for @r, to be freed with json_object_put(); NULL without memory */
json_object *hsf_request_json(const struct hsf_request *r);

/**
 * hsf_request_spec - the server that @r asks for, checked as in an experiment file
 * @now: what it is now, for set; NULL for attach
 *
 * Return: VMRT_OK, VMRT_EINVAL (what is wrong is said as for an experiment file) or VMRT_ENOMEM.
 */
enum vmrt_status hsf_request_spec(const struct hsf_request *r, const struct vmrt_server_spec *now,
	struct vmrt_server_spec *out, struct vmrt_error *err);

/* ---- the socket: control-listen.c ---- */

/**
 * hsf_listen - a socket at @path, for root, the user of this process and @group (NULL: none)
 *
 * A socket on which nobody listens any more is replaced. Return: VMRT_OK, VMRT_EBUSY, VMRT_EEXIST
 * or as errno says.
 */
enum vmrt_status hsf_listen(const char *path, const gid_t *group, int *out, struct vmrt_error *err);

/** hsf_control_sweep - remove the sockets that killed instances have left in HSF_CONTROL_FOLDER */
void hsf_control_sweep(void);

/* ---- clients: control.c ---- */

struct hsf_control;

/** Answers @r by filling in @reply; @err says why not, if the status is not VMRT_OK. */
typedef enum vmrt_status hsf_control_fn(
	void *arg, const struct hsf_request *r, json_object *reply, struct vmrt_error *err);

/**
 * hsf_control_open - listen
 * @path: the socket; NULL: PID.sock in HSF_CONTROL_FOLDER
 * @group: group whose members may ask, too; NULL: only root and the user of this process
 *
 * A socket on which nobody listens any more is replaced; any other file at @path is an error.
 *
 * Return: VMRT_OK, VMRT_EBUSY (somebody listens), VMRT_EEXIST, VMRT_ENOENT (group), VMRT_EPERM,
 * VMRT_EIO...
 */
enum vmrt_status hsf_control_open(
	const char *path, const char *group, struct hsf_control **out, struct vmrt_error *err);

/** hsf_control_fds - the descriptors to wait for, at most 1 + HSF_CLIENTS; returns how many */
size_t hsf_control_fds(const struct hsf_control *c, struct pollfd *fds);

/** hsf_control_timeout - ms until a client's patience ends, -1 if there is none */
int hsf_control_timeout(const struct hsf_control *c);

/** hsf_control_serve - read, answer and write what is possible without waiting */
void hsf_control_serve(struct hsf_control *c, hsf_control_fn *answer, void *arg);

/** hsf_control_close - remove the socket and free; NULL is allowed */
void hsf_control_close(struct hsf_control *c);

/* ---- the other side: control-client.c ---- */

/** hsf_client_status - `vmrt-hsf status`; returns an enum vmrt_exit */
int hsf_client_status(const char *path, const char *format, const char *server);

/** hsf_client_change - `vmrt-hsf set`, `attach` and `detach`; returns an enum vmrt_exit */
int hsf_client_change(const char *path, const struct hsf_request *request);

#endif
