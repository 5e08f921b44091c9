/* SPDX-License-Identifier: MIT */
#ifndef VMRT_PARSER_DB_COLUMNS_H
#define VMRT_PARSER_DB_COLUMNS_H

/*
 * Every column of run.db, once: name, kind, the rest of its declaration, and the value that is
 * written. The schema (schema.h), the rows (rundb-write.c), the checks on reading (query.c) and the
 * test of docs/run-db.md are made of this list.
 *
 * Kinds, with what is NULL:
 *   id        a row's number; never
 *   index     a row's number; VMRT_NONE
 *   number    never
 *   time      VMRT_UNKNOWN
 *   count     never; from 0
 *   optional  negative values
 *   positive  what is not above 0
 *   flag      never; 0 or 1
 *   text      never
 *   words     no text, and text of no length
 */

#define RUNDB_RUN(FIRST, NEXT)                                                                     \
	FIRST(name, text, " NOT NULL", exp && exp->name[0] ? exp->name : "unnamed")                \
	NEXT(vmrt_version, text, " NOT NULL", m ? m->vmrt_version : "unknown")                     \
	NEXT(recorded_at, words, "", m ? m->recorded_at : NULL)                                    \
	NEXT(hostname, words, "", m ? m->hostname : NULL)                                          \
	NEXT(command, words, "", m ? m->command : NULL)                                            \
	NEXT(command_status, optional, "", m ? m->command_status : -1)                             \
	NEXT(hsf, flag, " NOT NULL", m && m->hsf)                                                  \
	NEXT(tick_ns, positive, "", exp ? exp->tick_ns : 0)                                        \
	NEXT(start_ns, time, "", start_ns)                                                         \
	NEXT(end_ns, time, "", end_ns)                                                             \
	NEXT(experiment, words, "", experiment)                                                    \
	NEXT(uuid, words, "", uuid)

#define RUNDB_MACHINE(FIRST, NEXT)                                                                 \
	FIRST(id, id, " PRIMARY KEY", m->id)                                                       \
	NEXT(name, text, " NOT NULL UNIQUE", m->name)                                              \
	NEXT(kind, text, " NOT NULL", m->map ? "guest" : "host")                                   \
	NEXT(kernel, words, "", m->kernel)                                                         \
	NEXT(cpus, count, " NOT NULL", m->cpus)                                                    \
	NEXT(clock, words, "", m->clock)                                                           \
	NEXT(file, words, "", m->file)                                                             \
	NEXT(note, words, "", m->note)                                                             \
	NEXT(first_ns, time, "", s->first_ns)                                                      \
	NEXT(last_ns, time, "", s->last_ns)                                                        \
	NEXT(events, count, " NOT NULL", s->events)                                                \
	NEXT(lost, count, " NOT NULL", s->lost)                                                    \
	NEXT(broken_chains, count, " NOT NULL", s->broken_chains)                                  \
	NEXT(inferred_switches, count, " NOT NULL", s->inferred_switches)                          \
	NEXT(out_of_order, count, " NOT NULL", s->out_of_order)                                    \
	NEXT(inside, optional, "", m->map ? (int64_t)s->inside : -1)                               \
	NEXT(outside, optional, "", m->map ? (int64_t)s->outside : -1)                             \
	NEXT(contradictions, count, " NOT NULL DEFAULT 0", s->contradictions)

#define RUNDB_CLOCK(FIRST, NEXT)                                                                   \
	FIRST(machine, id, " NOT NULL REFERENCES machine(id)", machine)                            \
	NEXT(from_local_ns, time, "", s->from_local_ns)                                            \
	NEXT(to_local_ns, time, "", s->to_local_ns)                                                \
	NEXT(offset_ns, number, " NOT NULL", s->offset_ns)                                         \
	NEXT(rate_ppb, number, " NOT NULL", to_ppb(s->rate))                                       \
	NEXT(error_ns, time, "", s->error_ns)                                                      \
	NEXT(uppers, count, " NOT NULL", s->n_upper)                                               \
	NEXT(lowers, count, " NOT NULL", s->n_lower)                                               \
	NEXT(source, text, " NOT NULL", s->source)

#define RUNDB_EVENT(FIRST, NEXT)                                                                   \
	FIRST(machine, id, " NOT NULL REFERENCES machine(id)", machine)                            \
	NEXT(system, text, " NOT NULL", e->system)                                                 \
	NEXT(name, text, " NOT NULL", e->name)                                                     \
	NEXT(described, flag, " NOT NULL", e->described)                                           \
	NEXT(count, count, " NOT NULL", e->count)

#define RUNDB_NOTE(FIRST, NEXT)                                                                    \
	FIRST(about, text, " NOT NULL", about)                                                     \
	NEXT(name, text, " NOT NULL", name)                                                        \
	NEXT(words, text, " NOT NULL", words)

