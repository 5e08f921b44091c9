-- The database of many runs in PostgreSQL 12 or newer, version 1; docs/many-runs.md explains it.
CREATE SCHEMA vmrt;
COMMENT ON SCHEMA vmrt IS 'recorded runs, pushed by vmrt-report push';

CREATE TABLE vmrt.version(schema_version int NOT NULL);
INSERT INTO vmrt.version VALUES (1);

CREATE TABLE vmrt.hosts(
	id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE);

CREATE TABLE vmrt.runs(
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	uuid uuid NOT NULL UNIQUE,
	host int REFERENCES vmrt.hosts,
	name text NOT NULL,
	recorded_at timestamptz,
	vmrt_version text NOT NULL,
	command text,
	command_status int,
	hsf boolean NOT NULL,
	tick_ns bigint,
	duration_ns bigint,
	doubtful boolean NOT NULL,
	experiment text,
	origin text NOT NULL,
	content text NOT NULL,
	pushed_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON vmrt.runs(recorded_at);
CREATE INDEX ON vmrt.runs(host, name, hsf, recorded_at);

CREATE TABLE vmrt.machines(
	run bigint NOT NULL REFERENCES vmrt.runs ON DELETE CASCADE,
	machine text NOT NULL,
	kind text NOT NULL,
	kernel text,
	cpus int NOT NULL,
	events bigint NOT NULL,
	lost bigint NOT NULL,
	steal_ns bigint NOT NULL,
	clock_error_ns bigint,
	PRIMARY KEY(run, machine));

CREATE TABLE vmrt.tasks(
	run bigint NOT NULL REFERENCES vmrt.runs ON DELETE CASCADE,
	task_id int NOT NULL,
	machine text NOT NULL,
	task text NOT NULL,
	period_ns bigint,
	wcet_ns bigint,
	deadline_ns bigint,
	priority int NOT NULL,
	jobs bigint NOT NULL,
	met bigint NOT NULL,
	missed bigint NOT NULL,
	excused bigint NOT NULL,
	unknown bigint NOT NULL,
	truncated bigint NOT NULL,
	skipped bigint NOT NULL,
	longest_run bigint NOT NULL,
	response_min_ns bigint,
	response_mean_ns bigint,
	response_p50_ns bigint,
	response_p99_ns bigint,
	response_p999_ns bigint,
	response_max_ns bigint,
	response_jitter_ns bigint,
	release_jitter_ns bigint,
	start_jitter_ns bigint,
	exec_max_ns bigint,
	tardiness_max_ns bigint,
	cause text,
	PRIMARY KEY(run, task_id),
	UNIQUE(run, machine, task));
CREATE INDEX ON vmrt.tasks(machine, task);

CREATE TABLE vmrt.servers(
	run bigint NOT NULL REFERENCES vmrt.runs ON DELETE CASCADE,
	server_id int NOT NULL,
	server text NOT NULL,
	vm text,
	policy text NOT NULL,
	period_ns bigint,
	budget_ns bigint,
	priority int,
	enforced boolean NOT NULL,
	periods bigint NOT NULL,
	judged bigint NOT NULL,
	depleted bigint NOT NULL,
	unknown bigint NOT NULL,
	truncated bigint NOT NULL,
	consumed_ratio double precision,
	received_ratio double precision,
	overshoot_p99_ns bigint,
	overshoot_max_ns bigint,
	latency_p99_ns bigint,
	latency_max_ns bigint,
	blackout_max_ns bigint,
	supply_jitter_ns bigint,
	windows bigint NOT NULL,
	windows_unknown bigint NOT NULL,
	violations bigint NOT NULL,
	PRIMARY KEY(run, server_id),
	UNIQUE(run, server));
CREATE INDEX ON vmrt.servers(server);

-- A histogram: counts[i] values are in bucket buckets[i], in rising order.
CREATE TYPE vmrt.histogram AS (
	n bigint, sum_ns numeric, min_ns bigint, max_ns bigint, buckets int[], counts bigint[]);

CREATE TABLE vmrt.task_histograms(
	run bigint NOT NULL,
	task_id int NOT NULL,
	metric text NOT NULL CHECK (metric IN ('response', 'exec', 'release', 'start', 'tardiness')),
	histogram vmrt.histogram NOT NULL,
	PRIMARY KEY(run, task_id, metric),
	FOREIGN KEY(run, task_id) REFERENCES vmrt.tasks ON DELETE CASCADE);

CREATE TABLE vmrt.server_histograms(
	run bigint NOT NULL,
	server_id int NOT NULL,
	metric text NOT NULL CHECK (metric IN ('overshoot', 'latency')),
	histogram vmrt.histogram NOT NULL,
	PRIMARY KEY(run, server_id, metric),
	FOREIGN KEY(run, server_id) REFERENCES vmrt.servers ON DELETE CASCADE);

-- Buckets: values below 256 have one each; above, 128 for every power of two. Negative values mirror that.
CREATE FUNCTION vmrt.bucket_of(ns bigint) RETURNS int LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT CASE WHEN ns < 0 THEN -1 - b ELSE b END FROM (
		SELECT CASE WHEN v < 256 THEN v::int ELSE ((shift << 7) + (v >> shift))::int END AS b FROM (
			SELECT v, length(ltrim((v::bit(64))::text, '0')) - 8 AS shift FROM (
				SELECT CASE WHEN ns < 0 THEN -1 - ns ELSE ns END AS v) AS a) AS s) AS r
$$;
CREATE FUNCTION vmrt.bucket_from(bucket int) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT CASE WHEN bucket < 0 THEN -f ELSE f END FROM (
		SELECT CASE WHEN b < 256 THEN b::bigint
			ELSE (b - ((b >> 7) - 1 << 7))::bigint << ((b >> 7) - 1) END AS f
		FROM (SELECT abs(bucket) AS b) AS a) AS r
$$;
CREATE FUNCTION vmrt.bucket_last(bucket int) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
	SELECT vmrt.bucket_from(bucket + 1) - 1
$$;

-- merge(histogram): the histogram of all values of several.
CREATE FUNCTION vmrt.merged(histograms vmrt.histogram[]) RETURNS vmrt.histogram LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT ROW(total.n, total.sum_ns, total.min_ns, total.max_ns, cells.buckets, cells.counts)::vmrt.histogram FROM
		(SELECT coalesce(sum(h.n), 0)::bigint AS n, sum(h.sum_ns) AS sum_ns, min(h.min_ns) AS min_ns,
			max(h.max_ns) AS max_ns FROM unnest(histograms) AS h) AS total,
		(SELECT coalesce(array_agg(bucket ORDER BY bucket), '{}') AS buckets,
			coalesce(array_agg(n ORDER BY bucket), '{}') AS counts FROM
			(SELECT b.bucket, sum(b.n)::bigint AS n FROM unnest(histograms) AS h,
				unnest(h.buckets, h.counts) AS b(bucket, n) GROUP BY b.bucket) AS g) AS cells
$$;
CREATE AGGREGATE vmrt.merge(vmrt.histogram) (
	SFUNC = array_append, STYPE = vmrt.histogram[], INITCOND = '{}', FINALFUNC = vmrt.merged, PARALLEL = SAFE);

-- The bucket in which a percentile by the nearest-rank rule lies, narrowed to what was measured; p from 0 to 1.
CREATE FUNCTION vmrt.percentile_bucket(h vmrt.histogram, p numeric, OUT from_ns bigint, OUT to_ns bigint)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT greatest(vmrt.bucket_from(c.bucket), h.min_ns), least(vmrt.bucket_last(c.bucket), h.max_ns) FROM
		(SELECT b.bucket, sum(b.n) OVER (ORDER BY b.bucket) AS upto FROM unnest(h.buckets, h.counts) AS b(bucket, n)) AS c
	WHERE c.upto >= greatest(1, ceil(p * h.n)) ORDER BY c.bucket LIMIT 1
$$;
-- Its upper end: never below the percentile, and above it by less than 0.8 %.
CREATE FUNCTION vmrt.percentile(h vmrt.histogram, p numeric) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT to_ns FROM vmrt.percentile_bucket(h, p)
$$;
-- The share of values above a limit: at least, since values of the limit's own bucket are not counted.
CREATE FUNCTION vmrt.share_above(h vmrt.histogram, limit_ns bigint) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT coalesce(sum(b.n) FILTER (WHERE b.bucket > vmrt.bucket_of(limit_ns)), 0)::double precision / nullif(h.n, 0)
	FROM unnest(h.buckets, h.counts) AS b(bucket, n)
$$;

-- Wilson's score interval of 95 % of a ratio, as in the reports.
CREATE FUNCTION vmrt.wilson_low(hits numeric, n numeric) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN n > 0 AND hits = 0 THEN 0 WHEN n > 0 THEN
		(p + z * z / (2 * m) - z * sqrt(p * (1 - p) / m + z * z / (4 * m * m))) / (1 + z * z / m) END
	FROM (SELECT 1.959963984540054::double precision AS z, n::double precision AS m,
		hits::double precision / nullif(n, 0)::double precision AS p) AS v
$$;
CREATE FUNCTION vmrt.wilson_high(hits numeric, n numeric) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE WHEN n > 0 AND hits = n THEN 1 WHEN n > 0 THEN
		(p + z * z / (2 * m) + z * sqrt(p * (1 - p) / m + z * z / (4 * m * m))) / (1 + z * z / m) END
	FROM (SELECT 1.959963984540054::double precision AS z, n::double precision AS m,
		hits::double precision / nullif(n, 0)::double precision AS p) AS v
$$;

-- A row for each run and task, with what is known of the run.
CREATE VIEW vmrt.task_runs AS
	SELECT r.id AS run, r.uuid, h.name AS host, r.name, r.hsf, r.recorded_at, r.doubtful, t.task_id, t.machine, t.task,
		t.period_ns, t.wcet_ns, t.deadline_ns, t.jobs, t.met + t.missed AS known, t.missed, t.excused, t.unknown,
		t.missed::double precision / nullif(t.met + t.missed, 0) AS miss_ratio,
		vmrt.wilson_low(t.missed, t.met + t.missed) AS miss_low, vmrt.wilson_high(t.missed, t.met + t.missed) AS miss_high,
		t.response_p50_ns, t.response_p99_ns, t.response_p999_ns, t.response_max_ns, t.response_jitter_ns,
		t.release_jitter_ns, t.exec_max_ns, t.cause
	FROM vmrt.tasks t JOIN vmrt.runs r ON r.id = t.run LEFT JOIN vmrt.hosts h ON h.id = r.host;

CREATE VIEW vmrt.server_runs AS
	SELECT r.id AS run, r.uuid, h.name AS host, r.name, r.hsf, r.recorded_at, r.doubtful, s.server_id, s.server, s.vm, s.policy,
		s.period_ns, s.budget_ns, s.enforced, s.periods, s.judged, s.depleted, s.consumed_ratio, s.received_ratio,
		s.overshoot_p99_ns, s.overshoot_max_ns, s.latency_p99_ns, s.latency_max_ns, s.blackout_max_ns, s.supply_jitter_ns,
		s.windows, s.violations
	FROM vmrt.servers s JOIN vmrt.runs r ON r.id = s.run LEFT JOIN vmrt.hosts h ON h.id = r.host;

-- A row for each bucket: for heat maps.
CREATE VIEW vmrt.task_buckets AS
	SELECT t.run, t.machine, t.task, g.metric, b.bucket, vmrt.bucket_from(b.bucket) AS from_ns, vmrt.bucket_last(b.bucket) AS to_ns, b.n
	FROM vmrt.task_histograms g JOIN vmrt.tasks t USING (run, task_id),
		unnest((g.histogram).buckets, (g.histogram).counts) AS b(bucket, n);
CREATE VIEW vmrt.server_buckets AS
	SELECT s.run, s.server, g.metric, b.bucket, vmrt.bucket_from(b.bucket) AS from_ns, vmrt.bucket_last(b.bucket) AS to_ns, b.n
	FROM vmrt.server_histograms g JOIN vmrt.servers s USING (run, server_id),
		unnest((g.histogram).buckets, (g.histogram).counts) AS b(bucket, n);

-- All jobs of each task in the runs of a selection as if they had been in one run.
CREATE FUNCTION vmrt.task_summary(selection bigint[]) RETURNS TABLE(machine text, task text, runs bigint, jobs bigint,
	known bigint, missed bigint, miss_ratio double precision, miss_low double precision, miss_high double precision,
	response_p50_ns bigint, response_p90_ns bigint, response_p99_ns bigint, response_p999_ns bigint, response_max_ns bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT s.machine, s.task, s.runs, s.jobs, s.known, s.missed, s.missed::double precision / nullif(s.known, 0),
		vmrt.wilson_low(s.missed, s.known), vmrt.wilson_high(s.missed, s.known), vmrt.percentile(s.h, 0.5),
		vmrt.percentile(s.h, 0.9), vmrt.percentile(s.h, 0.99), vmrt.percentile(s.h, 0.999), s.most
	FROM (SELECT t.machine, t.task, count(*) AS runs, sum(t.jobs)::bigint AS jobs, sum(t.met + t.missed)::bigint AS known,
			sum(t.missed)::bigint AS missed, max(t.response_max_ns) AS most, vmrt.merge(g.histogram) AS h
		FROM vmrt.tasks t LEFT JOIN vmrt.task_histograms g
			ON g.run = t.run AND g.task_id = t.task_id AND g.metric = 'response'
		WHERE t.run = ANY (selection) GROUP BY t.machine, t.task) AS s
	ORDER BY s.machine, s.task
$$;
CREATE FUNCTION vmrt.server_summary(selection bigint[]) RETURNS TABLE(server text, runs bigint, periods bigint, judged bigint,
	depleted bigint, windows bigint, violations bigint, overshoot_p50_ns bigint, overshoot_p99_ns bigint, overshoot_max_ns bigint,
	latency_p99_ns bigint, latency_max_ns bigint, blackout_max_ns bigint)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
	SELECT s.server, s.runs, s.periods, s.judged, s.depleted, s.windows, s.violations, vmrt.percentile(s.o, 0.5),
		vmrt.percentile(s.o, 0.99), s.over, vmrt.percentile(s.l, 0.99), s.late, s.blackout
	FROM (SELECT v.server, count(*) AS runs, sum(v.periods)::bigint AS periods, sum(v.judged)::bigint AS judged,
			sum(v.depleted)::bigint AS depleted, sum(v.windows)::bigint AS windows, sum(v.violations)::bigint AS violations,
			max(v.overshoot_max_ns) AS over, max(v.latency_max_ns) AS late, max(v.blackout_max_ns) AS blackout,
			vmrt.merge(o.histogram) AS o, vmrt.merge(l.histogram) AS l
		FROM vmrt.servers v
			LEFT JOIN vmrt.server_histograms o ON o.run = v.run AND o.server_id = v.server_id AND o.metric = 'overshoot'
			LEFT JOIN vmrt.server_histograms l ON l.run = v.run AND l.server_id = v.server_id AND l.metric = 'latency'
		WHERE v.run = ANY (selection) GROUP BY v.server) AS s
	ORDER BY s.server
$$;
