/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_EXPORTER_H
#define VMRT_TUI_APP_EXPORTER_H

/*
 * The figures of the monitor for Prometheus, over HTTP. A thread of libmicrohttpd answers; what it
 * sends is a text that was made before, so that no client can delay the monitor.
 */

#include "tui/model/model.h"

#define TOP_EXPORTER_ADDRESS "127.0.0.1" /* unless the user says another */

struct top_exporter;

/** top_exporter_where - is @text [ADDR:]PORT, as in 9743, 0.0.0.0:9743 or [::1]:9743? */
bool top_exporter_where(const char *text);

/**
 * top_exporter_open - listen
 * @where: [ADDR:]PORT; port 0: one that is free
 * @out: end with top_exporter_close()
 *
 * Tells the URL on stderr.
 *
 * Return: VMRT_OK; VMRT_EINVAL; VMRT_EIO if nobody can listen there; VMRT_ENOMEM.
 */
enum vmrt_status top_exporter_open(
	const char *where, struct top_exporter **out, struct vmrt_error *err);

/** top_exporter_publish - what clients get from now on; VMRT_OK or VMRT_ENOMEM. @exporter
 * NULL: nothing */
enum vmrt_status top_exporter_publish(
	struct top_exporter *exporter, const struct top_view *view, struct vmrt_error *err);

/** top_exporter_close - NULL is allowed */
void top_exporter_close(struct top_exporter *exporter);

#endif
