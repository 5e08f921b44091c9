/* SPDX-License-Identifier: MIT */
/*
 * event-load RATE SECONDS [CPU]: makes about RATE scheduler events a second, by a pair of threads
 * on each CPU that wake each other. With CPU, a SCHED_FIFO thread holds that CPU for half of the
 * time, 250 ms at once.
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_PER_ROUND 4 /* at least: two threads are each woken and switched to */
#define BATCH 50	   /* turns between two looks at the clock */
#define HOLD_NS INT64_C(250000000)

struct pair {
	pthread_t threads[2];
	int there[2], back[2];
	int cpu;
	double rate;
	int64_t end;
	long rounds;
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *answer(void *arg)
{
	struct pair *p = arg;
	char c;

	pin(p->cpu);
	while (read(p->there[0], &c, 1) == 1)
		if (write(p->back[1], &c, 1) != 1)
			break;
	return NULL;
}

static void *ask(void *arg)
{
	struct pair *p = arg;
	int64_t start, now;
	char c = 0;

	pin(p->cpu);
	for (start = now = now_ns(); now < p->end; now = now_ns()) {
		int64_t due = start + (int64_t)(p->rounds * EVENTS_PER_ROUND / p->rate * 1e9);

		if (due > now)
			usleep((useconds_t)((due - now) / 1000));
		for (int i = 0; i < BATCH; i++, p->rounds++)
			if (write(p->there[1], &c, 1) != 1 || read(p->back[0], &c, 1) != 1)
				return NULL;
	}
	close(p->there[1]);
	return NULL;
}

struct hog {
	int cpu;
	int64_t end;
};

static void *hold(void *arg)
{
	struct sched_param param = {.sched_priority = 50};
	struct hog *h = arg;

	pin(h->cpu);
	if (sched_setscheduler(0, SCHED_FIFO, &param) != 0) {
		perror("event-load: SCHED_FIFO");
		exit(1);
	}
	while (now_ns() < h->end) {
		int64_t until = now_ns() + HOLD_NS;

		while (now_ns() < until)
			;
		usleep(HOLD_NS / 1000);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN), rounds = 0;
	struct pair *pairs = calloc((size_t)cpus, sizeof(*pairs));
	double seconds = argc > 2 ? atof(argv[2]) : 0;
	int64_t start = now_ns();
	struct hog hog;
	pthread_t hogs;

	if (argc < 3 || seconds <= 0 || !pairs)
		return 64;
	for (long i = 0; i < cpus; i++) {
		struct pair *p = &pairs[i];

		p->cpu = (int)i;
		p->rate = atof(argv[1]) / (double)cpus;
		p->end = start + (int64_t)(seconds * 1e9);
		if (pipe(p->there) != 0 || pipe(p->back) != 0 ||
			pthread_create(&p->threads[0], NULL, answer, p) != 0 ||
			pthread_create(&p->threads[1], NULL, ask, p) != 0)
			return 1;
	}
	hog = (struct hog){argc > 3 ? atoi(argv[3]) : -1, start + (int64_t)(seconds * 1e9)};
	if (hog.cpu >= 0 && pthread_create(&hogs, NULL, hold, &hog) != 0)
		return 1;
	for (long i = 0; i < cpus; i++) {
		pthread_join(pairs[i].threads[0], NULL);
		rounds += pairs[i].rounds;
	}
	printf("%.0f\n", (double)rounds * EVENTS_PER_ROUND / ((double)(now_ns() - start) / 1e9));
	return 0;
}
