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
	TOP_FED_END,  /* there will be no more events */
	TOP_FED_ANEW, /* other machines are there: make a new engine, then call again */
	TOP_FED_ERROR,
};

struct top_source;

/* The state of a source, besides its events. */
struct top_source_state {
	char note[1024];		  /* a problem, or whom the source waits for; "" */
	bool mild;			  /* the note is no problem */
	int64_t buffer_fill, buffer_size; /* bytes of the fullest trace buffer; VMRT_UNKNOWN */
};

/* Gets a raw event, see top_source_ops.events. @text: the event as vmrt-trace events prints it,
 * from the thread's name on; or NULL. Returns false to get no more events. */
typedef bool top_event_fn(void *ctx, const char *machine, const struct vmrt_event *event,
	int64_t host_ns, const char *text);

/* What the recorder counted as lost of one machine. */
struct top_lost {
	uint64_t more;	    /* lost events that no record shows */
	unsigned intervals; /* number of losses whose time is not known */
	uint64_t sizeless;  /* losses of unknown size that nobody counted */
};

struct top_source_ops {
	void (*config)(struct top_source *source, struct vmrt_engine_config *config);
	enum top_fed (*feed)(struct top_source *source, struct vmrt_engine *engine,
		int64_t until_ns, int64_t deadline_ns, struct vmrt_error *err);
	/* begin again with the first event; NULL: the source cannot do this */
	enum vmrt_status (*rewind)(struct top_source *source, struct vmrt_error *err);
	void (*state)(struct top_source *source, struct top_source_state *state);
	/* pass the events of all machines between two times to @take, in their order */
	enum vmrt_status (*events)(struct top_source *source, int64_t from_ns, int64_t to_ns,
		top_event_fn *take, void *ctx, struct vmrt_error *err);
	/* a deadline was missed between the two times: keep the events of that time longer than
	 * others; NULL: the source keeps all events */
	void (*missed)(struct top_source *source, int64_t from_ns, int64_t to_ns);
	/* the statistics begin anew: the next feed may return TOP_FED_ANEW; or NULL */
	void (*reset)(struct top_source *source);
	/* end the live view and the recording that is made at the same time. Returns the folder of
	 * the recording, or NULL if no recording is complete. Then the source can only be closed.
	 * NULL: the source makes no recording */
	const char *(*settle)(struct top_source *source);
	/* at the end of a recording: what was lost of machine @index, beyond what the engine has
	 * seen; NULL: the engine has seen all losses that are known */
	void (*lost)(struct top_source *source, const struct vmrt_engine *engine, size_t index,
		struct top_lost *out);
	void (*close)(struct top_source *source);
};

/* The common part of all sources. */
struct top_source {
	const struct top_source_ops *ops;
	bool live, recording, following;
	char title[128];
	const char *vm;	  /* the only VM to be shown, or NULL */
	int64_t start_ns; /* host clock; VMRT_UNKNOWN before the first event */
	int64_t end_ns;	  /* of a recording, or VMRT_UNKNOWN */
	int64_t now_ns;	  /* all events up to this time have been fed */
	int64_t upto_ns;  /* of a followed recording: up to this time it has been recorded;
			     VMRT_UNKNOWN */
	void (*between)(void *ctx); /* live: called now and then while events are fed; or NULL */
	void *between_ctx;
};

struct top_source_options {
	const char *run;	/* NULL: live */
	const char *experiment; /* path, or NULL */
	const char *vm;		/* only this VM, by name or pid:N; or NULL */
	const char *output;	/* live: record into this run folder, too; or NULL */
	unsigned port;		/* of the agent's link; live */
	struct vmrt_guest_link links[TOP_LINKS_MAX]; /* ways to agents; live */
	size_t n_links;
	const char *secret_file; /* for agents that are reached by TCP; or NULL */
};

/** top_replay_open, top_live_open - open a recording, or begin to trace; end it with
 * source->ops->close() */
enum vmrt_status top_replay_open(
	const struct top_source_options *options, struct top_source **out, struct vmrt_error *err);
enum vmrt_status top_live_open(
	const struct top_source_options *options, struct top_source **out, struct vmrt_error *err);

#endif
