-- A small run with a server, laid out by hand; times in the lists are us of the host's clock.
-- What a report must say of it stands in tests/unit/test_report.c.
INSERT INTO run VALUES('small-hsf', '0.1.0', '2026-01-02T03:04:05Z', 'testhost', 'sleep 0.2', 0, 1,
	4000000, 1000000000, 1200000000, NULL, '5ea1cafe-0000-4000-8000-000000000002');
INSERT INTO machine VALUES
	(1, 'host', 'host', 'Linux 6.1.0-host', 1, 'mono', 'host.dat', NULL, 1000000000, 1200000000,
		5000, 0, 1, 1, 0, NULL, NULL, 0),
	(2, 'demo', 'guest', 'Linux 6.1.0-guest', 1, 'mono', 'guest-demo.dat', NULL, 1000000000, 1200000000,
		4000, 7, 0, 0, 0, 3990, 10, 2);
INSERT INTO clock VALUES
	(2, 500000000, 600000000, -500000000, 12000, 85000, 300, 310, 'causality and pings'),
	(2, 600000000, 700000000, -500000100, 11900, 120000, 30, 31, 'causality and pings');
INSERT INTO loss VALUES
	(1, 0, 1066500000, 1067000000, NULL, 'broken_chain'),
	(1, 0, 1050000000, 1050400000, NULL, 'steal'),
	(2, 0, 1095000000, 1096000000, 7, 'overrun');
INSERT INTO vm VALUES(1, 'demo', 2, 4711, 'qemu', 'tcg');
INSERT INTO task(id, machine, machine_name, name, period_ns, wcet_ns, deadline_ns, priority) VALUES
	(1, 2, 'demo', 'rt_task1', 20000000, 8000000, 20000000, 60),
	(2, 2, 'demo', 'rt_task2', 220000000, 80000000, 220000000, 59);
INSERT INTO thread VALUES
	(0, 1, 4712, 'CPU 0/TCG', 1, 'vcpu', 0, NULL, NULL, NULL),
	(1, 1, 4711, 'qemu-system-x86', 1, 'main', -1, NULL, NULL, NULL),
	(2, 2, 101, 'rt_task1', NULL, NULL, -1, 1, NULL, NULL);
INSERT INTO server VALUES(1, 'demo', 1, 'deferrable', 'soft', 12000000, 10000000, 50, 1008000000, 1, 'marker', NULL, 0);
-- k, start, end, consumed, background, replenished, first, depleted, waiting, steal, outcome, wanted, blackout
INSERT INTO server_period
	SELECT 1, column1, column2 * 1000, column3 * 1000, 10000000, column4 * 1000, column5 * 1000,
		column6 * 1000, column7 * 1000, column8 * 1000, column9 * 1000, column10 * 1000, column11,
		column12 * 1000, column13 * 1000, column14 * 1000
	FROM (VALUES
	(0, 1008000, 1020000, 10100, 500, 1008000, 1008000, 1018100, 1400, 0, 'depleted', 1008000, 900, 1019100),
	(1, 1020000, 1032000, 6000, 0, 1020000, 1020000, NULL, 0, 0, 'served', 1020000, 0, NULL),
	(2, 1032000, 1044000, 10020, 0, 1032000, 1032000, 1042020, 1980, 0, 'depleted', 1032000, 1980, 1042020),
	(3, 1044000, 1056000, 10500, 0, 1044010, 1044010, 1054500, 1500, 400, 'depleted', 1044000, 1990, 1042020),
	(4, 1056000, 1068000, 10000, 0, 1056000, 1056000, 1066000, 2000, 0, 'unknown', 1056000, 2000, 1066000),
	(5, 1068000, 1080000, 9990, 0, 1068000, 1068000, NULL, 0, 0, 'served', 1068000, 0, NULL),
	(6, 1080000, 1092000, NULL, NULL, 1080000, NULL, NULL, 0, 0, 'truncated', NULL, 0, NULL));
INSERT INTO supply VALUES(1, 3000000, 1010000, 1042010000), (1, 6000000, 4010000, 1039010000),
	(1, 12000000, 8010000, 1032010000), (1, 24000000, 18520000, 1020000000);
