/* SPDX-License-Identifier: MIT */
/* What the analysis found out about a guest's clock, for people. */
#include <limits.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <vmrt/files.h>
#include <vmrt/manifest.h>
#include <vmrt/units.h>

#include "trace.h"

#define STATEMENT                                                                                  \
	"SELECT c.from_local_ns, c.to_local_ns, c.offset_ns, c.rate_ppb, c.error_ns, c.uppers, "   \
	"c.lowers,"                                                                                \
	" c.source FROM clock c JOIN machine m ON m.id = c.machine WHERE m.name = ? ORDER BY 1"

/* One line per stretch; between two of them, where the clock was stepped, how far. */
static void print_segment(sqlite3_stmt *s, bool only, int64_t begin_ns)
{
	int64_t from = sqlite3_column_int64(s, 0), to = sqlite3_column_int64(s, 1);
	bool known = sqlite3_column_type(s, 4) != SQLITE_NULL;
	bool bounded = sqlite3_column_int64(s, 5) || sqlite3_column_int64(s, 6);
	char error[VMRT_UNITS_TEXT], length[VMRT_UNITS_TEXT];

	if (known)
		vmrt_format_duration(sqlite3_column_int64(s, 4), error);
	if (!only)
		printf("    %+.6f s, for %-12s ", (double)(from - begin_ns) / VMRT_NS_PER_S,
			vmrt_format_duration(to - from, length));
	else
		printf("    ");
	if (!only && !bounded)
		printf("the clock was stepped, or changed its rate; exact to %s only\n",
			known ? error : "an unknown extent");
	else
		printf("guest - host %+.6f s, %+.1f ppm, error at most %s; %lld bounds\n",
			(double)sqlite3_column_int64(s, 2) / VMRT_NS_PER_S,
			(double)sqlite3_column_int64(s, 3) / 1000, known ? error : "unknown",
			(long long)(sqlite3_column_int64(s, 5) + sqlite3_column_int64(s, 6)));
}

static int count_segments(sqlite3_stmt *s, char *source, size_t room)
{
	int n = 0;

	while (sqlite3_step(s) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(s, 7);

		n++;
		snprintf(source, room, "%s", text ? text : "");
	}
	sqlite3_reset(s);
	return n;
}

void vmrt_info_clock(const char *run, const char *vm)
{
	char path[PATH_MAX], source[64] = "";
	sqlite3_stmt *s = NULL;
	sqlite3 *db = NULL;
	int64_t begin = 0;
	int n;

	if (vmrt_path(path, sizeof(path), run, VMRT_FILE_DB) != VMRT_OK ||
		access(path, F_OK) != 0) {
		printf("  clock                    not known before `vmrt-trace analyze`\n");
		return;
	}
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
		sqlite3_prepare_v2(db, STATEMENT, -1, &s, NULL) != SQLITE_OK) {
		printf("  clock                    %s cannot be read: %s\n", VMRT_FILE_DB,
			sqlite3_errmsg(db));
		goto out;
	}
	sqlite3_bind_text(s, 1, vm, -1, SQLITE_STATIC);
	n = count_segments(s, source, sizeof(source));
	if (!n)
		printf("  clock                    not in %s\n", VMRT_FILE_DB);
	else
		printf("  clock                    by %s\n", source);
	for (int i = 0; i < n && sqlite3_step(s) == SQLITE_ROW; i++) {
		if (!i)
			begin = sqlite3_column_int64(s, 0);
		print_segment(s, n == 1, begin);
	}
out:
	sqlite3_finalize(s);
	sqlite3_close(db);
}
