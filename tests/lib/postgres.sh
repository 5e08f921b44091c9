# shellcheck shell=bash
# A PostgreSQL server of a test's own, in a folder, on a socket there, as a user without privileges; sourced.

# postgres_start FOLDER: starts it; the user "tester" has the password "s3cret-Word" and needs it. Sets uri (without the password),
# as_postgres (what to run as the server's user) and PGPASSFILE; prints why not and returns 1 where that is impossible.
postgres_start() {
	local bin
	bin=$(find /usr/lib/postgresql -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
	[ -x "${bin:-}/initdb" ] || { echo "no PostgreSQL server is installed (scripts/setup --tests)"; return 1; }
	pg_folder=$1 pg_bin=$bin as_postgres=()
	if [ "$(id -u)" = 0 ]; then
		id postgres >/dev/null 2>&1 || { echo "there is no user postgres"; return 1; }
		as_postgres=(setpriv --reuid postgres --regid postgres --clear-groups env HOME="$pg_folder")
	fi
	mkdir -p "$pg_folder" && chmod 755 "$pg_folder"
	echo s3cret-Word >"$pg_folder/password"
	[ "$(id -u)" != 0 ] || chown -R postgres "$pg_folder"
	"${as_postgres[@]}" "$bin/initdb" -D "$pg_folder/data" -U tester -A scram-sha-256 --pwfile="$pg_folder/password" \
		--no-sync --locale=C -E UTF8 >"$pg_folder.log" 2>&1 || { echo "initdb failed: $(tail -n 1 "$pg_folder.log")"; return 1; }
	"${as_postgres[@]}" "$bin/pg_ctl" -D "$pg_folder/data" -w -t 60 -l "$pg_folder/data/log" \
		-o "-k $pg_folder -c listen_addresses='' -c fsync=${PG_FSYNC:-off} -c shared_buffers=64MB" start >"$pg_folder.log" 2>&1 ||
		{ echo "the server did not start: $(tail -n 1 "$pg_folder.log")"; return 1; }
	uri="postgresql://tester@/postgres?host=$pg_folder"
	PGPASSFILE=$pg_folder.pass
	(umask 077 && echo "*:*:*:tester:s3cret-Word" >"$PGPASSFILE")
	export PGPASSFILE
	unset PGHOST PGPORT PGUSER PGDATABASE PGPASSWORD PGSERVICE PGSERVICEFILE
}

postgres_stop() {
	[ -z "${pg_bin:-}" ] || "${as_postgres[@]}" "$pg_bin/pg_ctl" -D "$pg_folder/data" -m immediate -w stop >/dev/null 2>&1
}

# sql QUERY: what the server answers, columns with '|' between them
sql() { psql -XAtq -v ON_ERROR_STOP=1 "$uri" -c "$1"; }
