/* SPDX-License-Identifier: MIT */
#ifndef ASK_H
#define ASK_H

/** ask_db - all rows of @query on the database @path, columns joined by '|', rows by newlines; good
 * until the next call */
const char *ask_db(const char *path, const char *query);

#endif
