/* SPDX-License-Identifier: MIT */
/* Finds by their symbols which kernel functions stand for which kind of timer. */
#include "ring.h"

#include <stdlib.h>

/* The kernel functions that a kind of hrtimer calls when it expires. */
static const struct {
	const char *name;
	enum vmrt_timer_fn fn;
} functions[] = {
#define X(kind, symbol) {symbol, VMRT_FN_##kind},
	VMRT_TIMER_SYMBOL_LIST(X)
#undef X
};

/*
 * Is symbol @name the function @function, or a version of it that a compiler made (.isra.0,
 * .cfi_jt, .llvm.1234)? The cold part of a function does not count, because pointers never point to
 * it.
 */
static bool is_function(const char *name, size_t len, const char *function)
{
	static const char *const parts[] = {".cold", ".part"};
	size_t n = strlen(function);

	if (len < n || memcmp(name, function, n) != 0)
		return false;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (len - n >= strlen(parts[i]) &&
			memcmp(name + n, parts[i], strlen(parts[i])) == 0)
			return false;
	return len == n || name[n] == '.';
}

static void take_symbol(struct vmrt_formats *f, uint64_t address, const char *name, size_t len)
{
	if (!address) /* hidden by kptr_restrict */
		return;
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		if (!is_function(name, len, functions[i].name))
			continue;
		if (f->n_symbols < FORMATS_SYMBOLS) {
			f->symbols[f->n_symbols].address = address;
			f->symbols[f->n_symbols++].fn = functions[i].fn;
		}
		return;
	}
}

/* Lines are "ffffffff81000000 t name" and perhaps more. */
void formats_kallsyms(struct vmrt_formats *f, const char *text)
{
	while (*text) {
		const char *end = strchrnul(text, '\n');
		char *after;
		uint64_t address = strtoull(text, &after, 16);

		if (after != text && after < end && end - after > 3 && after[0] == ' ' &&
			after[2] == ' ') {
			const char *name = after + 3;
			size_t len = strcspn(name, " \t\r\n");

			take_symbol(f, address, name, len);
		}
		text = *end ? end + 1 : end;
	}
}
