/* SPDX-License-Identifier: MIT */
/*
 * A database of a stranger through all that reads it alone: report, pictures, conditions, Grasp,
 * CSV.
 */
#include "fuzz-db.h"
#include "grasp-export/data/csv.h"
#include "grasp-export/grasp/grasp.h"
#include "metrics/report/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void show(const struct vmrt_run_facts *f, unsigned pick, FILE *out)
{
	static const enum vmrt_format formats[] = {
		VMRT_FORMAT_TEXT, VMRT_FORMAT_HTML, VMRT_FORMAT_JSON, VMRT_FORMAT_LATEX};
	struct vmrt_doc *doc = vmrt_doc_new("run", false);
	struct vmrt_error err;

	if (!doc)
		return;
	report_run(doc, f);
	vmrt_doc_print(doc, formats[pick % 4], NULL, out, &err);
	vmrt_doc_free(doc);
}

static void export_parts(const char *path, unsigned pick, FILE *out)
{
	static const int64_t from[] = {1000000000, -VMRT_DB_MOST, 1000000000};
	static const int64_t to[] = {1200000000, VMRT_DB_MOST, VMRT_DB_MOST};
	struct vmrt_grasp_options o = {.from_ns = from[pick % 3],
		.to_ns = to[pick % 3],
		.max_events = 1000,
		.unit_ns = VMRT_UNKNOWN,
		.title = "run",
		.start_ns = from[pick % 3]};
	static const char *const tables[] = {"jobs", "server_periods", "losses", "slices"};
	const struct csv_wanted wanted = {.from_ns = INT64_MIN, .to_ns = INT64_MAX};
	struct vmrt_error err;
	struct vmrt_db *db;
	int64_t shown;

	if (vmrt_db_open(path, &db, &err) != VMRT_OK)
		return;
	csv_export(db, tables[pick % 4], &wanted, out, &err);
	vmrt_grasp_export(db, &o, out, &shown, &err);
	vmrt_db_close(db);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmrt_filter filter = VMRT_FILTER_ALL;
	struct vmrt_run_facts *f = NULL;
	struct vmrt_error err = {.text = ""};
	static FILE *out;
	const char *path;

	if (!size)
		return 0;
	if (!out && !(out = fopen("/dev/null", "we")))
		abort();
	path = fuzz_database(data, size);
	filter.show = VMRT_SHOW_HISTOGRAM | VMRT_SHOW_CDF | VMRT_SHOW_PICTURES;
	if (vmrt_facts_load(path, &filter, &f, &err) == VMRT_OK)
		show(f, (unsigned)size, out);
	else if (!err.text[0])
		abort(); /* an error without words */
	vmrt_facts_free(f);
	export_parts(path, data[0] / 2, out);
	return 0;
}
