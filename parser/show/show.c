/* SPDX-License-Identifier: MIT */
/*
 * Prints events by their formats with libtraceevent. Each record is copied into a buffer with zeros
 * behind it before the library sees it, because the library reads at any place that fields and
 * strings give, also behind a record's end.
 */
#include <vmrt/show.h>

#include <event-parse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vmrt/dat.h>
#include <vmrt/glob.h>

#include "common/table.h"
#include "parser/ring/formats-check.h"
#include "parser/ring/ring.h"
#include "show-filter.h"
#include "show-local.h"

#define IDS 65536
/* So many bytes the library may read of a record: a field, or a string that the record points to,
 * begins and ends within them. */
#define ROOM (3 * FORMAT_MAX_RECORD)
#define FEW_SYMBOLS 65536 /* bytes; the symbols of a whole kernel have millions */
#define PRINT_NOTHING "print fmt: \"\"\n"

static char unknown_symbol[] = "?";

/* Flags of an event's id. */
#define ID_KNOWN 1
#define ID_PRINTABLE 2
#define ID_SELECTED 4

struct vmrt_show {
	struct tep_handle *tep;
	struct tep_plugin_list *plugins;
	struct show_filter *filter;
	struct trace_seq text;
	struct show_names names;
	uint8_t ids[IDS];
	uint32_t least[IDS]; /* least size of a record in bytes */
	bool selects;
	uint8_t *record; /* ROOM bytes */
	uint32_t used;	 /* how many bytes the record before has used */
};

/* Gives the library the fields, and the print format if that is well formed. */
bool show_take_format(void *ctx, const char *system, const char *text)
{
	struct vmrt_show *show = ctx;
	int id = formats_parse_id(text);
	enum format_trust trust;
	size_t end, n = strlen(text);
	char *copy;

	if (id <= 0 || id >= IDS || show->ids[id])
		return true;
	trust = formats_check(text, &end, &show->least[id]);
	if (trust == FORMAT_REFUSED)
		return true;
	copy = malloc(n + sizeof(PRINT_NOTHING));
	if (!copy)
		return false;
	memcpy(copy, text, n + 1);
	if (trust == FORMAT_FIELDS)
		strcpy(copy + end, PRINT_NOTHING);
	if (tep_parse_event(show->tep, copy, strlen(copy), system) == TEP_ERRNO__SUCCESS)
		show->ids[id] = trust == FORMAT_PRINTABLE ? ID_KNOWN | ID_PRINTABLE : ID_KNOWN;
	free(copy);
	return true;
}

/*
 * Takes lines "ADDRESS TYPE NAME [MODULE]". A recorder may save only a few symbols; then the
 * library would take any address up to the next saved symbol for part of the one before. So each
 * symbol ends one byte behind its begin.
 */
