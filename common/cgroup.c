/* SPDX-License-Identifier: MIT */
/* Parses /proc/PID/cgroup. */
#include <vmrt/cgroup.h>

#include <stdio.h>
#include <string.h>

/* Is "cpu" among names such as "cpu,cpuacct"? */
static bool has_cpu(char *names)
{
	char *save = NULL;

	for (char *name = strtok_r(names, ",", &save); name; name = strtok_r(NULL, ",", &save))
		if (!strcmp(name, "cpu"))
			return true;
	return false;
}

bool vmrt_cpu_group(char *text, char *out, size_t room)
{
	char *save = NULL;

	/* lines such as 4:cpu,cpuacct:/machine.slice */
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *names = strchr(line, ':'), *where = names ? strchr(names + 1, ':') : NULL;

		if (!where)
			continue;
		*where++ = '\0';
		if (!has_cpu(names + 1))
			continue;
		snprintf(out, room, "%s", where);
		return true;
	}
	return false;
}