#define RUNDB_LOSS(FIRST, NEXT)                                                                    \
	FIRST(machine, id, " NOT NULL REFERENCES machine(id)", l->machine)                         \
	NEXT(cpu, id, " NOT NULL", l->cpu)                                                         \
	NEXT(from_ns, time, "", l->from_ns)                                                        \
	NEXT(to_ns, time, "", l->to_ns)                                                            \
	NEXT(events, positive, "", (int64_t)l->events)                                             \
	NEXT(kind, text, " NOT NULL", vmrt_loss_name(l->kind))

#define RUNDB_VM(FIRST, NEXT)                                                                      \
	FIRST(id, id, " PRIMARY KEY", id)                                                          \
	NEXT(name, text, " NOT NULL UNIQUE", name)                                                 \
	NEXT(machine, index, " REFERENCES machine(id)", machine)                                   \
	NEXT(pid, positive, "", info ? info->pid : 0)                                              \
	NEXT(hypervisor, words, "", info ? info->hypervisor : NULL)                                \
	NEXT(accel, words, "", info ? info->accel : NULL)

#define RUNDB_THREAD(FIRST, NEXT)                                                                  \
	FIRST(id, id, " PRIMARY KEY", t->id)                                                       \
	NEXT(machine, id, " NOT NULL REFERENCES machine(id)", t->machine)                          \
	NEXT(tid, number, " NOT NULL", t->tid)                                                     \
	NEXT(comm, text, " NOT NULL", t->comm)                                                     \
	NEXT(vm, index, " REFERENCES vm(id)", t->vm)                                               \
	NEXT(role, words, "",                                                                      \
		t->vm == VMRT_NONE ? NULL : vmrt_role_name((enum vmrt_thread_role)t->role))        \
	NEXT(vcpu, optional, "", t->vcpu)                                                          \
	NEXT(task, index, " REFERENCES task(id)", t->task)                                         \
	NEXT(policy, words, "", info ? vmrt_sched_name(info->policy) : NULL)                       \
	NEXT(priority, time, "", info ? info->priority : VMRT_UNKNOWN)

#define RUNDB_SERVER(FIRST, NEXT)                                                                  \
	FIRST(id, id, " PRIMARY KEY", s->id)                                                       \
	NEXT(name, text, " NOT NULL UNIQUE", s->name)                                              \
	NEXT(vm, index, " REFERENCES vm(id)", s->vm)                                               \
	NEXT(policy, text, " NOT NULL", vmrt_policy_name(s->policy))                               \
	NEXT(depletion, text, " NOT NULL", vmrt_depletion_name(s->depletion))                      \
	NEXT(period_ns, number, "", s->period_ns)                                                  \
	NEXT(budget_ns, number, "", s->budget_ns)                                                  \
	NEXT(priority, number, "", s->priority)                                                    \
	NEXT(phase_ns, time, "", s->phase_ns)                                                      \
	NEXT(enforced, flag, " NOT NULL", s->enforced)                                             \
	NEXT(phase_source, text, " NOT NULL", vmrt_phase_name(s->phase))                           \
	NEXT(vcpu, optional, "", s->vcpu)                                                          \
	NEXT(uncertain, flag, " NOT NULL DEFAULT 0", false)

#define RUNDB_SERVER_PERIOD(FIRST, NEXT)                                                           \
	FIRST(server, id, " NOT NULL REFERENCES server(id)", p->server)                            \
	NEXT(k, number, " NOT NULL", p->k)                                                         \
	NEXT(start_ns, number, " NOT NULL", p->start_ns)                                           \
	NEXT(end_ns, number, " NOT NULL", p->end_ns)                                               \
	NEXT(budget_ns, number, " NOT NULL", p->budget_ns)                                         \
	NEXT(consumed_ns, time, "", p->consumed_ns)                                                \
	NEXT(background_ns, time, "", p->background_ns)                                            \
	NEXT(replenished_ns, time, "", p->replenished_ns)                                          \
	NEXT(first_ns, time, "", p->first_ns)                                                      \
	NEXT(depleted_ns, time, "", p->depleted_ns)                                                \
	NEXT(waiting_ns, time, "", p->waiting_ns)                                                  \
	NEXT(steal_ns, number, " NOT NULL", p->steal_ns)                                           \
	NEXT(outcome, text, " NOT NULL", vmrt_period_name(p->outcome))                             \
	NEXT(wanted_ns, time, "", p->wanted_ns)                                                    \
	NEXT(blackout_ns, time, "", p->blackout_ns)                                                \
	NEXT(blackout_at_ns, time, "", p->blackout_at_ns)

