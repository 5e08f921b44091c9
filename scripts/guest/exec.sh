#!/bin/busybox sh
# shellcheck shell=dash
# usage: vmrt-exec OUT ERR
#
# Runs commands for `scripts/vm exec`, one at a time. OUT and ERR are virtio-serial ports. A request is
# a line on OUT, "TOKEN COMMAND" with the command in base64. Both ports then carry "TOKEN begin", what
# the command prints on stdout (OUT) and stderr (ERR), and "TOKEN end STATUS". The host chooses the
# token anew for every request, and so recognizes what a request that nobody waited for left behind.
#
# "cancel" ends the running command. So does a new request: the host sends one at a time, therefore
# the one who asked for the running command is gone.

running=

# What a finished command has left running in the background is meant to stay.
is_running() {
	local state
	[ "$running" ] && read -r _ _ state _ 2>/dev/null <"/proc/$running/stat" && [ "$state" != Z ]
}

end_running() {
	local left=20
	is_running || return
	kill -TERM -- "-$running" 2>/dev/null
	# A workload writes its log when it is asked to end; but the next request must not wait for ever.
	while [ $left -gt 0 ] && kill -0 -- "-$running" 2>/dev/null; do
		sleep 0.1
		left=$((left - 1))
	done
	kill -KILL -- "-$running" 2>/dev/null
	wait "$running" 2>/dev/null
	running=
}

if [ "$1" = --run ]; then # in a session of its own: TOKEN COMMAND, stdout and stderr are the ports
	echo "$2 begin"
	echo "$2 begin" >&2
	sh -c "$(echo "$3" | base64 -d)" </dev/null
	status=$?
	echo "$2 end $status"
	echo "$2 end $status" >&2
	exit
fi

exec 3<>"$1" 4>"$2"
while read -r token command <&3; do
	end_running
	case $token in
	cancel | "") continue ;;
	esac
	setsid vmrt-exec --run "$token" "$command" </dev/null >&3 2>&4 3<&- 4>&- &
	running=$!
done
