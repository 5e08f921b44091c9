/* SPDX-License-Identifier: MIT */
/* Prints what the analysis found about a guest's clock. */
#include <stdio.h>
#include <string.h>

#include <vmrt/files.h>
#include <vmrt/manifest.h>
#include <vmrt/rundb.h>
#include <vmrt/units.h>

#include "trace.h"

#define STATEMENT                                                                                  \
	"SELECT c.from_local_ns, c.to_local_ns, c.offset_ns, c.rate_ppb, c.error_ns, c.uppers,"    \
	" c.lowers, (SELECT l.source FROM clock l WHERE l.machine = m.id"                          \
	"  ORDER BY l.from_local_ns DESC LIMIT 1), count(*) OVER ()"                               \
	" FROM clock c JOIN machine m ON m.id = c.machine WHERE m.name = ?1 ORDER BY 1"

/* A row of table clock. */
struct segment {
	int64_t from_ns, to_ns, offset_ns, rate_ppb, error_ns, uppers, lowers;
};

/* Prints one line for each stretch of the map. Between two stretches, at which the clock was
 * stepped, it prints by how much. */
static void print_segment(const struct segment *s, bool only, int64_t begin_ns)
{
	bool bounded = s->uppers || s->lowers;
	char error[VMRT_UNITS_TEXT] = "unknown", length[VMRT_UNITS_TEXT];

	if (s->error_ns != VMRT_UNKNOWN)
		vmrt_format_duration(s->error_ns, error);
	if (!only && s->from_ns != VMRT_UNKNOWN && s->to_ns != VMRT_UNKNOWN)
		printf("    %+.6f s, for %-12s ", (double)(s->from_ns - begin_ns) / VMRT_NS_PER_S,
			vmrt_format_duration(s->to_ns - s->from_ns, length));
	else
		printf("    ");
	if (!only && !bounded)
		printf("the clock was stepped, or changed its rate; exact to %s only\n",
			s->error_ns != VMRT_UNKNOWN ? error : "an unknown extent");
	else
		printf("guest - host %+.6f s, %+.1f ppm, error at most %s; %lld bounds\n",
			(double)s->offset_ns / VMRT_NS_PER_S, (double)s->rate_ppb / 1000, error,
			(long long)(s->uppers + s->lowers));
}

/* The database may be a stranger's: no escape sequence of it reaches the terminal. */
static void print_source(const char *source)
{
	printf("  clock                    by ");
	for (; *source; source++)
		putchar(*source >= ' ' && *source <= '~' ? *source : '?');
	putchar('\n');
}

static enum vmrt_status print_segments(struct vmrt_db *db, const char *vm, struct vmrt_error *err)
{
	struct vmrt_query q;
	int64_t begin = 0, n = 0;

	vmrt_query_begin(&q, db, err, STATEMENT);
	vmrt_query_bind_text(&q, 1, vm);
	for (int i = 0; vmrt_query_next(&q); i++) {
		struct segment s = {vmrt_query_int(&q, 0), vmrt_query_int(&q, 1),
			vmrt_query_int(&q, 2), vmrt_query_int(&q, 3), vmrt_query_int(&q, 4),
			vmrt_query_int(&q, 5), vmrt_query_int(&q, 6)};
		const char *source = vmrt_query_string(&q, 7);

		n = vmrt_query_int(&q, 8);
		if (q.status != VMRT_OK)
			break;
		if (!i) {
			print_source(source ? source : "unknown means");
			begin = s.from_ns != VMRT_UNKNOWN ? s.from_ns : 0;
		}
		print_segment(&s, n == 1, begin);
	}
	if (vmrt_query_end(&q) == VMRT_OK && !n)
		printf("  clock                    not in %s\n", VMRT_FILE_DB);
	return q.status;
}

void info_clock(const char *run, const char *vm)
{
	struct vmrt_error err;
	struct vmrt_db *db;
	enum vmrt_status status = vmrt_db_open(run, &db, &err);

	if (status == VMRT_ENOENT) {
		printf("  clock                    not known before `vmrt-trace analyze`\n");
		return;
	}
	if (status == VMRT_OK)
		status = print_segments(db, vm, &err);
	if (status != VMRT_OK)
		printf("  clock                    not known: %s\n", err.text);
	vmrt_db_close(db);
}