#define RUNDB_VIOLATION(FIRST, NEXT)                                                               \
	FIRST(server, id, " NOT NULL REFERENCES server(id)", v->server)                            \
	NEXT(rule, text, " NOT NULL", vmrt_rule_name(v->rule))                                     \
	NEXT(from_ns, number, " NOT NULL", v->from_ns)                                             \
	NEXT(to_ns, number, " NOT NULL", v->to_ns)                                                 \
	NEXT(measured_ns, number, " NOT NULL", v->measured_ns)                                     \
	NEXT(allowed_ns, number, " NOT NULL", v->allowed_ns)                                       \
	NEXT(tolerance_ns, number, " NOT NULL", v->tolerance_ns)

#define RUNDB_CHECKED(FIRST, NEXT)                                                                 \
	FIRST(server, id, " NOT NULL REFERENCES server(id)", c->server)                            \
	NEXT(rule, text, " NOT NULL", vmrt_rule_name(c->rule))                                     \
	NEXT(judged, count, " NOT NULL", c->judged)                                                \
	NEXT(unknown, count, " NOT NULL", c->unknown)                                              \
	NEXT(violations, count, " NOT NULL", c->violations)                                        \
	NEXT(worst_ns, time, "", c->worst_ns)                                                      \
	NEXT(worst_at_ns, time, "", c->worst_at_ns)                                                \
	NEXT(tolerance_ns, number, " NOT NULL", c->tolerance_ns)

#define RUNDB_NATURAL(FIRST, NEXT)                                                                 \
	FIRST(vm, id, " PRIMARY KEY REFERENCES vm(id)", n->vm)                                     \
	NEXT(n, count, " NOT NULL", n->n)                                                          \
	NEXT(period_p10_ns, time, "", n->period_p10_ns)                                            \
	NEXT(period_p50_ns, time, "", n->period_p50_ns)                                            \
	NEXT(period_p90_ns, time, "", n->period_p90_ns)                                            \
	NEXT(supply_p10_ns, time, "", n->supply_p10_ns)                                            \
	NEXT(supply_p50_ns, time, "", n->supply_p50_ns)                                            \
	NEXT(supply_p90_ns, time, "", n->supply_p90_ns)

#define RUNDB_SUPPLY(FIRST, NEXT)                                                                  \
	FIRST(server, id, " NOT NULL REFERENCES server(id)", p->server)                            \
	NEXT(length_ns, number, " NOT NULL", p->length_ns)                                         \
	NEXT(least_ns, number, " NOT NULL", p->least_ns)                                           \
	NEXT(at_ns, number, " NOT NULL", p->at_ns)

#define RUNDB_SLICE(FIRST, NEXT)                                                                   \
	FIRST(thread, id, " NOT NULL REFERENCES thread(id)", s->thread)                            \
	NEXT(cpu, id, " NOT NULL", s->cpu)                                                         \
	NEXT(start_ns, number, " NOT NULL", s->start_ns)                                           \
	NEXT(end_ns, number, " NOT NULL", s->end_ns)                                               \
	NEXT(prio, number, " NOT NULL", s->prio)                                                   \
	NEXT(end_state, number, " NOT NULL", s->end_state)                                         \
	NEXT(uncertainty_ns, number, " NOT NULL", s->uncertainty_ns)                               \
	NEXT(truncated, flag, " NOT NULL", s->truncated)

#define RUNDB_TASK(FIRST, NEXT)                                                                    \
	FIRST(id, id, " PRIMARY KEY", id)                                                          \
	NEXT(machine, index, " REFERENCES machine(id)", machine)                                   \
	NEXT(machine_name, text, " NOT NULL", t->machine)                                          \
	NEXT(name, text, " NOT NULL", t->name)                                                     \
	NEXT(period_ns, positive, "", t->period_ns)                                                \
	NEXT(wcet_ns, positive, "", t->wcet_ns)                                                    \
	NEXT(deadline_ns, positive, "", t->deadline_ns)                                            \
	NEXT(priority, number, " NOT NULL", t->priority)                                           \
	NEXT(mechanism, words, "",                                                                 \
		release != VMRT_RELEASE_AUTO ? vmrt_release_name(release) : NULL)                  \
	NEXT(measured_period_ns, time, "", measured)                                               \
	NEXT(missing, count, " NOT NULL DEFAULT 0", found.missing)                                 \
	NEXT(uncertain, flag, " NOT NULL DEFAULT 0", false)

