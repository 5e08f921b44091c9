/* SPDX-License-Identifier: MIT */
/* Writes the value of one cell of a table, for people and for programs. */
#include "table.h"

#include <inttypes.h>
#include <string.h>

#define LEAST_P 0.001 /* smaller probabilities are shown to people as "<0.001" */

static double unit_ns(const char *unit)
{
	if (unit && !strcmp(unit, "ns"))
		return 1;
	if (unit && !strcmp(unit, "us"))
		return 1e3;
	if (unit && !strcmp(unit, "s"))
		return 1e9;
	return 1e6;
}

/* Three significant digits, or all digits of the whole number: 1904, 112, 21.9, 6.98, 0.412. */
static void significant(double value, char *buf)
{
	double size = value < 0 ? -value : value;
	int decimals = size >= 99.95 ? 0 : size >= 9.995 ? 1 : size >= 0.9995 ? 2 : 3;

	snprintf(buf, VMRT_CELL_ROOM, "%.*f", decimals, value);
}

const char *table_cell_people(
	const struct table_cell *cell, const struct vmrt_column *column, char *buf)
{
	int decimals = column->decimals;

	if (!cell->known)
		return "-";
	switch (cell->type) {
	case VMRT_CELL_TEXT:
		return cell->text;
	case VMRT_CELL_BOOL:
		return cell->number ? "yes" : "no";
	case VMRT_CELL_NS:
		if (decimals == VMRT_SIGNIFICANT)
			significant((double)cell->number / unit_ns(column->unit), buf);
		else if (decimals < 0)
			snprintf(buf, VMRT_CELL_ROOM, "%.10g",
				(double)cell->number / unit_ns(column->unit));
		else
			snprintf(buf, VMRT_CELL_ROOM, "%.*f", decimals,
				(double)cell->number / unit_ns(column->unit));
		return buf;
	case VMRT_CELL_RATIO:
		/* in a column of durations 3 decimals are microseconds, but of a percent 2 are
		 * enough */
		if (column->type == VMRT_CELL_ANY || decimals < 0)
			decimals = 2;
		snprintf(buf, VMRT_CELL_ROOM, "%.*f", decimals, cell->real * 100);
		return buf;
	case VMRT_CELL_P:
		if (cell->real < LEAST_P)
			snprintf(buf, VMRT_CELL_ROOM, "<%g", LEAST_P);
		else
			snprintf(buf, VMRT_CELL_ROOM, "%.3f", cell->real);
		return buf;
	case VMRT_CELL_REAL:
		if (decimals < 0)
			snprintf(buf, VMRT_CELL_ROOM, "%.6g", cell->real);
		else
			snprintf(buf, VMRT_CELL_ROOM, "%.*f", decimals, cell->real);
		return buf;
	default:
		snprintf(buf, VMRT_CELL_ROOM, "%" PRId64, cell->number);
		return buf;
	}
}

const char *table_cell_program(const struct table_cell *cell, char *buf)
{
	if (!cell->known)
		return NULL;
	switch (cell->type) {
	case VMRT_CELL_TEXT:
		return NULL;
	case VMRT_CELL_BOOL:
		return cell->number ? "true" : "false";
	case VMRT_CELL_RATIO:
	case VMRT_CELL_P:
	case VMRT_CELL_REAL:
		snprintf(buf, VMRT_CELL_ROOM, "%.12g", cell->real);
		return buf;
	default:
		snprintf(buf, VMRT_CELL_ROOM, "%" PRId64, cell->number);
		return buf;
	}
}
