/* SPDX-License-Identifier: MIT */
/*
 * named-threads SECONDS NAME...: a process with sleeping threads of these names, as hypervisors
 * have them, when started with the name of one (exec -a). +N:NAME comes after N seconds, -N:NAME is
 * gone after N seconds.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void *sleeper(void *arg)
{
	const char *name = arg;
	unsigned life = 3600;

	if (*name == '-')
		life = (unsigned)atoi(name + 1);
	prctl(PR_SET_NAME, *name == '-' ? strchr(name, ':') + 1 : name);
	while (life--)
		sleep(1);
	return NULL;
}

/* Threads that come later are made later, by one that is there from the beginning. */
static void *starter(void *arg)
{
	char *name = arg;
	pthread_t thread;

	sleep((unsigned)atoi(name + 1));
	pthread_create(&thread, NULL, sleeper, strchr(name, ':') + 1);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t thread;

	for (int i = 2; i < argc; i++)
		if (pthread_create(&thread, NULL, *argv[i] == '+' ? starter : sleeper, argv[i]) !=
			0)
			return 1;
	if (argc > 1)
		sleep((unsigned)atoi(argv[1]));
	return 0;
}
