/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_APP_EXPORTER_H
#define VMRT_TUI_APP_EXPORTER_H

/*
 * The figures of the monitor for Prometheus, over HTTP. A thread of libmicrohttpd answers with a
 * text that the monitor has made before, so that no client can delay the monitor.
 */

#include "tui/model/model.h"

#define TOP_EXPORTER_ADDRESS "127.0.0.1" /* unless the user chooses another address */

struct top_exporter;

/** top_exporter_where - is @text [ADDR:]PORT, as in 9743, 0.0.0.0:9743 or [::1]:9743? */
bool top_exporter_where(const char *text);

/**
 * top_exporter_open - listen
 * @where: [ADDR:]PORT; port 0: any free port
 * @out: end with top_exporter_close()
 *
 * Prints the URL on stderr.
 *
 * Return: VMRT_OK; VMRT_EINVAL; VMRT_EIO if it is not possible to listen there; VMRT_ENOMEM.
 */
enum vmrt_status top_exporter_open(
	const char *where, struct top_exporter **out, struct vmrt_error *err);

/** top_exporter_publish - set the figures that clients get from now on; VMRT_OK or VMRT_ENOMEM.
 * Does nothing if @exporter is NULL */
enum vmrt_status top_exporter_publish(
	struct top_exporter *exporter, const struct top_view *view, struct vmrt_error *err);

/** top_exporter_close - NULL is allowed */
void top_exporter_close(struct top_exporter *exporter);

#endif
