/* SPDX-License-Identifier: MIT */
#ifndef VMRT_TUI_SOURCE_SOURCE_H
#define VMRT_TUI_SOURCE_SOURCE_H

/* Where events come from: a recording that is replayed, or this host right now. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <vmrt/engine.h>
#include <vmrt/guest.h>

#define TOP_LINKS_MAX 64

enum top_fed {
	TOP_FED_ALL,  /* everything up to the time asked for */
	TOP_FED_PART, /* the wall clock's deadline came first: call again */
	TOP_FED_END,  /* there will be no more */
	TOP_FED_ANEW, /* other machines are there: make a new engine, then call again */
	TOP_FED_ERROR,
};

struct top_source;

/* What a source has to say beside its events. */
struct top_source_state {
	char note[1024];		  /* what is wrong, who is waited for; "" */
	bool mild;			  /* nothing is wrong */
	int64_t buffer_fill, buffer_size; /* bytes of the fullest trace buffer; VMRT_UNKNOWN */
};

/* Takes raw events between two times: see top_source_ops.events. @text: as vmrt-trace events prints
 * it, from the thread's name on; or NULL. False: enough. */
typedef bool top_event_fn(void *ctx, const char *machine, const struct vmrt_event *event,
	int64_t host_ns, const char *text);

/* What the recorder counted as lost of one machine. */
struct top_lost {
	uint64_t more;	    /* events, beside those that records show */
	unsigned intervals; /* without a time */
	uint64_t sizeless;  /* losses of unknown size that nobody counted */
};

struct top_source_ops {
	void (*config)(struct top_source *source, struct vmrt_engine_config *config);
	enum top_fed (*feed)(struct top_source *source, struct vmrt_engine *engine,
		int64_t until_ns, int64_t deadline_ns, struct vmrt_error *err);
	/* begin again with the first event; NULL: that cannot be */
	enum vmrt_status (*rewind)(struct top_source *source, struct vmrt_error *err);
	void (*state)(struct top_source *source, struct top_source_state *state);
	/* the events of a time, in their order, with those of all machines */
	enum vmrt_status (*events)(struct top_source *source, int64_t from_ns, int64_t to_ns,
		top_event_fn *take, void *ctx, struct vmrt_error *err);
	/* a deadline was missed between the two times: keep the events of that time longer than
	 * others; NULL: all are there */
	void (*missed)(struct top_source *source, int64_t from_ns, int64_t to_ns);
	/* the statistics begin anew: the next feed may tell that there is more to see; or NULL */
	void (*reset)(struct top_source *source);
	/* live, with a recording: end both; the recording's folder, or NULL if there is none that
	 * is complete. Afterwards it can only be closed. NULL: nothing is recorded */
	const char *(*settle)(struct top_source *source);
	/* at the end of a recording: what was lost of machine @index, and how much of that the
	 * engine has not seen; NULL: nobody knows more than the engine */
	void (*lost)(struct top_source *source, const struct vmrt_engine *engine, size_t index,
		struct top_lost *out);
	void (*close)(struct top_source *source);
};

/* The common part of all sources. */
struct top_source {
	const struct top_source_ops *ops;
	bool live, recording, following;
	char title[128];
	const char *vm;		    /* the only VM to be shown, or NULL */
	int64_t start_ns;	    /* host clock; VMRT_UNKNOWN before the first event */
	int64_t end_ns;		    /* of a recording, or VMRT_UNKNOWN */
	int64_t now_ns;		    /* up to here everything has been fed */
	int64_t upto_ns;	    /* followed: up to here it has been recorded; VMRT_UNKNOWN */
	void (*between)(void *ctx); /* live: called now and then while events are fed; or NULL */
	void *between_ctx;
};

struct top_source_options {
	const char *run;	/* NULL: live */
	const char *experiment; /* path, or NULL */
	const char *vm;		/* only this one, by name or pid:N; or NULL */
	const char *output;	/* live: record into this run folder, too; or NULL */
	unsigned port;		/* of the agent's link; live */
	struct vmrt_guest_link links[TOP_LINKS_MAX]; /* ways to agents; live */
	size_t n_links;
	const char *secret_file; /* for those by TCP; or NULL */
};

/** top_replay_open, top_live_open - open a recording, or begin to trace; end it with
 * source->ops->close() */
enum vmrt_status top_replay_open(
	const struct top_source_options *options, struct top_source **out, struct vmrt_error *err);
enum vmrt_status top_live_open(
	const struct top_source_options *options, struct top_source **out, struct vmrt_error *err);

#endif
