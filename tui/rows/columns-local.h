/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_ROWS_COLUMNS_LOCAL_H
#define VMRT_TUI_ROWS_COLUMNS_LOCAL_H

/* One column of a table: all its properties in one row. */

#include "columns.h"

struct cell {
	enum top_attr attr;
	char text[TOP_TEXT];
};

struct column {
	const char *head;  /* with the unit */
	const char *words; /* for the list of columns */
	int narrow, wide;  /* widths; if wide is 0, the column is as wide as the longest name */
	int shrink; /* order in which columns become narrow: the highest number of all columns comes
		       first */
	int drop;   /* order in which columns are left out: the highest number comes first */
	bool left;
	bool server;	 /* has no value for a VM without a server */
	bool stretches;	 /* becomes wider if there is room left */
	bool descending; /* when rows are sorted by this column, the largest value comes first */
	void (*fill)(const void *row, int width, bool ascii, struct cell *cell);
	double (*value)(const void *row); /* to sort by; NULL: by its text */
};

extern const struct column top_server_columns[], top_task_columns[];
extern const size_t top_n_server_columns, top_n_task_columns;

#endif
