/* SPDX-License-Identifier: MIT */
#include "screen.h"

#include <curses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vmrt/files.h>

#define TALK_MAX 65536 /* bytes of stderr that are kept */

enum { PAIR_BAR = 1, PAIR_MISS, PAIR_DEPLETED };

static SCREEN *terminal;
static bool colors;
static int true_stderr = -1, kept_stderr = -1;

/* A crash must not leave a terminal that shows nothing of what one types. */
static void on_crash(int sig)
{
	endwin();
	if (true_stderr >= 0)
		dup2(true_stderr, STDERR_FILENO);
	raise(sig);
}

static void catch_crashes(void)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
	struct sigaction act = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &act, NULL);
}

/* Messages would tear the screen: they go to a memory file until it is closed. */
static void keep_stderr(void)
{
	kept_stderr = memfd_create("vmrt-top", MFD_CLOEXEC);
	true_stderr = dup(STDERR_FILENO);
	if (kept_stderr < 0 || true_stderr < 0)
		return;
	fflush(stderr);
	dup2(kept_stderr, STDERR_FILENO);
}

static void give_stderr_back(void)
{
	static char talk[TALK_MAX];
	ssize_t n;

	if (kept_stderr < 0 || true_stderr < 0)
		return;
	fflush(stderr);
	dup2(true_stderr, STDERR_FILENO);
	n = pread(kept_stderr, talk, sizeof(talk), 0);
	if (n > 0)
		(void)vmrt_write_all(STDERR_FILENO, talk, (size_t)n);
	close(kept_stderr);
	close(true_stderr);
	kept_stderr = true_stderr = -1;
}

/* Blue and orange stay apart for those who cannot tell red from green. */
static void set_colors(void)
{
	colors = has_colors() && start_color() == OK;
	if (!colors)
		return;
	use_default_colors();
	init_pair(PAIR_BAR, COLORS >= 256 ? 33 : COLOR_CYAN, -1);
	init_pair(PAIR_MISS, COLORS >= 256 ? 208 : COLOR_YELLOW, -1);
	init_pair(PAIR_DEPLETED, COLORS >= 256 ? 214 : COLOR_YELLOW, -1);
}

enum vmrt_status top_terminal_open(bool color, struct vmrt_error *err)
{
	const char *type = getenv("TERM");

	if (!type || !*type)
		return vmrt_fail(err, VMRT_EUNSUPPORTED, "TERM is not set: set it, or use --batch");
	terminal = newterm(type, stdout, stdin);
	if (!terminal)
		return vmrt_fail(err, VMRT_EUNSUPPORTED,
			"the terminal type TERM=%s is not known here: set another one, or use "
			"--batch",
			type);
	set_term(terminal);
	atexit(top_terminal_close);
	catch_crashes();
	keep_stderr();
	if (color)
		set_colors();
	set_escdelay(25);
	cbreak();
	noecho();
	nonl();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	return VMRT_OK;
}

void top_terminal_size(int *width, int *height)
{
	getmaxyx(stdscr, *height, *width);
}

static attr_t look_of(enum top_attr attr, short *pair)
{
	*pair = 0;
	switch (attr) {
	case TOP_TITLE:
	case TOP_HEAD:
		return A_BOLD;
	case TOP_DIM:
		return A_DIM;
	case TOP_BAR:
		*pair = PAIR_BAR;
		return A_NORMAL;
	case TOP_MISS:
		*pair = PAIR_MISS;
		return A_BOLD;
	case TOP_DEPLETED:
		*pair = PAIR_DEPLETED;
		return A_NORMAL;
	case TOP_LOSS:
	case TOP_PAUSED:
		return A_REVERSE | A_BOLD;
	default:
		return A_NORMAL;
	}
}

void top_terminal_draw(const struct top_screen *screen)
{
	erase();
	for (size_t i = 0; i < screen->n; i++) {
		const struct top_span *s = &screen->spans[i];
		short pair;
		attr_t attr = look_of(s->attr, &pair);

		attr_set(attr, colors ? pair : 0, NULL);
		mvaddstr(s->y, s->x, s->text);
	}
	attr_set(A_NORMAL, 0, NULL);
	refresh();
}

/* ncurses' number of a key in the words of the key table. */
static const char *word_for_key(int key, char *buf)
{
	switch (key) {
	case ' ':
		return "Space";
	case KEY_UP:
		return "Up";
	case KEY_DOWN:
		return "Down";
	case KEY_PPAGE:
		return "PgUp";
	case KEY_NPAGE:
		return "PgDn";
	case KEY_HOME:
		return "Home";
	case KEY_END:
		return "End";
	case KEY_F(1):
		return "F1";
	case KEY_F(10):
		return "F10";
	default:
		buf[0] = key > ' ' && key <= '~' ? (char)key : '\0';
		buf[1] = '\0';
		return buf;
	}
}

bool top_terminal_key(enum top_action *action, bool *resized)
{
	char buf[2];
	int key = getch();

	if (key == ERR)
		return false;
	*resized |= key == KEY_RESIZE;
	*action = top_key_action(word_for_key(key, buf));
	return true;
}

void top_terminal_close(void)
{
	if (!terminal)
		return;
	endwin();
	delscreen(terminal);
	terminal = NULL;
	give_stderr_back();
}
