#!/usr/bin/env tclsh
# SPDX-License-Identifier: MIT
# grasp-lint.tcl FILE...: a strict reader of the Grasp traces that vmrt-export writes.
#
# A trace is a Tcl script. It is run here in an interpreter that knows nothing but the trace's commands, each
# of which checks what the player would take in silence. Prints one line per fault; exit status 1 if there is one.

set faults 0
proc fault {text} {
	global faults file
	incr faults
	puts "$file: $text"
}

proc reset {} {
	foreach v {task server job cpu priority model state} {
		upvar #0 $v array
		array unset array
		array set array {}
	}
	set ::ids {}
	set ::last -1
	set ::end ""
	set ::events 0
	set ::ended 0
}

proc is_name {text} {
	return [regexp {^[A-Za-z0-9 _.,:/@+=<>()#~-]+$} $text]
}

proc is_color {text} {
	return [regexp {^(#[0-9A-F]{6}|red|black)$} $text]
}

proc new_id {id pattern} {
	if {![regexp $pattern $id]} { fault "id '$id' is not like $pattern" }
	if {$id in $::ids} { fault "id '$id' is declared twice" }
	lappend ::ids $id
}

proc options {what args allowed} {
	if {[llength $args] % 2} { fault "$what: an option without value in '$args'" }
	foreach {key value} $args {
		if {$key ni $allowed} { fault "$what: unknown option '$key'" }
		switch -- $key {
			-name { if {![is_name $value]} { fault "$what: name '$value' is not safe" } }
			-color - -arrowColor { if {![is_color $value]} { fault "$what: color '$value'" } }
			-priority { if {![string is integer -strict $value]} { fault "$what: priority '$value'" } }
			-processor { if {![info exists ::cpu($value)]} { fault "$what: no processor '$value'" } }
		}
	}
}

proc need {what args keys} {
	foreach key $keys {
		if {![dict exists $args $key]} { fault "$what: $key is missing" }
	}
	if {[array size ::cpu] && ![dict exists $args -processor]} { fault "$what: -processor is missing" }
	if {[dict exists $args -priority]} {
		set p "[lindex $what 0] [dict get $args -priority]"
		if {[info exists ::priority($p)]} { fault "$what: priority is also that of $::priority($p)" }
		set ::priority($p) $what
	}
}

proc newProcessor {id args} {
	new_id $id {^cpu[0-9]+$}
	options "newProcessor $id" $args {-name}
	if {[array size ::task] || [array size ::server]} { fault "processor $id comes after tasks" }
	set ::cpu($id) 1
}

proc newTask {id args} {
	new_id $id [expr {[array size ::cpu] ? {^t[0-9]+c[0-9]+$} : {^t[0-9]+$}}]
	options "task $id" $args {-name -priority -color -processor}
	need "task $id" $args {-name -priority -color}
	set ::task($id) [expr {[dict exists $args -processor] ? [dict get $args -processor] : ""}]
}

proc newServer {id args} {
	new_id $id {^s[0-9]+$}
	options "server $id" $args {-name -priority -color -capacity -budget -processor}
	need "server $id" $args {-name -priority -color -capacity -budget}
	set capacity [dict get $args -capacity]
	if {![string is integer -strict $capacity] || $capacity < 1} { fault "server $id: capacity $capacity" }
	if {[dict get $args -budget] ne $capacity} { fault "server $id: budget is not the capacity" }
	set ::server($id) $capacity
	set ::model($id) [list $capacity 0 0]
}

proc new_job {id task} {
	if {![info exists ::task($task)]} { fault "job $id: there is no task $task"; return }
	if {[string range $id 0 [string last . $id]-1] ne $task} { fault "job $id is not of task $task" }
	if {![regexp {\.[0-9]+$} $id]} { fault "job id $id" }
	if {[info exists ::job($id)]} { fault "job $id is made twice" }
	set ::job($id) idle
	set ::state($id) -1
}

proc newJob {id task args} {
	options "job $id" $args {}
	new_job $id $task
}

# Jobs may be made by their first jobResumed.
proc job_event {time event id} {
	if {![info exists ::job($id)]} {
		if {$event ne "jobResumed"} { fault "$event of job $id, which is not known"; return }
		new_job $id [string range $id 0 [string last . $id]-1]
		if {![info exists ::job($id)]} return
	}
	if {$time < $::state($id)} { fault "job $id: $event at $time is earlier than the event before" }
	set ::state($id) $time
	set from $::job($id)
	switch -- $event {
		jobResumed {
			if {$from eq "running"} { fault "job $id is resumed twice, at $time" }
			if {$from eq "completed"} { fault "job $id is resumed after its completion, at $time" }
			set ::job($id) running
		}
		jobPreempted {
			if {$from ne "running"} { fault "job $id is preempted but does not run, at $time" }
			set ::job($id) preempted
		}
		jobCompleted {
			if {$from eq "completed"} { fault "job $id completes twice, at $time" }
			set ::job($id) completed
		}
	}
}

# The player's own arithmetic: whole units, falling by one per unit and consumer.
proc server_event {time event id {budget ""}} {
	if {![info exists ::server($id)]} { fault "$event: there is no server $id"; return }
	if {![regexp {^[0-9]+$} $time]} { fault "server $id: $event at $time, not a whole unit"; return }
	lassign $::model($id) left last consumers
	if {$time < $last} { fault "server $id: $event at $time is earlier than the event before" }
	set left [expr {$left - ($time - $last) * $consumers}]
	if {$left < 0} { fault "server $id: the budget is $left at $time" }
	switch -- $event {
		serverReplenished {
			if {![regexp {^(0|[1-9][0-9]*)$} $budget]} { fault "server $id: budget '$budget' at $time" }
			if {$budget > $::server($id)} { fault "server $id: budget $budget is above the capacity" }
			set left $budget
		}
		serverDepleted { set left 0 }
		serverResumed { incr consumers }
		serverPreempted {
			incr consumers -1
			if {$consumers < 0} { fault "server $id is preempted but not resumed, at $time" }
		}
	}
	set ::model($id) [list $left $time $consumers]
}

proc check_time {time event} {
	if {![regexp {^(0|[1-9][0-9]*)(\.[0-9]{1,3})?$} $time]} { fault "$event: bad time '$time'"; return 0 }
	if {$::ended && $event ne "nop"} { fault "$event after the end" }
	if {$time > 10000} { fault "$event at $time: the axis is longer than 10000 units" }
	if {$::last > $time} { fault "$event at $time comes after an event at $::last" }
	set ::last $time
	incr ::events
	return 1
}

proc event {routed time event args} {
	if {![check_time $time $event]} return
	set several [array size ::cpu]
	set unrouted [expr {$event in {jobDeadline message nop}}]
	if {$several && $unrouted && $routed eq ""} { fault "$event at $time is not sent to a processor" }
	if {$routed ne "" && (!$several || !$unrouted)} { fault "$event at $time must be a plot" }
	switch -- $event {
		jobArrived {
			if {[llength $args] != 2} { fault "jobArrived at $time: $args" }
			new_job {*}[lrange $args 0 1]
			set ::state([lindex $args 0]) $time
		}
		jobResumed - jobPreempted - jobCompleted {
			if {[llength $args] != 1} { fault "$event at $time: $args" }
			job_event $time $event [lindex $args 0]
		}
		jobDeadline {
			set id [lindex $args 0]
			if {![info exists ::job($id)]} {
				fault "deadline of job $id, which is not known"
			} elseif {$routed ne "" && $::task([string range $id 0 [string last . $id]-1]) ne $routed} {
				fault "deadline of job $id goes to $routed"
			}
			options "jobDeadline $id" [lrange $args 1 end] {-arrowColor}
		}
		serverReplenished - serverDepleted - serverResumed - serverPreempted {
			server_event $time $event {*}$args
		}
		message {
			if {![is_name [lindex $args 0]]} { fault "message '[lindex $args 0]' is not safe" }
			if {[lrange $args 1 end] ne {-color red -shape cross}} { fault "message: $args" }
		}
		nop {
			if {![regexp {^[0-9]+$} $time] || [llength $args]} { fault "nop at $time $args" }
			set ::ended 1
		}
		default { fault "unknown event $event" }
	}
}

proc plot {args} { event "" {*}$args }

proc plotForProcessor {id} {
	if {![info exists ::cpu($id)]} { fault "there is no processor $id" }
	return "on $id"
}

# [plotForProcessor cpu0] event T ...: the command's first word is what plotForProcessor gave
proc on_processor {word id rest} {
	if {[lindex $rest 0] ne "event"} { fault "[lindex $rest 0] of a processor" }
	event $id {*}[lrange $rest 1 end]
}

proc finish {} {
	if {!$::ended} { fault "the last event is no nop" }
	if {$::events > $::limit} { fault "$::events events, more than $::limit" }
	foreach id [array names ::server] {
		if {[lindex $::model($id) 2] != 0} { fault "server $id: [lindex $::model($id) 2] resumed at the end" }
	}
	foreach id [array names ::job] {
		if {$::job($id) eq "running"} { fault "job $id is still running at the end" }
	}
}

proc lint {path} {
	global file
	set file $path
	reset
	set f [open $path]
	fconfigure $f -encoding binary -translation binary
	set script [read $f]
	close $f
	if {[regexp {[^\n -~]} $script]} { fault "not plain ASCII" }
	if {![regexp -line {^# 1 unit is [0-9.]+ (ns|us|ms|s); [0-9]+ units} $script]} { fault "no unit in the header" }
	set box [interp create]
	foreach c {newTask newServer newProcessor newJob plot plotForProcessor} {
		$box alias $c $c
	}
	# nothing else may be called, not even what Tcl is made of
	$box eval {
		proc unknown {word args} {
			if {[regexp {^on (cpu[0-9]+)$} $word - id]} { return [__on $word $id $args] }
			error "unknown command '$word'"
		}
	}
	$box alias __on on_processor
	set keep {newTask newServer newProcessor newJob plot plotForProcessor unknown __on}
	# `unknown` itself needs these
	lappend keep if regexp return error
	foreach c [$box eval {info commands}] {
		if {$c ni $keep} { $box hide $c }
	}
	if {[regexp -line {^\s*(if|regexp|return|error|unknown|__on|on) } $script]} { fault "Tcl code" }
	if {[catch {$box eval $script} message]} { fault $message }
	interp delete $box
	finish
}

set limit 10000
foreach path $argv { lint $path }
exit [expr {$faults > 0}]
