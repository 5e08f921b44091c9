/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_ROWS_COLUMNS_LOCAL_H
#define VMRT_TUI_ROWS_COLUMNS_LOCAL_H

/* One column of a table: everything about it in one row. */

#include "columns.h"

struct cell {
	enum top_attr attr;
	char text[TOP_TEXT];
};

struct column {
	const char *head;  /* with the unit */
	const char *words; /* for the list of columns */
	int narrow, wide;  /* widths; wide 0: as long as the longest name */
	int shrink;	   /* when it becomes narrow, and */
	int drop;	   /* when it is left out: the highest number of all columns comes first */
	bool left;
	bool server;	 /* says nothing of a VM without a server */
	bool stretches;	 /* takes the room that is left */
	bool descending; /* sorted by it, the largest comes first */
	void (*fill)(const void *row, int width, bool ascii, struct cell *cell);
	double (*value)(const void *row); /* to sort by; NULL: by its text */
};

extern const struct column top_server_columns[], top_task_columns[];
extern const size_t top_n_server_columns, top_n_task_columns;

#endif
