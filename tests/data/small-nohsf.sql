-- The base of small-hsf.sql: no server was enforced, nothing was lost.
INSERT INTO run VALUES('small-nohsf', '0.1.0', '2026-01-02T03:00:00Z', 'testhost', 'sleep 0.2', 0, 0,
	4000000, 1000000000, 1250000000, NULL, '5ea1cafe-0000-4000-8000-000000000001');
INSERT INTO machine VALUES
	(1, 'host', 'host', 'Linux 6.1.0-host', 1, 'mono', 'host.dat', NULL, 1000000000, 1250000000,
		5000, 0, 0, 0, 0, NULL, NULL, 0),
	(2, 'demo', 'guest', 'Linux 6.1.0-guest', 1, 'mono', 'guest-demo.dat', NULL, 1000000000, 1250000000,
		4000, 0, 0, 0, 0, NULL, NULL, 0);
INSERT INTO clock VALUES(2, 500000000, 750000000, -500000000, 0, NULL, 0, 0, 'assumed equal');
INSERT INTO vm VALUES(1, 'demo', 2, 4711, 'qemu', 'tcg');
INSERT INTO task(id, machine, machine_name, name, period_ns, wcet_ns, deadline_ns, priority) VALUES
	(1, 2, 'demo', 'rt_task1', 20000000, 8000000, 20000000, 60),
	(2, 2, 'demo', 'rt_task2', 220000000, 90000000, 220000000, 59);
INSERT INTO thread VALUES
	(0, 1, 4712, 'CPU 0/TCG', 1, 'vcpu', 0, NULL, NULL, NULL),
	(2, 2, 101, 'rt_task1', NULL, NULL, -1, 1, NULL, NULL),
	(3, 2, 102, 'rt_task2', NULL, NULL, -1, 2, NULL, NULL),
	(4, 1, 900, 'stress-ng', NULL, NULL, -1, NULL, NULL, NULL),
	(5, 1, 901, 'kworker/0:1', NULL, NULL, -1, NULL, NULL, NULL);
INSERT INTO server VALUES(1, 'demo', 1, 'deferrable', 'soft', 12000000, 10000000, 50, 1008000000, 0, 'start', NULL, 0);
INSERT INTO server_period VALUES
	(1, 0, 1008000000, 1020000000, 10000000, 0, 4000000, NULL, 1008000000, NULL, 0, 0, 'unenforced',
		1008000000, 8000000, 1012000000),
	(1, 1, 1020000000, 1032000000, 10000000, 0, 6000000, NULL, 1020000000, NULL, 0, 0, 'unenforced',
		1020000000, 6000000, 1026000000);
-- k, response in ms, outcome, cause
INSERT INTO job(task, k, thread, arrival_ns, release_ns, start_ns, end_ns, deadline_ns,
	arrival_local_ns, release_local_ns, start_local_ns, end_local_ns, exec_ns, response_ns,
	preemptions, migrations, skipped, outcome, cause, excused, inferred, mark_begin_local_ns,
	mark_end_local_ns, cause_thread, unsure_ns)
	SELECT 1, column1, 2, 1000000000 + column1 * 20000000, 1000000000 + column1 * 20000000,
		1000000000 + column1 * 20000000, 1000000000 + column1 * 20000000 + column2 * 1000000,
		1020000000 + column1 * 20000000, 500000000 + column1 * 20000000,
		500000000 + column1 * 20000000, 500000000 + column1 * 20000000,
		500000000 + column1 * 20000000 + column2 * 1000000, 8000000, column2 * 1000000, 0, 0, 0,
		column3, column4, 0, 0, NULL, NULL,
		CASE column4 WHEN 'host_thread' THEN CASE WHEN column1 = 10 THEN 5 ELSE 4 END WHEN 'interference' THEN 3 END, 0
	FROM (VALUES
	(1, 18, 'met', NULL), (2, 28, 'missed', 'host_thread'), (3, 31, 'missed', 'host_thread'),
	(4, 30, 'missed', 'host_thread'), (5, 29, 'missed', 'host_thread'), (6, 19, 'met', NULL),
	(7, 33, 'missed', 'host_thread'), (8, 32, 'missed', 'interference'),
	(9, 27, 'missed', 'interference'), (10, 26, 'missed', 'host_thread'));
INSERT INTO blame_thread VALUES
	(1, 7, 'host_thread', 4, 12500000), (1, 7, 'host_thread', 5, 500000), (1, 7, 'interference', 3, 2000000);
INSERT INTO natural VALUES(1, 12, 28000000, 30000000, 32000000, 2500000, 3000000, 3900000);
