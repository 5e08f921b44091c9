/* SPDX-License-Identifier: MIT */
/* Waits, for all TCP clients at once, until a client has proved that it knows the secret. */
#include "doorway.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vmrt/units.h>

#include "collector/wire/transport.h"
#include "refusals.h"

#define PROOF_NS (5 * VMRT_NS_PER_S) /* time for a client to send its proof */
#define PENALTY_NS                                                                                 \
	(500 * VMRT_NS_PER_MS)		    /* a place stays closed so long after a wrong          \
					     * proof, which limits the guesses per second */
#define CHALLENGE_NS (100 * VMRT_NS_PER_MS) /* to send some bytes to a new connection */

struct place {
	enum { PLACE_FREE, PLACE_WAITING, PLACE_PENALTY } state;
	int fd; /* connection of the client that waits */
	struct vmrt_link_parser parser;
	struct vmrt_secret_nonces nonces;
	int64_t since_ns, until_ns;
};

struct doorway {
	const struct vmrt_secret *secret;
	struct place places[VMRT_DOORWAY_MOST];
	struct refusals refusals;
};

struct doorway *doorway_new(const struct vmrt_secret *secret)
{
	struct doorway *d = calloc(1, sizeof(*d));

	if (d)
		d->secret = secret;
	return d;
}

/* Frees the place: its client is gone, or is served from now on. */
static void free_place(struct place *p)
{
	vmrt_link_parser_free(&p->parser);
	p->state = PLACE_FREE;
}

static void refuse(struct doorway *d, struct place *p, const struct vmrt_error *err)
{
	bool wrong = err->status == VMRT_EPERM || err->status == VMRT_EPROTO;

	refusals_say(&d->refusals, err->text, vmrt_now_ns());
	close(p->fd);
	free_place(p);
	if (wrong) {
		p->state = PLACE_PENALTY;
		p->until_ns = vmrt_now_ns() + PENALTY_NS;
	}
}

void doorway_free(struct doorway *d)
{
	for (size_t i = 0; d && i < VMRT_DOORWAY_MOST; i++) {
		if (d->places[i].state != PLACE_WAITING)
			continue;
		close(d->places[i].fd);
		free_place(&d->places[i]);
	}
	if (d)
		refusals_end(&d->refusals);
	free(d);
}

/* Finds a place for a new client: a free one, else the place of the client that has waited longest;
 * NULL if all places are closed for a while because of wrong proofs. */
static struct place *find_place(struct doorway *d)
{
	struct place *oldest = NULL;

	for (size_t i = 0; i < VMRT_DOORWAY_MOST; i++) {
		struct place *p = &d->places[i];

		if (p->state == PLACE_FREE)
			return p;
		if (p->state == PLACE_WAITING && (!oldest || p->since_ns < oldest->since_ns))
			oldest = p;
	}
	return oldest;
}

static void accept_client(struct doorway *d, struct place *p, int listener, int stop_fd)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int64_t now = vmrt_now_ns();
	struct vmrt_error err = {.status = VMRT_ETIMEOUT, .text = "others came behind it"};

	if (fd < 0)
		return;
	if (p->state == PLACE_WAITING)
		refuse(d, p, &err);
	vmrt_transport_tune(fd);
	*p = (struct place){.state = PLACE_WAITING, .fd = fd, .since_ns = now};
	p->until_ns = now + PROOF_NS;
	if (vmrt_link_parser_init(&p->parser, VMRT_LINK_REQUEST) != VMRT_OK) {
		vmrt_fail(&err, VMRT_ENOMEM, "out of memory");
		refuse(d, p, &err);
	} else if (vmrt_secret_ask(fd, &p->nonces, now + CHALLENGE_NS, stop_fd, &err) != VMRT_OK) {
		refuse(d, p, &err);
	}
}

/* Reads what the client at @p has sent; returns whether this client has proved that it knows the
 * secret.
 */
static bool judge(struct doorway *d, struct place *p, int stop_fd)
{
	struct vmrt_error err;
	/* a recorder sends nothing behind its proof until the answer has come, so this parser holds
	 * no message of the session */
	enum vmrt_status status = vmrt_secret_judge(
		p->fd, &p->parser, d->secret, &p->nonces, vmrt_now_ns(), stop_fd, &err);

	if (status == VMRT_OK) {
		free_place(p);
		return true;
	}
	if (status == VMRT_ETIMEOUT && vmrt_now_ns() < p->until_ns)
		return false;
	if (status == VMRT_ETIMEOUT)
		vmrt_fail(&err, status, "it did not prove in time that it knows the secret");
	refuse(d, p, &err);
	return false;
}

static int wait_ms(const struct doorway *d)
{
	int64_t until = INT64_MAX, left;

	for (size_t i = 0; i < VMRT_DOORWAY_MOST; i++)
		if (d->places[i].state != PLACE_FREE && d->places[i].until_ns < until)
			until = d->places[i].until_ns;
	if (until == INT64_MAX)
		return -1;
	left = until - vmrt_now_ns();
	return left > 0 ? (int)(left / VMRT_NS_PER_MS) + 1 : 0;
}

/* Checks all clients that wait, and refuses those that have waited too long. Returns the connection
 * of a client that has proved that it knows the secret, or -1. */
static int judge_waiting(struct doorway *d, int stop_fd)
{
	for (size_t i = 0; i < VMRT_DOORWAY_MOST; i++) {
		struct place *p = &d->places[i];

		if (p->state == PLACE_WAITING && judge(d, p, stop_fd))
			return p->fd;
		if (p->state == PLACE_PENALTY && vmrt_now_ns() >= p->until_ns)
			p->state = PLACE_FREE;
	}
	return -1;
}

int doorway_next(struct doorway *d, int listener, int stop_fd)
{
	for (;;) {
		struct pollfd fds[2 + VMRT_DOORWAY_MOST] = {{.fd = stop_fd, .events = POLLIN},
			{.fd = find_place(d) ? listener : -1, .events = POLLIN}};
		struct place *place;
		int fd;

		for (size_t i = 0; i < VMRT_DOORWAY_MOST; i++)
			fds[2 + i] = (struct pollfd){
				.fd = d->places[i].state == PLACE_WAITING ? d->places[i].fd : -1,
				.events = POLLIN};
		poll(fds, 2 + VMRT_DOORWAY_MOST, wait_ms(d));
		if (fds[0].revents)
			return -1;
		/* clients that wait come before new ones */
		fd = judge_waiting(d, stop_fd);
		if (fd >= 0)
			return fd;
		place = find_place(d);
		if (fds[1].revents && place)
			accept_client(d, place, listener, stop_fd);
	}
}
