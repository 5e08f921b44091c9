/* SPDX-License-Identifier: MIT */
#ifndef VMRT_UNITS_H
#define VMRT_UNITS_H

/* Times are int64_t nanoseconds everywhere, sizes uint64_t bytes. */

#include <stdint.h>
#include <stddef.h>

#include <vmrt/status.h>

#define VMRT_NS_PER_US INT64_C(1000)
#define VMRT_NS_PER_MS INT64_C(1000000)
#define VMRT_NS_PER_S INT64_C(1000000000)

/* A time or a duration that is not known. Never a valid measurement. */
#define VMRT_UNKNOWN INT64_MIN

/**
 * vmrt_parse_duration - read a duration such as `12ms`, `1.5s`, `250 us`, `3tick` or `0`
 * @text: the words; a number with a unit of ns us ms s tick (a plain 0 needs no unit)
 * @tick_ns: length of a tick in ns, or 0 if `tick` is not allowed here
 * @out: the duration in ns, >= 0
 *
 * Return: VMRT_OK; VMRT_EINVAL if it is not a duration, VMRT_ERANGE if it does not fit 64 bits.
 */
enum vmrt_status vmrt_parse_duration(const char *text, int64_t tick_ns, int64_t *out);

/**
 * vmrt_parse_size - read a size such as `8MiB`, `64k`, `1G` or `4096`
 * @out: bytes; the suffixes k M G T, with or without `iB`, are powers of 1024
 *
 * Return: VMRT_OK, VMRT_EINVAL or VMRT_ERANGE.
 */
enum vmrt_status vmrt_parse_size(const char *text, uint64_t *out);

/**
 * vmrt_parse_int - read a whole decimal number within [@min, @max], nothing behind it
 *
 * Return: VMRT_OK, VMRT_EINVAL or VMRT_ERANGE.
 */
enum vmrt_status vmrt_parse_int(const char *text, int64_t min, int64_t max, int64_t *out);

/* Room for the longest text of the two functions below. */
#define VMRT_UNITS_TEXT 32

/**
 * vmrt_format_duration - a duration for people, e.g. "12 ms", "8.25 ms", "310 us"; "-" if unknown
 * @buf: at least VMRT_UNITS_TEXT bytes
 *
 * Return: @buf.
 */
const char *vmrt_format_duration(int64_t ns, char *buf);

/** vmrt_format_ms - @ns as milliseconds with @decimals digits, "-" if VMRT_UNKNOWN; returns @buf */
const char *vmrt_format_ms(int64_t ns, int decimals, char *buf);

/** vmrt_now_ns - CLOCK_MONOTONIC now, in ns */
int64_t vmrt_now_ns(void);

/** vmrt_tsc - the processor's time-stamp counter, or 0 where there is none */
uint64_t vmrt_tsc(void);

#endif