#define RUNDB_JOB(FIRST, NEXT)                                                                     \
	FIRST(task, id, " NOT NULL REFERENCES task(id)", j->task)                                  \
	NEXT(k, number, " NOT NULL", j->k)                                                         \
	NEXT(thread, index, " REFERENCES thread(id)", j->thread)                                   \
	NEXT(arrival_ns, time, "", j->arrival_ns)                                                  \
	NEXT(release_ns, time, "", j->release_ns)                                                  \
	NEXT(start_ns, time, "", j->start_ns)                                                      \
	NEXT(end_ns, time, "", j->end_ns)                                                          \
	NEXT(deadline_ns, time, "", j->deadline_ns)                                                \
	NEXT(arrival_local_ns, time, "", j->arrival_local_ns)                                      \
	NEXT(release_local_ns, time, "", j->release_local_ns)                                      \
	NEXT(start_local_ns, time, "", j->start_local_ns)                                          \
	NEXT(end_local_ns, time, "", j->end_local_ns)                                              \
	NEXT(exec_ns, time, "", j->exec_ns)                                                        \
	NEXT(response_ns, time, "", j->response_ns)                                                \
	NEXT(preemptions, count, " NOT NULL", j->preemptions)                                      \
	NEXT(migrations, count, " NOT NULL", j->migrations)                                        \
	NEXT(skipped, count, " NOT NULL", j->skipped + j->skipped_behind)                          \
	NEXT(outcome, text, " NOT NULL", vmrt_outcome_name(j->outcome))                            \
	NEXT(cause, words, "", j->cause < 0 ? NULL : vmrt_blame_name((enum vmrt_blame)j->cause))   \
	NEXT(excused, flag, " NOT NULL", j->excused)                                               \
	NEXT(inferred, flag, " NOT NULL", j->inferred)                                             \
	NEXT(mark_begin_local_ns, time, "", j->mark_begin_local_ns)                                \
	NEXT(mark_end_local_ns, time, "", j->mark_end_local_ns)                                    \
	NEXT(cause_thread, index, " REFERENCES thread(id)",                                        \
		j->cause < 0 ? VMRT_NONE : vmrt_job_blamed(j, (enum vmrt_blame)j->cause))          \
	NEXT(unsure_ns, time, "", j->unsure_ns)                                                    \
	NEXT(woken_by, words, "", j->woken_by)

#define RUNDB_BLAME(FIRST, NEXT)                                                                   \
	FIRST(task, id, " NOT NULL", j->task)                                                      \
	NEXT(k, number, " NOT NULL", j->k)                                                         \
	NEXT(part, text, " NOT NULL", vmrt_blame_name(part))                                       \
	NEXT(ns, number, " NOT NULL", j->blame_ns[part])                                           \
	NEXT(thread, index, " REFERENCES thread(id)", vmrt_job_blamed(j, part))

#define RUNDB_BLAME_THREAD(FIRST, NEXT)                                                            \
	FIRST(task, id, " NOT NULL", j->task)                                                      \
	NEXT(k, number, " NOT NULL", j->k)                                                         \
	NEXT(part, text, " NOT NULL", vmrt_blame_name(by->part))                                   \
	NEXT(thread, id, " NOT NULL REFERENCES thread(id)", by->thread)                            \
	NEXT(ns, number, " NOT NULL", by->ns)

/* All tables, in the order of the schema: name in the code, name in SQL, the text behind its
 * columns. */
#define RUNDB_TABLE_LIST(X)                                                                        \
	X(RUN, run, ")")                                                                           \
	X(MACHINE, machine, ")")                                                                   \
	X(CLOCK, clock, ")")                                                                       \
	X(EVENT, event, ", PRIMARY KEY(machine, system, name)) WITHOUT ROWID")                     \
	X(NOTE, note, ")")                                                                         \
	X(LOSS, loss, ")")                                                                         \
	X(VM, vm, ")")                                                                             \
	X(THREAD, thread, ")")                                                                     \
	X(SERVER, server, ")")                                                                     \
	X(SERVER_PERIOD, server_period, ", PRIMARY KEY(server, k)) WITHOUT ROWID")                 \
	X(VIOLATION, violation, ")")                                                               \
	X(CHECKED, checked, ", PRIMARY KEY(server, rule)) WITHOUT ROWID")                          \
	X(NATURAL, natural, ")")                                                                   \
	X(SUPPLY, supply, ", PRIMARY KEY(server, length_ns)) WITHOUT ROWID")                       \
	X(SLICE, slice, ")")                                                                       \
	X(TASK, task, ", UNIQUE(machine_name, name))")                                             \
	X(JOB, job, ", PRIMARY KEY(task, k)) WITHOUT ROWID")                                       \
	X(BLAME, blame, ", PRIMARY KEY(task, k, part)) WITHOUT ROWID")                             \
	X(BLAME_THREAD, blame_thread, ", PRIMARY KEY(task, k, part, thread)) WITHOUT ROWID")

#endif