static bool take_kallsyms(void *ctx, const char *text)
{
	struct vmrt_show *show = ctx;
	bool few = strlen(text) < FEW_SYMBOLS;

	while (*text) {
		unsigned long long address;
		char name[128] = "";

		if (sscanf(text, "%16llx %*c %127[A-Za-z0-9_.$]", &address, name) == 2)
			tep_register_function(show->tep, name, address, NULL);
		if (few && *name)
			tep_register_function(show->tep, unknown_symbol, address + 1, NULL);
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return true;
}

struct vmrt_show *show_alloc(bool plugins)
{
	struct vmrt_show *show = calloc(1, sizeof(*show));

	if (!show)
		return NULL;
	tep_set_loglevel(TEP_LOG_CRITICAL);
	trace_seq_init(&show->text);
	show->tep = tep_alloc();
	show->record = calloc(1, ROOM);
	if (!show->tep || !show->record) {
		vmrt_show_free(show);
		return NULL;
	}
	tep_set_file_bigendian(show->tep, TEP_LITTLE_ENDIAN);
	tep_set_long_size(show->tep, 8);
	if (plugins)
		show->plugins = tep_load_plugins(show->tep);
	return show;
}

enum vmrt_status vmrt_show_new(
	const char *path, bool plugins, struct vmrt_show **out, struct vmrt_error *err)
{
	struct vmrt_show *show = show_alloc(plugins);
	struct vmrt_dat_texts texts = {
		.ctx = show, .format = show_take_format, .kallsyms = take_kallsyms};
	enum vmrt_status status;

	if (!show)
		return vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	status = vmrt_dat_read_texts(path, &texts, err);
	if (status == VMRT_OK && !show_names_saved(&show->names, path))
		status = vmrt_fail(err, VMRT_ENOMEM, "%s: out of memory", path);
	if (status != VMRT_OK) {
		vmrt_show_free(show);
		return status;
	}
	*out = show;
	return VMRT_OK;
}

enum vmrt_status vmrt_show_filter(
	struct vmrt_show *show, const char *expression, struct vmrt_error *err)
{
	return show_filter_add(&show->filter, show->tep, expression, err);
}

size_t vmrt_show_select(struct vmrt_show *show, const char *pattern)
{
	const char *colon = strchr(pattern, ':');
	char system[128] = "*";
	size_t found = 0;
	int n = tep_get_events_count(show->tep);

	if (colon)
		snprintf(system, sizeof(system), "%.*s", (int)(colon - pattern), pattern);
	show->selects = true;
	for (int i = 0; i < n; i++) {
		const struct tep_event *e = tep_get_event(show->tep, i);

		if (e->id < 0 || e->id >= IDS || !vmrt_glob(system, e->system, SIZE_MAX / 2) ||
			!vmrt_glob(colon ? colon + 1 : pattern, e->name, SIZE_MAX / 2))
			continue;
		show->ids[e->id] |= ID_SELECTED;
		found++;
	}
	return found;
}

/* Copies the record into the buffer, with zeros behind it. */
static void copy_record(struct vmrt_show *show, const void *record, uint32_t size, unsigned cpu,
	struct tep_record *out)
{
	if (size > FORMAT_MAX_RECORD)
		size = FORMAT_MAX_RECORD;
	memcpy(show->record, record, size);
	if (show->used > size)
		memset(show->record + size, 0, show->used - size);
	show->used = size;
	*out = (struct tep_record){.size = (int)size,
		.record_size = (int)size,
		.data = show->record,
		.cpu = (int)cpu,
		.ref_count = 1,
		.locked = 1};
}

bool vmrt_show_passes(
	struct vmrt_show *show, const void *record, uint32_t size, unsigned cpu, int32_t pid)
{
	struct tep_record copy;

	if (size < 2)
		return false;
	if (show->selects && !(show->ids[ring_u16(record)] & ID_SELECTED))
		return false;
	if (!show->filter)
		return true;
	if (!(show->ids[ring_u16(record)] & ID_KNOWN) || size < show->least[ring_u16(record)])
		return false;
	copy_record(show, record, size, cpu, &copy);
	return show_filter_passes(show->filter, show->tep, ring_u16(record),
		&(struct show_record){
			vmrt_show_comm(show, pid), cpu, show->record, copy.size + 0u});
}

void vmrt_show_follow(struct vmrt_show *show, const struct vmrt_event *event)
{
	show_names_follow(&show->names, event);
}

const char *vmrt_show_comm(const struct vmrt_show *show, int32_t pid)
{
	return pid ? show_names_get(&show->names, pid) : "<idle>";
}

/* Replaces characters that control a terminal by '?', and line ends by blanks. */
static void make_harmless(char *text)
{
	const char *p = text;

	for (char *at = text; *at; at = text + (p - text)) {
		uint32_t c = vmrt_utf8_next(&p);

		if (!vmrt_utf8_is_harmless(c))
			memset(at, c == '\n' ? ' ' : '?', (size_t)(p - at));
	}
	for (size_t n = strlen(text); n && text[n - 1] == ' '; n--)
		text[n - 1] = '\0';
}

const char *vmrt_show_text(struct vmrt_show *show, const void *record, uint32_t size, unsigned cpu)
{
	struct tep_record copy;
	uint8_t known;

	trace_seq_reset(&show->text);
	if (size < 8)
		return "(no record)";
	known = size < show->least[ring_u16(record)] ? 0 : show->ids[ring_u16(record)];
	copy_record(show, record, size, cpu, &copy);
	if (!(known & ID_KNOWN)) {
		trace_seq_printf(&show->text, "unknown event %u:", ring_u16(record));
		for (uint32_t i = 8; i < copy.size + 0u && i < 40; i++)
			trace_seq_printf(&show->text, " %02x", show->record[i]);
	} else {
		tep_print_event(show->tep, &show->text, &copy, "%s %s: ", TEP_PRINT_LATENCY,
			TEP_PRINT_NAME);
		tep_print_event(show->tep, &show->text, &copy, "%s",
			known & ID_PRINTABLE ? TEP_PRINT_INFO : TEP_PRINT_INFO_RAW);
	}
	trace_seq_terminate(&show->text);
	if (show->text.state != TRACE_SEQ__GOOD)
		return "(out of memory)";
	make_harmless(show->text.buffer);
	return show->text.buffer;
}

void vmrt_show_free(struct vmrt_show *show)
{
	if (!show)
		return;
	show_filter_free(show->filter);
	if (show->plugins)
		tep_unload_plugins(show->plugins, show->tep);
	tep_free(show->tep);
	trace_seq_destroy(&show->text);
	show_names_free(&show->names);
	free(show->record);
	free(show);
}
