/* SPDX-License-Identifier: MIT */
/* Words of the kinds of records that the engine emits. */
#include <vmrt/record.h>

#define NAME_FUNCTION(function, type, list, prefix)                                                \
	const char *function(enum type value)                                                      \
	{                                                                                          \
		static const char *const words[] = {list(prefix)};                                 \
                                                                                                   \
		return (size_t)value < sizeof(words) / sizeof(words[0]) ? words[value]             \
									: "unknown";               \
	}

#define WORD(name, text) text,

NAME_FUNCTION(vmrt_outcome_name, vmrt_outcome, VMRT_OUTCOME_LIST, WORD)
NAME_FUNCTION(vmrt_blame_name, vmrt_blame, VMRT_BLAME_LIST, WORD)
NAME_FUNCTION(vmrt_loss_name, vmrt_loss_kind, VMRT_LOSS_LIST, WORD)
NAME_FUNCTION(vmrt_period_name, vmrt_period_outcome, VMRT_PERIOD_LIST, WORD)
NAME_FUNCTION(vmrt_phase_name, vmrt_phase, VMRT_PHASE_LIST, WORD)
NAME_FUNCTION(vmrt_rule_name, vmrt_rule, VMRT_RULE_LIST, WORD)
