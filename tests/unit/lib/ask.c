/* SPDX-License-Identifier: MIT */
/* Answers of a database as text. */
#include "ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <sqlite3.h>

const char *ask_db(const char *path, const char *query)
{
	static char answer[4096];
	sqlite3_stmt *stmt;
	size_t used = 0;
	sqlite3 *db;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	if (sqlite3_prepare_v2(db, query, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	answer[0] = '\0';
	while (sqlite3_step(stmt) == SQLITE_ROW)
		for (int c = 0; c < sqlite3_column_count(stmt); c++) {
			const char *text = (const char *)sqlite3_column_text(stmt, c);

			used += (size_t)snprintf(answer + used, sizeof(answer) - used, "%s%s",
				c      ? "|"
				: used ? "\n"
				       : "",
				text ? text : "NULL");
			assert_true(used < sizeof(answer));
		}
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return answer;
}
