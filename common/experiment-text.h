/* SPDX-License-Identifier: MIT */
#ifndef VMRT_COMMON_EXPERIMENT_TEXT_H
#define VMRT_COMMON_EXPERIMENT_TEXT_H

/* How names are written in an experiment file: section headers, quotes and escapes. */

#include <stdbool.h>
#include <stddef.h>

/**
 * experiment_header - the text between the brackets of a section header
 * @line: the line, which begins with '['
 * @n: its length
 * @out: what stands between the brackets, with its quotes and escapes
 *
 * A ']' ends the header if nothing but blanks or a comment follows, and it is neither quoted nor
 * escaped.
 *
 * Return: NULL, or what is wrong with the header.
 */
const char *experiment_header(const char *line, size_t n, char *out, size_t room);

/**
 * experiment_word - read one name, which may be quoted or have escaped characters
 * @at: where the name begins; moved behind the name
 * @stop: the character that ends a name which is not quoted; '\0': the end of the text
 * @out: the name without quotes and escapes
 *
 * Return: NULL, or what is wrong with the name.
 */
const char *experiment_word(const char **at, char stop, char *out, size_t room);

/**
 * experiment_value - read a value in quotes
 * @text: begins with '"'
 * @n: length of the line from there on
 *
 * Return: NULL, or what is wrong with the value.
 */
const char *experiment_value(const char *text, size_t n, char *out, size_t room);

/** experiment_name_is_sane - is @name not empty, shorter than @room, and printable UTF-8? */
bool experiment_name_is_sane(const char *name, size_t room);

#endif