-- thread, start, end, kernel priority, end state, truncated
INSERT INTO slice
	SELECT column1, 0, column2 * 1000, column3 * 1000, column4, column5, 0, column6 FROM (VALUES
	(2, 1000000, 1002005, 39, 1, 1),
	(0, 1008000, 1018100, 49, 0, 0),
	(0, 1018600, 1019100, 120, 0, 0),
	(2, 1010100, 1020005, 39, 1, 0),
	(0, 1020000, 1026000, 49, 1, 0),
	(0, 1032000, 1042020, 49, 0, 0),
	(2, 1032100, 1042010, 39, 1, 0),
	(0, 1044010, 1054500, 49, 0, 0),
	(0, 1056000, 1066000, 49, 0, 0),
	(0, 1068000, 1077990, 49, 1, 0),
	(2, 1050100, 1092005, 39, 1, 0),
	(2, 1092100, 1100100, 39, 1, 0),
	(2, 1110100, 1119005, 39, 1, 0),
	(2, 1130100, 1140000, 39, 0, 0));
-- k, arrival, release, start, end (guest's clock: 500 ms less), execution, preemptions, outcome, cause, excused
INSERT INTO job(task, k, thread, arrival_ns, release_ns, start_ns, end_ns, deadline_ns,
	arrival_local_ns, release_local_ns, start_local_ns, end_local_ns, exec_ns, response_ns,
	preemptions, migrations, skipped, outcome, cause, excused, inferred, mark_begin_local_ns,
	mark_end_local_ns, cause_thread, unsure_ns)
	SELECT 1, column1, 2, column2 * 1000, column3 * 1000, column4 * 1000, column5 * 1000,
		(column2 + 20000) * 1000, (column2 - 500000) * 1000, (column3 - 500000) * 1000,
		(column4 - 500000) * 1000, (column5 - 500000) * 1000, column6 * 1000,
		(column5 - column2) * 1000, column7, 0, column11, column8, column9, column10, column12, NULL, NULL, NULL, 0
	FROM (VALUES
	(0, NULL, NULL, NULL, 1002000, NULL, 0, 'truncated', NULL, 0, 0, 0),
	(1, 1010000, 1010010, 1010100, 1020000, 8000, 0, 'met', NULL, 0, 0, 0),
	(2, 1030000, 1030012, 1032100, 1042000, 7900, 0, 'met', NULL, 0, 0, 0),
	(3, 1050000, 1050050, 1050100, 1075000, 8100, 1, 'missed', 'budget', 0, 0, 0),
	(4, 1070000, 1070020, 1075000, 1092000, 12000, 0, 'missed', 'overrun', 1, 0, 1),
	(5, 1090000, 1090010, 1092100, NULL, NULL, 0, 'unknown', NULL, 0, 0, 0),
	(6, 1110000, 1110011, 1110100, 1119000, 8000, 0, 'met', NULL, 0, 0, 0),
	(7, 1130000, 1130010, 1130100, NULL, 9900, 1, 'missed_incomplete', 'steal', 1, 0, 0),
	(8, 1190000, 1190010, NULL, NULL, NULL, 0, 'truncated', NULL, 0, 1, 0));
INSERT INTO checked VALUES
	(1, 'budget', 3, 2, 1, 500000, 1044000000, 250000),
	(1, 'carry_over', 1, 1, 0, 20000, 1032000000, 250000);
INSERT INTO violation VALUES(1, 'budget', 1044000000, 1056000000, 10500000, 10000000, 250000);
INSERT INTO blame VALUES
	(1, 3, 'release', 100000, NULL), (1, 3, 'exec', 8000000, NULL), (1, 3, 'overrun', 100000, NULL),
	(1, 3, 'budget', 10400000, NULL), (1, 3, 'interference', 6000000, 2), (1, 3, 'steal', 400000, NULL),
	(1, 4, 'release', 5000000, NULL), (1, 4, 'exec', 8000000, NULL), (1, 4, 'overrun', 4000000, NULL),
	(1, 4, 'budget', 5000000, NULL);
