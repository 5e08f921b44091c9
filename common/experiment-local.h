/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COMMON_EXPERIMENT_LOCAL_H
#define VMRT_COMMON_EXPERIMENT_LOCAL_H

/* Internal to the reader of experiment files. */

#include <stdbool.h>

#include <vmrt/experiment.h>

enum section { NO_SECTION, IN_EXPERIMENT, IN_SERVER, IN_TASK, BAD_SECTION };

/* room for every key that a section may have, once */
#define KEYS_TEXT 224
#define MAX_SECTION 256 /* bytes; the reader takes no line as long as this */

struct experiment_parser {
	struct vmrt_experiment *exp;
	const char *name;
	struct vmrt_error *err;
	const char *rest; /* of the text, which is still to be read */
	int line;	  /* number of the line that is being read */
	enum section section;
	bool quoted; /* the value of this line stands in .value */
	char value[MAX_SECTION];
	char keys[KEYS_TEXT]; /* the keys of this section so far, each with a blank before and
				 behind it */
	bool failed;
	bool has_experiment;
};

/** experiment_complain - fill in the error with file and line; returns 0, by which a callback
 * reports failure to the INI reader */
int experiment_complain(struct experiment_parser *p, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/** experiment_key - take one key of the current section; 0 if the key or its value is wrong */
int experiment_key(struct experiment_parser *p, const char *key, const char *value, int line);

/** experiment_take_vcpu - if the VM of @s is written VM:N, split it into VM and vCPU N
 * (experiment-split.c) */
void experiment_take_vcpu(struct vmrt_server_spec *s);

#endif
