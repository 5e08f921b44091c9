/* SPDX-License-Identifier: MIT */
/* vmrt-report --advise: computes the servers that VMs need, and prints them. */
#include "advise.h"

#include <stdio.h>
#include <stdlib.h>

#include <vmrt/advise.h>

/* Text is the experiment file; other formats are tables. */
static enum vmrt_status print_advice(
	const struct advice *advice, const struct vmrt_print *how, struct vmrt_error *err)
{
	struct vmrt_doc *doc;
	enum vmrt_status status;
	char *text;

	if (how->format == VMRT_FORMAT_TEXT && !how->only && !how->n_select) {
		status = advice_ini(advice, &text, err);
		if (status == VMRT_OK)
			fputs(text, stdout);
		free(text);
		return status;
	}
	doc = vmrt_doc_new("experiment", true);
	if (!doc)
		return vmrt_fail(err, VMRT_ENOMEM, "out of memory");
	advice_tables(advice, doc);
	status = vmrt_doc_print_as(doc, how, stdout, err);
	vmrt_doc_free(doc);
	return status;
}

enum vmrt_status vmrt_advise_text(const char *origin, char **out, struct vmrt_error *err)
{
	struct advice *advice = NULL;
	enum vmrt_status status = advise_make(origin, &VMRT_ADVISE_DEFAULTS, &advice, err);

	*out = NULL;
	if (status == VMRT_OK)
		status = advice_ini(advice, out, err);
	advice_free(advice);
	return status;
}

int vmrt_advise_run(
	const char *origin, const struct vmrt_advise_options *options, const struct vmrt_print *how)
{
	struct advice *advice = NULL;
	struct vmrt_error err;
	enum vmrt_status status = advise_make(origin, options, &advice, &err);
	int result = VMRT_EXIT_FAILED;

	if (status == VMRT_OK)
		status = print_advice(advice, how, &err);
	if (status == VMRT_OK)
		result = advice->feasible ? VMRT_EXIT_DONE : VMRT_EXIT_VIOLATED;
	else
		vmrt_complain(&err);
	for (size_t i = 0; status == VMRT_OK && i < advice->n_vms; i++)
		if (!advice->vms[i].feasible)
			vmrt_warn("%s: %s", advice->vms[i].label, advice->vms[i].why);
	advice_free(advice);
	return result;
}
